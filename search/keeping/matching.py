"""Matches new mail with the saved searches that are to tell of it: every message once, none missed.

A job and not a step of the indexer: what a lawyer may see hangs on labels of holds that are in the index only
a moment after the message is, an owner's right is looked up when it counts, and no query of anybody's can
make mail wait. How far each search has looked stands in the records, by the messages' numbers in the captures
log. That mark never passes a message that waits for the index or for a label, nor one that the index doesn't
know at that moment (it is being made anew, or was lost). It moves in the transaction that lays down what was
found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import RowMapping, exists, select, update

from archiver.clock import to_us
from archiver.ledger.audit import AuditEvent
from archiver.sealed_fields import SealedFields
from archiver.store import dialect
from archiver.store.schema import (
    alert_items,
    index_relabels,
    matter_members,
    messages,
    outbox,
    saved_searches,
    unindexed,
    users,
)
from archiver.vault import Vault
from search.access import Action, Actor, Role
from search.engine.ports import IndexReader
from search.errors import QueryError
from search.language import parse
from search.language.tree import Query, none_of
from search.policy import may, own_matters_only
from search.reading_room import ReadingRoom

CHUNK: Final = 4_000
"""Messages judged at a time; the mark moves as often."""
OWNER: Final = "owner"
"""Why a search looks at nothing: whose it is may not search, or not in its matter, any more."""


@dataclass(frozen=True, slots=True)
class _One:
    pk: int
    seq: int
    judged: bool
    """False for one that no search can find: disposed of, or not indexable, which searches tell of."""


class AlertMatcher:
    """Looks at new mail for the alerts of one archive. Safe to kill anywhere; one at a time is enough."""

    def __init__(self, vault: Vault, reader: IndexReader, room: ReadingRoom) -> None:
        self._vault = vault
        self._reader = reader
        self._room = room
        self._fields = SealedFields(vault)

    def run(self, check: Callable[[], object] = lambda: None) -> dict[str, int]:
        """Look at all mail that came since; `{searches, looked, found, failing}`. What `check` raises, called
        between transactions, ends the work there. Raises IndexUnavailable, IndexDamaged, StoreError."""
        with self._vault.records.read() as connection:
            rows = (
                connection.execute(
                    select(saved_searches)
                    .where(saved_searches.c.alert, saved_searches.c.deleted_us.is_(None))
                    .order_by(saved_searches.c.id)
                )
                .mappings()
                .all()
            )
        counts = {"searches": len(rows), "looked": 0, "found": 0, "failing": 0}
        for row in rows:
            check()
            try:
                looked, found = self._look(row, check)
            except QueryError as error:
                # One that can't be answered any more keeps no other waiting; its mark stays where it is.
                self._note(row, error.code)
                counts["failing"] += 1
                continue
            counts["looked"] += looked
            counts["found"] += found
        return counts

    # --- inside -------------------------------------------------------------------------------

    def _look(self, row: RowMapping, check: Callable[[], object]) -> tuple[int, int]:
        looked = found = 0
        mark = int(row["alert_seq"])
        while some := self._next(mark):
            owner = self._owner(row)
            if owner is None:
                self._note(row, OWNER)
                return looked, found
            told = self._fields.open(row["id"], row["sealed"])
            tree = self._room.scoped(owner, parse(told["query"], now=self._vault.clock.now()).tree)
            matched, certain = self._judge(tree, [one.pk for one in some if one.judged])
            passed = _certain(some, certain)
            if not passed:
                break
            hits = [one.pk for one in passed if one.pk in matched]
            new = self._keep(row, owner, mark, passed[-1].seq, hits)
            if new is None:
                break  # changed, taken away, or another process has done this meanwhile
            mark, looked, found = passed[-1].seq, looked + len(passed), found + new
            if len(passed) < len(some):
                break
            check()
        return looked, found

    def _next(self, mark: int) -> list[_One]:
        """The next messages behind the mark, up to the first that the index is still to learn of."""
        waits = exists().where(outbox.c.message_pk == messages.c.pk)
        relabelled = exists().where(index_relabels.c.message_pk == messages.c.pk)
        query = (
            select(
                messages.c.pk,
                messages.c.seq,
                messages.c.disposed_us,
                (waits | relabelled).label("waits"),
                exists().where(unindexed.c.message_pk == messages.c.pk).label("never"),
            )
            .where(messages.c.seq > mark)
            .order_by(messages.c.seq)
            .limit(CHUNK)
        )
        found = []
        with self._vault.records.read() as connection:
            for one in connection.execute(query):
                gone = one.disposed_us is not None
                if one.waits and not gone:
                    break
                found.append(_One(one.pk, one.seq, not gone and not one.never))
        return found

    def _judge(self, tree: Query, pks: Sequence[int]) -> tuple[set[int], set[int]]:
        """Those that match, and those of which it is certain whether they do.

        The two questions see two states of the index, perhaps. One that matches is in the first answer, or
        wasn't in the index then; so what is in neither answer is asked about again another time.
        """
        matched = self._reader.matching(tree, pks)
        others = self._reader.matching(none_of([tree]), [pk for pk in pks if pk not in matched])
        return matched, matched | others

    def _owner(self, row: RowMapping) -> Actor | None:
        """The owner as they are at this moment; None where they may not search, or have left the matter."""
        with self._vault.records.read() as connection:
            owner = connection.execute(
                select(users).where(users.c.id == row["owner_id"], users.c.disabled_us.is_(None))
            ).first()
            if owner is None:
                return None
            member = connection.execute(
                select(matter_members.c.user_id).where(
                    matter_members.c.user_id == row["owner_id"],
                    matter_members.c.matter_id == row["matter_id"],
                )
            ).first()
        actor = Actor(owner.id, owner.name, Role(owner.role), "job")
        if not may(actor, Action.SEARCH) or (own_matters_only(actor) and member is None):
            return None
        return actor

    def _keep(self, row: RowMapping, owner: Actor, mark: int, until: int, hits: Sequence[int]) -> int | None:
        """Lay down what was found and move the mark, or neither; how many are new, None where the search
        isn't as it was."""
        now = to_us(self._vault.clock.now())
        with self._vault.records.write(dialect.LOCK_ARCHIVE) as connection:
            moved = connection.execute(
                update(saved_searches)
                .where(
                    saved_searches.c.id == row["id"],
                    saved_searches.c.alert,
                    saved_searches.c.alert_seq == mark,
                    saved_searches.c.changed_us == row["changed_us"],
                    saved_searches.c.deleted_us.is_(None),
                )
                .values(alert_seq=until, alert_error=None)
            )
            if not moved.rowcount:
                return None
            alive = connection.scalars(
                select(messages.c.pk).where(messages.c.pk.in_(hits), messages.c.disposed_us.is_(None))
            ).all()
            if alive:
                connection.execute(
                    dialect.insert_or_ignore(connection, alert_items),
                    [{"search_id": row["id"], "message_pk": pk, "found_us": now} for pk in alive],
                )
                self._record(connection, owner.user_id, row, "success", count=len(alive))
            return len(alive)

    def _note(self, row: RowMapping, code: str) -> None:
        """Note why a search looks at nothing; on record when it begins."""
        with self._vault.records.write() as connection:
            changed = connection.execute(
                update(saved_searches)
                .where(
                    saved_searches.c.id == row["id"],
                    saved_searches.c.alert,
                    saved_searches.c.alert_error.is_distinct_from(code),
                )
                .values(alert_error=code)
            )
            if changed.rowcount:
                self._record(connection, row["owner_id"], row, "failed", reason=code)

    def _record(self, connection: Any, owner_id: str, row: RowMapping, outcome: Any, **rest: Any) -> None:
        event = AuditEvent(
            action="alert.match",
            outcome=outcome,
            user_id="system",
            purpose=row["purpose"],
            objects=(row["id"], owner_id),
            **rest,
        )
        self._vault.audit.record_in(connection, event)


def _certain(some: Sequence[_One], certain: set[int]) -> Sequence[_One]:
    """The messages up to the first of which nothing is certain."""
    for place, one in enumerate(some):
        if one.judged and one.pk not in certain:
            return some[:place]
    return some
