"""Exact counts, remembered beyond the next message: what is older than an hour seldom changes.

A count is kept of the rows below a bound, an hour old. New mail has row ids above it, nearly always, and is
counted each time. The index notes the least row id of each of its changes, so a change below the bound is
seen, and everything is counted anew: one half of it beside the other.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import apsw
from whoosh.query import Query

from archiver.store.rowid import rowid_range
from search.engine.columns import least_since
from search.engine.compile import Compiler, Select
from search.engine.table import state_of
from search.errors import IndexOutdated, SearchError

_MOST: Final = 1_000
_AGE: Final = 3_600.0
_OLDEST: Final = 4 * _AGE
"""A bound as old as this is replaced: by then much may have come above it."""


@dataclass(frozen=True, slots=True)
class _Known:
    """`below` rows are under the row id `bound`, in that state of the index, and `total` in all."""

    state: tuple[str, int]
    bound: int
    bound_at: float
    below: int
    total: int


class Counts:
    """Counts of one reader. Safe from any thread.

    Each goes by the very statement it is the answer to, and by the state of the index, which moves with every
    message that comes or leaves. Labels that change don't move it: where one is asked for, nothing is
    remembered.
    """

    def __init__(
        self,
        now: Callable[[], float] = time.time,
        another: Callable[[], AbstractContextManager[apsw.Connection]] | None = None,
        middle: Callable[[int], int | None] = lambda _: None,
    ) -> None:
        """`another` gives a further connection with a snapshot of its own; `middle` the row id in the middle
        of those below one, None where it isn't worth the trouble."""
        self._now = now
        self._another = another
        self._middle = middle
        self._turn = threading.Lock()
        self._known: dict[bytes, _Known] = {}

    def of(self, db: apsw.Connection, query: Query) -> int:
        """How many rows match in `db`'s snapshot. Raises QueryTooBroad."""
        compiler = Compiler(db)
        whole = compiler.select(query)
        key = _key(whole)
        state = _state(db) if key else None
        if state is None:
            return _count(db, whole)
        with self._turn:
            known = self._known.get(key)
        if known is not None and known.state == state:
            return known.total
        if known is None or not self._holds(db, known, state):
            at = self._now() - _AGE
            bound = rowid_range(datetime.fromtimestamp(at, UTC), None)[0]
            known = _Known(state, bound, at, self._below(db, compiler, query, bound, state), 0)
        total = known.below + _count(db, compiler.select(query, known.bound))
        with self._turn:
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[key] = _Known(state, known.bound, known.bound_at, known.below, total)
        return total

    def _below(
        self, db: apsw.Connection, compiler: Compiler, query: Query, bound: int, state: tuple[str, int]
    ) -> int:
        middle = self._middle(bound) if self._another else None
        if middle is None:
            return _count(db, compiler.select(query, 0, bound))
        older = compiler.select(query, 0, middle)
        with ThreadPoolExecutor(1, "count") as beside:
            counted = beside.submit(self._beside, older, state)
            newer = _count(db, compiler.select(query, middle, bound))
            found = counted.result()
        return newer + (_count(db, older) if found is None else found)

    def _beside(self, select: Select, state: tuple[str, int]) -> int | None:
        """The same count by another connection; None where its snapshot is of another state."""
        assert self._another is not None
        try:
            with self._another() as db:
                return _count(db, select) if _state(db) == state else None
        except SearchError:
            return None

    def _holds(self, db: apsw.Connection, known: _Known, state: tuple[str, int]) -> bool:
        """Whether nothing below the bound has changed since."""
        if known.state[0] != state[0] or not 0 <= self._now() - known.bound_at < _OLDEST:
            return False
        return least_since(db, known.state[1], state[1]) >= known.bound


def _count(db: apsw.Connection, select: Select) -> int:
    return int(db.execute(f"SELECT count(*) FROM ({select.sql})", select.params).get)


def _key(select: Select) -> bytes:
    """What tells a statement from all others; empty for one whose answer isn't to be remembered."""
    if "doc_tag" in select.sql or not all(isinstance(value, int | str) for value in select.params):
        return b""
    # A digest, since patterns make long statements.
    return hashlib.sha256(repr((select.sql, select.params)).encode("utf-8", "surrogatepass")).digest()


def _state(db: apsw.Connection) -> tuple[str, int] | None:
    try:
        return state_of(db)
    except IndexOutdated:
        return None
