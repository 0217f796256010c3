"""Ends executed dispositions with their certificate."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, func, select, update

from archiver.clock import from_us, rfc3339, to_us
from archiver.ledger import canonical, log
from archiver.ledger.log import Log
from archiver.store import dialect
from archiver.store.schema import (
    disposition_items,
    disposition_parts,
    dispositions,
    ledger_entries,
    messages,
    parts,
)
from archiver.vault import Vault
from retention.disposition import certificates, samples, summaries
from retention.disposition import items as items_of
from retention.disposition.items import Item
from retention.disposition.sums import add_up
from retention.fields import SealedFields
from retention.refusals import WrongState
from search.access import Actor, Gate

CHUNK = 500
_SAMPLE = ("seed", "population", "size", "good", "bad", "drawn_at", "draws")
RULES = 500
"""Rules that a certificate sums up; of more, those of the most messages."""
OUTCOMES = ("destroyed", "held", "extended", "not_due", "unconfirmed", "refused", "gone")
"""`extended`: a person gave it a longer term since; `unconfirmed`: counsel's word on a rule is missing or was
taken back; `refused`: the database's own guard said no; `gone`: another disposition ended it before."""


class Certifier:
    """Ends executed dispositions with a signed certificate that the captures log commits to."""

    def __init__(self, vault: Vault, gate: Gate) -> None:
        self._vault = vault
        self._gate = gate
        self._fields = SealedFields(vault)

    def certify(self, actor: Actor, disposition_id: str, *, erased: bool) -> None:
        """Sign the certificate and end the disposition, in one transaction; one that is ended stays as it is.

        What the certificate says is gathered before: of a long list it takes seconds, in which nothing could
        be captured. It can't change, for every item has its outcome, and an outcome stays. Raises WrongState.
        """
        checkpoint = self._vault.publisher.publish(Log.CAPTURES).decode()
        now = self._vault.clock.now()
        with self._vault.records.read() as connection:
            before = _row(connection, disposition_id)
            if before["state"] == "executed":
                return
            document, lines = self._gathered(connection, actor, before, checkpoint, erased, now)
        note = certificates.issue(document, lines, self._vault.publisher.signer(Log.CAPTURES))
        plain = b'{"items":[' + b",".join(lines) + b'],"note":' + json.dumps(note).encode() + b"}"
        gone = len(lines)
        del lines
        sealed = self._fields.seal_json(disposition_id, plain)
        del plain
        with self._vault.records.write(dialect.LOCK_ARCHIVE) as connection:
            row = _row(connection, disposition_id)
            if row["state"] == "executed":
                return  # whoever else executed it was quicker
            if row["state"] != "approved" or row["items_sha256"] != before["items_sha256"]:
                raise WrongState("this disposition isn't approved any more; nothing further was destroyed")
            leaf = {
                "v": 1,
                "type": "disposition",
                "id": disposition_id,
                "destroyed": gone,
                "sha256": hashlib.sha256(note.encode()).hexdigest(),
                "at": to_us(now),
            }
            index = log.append(connection, Log.CAPTURES, [canonical.leaf(leaf)])
            connection.execute(
                update(dispositions)
                .where(dispositions.c.id == disposition_id)
                .values(
                    state="executed",
                    executed_us=to_us(now),
                    executed_by=actor.user_id,
                    sealed_certificate=sealed,
                    ledger_index=index,
                )
            )
            event = self._gate.event(
                actor,
                "disposition.execute",
                "success",
                objects=(disposition_id,),
                count=gone,
                detail=document["outcomes"],
            )
            self._vault.audit.record_in(connection, event)

    # --- inside -------------------------------------------------------------------------------

    def _gathered(
        self,
        connection: Connection,
        actor: Actor,
        row: RowMapping,
        checkpoint: str,
        erased: bool,
        now: datetime,
    ) -> tuple[dict[str, Any], list[bytes]]:
        """The certificate's document, and what it says of each destroyed message: canonical JSON, by id."""
        disposition_id = row["id"]
        days = self._vault.settings.key_backup_days
        people = summaries.names(connection)
        outcomes = dict.fromkeys(OUTCOMES, 0)
        told: list[tuple[str, bytes]] = []
        ended = 0

        def destroyed() -> Iterator[Item]:
            nonlocal ended
            last = -(2**63)
            while items := items_of.read(connection, self._fields, disposition_id, after=last, limit=CHUNK):
                last = items[-1].pk
                for item in items:
                    outcomes[str(item.outcome)] += 1
                gone = {item.pk: item for item in items if item.outcome == "destroyed"}
                told.extend(_lines(connection, gone))
                ended += sum(_ended(connection, [i.ledger_index for i in gone.values()]))
                yield from gone.values()

        sums = add_up(destroyed(), hashed=False).to_json()
        told.sort()

        def who(user_id: str | None, us: int | None) -> dict[str, Any]:
            return {"by": people.get(user_id or "", user_id), "at": summaries.moment(us)}

        document = {
            "archive": self._vault.archive_id,
            "disposition": disposition_id,
            "as_of": row["as_of"].isoformat(),
            "items_sha256": bytes(row["items_sha256"]).hex(),
            "outcomes": outcomes,
            "bytes": sums["bytes"],
            "rules": sums["rules"][:RULES],
            "proposed": who(row["created_by"], row["created_us"]),
            "excluded": self._excluded(connection, disposition_id, people),
            "sample": self._sample(connection, disposition_id, people),
            "approved": who(row["decided_by"], row["decided_us"]),
            "begun": who(row["begun_by"], row["begun_us"]),
            "executed": who(actor.user_id, to_us(now)),
            "method": certificates.METHOD,
            # Attachments that ended with these messages, and those that other messages still hold.
            "parts": {"destroyed": ended, "kept": _kept(connection, disposition_id)},
            # Backups, and what PostgreSQL hasn't overwritten yet, end with `complete_after`.
            "erased_in_primary": erased,
            "complete_after": rfc3339(now + timedelta(days=days)),
            "checkpoint": checkpoint,
        }
        return document, [line for _, line in told]

    def _excluded(
        self, connection: Connection, disposition_id: str, people: dict[str, str]
    ) -> dict[str, Any]:
        """How many messages persons took off the list, and who; the reasons stay sealed in the archive."""
        found = connection.execute(
            select(disposition_items.c.excluded_by, func.count().label("number"))
            .where(
                disposition_items.c.disposition_id == disposition_id,
                disposition_items.c.excluded_us.is_not(None),
            )
            .group_by(disposition_items.c.excluded_by)
        ).all()
        return {
            "messages": sum(one.number for one in found),
            "by": sorted(people.get(one.excluded_by, one.excluded_by) for one in found),
        }

    def _sample(
        self, connection: Connection, disposition_id: str, people: dict[str, str]
    ) -> dict[str, Any] | None:
        sample = samples.latest(connection, self._fields, disposition_id)
        if sample is None:
            return None
        reviewers = {one["opened_by"] for one in sample["messages"] if one["opened_by"]}
        return {
            **{name: sample[name] for name in _SAMPLE},
            "drawn_by": people.get(sample["drawn_by"], sample["drawn_by"]),
            "reviewed_by": sorted(people.get(one, one) for one in reviewers),
        }


