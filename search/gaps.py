"""A gap between what others have seen of the logs and what restored records hold: explained by the operator,
approved by an officer, signed, and gone on from (docs/adr/0020).
"""

from __future__ import annotations

import hashlib
import json
import secrets
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import RowMapping, select, update

from archiver.capture.ids import new_id
from archiver.clock import from_us, rfc3339, to_us
from archiver.errors import ArchiverError, NotFound
from archiver.ledger import canonical, log
from archiver.ledger.log import Log
from archiver.ledger.note import b64encode
from archiver.sealed_fields import SealedFields
from archiver.store import dialect, durable
from archiver.store.schema import ledger_gaps, ledger_generations
from archiver.vault import Vault
from archiver.witnessing import heads, statement
from archiver.witnessing.heads import Head
from config.errors import HoldfastError
from search.access import Action, Actor, Gate
from search.actors import OPERATOR
from search.approving.approvals import Approvals
from search.approving.kept import Signed

EXPLAIN: Final = "ledger.explain_gap"
LONGEST_REASON: Final = 2_000
FOLDER: Final = "gaps"
APPROVE: Final = "ledger.approve_gap"
LIFE: Final = timedelta(days=30)
"""An officer may be away; what they sign is compared with what is known when they do, whenever that is."""


class NoGap(ArchiverError):
    """There is nothing to explain, or it isn't what was explained."""

    code = "no_gap"
    exit_code = 3
    http_status = 409
    audit_code = "no_gap"


