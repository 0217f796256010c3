"""The end of messages: re-checked one by one under the archive's lock, keys destroyed, certified.

Each chunk is a transaction of its own, so a crash between two of them loses nothing: what was destroyed
is marked, and the same call goes on with the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection, select, update
from sqlalchemy.exc import DBAPIError

from archiver.clock import everywhere_today, from_us, rfc3339, to_us
from archiver.ledger import canonical, log
from archiver.ledger.log import Log
from archiver.store import dialect
from archiver.store.schema import (
    disposition_items,
    dispositions,
    holds,
    index_removals,
    ledger_entries,
    messages,
    users,
)
from archiver.vault import Vault
from retention.dating import run
from retention.dating.explain import Explainer
from retention.dating.verdicts import Verdict
from retention.disposition import certificates
from retention.disposition import items as items_of
from retention.disposition.items import Item
from retention.fields import SealedFields
from retention.refusals import HoldBeingApplied, WrongState
from retention.roster.patients import roster_version
from search.access import Actor, Gate

CHUNK = 64
OUTCOMES = ("destroyed", "held", "not_due", "refused", "gone")
"""`refused`: the database's own guard said no; `gone`: disposed of before, by another disposition."""


class Executor:
    """Destroys what an approved disposition names, as far as it still may go."""

    def __init__(self, vault: Vault, gate: Gate, explainer: Explainer) -> None:
        self._vault = vault
        self._gate = gate
        self._verdicts = explainer.verdicts
        self._fields = SealedFields(vault)

    def destroy(self, actor: Actor, disposition_id: str) -> bool:
        """Give every item of an approved disposition its outcome.

        True when the destroyed keys have left the database's own files too. Raises HoldBeingApplied,
        WrongState.
        """
        last = -(2**63)
        while True:
            with self._vault.records.read() as connection:
                items = items_of.read(connection, self._fields, disposition_id, after=last, limit=CHUNK)
            if not items:
                break
            last = items[-1].pk
            if waiting := [item for item in items if item.outcome is None]:
                self._chunk(actor, disposition_id, waiting)
        return dialect.scrub_log(self._vault.records)

    def certify(self, actor: Actor, disposition_id: str, *, erased: bool) -> None:
        """Sign the certificate and end the disposition, in one transaction."""
        checkpoint = self._vault.publisher.publish(Log.CAPTURES).decode()
        with self._vault.records.write(dialect.LOCK_ARCHIVE) as connection:
            _approved(connection, disposition_id)
            items = list(items_of.read_all(connection, self._fields, disposition_id))
            now = self._vault.clock.now()
            document = self._document(connection, actor, disposition_id, items, checkpoint, erased)
            gone = self._certified(connection, items)
            note = certificates.issue(document, gone, self._vault.publisher.signer(Log.CAPTURES))
            leaf = {
                "v": 1,
                "type": "disposition",
                "id": disposition_id,
                "destroyed": len(gone),
                "certificate": certificates.items_digest([{"note": note}]),
                "at": to_us(now),
            }
            log.append(connection, Log.CAPTURES, [canonical.leaf(leaf)])
            connection.execute(
                update(dispositions)
                .where(dispositions.c.id == disposition_id)
                .values(
                    state="executed",
                    executed_us=to_us(now),
                    executed_by=actor.user_id,
                    sealed_certificate=self._fields.seal(disposition_id, {"note": note, "items": gone}),
                )
            )
            event = self._gate.event(
                actor,
                "disposition.execute",
                "success",
                objects=(disposition_id,),
                count=len(gone),
                detail=document["outcomes"],
            )
            self._vault.audit.record_in(connection, event)

    # --- destroying ---------------------------------------------------------------------------

    def _chunk(self, actor: Actor, disposition_id: str, items: Sequence[Item]) -> None:
        pks = [item.pk for item in items]
        while True:
            with self._vault.records.read() as connection:
                facts = _state_of_facts(connection, pks)
            # Opening descriptions inside the transaction would hold up captures, so it is done before;
            # the transaction then makes sure that the facts are still those.
            verdicts = self._verdicts.of(pks)
            with self._vault.records.write(dialect.LOCK_ARCHIVE) as connection:
                if _state_of_facts(connection, pks) != facts:
                    continue
                _approved(connection, disposition_id)
                if connection.scalar(select(holds.c.id).where(holds.c.state == "applying").limit(1)):
                    raise HoldBeingApplied("a hold is being applied just now; execute again in a moment")
                run.save(connection, verdicts, self._verdicts.version, facts[1])
                self._end(connection, actor, disposition_id, items, verdicts)
                return

    def _end(
        self,
        connection: Connection,
        actor: Actor,
        disposition_id: str,
        items: Sequence[Item],
        verdicts: dict[int, Verdict],
    ) -> None:
        today = everywhere_today(self._vault.clock.now())
        protected = run.held(connection, [item.pk for item in items])
        destroyed = []
        for item in items:
            outcome, index = self._one(
                connection, disposition_id, item, verdicts.get(item.pk), item.pk in protected, today
            )
            connection.execute(
                update(disposition_items)
                .where(
                    disposition_items.c.disposition_id == disposition_id,
                    disposition_items.c.message_pk == item.pk,
                )
                .values(outcome=outcome, ledger_index=index)
            )
            if outcome == "destroyed":
                destroyed.append(item)
        if destroyed:
            connection.execute(
                dialect.insert_or_ignore(connection, index_removals),
                [{"message_pk": item.pk} for item in destroyed],
            )
        event = self._gate.event(
            actor,
            "disposition.execute",
            "success",
            reason="keys_destroyed",
            objects=(disposition_id, *(item.message_id for item in destroyed)),
            count=len(destroyed),
        )
        self._vault.audit.record_in(connection, event)

    def _one(
        self,
        connection: Connection,
        disposition_id: str,
        item: Item,
        verdict: Verdict | None,
        protected: bool,
        today: date,
    ) -> tuple[str, int | None]:
        if verdict is None:
            return "gone", None
        if protected:
            return "held", None
        if verdict.disposal_date is None or verdict.disposal_date > today:
            return "not_due", None
        try:
            with connection.begin_nested():
                self._vault.archive.destroy(connection, item.pk, disposition_id)
        except DBAPIError as error:
            if not dialect.is_refusal(error):
                raise
            return "refused", None
        return "destroyed", log.state(connection, Log.CAPTURES).size - 1

    # --- certifying ---------------------------------------------------------------------------

    def _document(
        self,
        connection: Connection,
        actor: Actor,
        disposition_id: str,
        items: Sequence[Item],
        checkpoint: str,
        erased: bool,
    ) -> dict[str, Any]:
        row = connection.execute(select(dispositions).where(dispositions.c.id == disposition_id)).one()
        now = self._vault.clock.now()
        days = self._vault.settings.key_backup_days
        return {
            "archive": self._vault.archive_id,
            "disposition": disposition_id,
            "as_of": row.as_of.isoformat(),
            "items_sha256": bytes(row.items_sha256).hex(),
            "outcomes": {name: sum(item.outcome == name for item in items) for name in OUTCOMES},
            "proposed": {"by": _name(connection, row.created_by), "at": rfc3339(from_us(row.created_us))},
            "approved": {"by": _name(connection, row.decided_by), "at": rfc3339(from_us(row.decided_us))},
            "executed": {"by": _name(connection, actor.user_id), "at": rfc3339(now)},
            "method": certificates.METHOD,
            # Attachments that ended with these messages, and those that other messages still hold.
            "parts": _parts(connection, disposition_id),
            # Backups, and what PostgreSQL hasn't overwritten yet, end with `complete_after`.
            "erased_in_primary": erased,
            "complete_after": rfc3339(now + timedelta(days=days)),
            "checkpoint": checkpoint,
        }

    def _certified(self, connection: Connection, items: Sequence[Item]) -> list[dict[str, Any]]:
        """What the certificate says of each destroyed message, in the order of the message ids."""
        gone = {item.pk: item for item in items if item.outcome == "destroyed"}
        found = []
        pks = sorted(gone)
        for start in range(0, len(pks), CHUNK):
            for row in connection.execute(
                select(messages).where(messages.c.pk.in_(pks[start : start + CHUNK]))
            ).mappings():
                item = gone[row["pk"]]
                found.append(
                    {
                        "id": item.message_id,
                        "sha256": bytes(row["sha256"]).hex(),
                        "size": row["size"],
                        "captured_at": rfc3339(from_us(row["captured_us"])),
                        "disposed_at": rfc3339(from_us(row["disposed_us"])),
                        "disposal_date": item.disposal_date.isoformat(),
                        "rule_id": item.rule["rule_id"],
                        "citation": item.rule["citation"],
                        "ledger_index": item.ledger_index,
                    }
                )
        return sorted(found, key=lambda one: str(one["id"]))