def _row(connection: Connection, disposition_id: str) -> RowMapping:
    return (
        connection.execute(select(dispositions).where(dispositions.c.id == disposition_id)).mappings().one()
    )


def _told(item: Item, row: Any) -> dict[str, Any]:
    return {
        "id": item.message_id,
        "sha256": bytes(row.sha256).hex(),
        "size": row.size,
        "captured_at": rfc3339(from_us(row.captured_us)),
        "disposed_at": rfc3339(from_us(row.disposed_us)),
        "disposal_date": item.disposal_date.isoformat(),
        "rule_id": item.rule["rule_id"],
        "citation": item.rule["citation"],
        "ledger_index": item.ledger_index,
    }


def _lines(connection: Connection, gone: dict[int, Item]) -> Iterator[tuple[str, bytes]]:
    """What the certificate says of each of these messages, with its id."""
    rows = connection.execute(
        select(
            messages.c.pk,
            messages.c.sha256,
            messages.c.size,
            messages.c.captured_us,
            messages.c.disposed_us,
        ).where(messages.c.pk.in_(list(gone)))
    )
    for row in rows:
        yield gone[row.pk].message_id, canonical.dumps(_told(gone[row.pk], row))


def _kept(connection: Connection, disposition_id: str) -> int:
    """How many parts of a disposition's messages live on."""
    kept = connection.scalar(
        select(func.count())
        .select_from(disposition_parts)
        .join(parts, parts.c.id == disposition_parts.c.part_id)
        .where(disposition_parts.c.disposition_id == disposition_id, parts.c.destroyed_us.is_(None))
    )
    return int(kept or 0)


def _ended(connection: Connection, indices: Sequence[int | None]) -> Iterator[int]:
    """How many parts ended with each of some messages, as their leaves say."""
    leaves: Sequence[bytes] = connection.scalars(
        select(ledger_entries.c.leaf).where(
            ledger_entries.c.log == Log.CAPTURES, ledger_entries.c.idx.in_(list(indices))
        )
    ).all()
    for leaf in leaves:
        told: Any = canonical.loads(bytes(leaf))
        yield int(told.get("parts", {}).get("destroyed", 0))