class Gaps:
    """Explanations of gaps in one archive's logs."""

    def __init__(self, vault: Vault, gate: Gate, approvals: Approvals) -> None:
        self._vault = vault
        self._gate = gate
        self._approvals = approvals
        approvals.doers[APPROVE] = lambda actor, asked, signed: self.approve(actor, asked.about_id, signed)
        self._fields = SealedFields(vault)

    def status(self) -> dict[str, Any]:
        """How the logs stand, who has seen them, and what waits for an officer. No word of any mail."""
        vault, out = self._vault, self._vault.witnessing
        with vault.records.read() as connection:
            sizes = {which: log.state(connection, which).size for which in Log}
            waiting = connection.execute(
                select(ledger_gaps).where(ledger_gaps.c.decided_us.is_(None)).order_by(ledger_gaps.c.asked_us)
            ).mappings()
            explanations = [_shown(row) for row in waiting]
        return {
            "read_only": vault.standing.closed,
            "found": list(vault.standing.found),
            "logs": [
                {
                    "log": which.folder,
                    "origin": vault.publisher.origin(which),
                    "generation": vault.publisher.generation(which),
                    "entries": sizes[which],
                    "vkey": vault.publisher.signer(which).verifier.vkey,
                    "cosigned": {
                        client.name: out.history.last_cosigned(
                            which, vault.publisher.generation(which), client.name
                        )
                        or 0
                        for client in out.clients
                    },
                    "unseen_since": {
                        client.name: _time(out.unseen_since(client, which)) for client in out.clients
                    },
                }
                for which in Log
            ],
            "watchers": [
                {
                    "name": watcher.name,
                    "ok_at": _time(watcher.ok_us),
                    "failing_since": _time(watcher.failing_us),
                    "failure": watcher.failure,
                }
                for watcher in out.watchers.all()
            ],
            "explanations": explanations,
        }

    def seen(self, actor: Actor) -> dict[str, Any]:
        """`status` for somebody signed in, on record."""
        self._gate.require(actor, Action.LEDGER_READ)
        self._gate.record(actor, "ledger.status", "success")
        return self.status()

    def explain(self, reason: str, by: dict[str, Any]) -> dict[str, Any]:
        """Write down why others have seen more, for an officer to approve. Durable on return.

        `by` tells of the operator and is sealed with the reason. Raises NoGap where nothing was found.
        """
        found = self._vault.witnessing.found
        reason = reason.strip()
        if not found:
            self._failed_to_explain("no_gap")
            raise NoGap("there is no gap: nobody has seen more of the logs than the records hold")
        if not reason or len(reason) > LONGEST_REASON:
            self._failed_to_explain("reason")
            raise NoGap(
                f"a reason is needed, of at most {LONGEST_REASON} characters: what was restored, and why"
            )
        gap_id = new_id("z")
        now = to_us(self._vault.clock.now())
        document = {
            which.folder: [heads.to_json(head) for head in found if head.which == which]
            for which in Log
            if any(head.which == which for head in found)
        }
        salt = secrets.token_hex(16)
        with self._vault.records.write() as connection:
            connection.execute(
                ledger_gaps.insert().values(
                    id=gap_id,
                    heads=json.dumps(document, sort_keys=True).encode(),
                    sealed=self._fields.seal(gap_id, {"reason": reason, "salt": salt, "by": by}),
                    asked_us=now,
                    asked_by=OPERATOR,
                )
            )
            told = {"reason": reason, "heads": document, **by}
            event = self._gate.event(
                None, EXPLAIN, "success", objects=(gap_id,), count=len(found), detail=told
            )
            self._vault.audit.record_in(connection, event)
        return {"id": gap_id, "logs": document, "asked_at": _time(now)}

    def show(self, actor: Actor, gap_id: str) -> dict[str, Any]:
        """An explanation with its reason, for an officer. Raises NotFound."""
        self._gate.require(actor, Action.LEDGER_READ)
        row = self._row(actor, "ledger.show_gap", gap_id)
        self._gate.record(actor, "ledger.show_gap", "success", objects=(gap_id,))
        said = self._fields.open(gap_id, row["sealed"])
        return {**_shown(row), "reason": said["reason"], "by": said["by"]}

    def approve(self, actor: Actor, gap_id: str, signed: Signed | None = None) -> dict[str, Any]:
        """Approve an explanation: the logs go on from the restored heads, under new origins.

        Durable on return, and the archive is open again in this process; others take it up at their next
        start. Raises NotFound, NoGap where more was seen since than was explained, AccessDenied, and
        SignatureNeeded where the officer has a passkey and hasn't signed this with it.
        """
        vault = self._vault
        if signed is None and (waiting := self._waiting(gap_id)) is not None:
            self._approvals.ready(actor, **_asked(waiting))
        self._gate.require(actor, Action.LEDGER_DECIDE, about=(gap_id,))
        row = self._row(actor, APPROVE, gap_id)
        vault.witnessing.look()
        try:
            if row["decided_us"] is not None:
                raise NoGap("this explanation has been approved already; run the command that you came from")
            explained = _heads(row)
            _compare(vault.witnessing.found, explained)
            done = self._begin(actor, row, explained, signed)
        except HoldfastError as error:
            self._gate.record(actor, APPROVE, "failed", objects=(gap_id,), reason=error.code)
            raise
        vault.publisher.refresh()
        vault.witnessing.forget()
        vault.standing.open()
        for which in Log:
            vault.publisher.publish(which)
        return done

    # --- inside -------------------------------------------------------------------------------

    def _failed_to_explain(self, reason: str) -> None:
        self._vault.audit.record(self._gate.event(None, EXPLAIN, "failed", reason=reason))

    def _waiting(self, gap_id: str) -> RowMapping | None:
        """An explanation that nobody has decided on."""
        row = self._find(gap_id)
        return row if row is not None and row["decided_us"] is None else None

    def _find(self, gap_id: str) -> RowMapping | None:
        with self._vault.records.read() as connection:
            chosen = select(ledger_gaps).where(ledger_gaps.c.id == gap_id)
            return connection.execute(chosen).mappings().first()

    def _row(self, actor: Actor, action: str, gap_id: str) -> RowMapping:
        row = self._find(gap_id)
        if row is None:
            self._gate.record(actor, action, "failed", reason=NotFound.audit_code)
            raise NotFound("there is no such explanation; see `holdfast ledger status`")
        return row

    def _begin(
        self, actor: Actor, row: RowMapping, seen: list[Head], passkey: Signed | None
    ) -> dict[str, Any]:
        """Sign the statement and begin the generations, all in one transaction."""
        vault = self._vault
        said = self._fields.open(row["id"], row["sealed"])
        reason = hashlib.sha256(bytes.fromhex(said["salt"]) + said["reason"].encode()).hexdigest()
        with vault.records.write(dialect.LOCK_ARCHIVE) as connection:
            dialect.lock(connection, dialect.LOCK_AUDIT)
            approval = self._approvals.agree_in(connection, actor, signed=passkey, used=True, **_asked(row))
            now = to_us(vault.clock.now())
            logs: dict[str, Any] = {}
            signers, common = [], {}
            for which in sorted({head.which for head in seen}):
                mine = [head for head in seen if head.which == which]
                old = log.generation(connection, which)
                frontier = log.state(connection, which)
                number = max(old, *(head.generation for head in mine)) + 1
                signer = vault.publisher.signer(which, number)
                signers.append(signer)
                common[which] = vault.witnessing.common(which, old, frontier.size, mine)
                logs[which.folder] = {
                    "origin": signer.verifier.name,
                    "generation": number,
                    "common": common[which],
                    "here": {
                        "origin": vault.publisher.origin(which, old),
                        "size": frontier.size,
                        "root": b64encode(frontier.root()),
                    },
                    "seen": [heads.to_json(head) for head in mine],
                }
            signed = statement.make(
                {
                    "v": 1,
                    "id": row["id"],
                    "at": now,
                    "asked_by": row["asked_by"],
                    "approved_by": actor.user_id,
                    "approval": approval,
                    "reason": reason,
                    "logs": logs,
                },
                signers,
            )
            for which, size in common.items():
                connection.execute(
                    ledger_generations.insert().values(
                        log=int(which),
                        generation=logs[which.folder]["generation"],
                        size=size,
                        at_us=now,
                        statement=signed,
                    )
                )
            # In the captures log, whichever has the gap: there it stands beside the mail that may be missing.
            leaf = {"v": 1, "type": "gap", "at": now, "id": row["id"], "sha256": statement.digest(signed)}
            log.append(connection, Log.CAPTURES, [canonical.leaf({**leaf, "logs": logs})])
            event = self._gate.event(
                actor,
                APPROVE,
                "success",
                objects=(row["id"], approval),
                count=len(logs),
                detail={"statement": signed.decode(), "reason": said["reason"], "salt": said["salt"]},
            )
            index = vault.audit.record_in(connection, event)
            connection.execute(
                update(ledger_gaps)
                .where(ledger_gaps.c.id == row["id"])
                .values(decided_us=now, decided_by=actor.user_id, audit_index=index)
            )
        folder = vault.settings.ledger_dir / FOLDER
        durable.make_dir(folder)
        durable.write(folder / f"{row['id']}.note", signed, mode=0o644)
        return {"id": row["id"], "statement": signed.decode(), "logs": logs, "approved_at": _time(now)}


