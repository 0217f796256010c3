"""A reading process's own copy of the facts: arrays that are read once and then only added to.

At 1,000,000 messages some 60 MB, and 60 MB more once somebody asks for groups (docs/SEARCH.md). A `Table` is
one state of them and never changes; what the next one adds lies behind what this one looks at.
"""

from __future__ import annotations

import threading
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import apsw
import numpy as np
import numpy.typing as npt

from search.engine import chunks, groups
from search.engine.chunks import KINDS, Codes, Ints
from search.engine.groups import Edges, Rows
from search.engine.views import Group
from search.errors import IndexOutdated

HALVED: Final = 50_000
"""Fewer rows are counted faster than the work is shared out."""
_WASTE: Final = 100_000
"""Places of rows that moved or left, below which it isn't worth reading everything anew."""
_KEPT: Final = 2
"""States kept: a request that began just before new mail came works on the one before."""

_BLOBS: Final = "id, age, rowids, sizes, names, codes"


class _Column:
    """An array that grows at its end; what was given out stays as it is."""

    def __init__(self, dtype: npt.DTypeLike) -> None:
        self._array: npt.NDArray[Any] = np.empty(0, dtype)
        self.length = 0

    def add(self, values: npt.NDArray[Any]) -> None:
        beyond = self.length + len(values)
        if beyond > len(self._array):
            room = beyond if not self.length else beyond + beyond // 8 + 1_024
            larger = np.empty(room, self._array.dtype)
            larger[: self.length] = self._array[: self.length]
            self._array = larger
        self._array[self.length : beyond] = values
        self.length = beyond

    def view(self) -> npt.NDArray[Any]:
        return self._array[: self.length]


