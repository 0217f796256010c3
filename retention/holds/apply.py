"""From `applying` to `active`, for old mail and new: the part of a hold that follows its first commit.

While a hold is `applying` the database destroys nothing at all, so a crash anywhere in here costs time
only: `resume` finishes what was begun.
"""

from __future__ import annotations

import contextlib
import heapq
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Connection, RowMapping, func, select, update

from archiver.clock import from_us, to_us
from archiver.store import dialect, standing
from archiver.store.schema import holds, messages
from archiver.vault import Vault
from retention.acts import by_system
from retention.fields import SealedFields
from retention.holds import events, versions
from retention.holds import items as hold_items
from retention.holds.events import Events
from retention.holds.query import tree_of
from retention.holds.scope import HoldScope
from search.engine.ports import IndexReader
from search.errors import IndexDamaged, IndexUnavailable, QueryTooBroad, SearchError
from search.language.tree import Query

FIRST, LAST = -(2**63), 2**63 - 1
SPAN = 2_000
"""How many messages one transaction looks at where all mail must be looked at."""
PIECE = 500
"""How many it looks at where they are known by somebody's tokens."""
LONGEST_REST = 0.15
"""Seconds. SQLite wakes who waits for its lock every tenth of a second."""

Rest = Callable[[float], object]
"""Called between two transactions, outside of both, with the seconds that others are to have; what it raises
ends the work there, which `resume` takes up again."""


