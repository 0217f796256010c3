"""From `applying` to `active`, for old mail and new: the part of a hold that follows its first commit.

While a hold is `applying` the database destroys nothing at all, so a crash anywhere in here costs time
only: `resume` finishes what was begun.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
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
from search.errors import QueryTooBroad, SearchError
from search.language.tree import Query

FIRST, LAST = -(2**63), 2**63 - 1
SPAN = 2_000
"""How many messages one transaction looks at where all mail must be looked at."""
PIECE = 500
"""How many it looks at where they are known by somebody's tokens."""
LONGEST_REST = 0.15
"""Seconds. SQLite wakes who waits for its lock every tenth of a second."""


class HoldApplier:
    """Applies holds through the index and keeps standing query holds fed. Safe from any thread."""

    def __init__(self, vault: Vault, reader: IndexReader) -> None:
        self._vault = vault
        self._reader = reader
        self._fields = SealedFields(vault)
        self._events = Events(vault)
        self._trees: dict[str, Query] = {}

    def probe(self, query: Query) -> None:
        """Raise QueryTooBroad for a query that the index can't answer, before a hold depends on it."""
        self._reader.matching(query, (0,))

    def apply(self, hold_id: str) -> None:
        """Bring a hold from `applying` to `active`; one in another state stays as it is. Idempotent.

        Every message is either in the index, and found here, or in the outbox: then the indexer asks
        `standing_queries` about it later, and until then the database refuses its destruction. Raises
        SearchError when the index can't answer now.
        """
        row = self._row(hold_id)
        if row is None or row["state"] != "applying":
            return
        if row["by_index"]:
            self._match_index(row)
        else:
            self._match_database(hold_id)
        with self._vault.records.write(dialect.LOCK_ARCHIVE) as connection:
            changed = connection.execute(
                update(holds).where(holds.c.id == hold_id, holds.c.state == "applying").values(state="active")
            )
            if changed.rowcount:
                found = versions.tally(connection, versions.held_by([hold_id]))
                self._events.add(
                    connection, versions.known_as(row), row["version"], events.APPLIED, "system", **found
                )
                event = by_system(
                    "hold.apply",
                    "success",
                    objects=tuple(dict.fromkeys((versions.known_as(row), hold_id))),
                    count=found["matched"],
                )
                self._vault.audit.record_in(connection, event)

    def resume(self) -> list[str]:
        """Apply every hold that a crash or a missing index left `applying`; return those still so."""
        with self._vault.records.read() as connection:
            waiting = list(
                connection.scalars(
                    select(holds.c.id).where(holds.c.state == "applying").order_by(holds.c.created_us)
                )
            )
        left = []
        for hold_id in waiting:
            try:
                self.apply(hold_id)
            except SearchError as error:
                left.append(hold_id)
                self._vault.audit.record(
                    by_system("hold.apply", "failed", objects=(hold_id,), reason=error.code)
                )
        return left

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
                self._hold(row["id"], matched)
        self._trees = {row["id"]: self._trees[row["id"]] for row in rows}

    # --- inside -------------------------------------------------------------------------------

    def _row(self, hold_id: str) -> RowMapping | None:
        with self._vault.records.read() as connection:
            return connection.execute(select(holds).where(holds.c.id == hold_id)).mappings().first()

    def _tree(self, row: RowMapping) -> Query:
        if row["id"] not in self._trees:
            scope = HoldScope.from_json(self._fields.open(row["id"], row["sealed_scope"])["scope"])
            self._trees[row["id"]] = tree_of(scope.interpreted or "", from_us(row["created_us"]))
        return self._trees[row["id"]]

    def _match_index(self, row: RowMapping) -> None:
        chunk: list[int] = []
        for rowid in self._reader.all_rowids(self._tree(row)):
            chunk.append(rowid)
            if len(chunk) == hold_items.CHUNK:
                self._hold(row["id"], chunk)
                chunk = []
        self._hold(row["id"], chunk)

    def _hold(self, hold_id: str, pks: Sequence[int]) -> None:
        with self._turn() as connection:
            hold_items.add(connection, hold_id, pks, to_us(self._vault.clock.now()))

    def _match_database(self, hold_id: str) -> None:
        """Match old mail piece by piece, so that captures get their turn; they match new mail themselves."""
        with self._vault.records.read() as connection:
            if standing.names_somebody(connection, hold_id):
                # Found by their tokens; messages named by id were laid down with the hold.
                named = set(standing.bearing(connection, hold_id))
                named.update(hold_items.between(connection, hold_id, FIRST, LAST))
            else:
                named = None
        if named is not None:
            pks = sorted(named)
            for start in range(0, len(pks), PIECE):
                self._match_these(hold_id, pks[start : start + PIECE])
            return
        first = FIRST
        while (last := self._span_end(first)) is not None:
            with self._turn() as connection:
                standing.match(connection, hold_id=hold_id, span=(first, last))
                held = hold_items.between(connection, hold_id, first, last)
                hold_items.relabel(connection, held, to_us(self._vault.clock.now()))
            first = last + 1

    def _match_these(self, hold_id: str, pks: Sequence[int]) -> None:
        with self._turn() as connection:
            standing.match(connection, pks, hold_id=hold_id)
            held = hold_items.held_among(connection, hold_id, pks)
            hold_items.relabel(connection, sorted(held), to_us(self._vault.clock.now()))

    @contextmanager
    def _turn(self) -> Iterator[Connection]:
        """One transaction under the archive's lock, then a rest about as long for everybody else."""
        begun = time.monotonic()
        with self._vault.records.write(dialect.LOCK_ARCHIVE) as connection:
            yield connection
        time.sleep(min(time.monotonic() - begun, LONGEST_REST))

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
                event = by_system("hold.apply", "failed", objects=(hold_id,), reason=QueryTooBroad.code)
                self._vault.audit.record_in(connection, event)
