"""Proposes what is due: lists of bounded length, which persons then review, approve and execute."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, exists, func, or_, select, update

from archiver.capture.ids import new_id
from archiver.clock import to_us
from archiver.store import dialect
from archiver.store.schema import disposition_items, dispositions, messages
from archiver.vault import Vault
from retention.acts import by_system
from retention.dating import rows
from retention.dating.verdicts import Verdicts
from retention.disposition import items as items_of
from retention.disposition import lists
from retention.disposition.extensions import is_extended
from retention.disposition.items import Item
from retention.disposition.sums import add_up
from retention.fields import SealedFields
from retention.policy.store import Policy

CHUNK: Final = 500
MOST: Final = 50_000
"""Messages of one list: what a person signs, and what is in memory at a time."""
CUT_SHORT: Final = timedelta(minutes=15)
"""A list that was begun so long ago and isn't whole never will be: making one takes seconds."""


@dataclass(frozen=True, slots=True)
class _Listed:
    pk: int
    message_id: str
    disposal_date: date
    sealed: bytes
    line: bytes

    def row(self, disposition_id: str) -> dict[str, Any]:
        return {
            "disposition_id": disposition_id,
            "message_pk": self.pk,
            "disposal_date": self.disposal_date,
            "sealed_rule": self.sealed,
        }


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
        """Put messages on a new list, some at a time: a long list takes seconds, and captures wait."""
        disposition_id = new_id("d")
        policy, listed = self._judged(day, pks, disposition_id)
        on: list[_Listed] = []
        for start in range(0, len(listed), CHUNK):
            some = listed[start : start + CHUNK]
            with self._vault.records.write(dialect.LOCK_ARCHIVE) as connection:
                still = _still(connection, day, policy, [one.pk for one in some])
                some = [one for one in some if one.pk in still]
                if not some:
                    continue
                if not on:
                    self._begin(connection, disposition_id, day, proposed_by)
                connection.execute(disposition_items.insert(), [one.row(disposition_id) for one in some])
            on += some
        if not on:
            return None
        digest = hashlib.sha256()
        for one in sorted(on, key=lambda one: one.message_id):
            digest.update(one.line + b"\n")
        with self._vault.records.write(dialect.LOCK_ARCHIVE) as connection:
            self._finish(connection, disposition_id, digest.digest(), len(on), proposed_by)
        return disposition_id, len(on)

    def finish(self) -> int:
        """End lists whose making was cut short, with the messages that are on them; how many there were."""
        before = to_us(self._vault.clock.now() - CUT_SHORT)
        mine = (dispositions.c.items_sha256 == lists.BEING_MADE) & (dispositions.c.created_us < before)
        with self._vault.records.read() as connection:
            query = select(dispositions.c.id, dispositions.c.created_by)
            found = connection.execute(query.where(mine, dispositions.c.state == "proposed")).all()
        for row in found:
            with self._vault.records.read() as connection:
                sums = add_up(items_of.read_all(connection, self._fields, row.id))
            with self._vault.records.write(dialect.LOCK_ARCHIVE) as connection:
                self._finish(connection, row.id, sums.sha256, sums.messages, row.created_by)
        return len(found)

    def _begin(self, connection: Connection, disposition_id: str, day: date, proposed_by: str) -> None:
        connection.execute(
            dispositions.insert().values(
                id=disposition_id,
                state="proposed",
                as_of=day,
                created_us=to_us(self._vault.clock.now()),
                created_by=proposed_by,
                items_sha256=lists.BEING_MADE,
            )
        )

    def _finish(
        self, connection: Connection, disposition_id: str, sha256: bytes, count: int, proposed_by: str
    ) -> None:
        """Give a list its hash, once."""
        if lists.length(connection, disposition_id) != count:  # a person took a message off meanwhile
            sums = add_up(items_of.read_all(connection, self._fields, disposition_id))
            sha256, count = sums.sha256, sums.messages
        being_made = dispositions.c.items_sha256 == lists.BEING_MADE
        done = connection.execute(
            update(dispositions)
            .where(dispositions.c.id == disposition_id, being_made)
            .values(items_sha256=sha256)
        )
        if done.rowcount:
            event = by_system(
                "disposition.propose", "success", proposed_by, objects=(disposition_id,), count=count
            )
            self._vault.audit.record_in(connection, event)

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
                    item = Item(pk, ids[pk], due, verdict.reasoning)
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
        dispositions.c.state.in_(lists.OPEN),
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
