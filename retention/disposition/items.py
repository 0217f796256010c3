"""The items of a disposition: which message, since when it may go, by which rule; and one hash over all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, select

from archiver.ledger import canonical
from archiver.store.schema import disposition_items, messages
from retention.fields import SealedFields

CHUNK = 1_000


@dataclass(frozen=True, slots=True)
class Item:
    """One message of a disposition. `rule` is the governing candidate of its verdict, as JSON."""

    pk: int
    message_id: str
    disposal_date: date
    rule: dict[str, Any]
    outcome: str | None = None
    ledger_index: int | None = None

    def seal(self, fields: SealedFields, disposition_id: str) -> bytes:
        """The rule sealed: its date and explanation follow from a patient's birth."""
        return fields.seal(f"{disposition_id}/{self.message_id}", self.rule)

    @property
    def line(self) -> bytes:
        """What the hash is made of; the outcome comes later and isn't in it."""
        return canonical.dumps(
            {"id": self.message_id, "disposal_date": self.disposal_date.isoformat(), "rule": self.rule}
        )


def digest(items: Iterable[Item]) -> bytes:
    """SHA-256 over the items' canonical JSON lines in the order of the message ids."""
    found = hashlib.sha256()
    for line in (item.line for item in sorted(items, key=lambda item: item.message_id)):
        found.update(line + b"\n")
    return found.digest()


def read(
    connection: Connection, fields: SealedFields, disposition_id: str, *, after: int = -(2**63), limit: int
) -> list[Item]:
    """The next items behind a message key, ascending. Raises SealError when one was altered."""
    rows = connection.execute(
        select(disposition_items, messages.c.id)
        .join(messages, messages.c.pk == disposition_items.c.message_pk)
        .where(disposition_items.c.disposition_id == disposition_id, disposition_items.c.message_pk > after)
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
        )
        for row in rows
    ]


def read_all(connection: Connection, fields: SealedFields, disposition_id: str) -> Iterator[Item]:
    """Every item, ascending by message key."""
    last = -(2**63)
    while items := read(connection, fields, disposition_id, after=last, limit=CHUNK):
        yield from items
        last = items[-1].pk