class HoldApplier:
    """Applies holds through the index and keeps standing query holds fed. Safe from any thread."""

    def __init__(self, vault: Vault, reader: IndexReader) -> None:
        self._vault = vault
        self._reader = reader
        self._fields = SealedFields(vault)
        self._events = Events(vault)
        self._trees: dict[str, Query] = {}

    def probe(self, query: Query) -> None:
        """Raise QueryTooBroad for a query that the index can't answer, before a hold depends on it.

        Where there is no index to ask just now, nothing: a hold can't wait for it.
        """
        with contextlib.suppress(IndexUnavailable, IndexDamaged):
            self._reader.matching(query, (0,))

    def apply(self, hold_id: str, rest: Rest = time.sleep) -> None:
        """Bring a hold from `applying` to `active`; one in another state stays as it is. Idempotent.

        Every message is either in the index, and found here, or in the outbox: then the indexer asks
        `standing_queries` about it later, and until then the database refuses its destruction. Raises
        SearchError when the index can't answer now, and what `rest` raises.
        """
        row = self._row(hold_id)
        if row is None or row["state"] != "applying":
            return
        if row["by_index"]:
            self._match_index(row, rest)
        else:
            self._match_database(hold_id, rest)
        with self._vault.records.read() as connection:
            # Their sizes are read beside everybody's work: of a million messages it takes seconds.
            found = versions.tally(connection, versions.held_by([hold_id]))
        with self._vault.records.write(dialect.LOCK_ARCHIVE) as connection:
            if connection.scalar(select(holds.c.state).where(holds.c.id == hold_id)) == "applying":
                # The database lets it be active only once its history says so, as the last thing.
                self._events.add(
                    connection, versions.known_as(row), row["version"], events.APPLIED, "system", **found
                )
                connection.execute(update(holds).where(holds.c.id == hold_id).values(state="active"))
                event = by_system(
                    "hold.apply",
                    "success",
                    objects=tuple(dict.fromkeys((versions.known_as(row), hold_id))),
                    count=found["matched"],
                )
                self._vault.audit.record_in(connection, event)

    def resume(self, rest: Rest = time.sleep) -> list[str]:
        """Apply every hold that a crash or a missing index left `applying`; return those still so.

        Raises what `rest` raises.
        """
        with self._vault.records.read() as connection:
            waiting = list(
                connection.scalars(
                    select(holds.c.id).where(holds.c.state == "applying").order_by(holds.c.created_us)
                )
            )
        left = []
        for hold_id in waiting:
            try:
                self.apply(hold_id, rest)
            except SearchError as error:
                left.append(hold_id)
                self.waits(hold_id, error)
        return left

    def waits(self, hold_id: str, error: SearchError) -> None:
        """Record why a hold can't be matched yet."""
        self._vault.audit.record(by_system("hold.apply", "failed", objects=(hold_id,), reason=error.code))

    def standing_queries(self, pks: Sequence[int]) -> None:
        """Hold freshly indexed messages that an unreleased query hold covers.

        The indexer calls it after the messages are in the index and before they leave the outbox.
        """
        if not pks:
            return
        with self._vault.records.read() as connection:
            rows = (
                connection.execute(
                    select(holds).where(holds.c.by_index, holds.c.state != "released").order_by(holds.c.id)
                )
                .mappings()
                .all()
            )
        for row in rows:
            try:
                matched = sorted(self._reader.matching(self._tree(row), pks))
            except QueryTooBroad:
                self._set_back(row["id"])
                continue
            if matched:
                self._hold(row["id"], matched, time.sleep)
        self._trees = {row["id"]: self._trees[row["id"]] for row in rows}

    def match_again(self, since_us: int, rest: Rest = time.sleep) -> None:
        """Match unreleased query holds made since then with all mail once more: another index is in use now,
        which may know more of old mail than the one they looked into. Idempotent."""
        with self._vault.records.read() as connection:
            chosen = select(holds).where(
                holds.c.by_index, holds.c.state != "released", holds.c.created_us >= since_us
            )
            rows = connection.execute(chosen.order_by(holds.c.id)).mappings().all()
        for row in rows:
            try:
                self._match_index(row, rest)
            except QueryTooBroad:
                self._set_back(row["id"])

    # --- inside -------------------------------------------------------------------------------

    def _row(self, hold_id: str) -> RowMapping | None:
        with self._vault.records.read() as connection:
            return connection.execute(select(holds).where(holds.c.id == hold_id)).mappings().first()

    def _tree(self, row: RowMapping) -> Query:
        tree = self._trees.get(row["id"])
        if tree is None:
            scope = HoldScope.from_json(self._fields.open(row["id"], row["sealed_scope"])["scope"])
            tree = self._trees[row["id"]] = tree_of(scope.interpreted or "", from_us(row["created_us"]))
        # Not looked up again: `standing_queries` may just now be forgetting trees in another thread.
        return tree

    def _match_index(self, row: RowMapping, rest: Rest) -> None:
        chunk: list[int] = []
        for rowid in self._reader.all_rowids(self._tree(row)):
            chunk.append(rowid)
            if len(chunk) == hold_items.CHUNK:
                self._hold(row["id"], chunk, rest)
                chunk = []
        self._hold(row["id"], chunk, rest)

    def _hold(self, hold_id: str, pks: Sequence[int], rest: Rest) -> None:
        with turn(self._vault, rest) as connection:
            hold_items.add(connection, hold_id, pks, to_us(self._vault.clock.now()))

    def _match_database(self, hold_id: str, rest: Rest) -> None:
        """Match old mail piece by piece, so that captures get their turn; they match new mail themselves."""
        with self._vault.records.read() as connection:
            named = standing.names_somebody(connection, hold_id)
            if named:
                # Found by their tokens; messages named by id were laid down with the hold.
                bearing = standing.bearing(connection, hold_id)
                laid = array("q", hold_items.between(connection, hold_id, FIRST, LAST))
        if named:
            piece: list[int] = []
            for pk in heapq.merge(bearing, laid):
                if piece and pk == piece[-1]:
                    continue
                if len(piece) == PIECE:
                    self._match_these(hold_id, piece, rest)
                    piece = []
                piece.append(pk)
            if piece:
                self._match_these(hold_id, piece, rest)
            return
        first = FIRST
        while (last := self._span_end(first)) is not None:
            with turn(self._vault, rest) as connection:
                standing.match(connection, hold_id=hold_id, span=(first, last))
                held = hold_items.between(connection, hold_id, first, last)
                hold_items.relabel(connection, held, to_us(self._vault.clock.now()))
            first = last + 1

    def _match_these(self, hold_id: str, pks: Sequence[int], rest: Rest) -> None:
        with turn(self._vault, rest) as connection:
            standing.match(connection, pks, hold_id=hold_id)
            held = hold_items.held_among(connection, hold_id, pks)
            hold_items.relabel(connection, sorted(held), to_us(self._vault.clock.now()))

    def _span_end(self, first: int) -> int | None:
        """The key of the last message of the next span, None when there is none."""
        span = (
            select(messages.c.pk).where(messages.c.pk >= first).order_by(messages.c.pk).limit(SPAN).subquery()
        )
        with self._vault.records.read() as connection:
            last: int | None = connection.scalar(select(func.max(span.c.pk)))
            return last

    def _set_back(self, hold_id: str) -> None:
        """The archive's words have outgrown a pattern of the hold: rather than miss mail, or hold what
        doesn't match, let nothing at all be destroyed until the hold can be applied or is released."""
        with self._vault.records.write(dialect.LOCK_ARCHIVE) as connection:
            changed = connection.execute(
                update(holds).where(holds.c.id == hold_id, holds.c.state == "active").values(state="applying")
            )
            if changed.rowcount:
                (row,) = connection.execute(select(holds).where(holds.c.id == hold_id)).mappings()
                self._events.add(
                    connection, versions.known_as(row), row["version"], events.SET_BACK, "system"
                )
                event = by_system("hold.apply", "failed", objects=(hold_id,), reason=QueryTooBroad.code)
                self._vault.audit.record_in(connection, event)


@contextmanager
def turn(vault: Vault, rest: Rest) -> Iterator[Connection]:
    """One transaction under the archive's lock, then a rest about as long for everybody else."""
    begun = time.monotonic()
    with vault.records.write(dialect.LOCK_ARCHIVE) as connection:
        yield connection
    rest(min(time.monotonic() - begun, LONGEST_REST))