def _asked(row: RowMapping) -> dict[str, Any]:
    """An explanation as it is approved: exactly these heads."""
    return {
        "action": APPROVE,
        "about_id": row["id"],
        "params": {"gap": row["id"], "heads_sha256": hashlib.sha256(row["heads"]).hexdigest()},
        "items": "",
        "requester": row["asked_by"],
        "life": LIFE,
    }


def _heads(row: RowMapping) -> list[Head]:
    document = json.loads(row["heads"])
    return [heads.from_json(which, head) for which in Log for head in document.get(which.folder, [])]


def _compare(found: tuple[Head, ...], explained: list[Head]) -> None:
    """Raise NoGap where more is known now than was explained then."""
    if not found:
        raise NoGap("there is no gap any more: nobody has seen more of the logs than the records hold")
    reach: dict[tuple[Log, int], int] = {}
    for head in explained:
        key = (head.which, head.generation)
        reach[key] = max(head.size, reach.get(key, 0))
    if any(head.size > reach.get((head.which, head.generation), -1) for head in found):
        raise NoGap(
            "more was found since this was explained: run `holdfast ledger explain-gap --reason ...` again"
        )


def _shown(row: RowMapping) -> dict[str, Any]:
    return {
        "id": row["id"],
        "asked_at": _time(row["asked_us"]),
        "asked_by": row["asked_by"],
        "approved_at": _time(row["decided_us"]),
        "approved_by": row["decided_by"],
        "found": [head.line for head in _heads(row)],
    }


def _time(moment: int | None) -> str | None:
    return rfc3339(from_us(moment)) if moment is not None else None