class _Fact:
    """One kind of fact of all rows: `codes` by row place, sets and names as in `chunks.Sets`."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._numbers: dict[str, int] = {}
        self.codes, self.ends, self.flat = _Column(np.int32), _Column(np.int64), _Column(np.int32)

    def add(self, sets: chunks.Sets) -> None:
        numbers = []
        for name in sets.names:
            number = self._numbers.get(name)
            if number is None:
                number = self._numbers[name] = len(self.names)
                self.names.append(name)
            numbers.append(number)
        self.codes.add(sets.codes + self.ends.length)
        self.ends.add(sets.ends + self.flat.length)
        self.flat.add(np.array(numbers, np.int32)[sets.flat] if numbers else sets.flat)


@dataclass(frozen=True, slots=True)
class Fact:
    """One kind of fact, in one state. Row place `p` bears set `codes[p]`, whose names are
    `names[flat[ends[c - 1] : ends[c]]]`."""

    names: list[str]
    codes: Codes
    ends: Ints
    flat: Codes


class _Joins:
    """What joins rows, by row place: read when somebody first asks for groups."""

    def __init__(self) -> None:
        self.ends, self.links = _Column(np.int64), _Column(np.uint64)
        self.topics, self.likeness = _Column(np.uint64), _Column(np.uint64)
        self.spans = 0

    def add(self, ties: chunks.Ties) -> None:
        self.ends.add(ties.ends + self.links.length)
        self.links.add(ties.links)
        self.topics.add(ties.topics)
        self.likeness.add(ties.likeness)


@dataclass(frozen=True, slots=True)
class _Span:
    """Where the rows of a chunk lie."""

    chunk_id: int
    age: int
    first: int
    beyond: int


class _Store:
    """The arrays that the states of one index share. `spans` are all chunks ever read, as they lie here."""

    def __init__(self) -> None:
        self.sizes = _Column(np.int64)
        self.facts = tuple(_Fact() for _ in KINDS)
        self.joins: _Joins | None = None
        self.spans: list[_Span] = []

    def ages(self, places: Codes) -> Ints:
        """The age of the chunk of each place."""
        beyond = np.array([span.beyond for span in self.spans], np.int64)
        ages = np.array([span.age for span in self.spans], np.int64)
        return ages[np.searchsorted(beyond, places, side="right")]


@dataclass(frozen=True, slots=True)
class Table:
    """One state. `rowids` ascend, and `places[i]` is where the facts of `rowids[i]` lie."""

    identity: str
    number: int
    rowids: Ints
    places: Codes
    sizes: Ints
    facts: dict[str, Fact]
    chunk_ids: frozenset[int]
    store: _Store

    def find(self, rowids: Ints) -> Codes:
        """The places of rows, which must all be here."""
        if len(rowids) == len(self.rowids):
            return self.places
        return self.places[np.searchsorted(self.rowids, rowids)]

    def precedes(self, other: Table) -> bool:
        """True for an earlier state of the same arrays."""
        return self.store is other.store and self.number < other.number

    @property
    def room(self) -> int:
        """Places there are, those of rows that left included."""
        return len(self.sizes)

    @property
    def rows(self) -> Rows:
        """All rows."""
        return Rows(self.rowids, self.places, self.room)


class Behind(Exception):
    """The snapshot is older than the states that are kept."""


class Tables:
    """The states of the facts of whatever index is read. Safe from any thread."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._states: list[Table] = []
        self._labels: dict[Group, tuple[Table, Codes]] = {}

    def at(self, db: apsw.Connection) -> Table:
        """The state of `db`'s snapshot. Raises Behind, and IndexOutdated for an index without facts."""
        identity, number = state_of(db)
        with self._turn:
            known = next((t for t in self._states if (t.identity, t.number) == (identity, number)), None)
            if known is not None:
                return known
            newest = self._states[-1] if self._states else None
            if newest is None or newest.identity != identity:
                newest = None
                self._states, self._labels = [], {}
            elif newest.number > number:
                raise Behind
            try:
                table = _advanced(db, newest, number) if newest else None
                if table is None:
                    table = _read(db, identity, number)
            except BaseException:
                # The arrays may hold half a chunk.
                self._states, self._labels = [], {}
                raise
            self._states = [*self._states[1 - _KEPT :], table]
            return table

    def groups(self, db: apsw.Connection, table: Table, by: Group) -> Codes:
        """A number for each place, the same for two rows of a group, joined by all rows there are."""
        with self._turn:
            edges = _edges(_read_joins(db, table.store), by)
            known = self._labels.get(by)
            if known is not None and known[0] is table:
                return known[1]
            if known is not None and known[0].precedes(table):
                labels = groups.relabelled(known[0].rows, known[1], table.rows, edges)
            else:
                labels = groups.labelled(table.rows, edges)
            self._labels[by] = (table, labels)
            return labels

    def groups_without(self, db: apsw.Connection, table: Table, by: Group, left_out: Ints) -> Codes:
        """The same as if these rows weren't there; -1 for them."""
        labels = self.groups(db, table, by)
        stays = ~np.isin(table.rowids, left_out)
        if stays.all():
            return labels
        rest = Rows(table.rowids[stays], table.places[stays], table.room)
        with self._turn:
            edges = _edges(_read_joins(db, table.store), by)
        return groups.relabelled(table.rows, labels, rest, edges)

    def groups_within(self, db: apsw.Connection, table: Table, by: Group, rowids: Ints) -> Codes:
        """The same, joined by these rows alone; -1 for all others."""
        with self._turn:
            edges = _edges(_read_joins(db, table.store), by)
        return groups.labelled(Rows(rowids, table.find(rowids), table.room), edges)

    def middle(self, beyond: int) -> int | None:
        """The row id in the middle of those below `beyond`; None of few, or where no facts are at hand."""
        states = self._states
        if not states:
            return None
        rowids = states[-1].rowids
        below = int(np.searchsorted(rowids, beyond))
        return int(rowids[below // 2]) if below >= HALVED else None

    def forget(self) -> None:
        """Let everything go."""
        with self._turn:
            self._states, self._labels = [], {}


def state_of(db: apsw.Connection) -> tuple[str, int]:
    """The index of `db`'s snapshot and the state of its facts. Raises IndexOutdated for one without any."""
    try:
        found = dict(db.execute("SELECT name, value FROM meta WHERE name IN ('identity', 'columns')"))
        return found["identity"], int(found["columns"])
    except KeyError:
        raise IndexOutdated(
            "The index in use is of an older version and has no facets or groups; they come with the new one"
        ) from None


def _read(db: apsw.Connection, identity: str, number: int) -> Table:
    """Everything, from the first chunk to the last."""
    store = _Store()
    rows: Any = db.execute(f"SELECT {_BLOBS} FROM chunk ORDER BY age")
    held = [_take_in(store, chunk_id, age, blobs) for chunk_id, age, *blobs in rows]
    rowids = np.concatenate(held) if held else np.empty(0, np.int64)
    # The chunks come by age, so the last of each row id is the one that counts.
    places = chunks.last_of_each(rowids)
    ids = frozenset(span.chunk_id for span in store.spans)
    return _table(identity, number, rowids[places], places.astype(np.int32), ids, store)


def _take_in(store: _Store, chunk_id: int, age: int, blobs: Iterable[bytes]) -> Ints:
    rowids, sizes, sets = chunks.facts_from_blobs(*blobs)
    first = store.sizes.length
    store.sizes.add(sizes)
    for fact, brought in zip(store.facts, sets, strict=True):
        fact.add(brought)
    store.spans.append(_Span(chunk_id, age, first, first + len(rowids)))
    return rowids


def _table(
    identity: str, number: int, rowids: Ints, places: Codes, ids: frozenset[int], store: _Store
) -> Table:
    facts = {
        kind: Fact(fact.names, fact.codes.view(), fact.ends.view(), fact.flat.view())
        for kind, fact in zip(KINDS, store.facts, strict=True)
    }
    return Table(identity, number, rowids, places, store.sizes.view(), facts, ids, store)


def _advanced(db: apsw.Connection, old: Table, number: int) -> Table | None:
    """The next state, reading only chunks that are new; None where reading everything anew is better."""
    listed: Any = db.execute("SELECT id, count FROM chunk INDEXED BY chunk_listed ORDER BY age").fetchall()
    new = [chunk_id for chunk_id, _ in listed if chunk_id not in old.chunk_ids]
    coming = sum(count for chunk_id, count in listed if chunk_id not in old.chunk_ids)
    if old.store.sizes.length + coming > 1.5 * sum(count for _, count in listed) + _WASTE:
        return None
    gone = old.chunk_ids.difference(chunk_id for chunk_id, _ in listed)
    rowids, places = old.rowids, old.places
    if gone:
        # The rows of a chunk that left did so too, or come again with another one.
        left = np.zeros(old.room, bool)
        for span in old.store.spans:
            if span.chunk_id in gone:
                left[span.first : span.beyond] = True
        stays = ~left[places]
        rowids, places = rowids[stays], places[stays]
    store = old.store
    if new:
        first = store.sizes.length
        rows: Any = db.execute(
            f"SELECT {_BLOBS} FROM chunk WHERE id IN (SELECT value FROM carray(?)) ORDER BY age",
            (apsw.carray(array("q", new)),),
        )
        brought = [_take_in(store, chunk_id, age, blobs) for chunk_id, age, *blobs in rows]
        rowids, places = _with_new(store, rowids, places, np.concatenate(brought), first)
    return _table(old.identity, number, rowids, places, frozenset(c for c, _ in listed), store)


def _with_new(store: _Store, rowids: Ints, places: Codes, brought: Ints, first: int) -> tuple[Ints, Codes]:
    """Rows with those that were brought, whose facts lie from `first` on. Of a row in both the greater age
    counts."""
    kept = chunks.last_of_each(brought)
    brought, at = brought[kept], (kept + first).astype(np.int32)
    spot = np.searchsorted(rowids, brought)
    known = np.zeros(len(brought), bool)
    inside = spot < len(rowids)
    known[inside] = rowids[spot[inside]] == brought[inside]
    newer = known.copy()
    newer[known] = store.ages(at[known]) > store.ages(places[spot[known]])
    places = places.copy()
    places[spot[newer]] = at[newer]
    fresh = ~known
    return np.insert(rowids, spot[fresh], brought[fresh]), np.insert(places, spot[fresh], at[fresh])


def _read_joins(db: apsw.Connection, store: _Store) -> _Joins:
    """What joins the rows of every chunk read so far."""
    joins = store.joins or _Joins()
    store.joins = None  # until it is whole again
    for span in store.spans[joins.spans :]:
        blobs: Any = db.execute(
            "SELECT ends, links, topics, likeness FROM tie WHERE chunk = ?", (span.chunk_id,)
        ).fetchall()
        # A chunk that left since: its rows are in no state that is asked for.
        joins.add(chunks.ties_from_blobs(*blobs[0]) if blobs else chunks.no_ties(span.beyond - span.first))
        joins.spans += 1
    store.joins = joins
    return joins


def _edges(joins: _Joins, by: Group) -> Edges:
    if by == "conversation":
        return Edges(joins.ends.view(), joins.links.view(), joins.topics.view())
    keys = joins.likeness.view()
    return Edges(np.arange(2, len(keys) + 2, 2, dtype=np.int64), keys, None)
