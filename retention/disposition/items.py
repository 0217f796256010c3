"""The items of a disposition: which message, since when it may go, by which rule; and one hash over all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import Connection, select

from archiver.clock import from_us, rfc3339
from archiver.ledger import canonical
from archiver.store.schema import disposition_items, messages
from retention.fields import SealedFields

CHUNK = 1_000


@dataclass(frozen=True, slots=True)
class Item:
    """One message of a disposition. `rule` is its verdict's reasoning: the rule and what it rests on.

    `about` is what the message's row says of it; one that was taken off the list carries when and by whom.
    """

    pk: int
    message_id: str
    disposal_date: date
    rule: dict[str, Any]
    outcome: str | None = None
    ledger_index: int | None = None
    about: Mapping[str, Any] = field(default_factory=dict, compare=False)
    excluded_us: int | None = None
    excluded_by: str | None = None
    sealed_exclusion: bytes | None = None

    def seal(self, fields: SealedFields, disposition_id: str) -> bytes:
        """The rule sealed: its date, explanation and facts tell of a patient."""
        return fields.seal(f"{disposition_id}/{self.message_id}", self.rule)

    @property
    def line(self) -> bytes:
        """What the hash is made of; the outcome comes later and isn't in it."""
        return canonical.dumps(
            {"id": self.message_id, "disposal_date": self.disposal_date.isoformat(), "rule": self.rule}
        )

    def to_json(self) -> dict[str, Any]:
        """As a reviewer sees it."""
        return {
            "id": self.message_id,
            "disposal_date": self.disposal_date.isoformat(),
            "rule_id": self.rule["rule_id"],
            "jurisdiction": self.rule["jurisdiction"],
            "record_type": self.rule["record_type"],
            "citation": self.rule["citation"],
            "explanation": self.rule["explanation"],
            **self.about,
            "outcome": self.outcome,
        }


def digest(items: Iterable[Item]) -> bytes:
    """SHA-256 over the items' canonical JSON lines in the order of the message ids."""
    found = hashlib.sha256()
    for _, line in sorted((item.message_id, item.line) for item in items):
        found.update(line + b"\n")
    return found.digest()


def read(
    connection: Connection,
    fields: SealedFields,
    disposition_id: str,
    *,
    after: int = -(2**63),
    limit: int,
    excluded: bool = False,
) -> list[Item]:
    """The next items behind a message key, ascending; those on the list, or those taken off it.

    Raises SealError when one was altered.
    """
    off = disposition_items.c.excluded_us
    rows = connection.execute(
        select(
            disposition_items,
            messages.c.id,
            messages.c.anchor,
            messages.c.anchor_basis,
            messages.c.size,
            messages.c.sent_us,
        )
        .join(messages, messages.c.pk == disposition_items.c.message_pk)
        .where(
            disposition_items.c.disposition_id == disposition_id,
            disposition_items.c.message_pk > after,
            off.is_not(None) if excluded else off.is_(None),
        )
        .order_by(disposition_items.c.message_pk)
        .limit(limit)
    )
    return [
        Item(
            row.message_pk,
            row.id,
            row.disposal_date,
            fields.open(f"{disposition_id}/{row.id}", row.sealed_rule),
            row.outcome,
            row.ledger_index,
            {
                "anchor": row.anchor.isoformat(),
                "anchor_basis": row.anchor_basis,
                "sent_at": rfc3339(from_us(row.sent_us)),
                "size": row.size,
            },
            row.excluded_us,
            row.excluded_by,
            row.sealed_exclusion,
        )
        for row in rows
    ]


def read_all(connection: Connection, fields: SealedFields, disposition_id: str) -> Iterator[Item]:
    """Every item on the list, ascending by message key."""
    last = -(2**63)
    while items := read(connection, fields, disposition_id, after=last, limit=CHUNK):
        yield from items
        last = items[-1].pk
