"""Proposes what is due: lists of bounded length, which persons then review, approve and execute."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from sqlalchemy import ColumnElement, Connection, and_, exists, func, or_, select

from archiver.capture.ids import new_id
from archiver.clock import to_us
from archiver.store import dialect
from archiver.store.schema import disposition_items, dispositions, messages
from archiver.vault import Vault
from retention.acts import by_system
from retention.dating import rows
from retention.dating.verdicts import Verdicts
from retention.disposition.extensions import is_extended
from retention.disposition.items import Item
from retention.disposition.lists import OPEN
from retention.fields import SealedFields
from retention.policy.store import Policy

CHUNK: Final = 500
MOST: Final = 50_000
"""Messages of one list: what a person signs, and what is in memory at a time."""


@dataclass(frozen=True, slots=True)
class _Listed:
    pk: int
    message_id: str
    disposal_date: date
    sealed: bytes
    line: bytes


class Proposer:
    """Makes lists of what is due and neither held, extended nor on an open list."""

    def __init__(self, vault: Vault, verdicts: Verdicts) -> None:
        self._vault = vault
        self._verdicts = verdicts
        self._fields = SealedFields(vault)

    def propose(self, day: date, proposed_by: str) -> list[tuple[str, int]]:
        """List all that is due on a day, the longest due first; id and length of each list. Durable."""
        made = []
        for part in self._parts(day):
            found = self._list(day, part, proposed_by)
            if found is not None:
                made.append(found)
        return made

    def _parts(self, day: date) -> Iterator[list[int]]:
        """The keys of due messages, list by list."""
        last: tuple[date, int] | None = None
        while True:
            with self._vault.records.read() as connection:
                query = select(messages.c.pk, messages.c.disposal_date).where(
                    proposable(day, self._verdicts.policies.current(connection))
                )
                if last is not None:
                    query = query.where(
                        or_(
                            messages.c.disposal_date > last[0],
                            and_(messages.c.disposal_date == last[0], messages.c.pk > last[1]),
                        )
                    )
                order = (messages.c.disposal_date, messages.c.pk)
                found = connection.execute(query.order_by(*order).limit(MOST)).all()
            if not found:
                return
            yield [row.pk for row in found]
            last = (found[-1].disposal_date, found[-1].pk)

    def _list(self, day: date, pks: list[int], proposed_by: str) -> tuple[str, int] | None:
        disposition_id = new_id("d")
        policy, listed = self._judged(day, pks, disposition_id)
        with self._vault.records.write(dialect.LOCK_ARCHIVE) as connection:
            still = _still(connection, day, policy, [one.pk for one in listed])
            listed = sorted((one for one in listed if one.pk in still), key=lambda one: one.message_id)
            if not listed:
                return None
            digest = hashlib.sha256()
            for one in listed:
                digest.update(one.line + b"\n")
            connection.execute(
                dispositions.insert().values(
                    id=disposition_id,
                    state="proposed",
                    as_of=day,
                    created_us=to_us(self._vault.clock.now()),
                    created_by=proposed_by,
                    items_sha256=digest.digest(),
                )
            )
            for start in range(0, len(listed), CHUNK):
                connection.execute(
                    disposition_items.insert(),
                    [
                        {
                            "disposition_id": disposition_id,
                            "message_pk": one.pk,
                            "disposal_date": one.disposal_date,
                            "sealed_rule": one.sealed,
                        }
                        for one in listed[start : start + CHUNK]
                    ],
                )
            event = by_system(
                "disposition.propose", "success", proposed_by, objects=(disposition_id,), count=len(listed)
            )
            self._vault.audit.record_in(connection, event)
        return disposition_id, len(listed)

    def _judged(self, day: date, pks: list[int], disposition_id: str) -> tuple[Policy, list[_Listed]]:
        """Those of the messages that the clock lets go on the day, their rules sealed."""
        listed = []
        with self._vault.records.read() as connection:
            policy = self._verdicts.policies.current(connection)
        for start in range(0, len(pks), CHUNK):
            chunk = pks[start : start + CHUNK]
            verdicts = self._verdicts.of(chunk, policy)
            ids = self._ids(chunk)
            for pk, verdict in verdicts.items():
                due = verdict.disposal_date
                if due is not None and due <= day and not verdict.unconfirmed:
                    item = Item(pk, ids[pk], due, verdict.rule)
                    listed.append(
                        _Listed(pk, ids[pk], due, item.seal(self._fields, disposition_id), item.line)
                    )
        return policy, listed

    def _ids(self, pks: list[int]) -> dict[int, str]:
        with self._vault.records.read() as connection:
            found = connection.execute(select(messages.c.pk, messages.c.id).where(messages.c.pk.in_(pks)))
            return {row.pk: row.id for row in found}


def _still(connection: Connection, day: date, policy: Policy, pks: Sequence[int]) -> set[int]:
    """Those of the messages that may still be put on a list."""
    found: set[int] = set()
    for start in range(0, len(pks), CHUNK):
        these = messages.c.pk.in_(pks[start : start + CHUNK])
        found.update(connection.scalars(select(messages.c.pk).where(these, proposable(day, policy))))
    return found


def proposable(day: date, policy: Policy) -> ColumnElement[bool]:
    """SQL condition on `messages`: due on a day by this policy, and nothing keeps it from a list."""
    proposed = exists().where(
        disposition_items.c.message_pk == messages.c.pk,
        dispositions.c.id == disposition_items.c.disposition_id,
        dispositions.c.state.in_(OPEN),
    )
    return and_(
        messages.c.disposed_us.is_(None),
        ~messages.c.permanent,
        messages.c.disposal_date <= day,
        ~messages.c.unconfirmed,
        func.coalesce(messages.c.policy_epoch, 0) == policy.version.epoch,
        ~rows.is_held(),
        ~is_extended(day),
        ~proposed,
    )