def _state_of_facts(connection: Connection, pks: Sequence[int]) -> tuple[int, dict[int, int]]:
    """What a verdict depends on beyond the message itself: the roster and what deliveries brought."""
    return roster_version(connection), run.newest_deliveries(connection, pks)


def _approved(connection: Connection, disposition_id: str) -> None:
    state = connection.scalar(select(dispositions.c.state).where(dispositions.c.id == disposition_id))
    if state != "approved":
        raise WrongState("this disposition isn't approved any more; nothing further was destroyed")


def _name(connection: Connection, user_id: str) -> str:
    return connection.scalar(select(users.c.name).where(users.c.id == user_id)) or user_id


def _parts(connection: Connection, disposition_id: str) -> dict[str, int]:
    """How many parts ended with a disposition's messages and how many were kept, as their leaves say."""
    found = {"destroyed": 0, "kept": 0}
    leaves = connection.scalars(
        select(ledger_entries.c.leaf)
        .join(disposition_items, disposition_items.c.ledger_index == ledger_entries.c.idx)
        .where(
            ledger_entries.c.log == Log.CAPTURES,
            disposition_items.c.disposition_id == disposition_id,
            disposition_items.c.outcome == "destroyed",
        )
    )
    for leaf in leaves:
        told: Any = canonical.loads(leaf)
        for name, number in told.get("parts", {}).items():
            found[name] += number
    return found
