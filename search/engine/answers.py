"""Pages of a result in any order, with facets, histogram and groups: all of one snapshot."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import apsw
import numpy as np
import numpy.typing as npt
from whoosh.query import And, Every, Query

from archiver.store.rowid import MAX_ROWID, rowid_range
from search.engine import counting
from search.engine.chunks import Codes, Ints
from search.engine.compile import Compiler
from search.engine.counts import Counts
from search.engine.cursor import Place
from search.engine.ports import Sort
from search.engine.table import Table, Tables
from search.engine.views import Ask, Facet, Group, Histogram
from search.language.tree import SentRange

RANKED: Final = 50_000
"""So many of the newest matches are ranked by relevance; the rest follows them, newest first. Ranking costs
1 to 2 us a match, and of a word that half of all mail has no rank says much."""
_BEYOND: Final = MAX_ROWID + 1
_UNRANKED: Final = float("inf")

Rows = npt.NDArray[np.intp]
"""Numbers of rows within a result that ascends."""


@dataclass(frozen=True, slots=True)
class Found:
    """A page's rows and one more, if there is one."""

    total: int
    places: list[Place]
    ranked_among: int | None = None
    members: tuple[int, ...] = ()
    groups: int | None = None
    facets: tuple[Facet, ...] = ()
    histogram: Histogram | None = None


class Answer:
    """Answers one query in `db`'s snapshot. Raises QueryTooBroad, and Behind where it needs facts."""

    def __init__(
        self,
        db: apsw.Connection,
        tables: Tables,
        query: Query,
        *,
        within: Query | None = None,
        without: Collection[int] = (),
        counts: Counts | None = None,
    ) -> None:
        self._db = db
        self._counts = counts or Counts()
        self._tables = tables
        self._query = query
        self._within = within
        self._without = sorted(without)
        self._compiler = Compiler(db)

    def page(self, sort: Sort, place: Place | None, limit: int) -> Found:
        """`limit` rows after `place`, by the index alone: newest, oldest or by relevance."""
        total = self._count(0)
        if sort == "relevance" and self._has_scores():
            bound, ranked = self._bound(place, total)
            return Found(total, self._ranked_page(place, bound, limit), ranked)
        if sort == "oldest":
            rows = self._rows("ASC", limit, first=0 if place is None else place.rowid + 1)
        else:
            rows = self._rows("DESC", limit, beyond=_BEYOND if place is None else place.rowid)
        return Found(total, [Place(row) for row in rows])

    def _rows(self, order: str, limit: int, *, first: int = 0, beyond: int = _BEYOND) -> list[int]:
        select = self._compiler.select(self._query, first, beyond)
        # What is left out is taken from the page instead of asked of every row.
        most = limit + len(self._without)
        rows = self._db.execute(
            f"SELECT r FROM ({select.sql}) ORDER BY r {order} LIMIT ?", (*select.params, most)
        )
        left_out = set(self._without)
        return [row for (row,) in rows if row not in left_out][:limit]

    def _count(self, first: int) -> int:
        if first:
            select = self._compiler.select(self._query, first)
            total = int(self._db.execute(f"SELECT count(*) FROM ({select.sql})", select.params).get)
        else:
            total = self._counts.of(self._db, self._query)
        if self._without:
            low, high = max(first, self._without[0]), self._without[-1] + 1
            among = self._compiler.select(self._query, low, high)
            left_out = {row for (row,) in self._db.execute(f"SELECT r FROM ({among.sql})", among.params)}
            total -= len(left_out.intersection(self._without))
        return total

    # --- relevance ----------------------------------------------------------------------------

    def _has_scores(self) -> bool:
        return self._compiler.select(self._query, ranked=True).ranked

    def _bound(self, place: Place | None, total: int) -> tuple[int, int]:
        """The row id from which on matches are ranked, and how many they are."""
        if place is not None:
            return place.bound, total if not place.bound else min(total, self._count(place.bound))
        if total <= RANKED:
            return 0, total
        select = self._compiler.select(self._query)
        bound = self._db.execute(
            f"SELECT r FROM ({select.sql}) ORDER BY r DESC LIMIT 1 OFFSET ?", (*select.params, RANKED - 1)
        ).get
        return int(bound), RANKED

    def _ranked_page(self, place: Place | None, bound: int, limit: int) -> list[Place]:
        found: list[Place] = []
        left_out = set(self._without)
        if place is None or place.score != _UNRANKED:
            select = self._compiler.select(self._query, bound, ranked=True)
            where, bounds = "", tuple[float, ...]()
            if place is not None:
                where, bounds = "WHERE (s, -r) > (?, ?)", (place.score, -place.rowid)
            rows = self._db.execute(
                f"SELECT r, s FROM ({select.sql}) {where} ORDER BY s, r DESC LIMIT ?",
                (*select.params, *bounds, limit + len(self._without)),
            )
            found = [Place(int(r), float(s), bound) for r, s in rows if r not in left_out][:limit]
            place = None
        if len(found) < limit and bound:
            beyond = bound if place is None else place.rowid
            rest = self._rows("DESC", limit - len(found), beyond=beyond)
            found += [Place(row, _UNRANKED, bound) for row in rest]
        return found

    def _scores(self, rowids: Ints, bound: int) -> npt.NDArray[np.float64]:
        """The score of each row, lower is better, infinite below `bound`."""
        select = self._compiler.select(self._query, bound, ranked=True)
        found = np.full(len(rowids), _UNRANKED)
        pairs = self._db.execute(f"SELECT r, s FROM ({select.sql})", select.params).fetchall()
        if pairs:
            rows, scores = zip(*pairs, strict=True)
            ranked = np.array(rows, np.int64)
            at = np.minimum(np.searchsorted(rowids, ranked), max(len(rowids) - 1, 0))
            here = rowids[at] == ranked if len(rowids) else np.zeros(len(ranked), bool)
            found[at[here]] = np.array(scores)[here]
        return found

    # --- with facts ---------------------------------------------------------------------------

    def view(self, sort: Sort, place: Place | None, limit: int, ask: Ask) -> Found:
        """A page in any order, with what is asked besides, by the facts of all matches."""
        table = self._tables.at(self._db)
        rowids = self._matches(table, self._query)
        places = table.find(rowids)
        ranked = None
        keys: npt.NDArray[np.float64] | None = None
        bound = 0
        if sort == "relevance" and self._has_scores():
            bound, ranked = self._bound(place, len(rowids))
            keys = self._scores(rowids, bound)
        elif sort in ("largest", "smallest"):
            keys = table.sizes[places].astype(np.float64) * (-1 if sort == "largest" else 1)
        order = _Order(rowids, keys, newest=sort != "oldest", bound=bound)
        members: tuple[int, ...] = ()
        count = None
        if ask.group is None:
            page = order.page(None, place, limit)
        else:
            labels = self._labels(table, ask.group)[places]
            best = order.best_of_each(labels)
            count = len(best)
            page = order.page(best, place, limit)
            sizes = np.bincount(labels)
            members = tuple(sizes[labels[page]].tolist())
        return Found(
            len(rowids),
            order.places(page),
            ranked,
            members,
            count,
            tuple(counting.facet(table, name, rowids, places, ask.top) for name in ask.facets),
            counting.histogram(rowids) if ask.histogram else None,
        )

    def group_of(self, rowid: int, by: Group) -> list[int]:
        """The row ids of a message's group, ascending; none where it isn't there or not within."""
        table = self._tables.at(self._db)
        at = int(np.searchsorted(table.rowids, rowid))
        if at == len(table.rowids) or table.rowids[at] != rowid:
            return []
        labels = self._labels(table, by)[table.places]
        return [] if labels[at] < 0 else [int(row) for row in table.rowids[labels == labels[at]]]

    def _labels(self, table: Table, by: Group) -> Codes:
        if self._within is None or isinstance(self._within, Every):
            return self._tables.groups_without(self._db, table, by, np.array(self._without, np.int64))
        rows = self._matches(table, self._within)
        return self._tables.groups_within(self._db, table, by, rows)

    def _matches(self, table: Table, query: Query) -> Ints:
        """All row ids of a query, ascending."""
        span = _span(query)
        if span is not None:
            low, high = np.searchsorted(table.rowids, np.array(span, np.int64))
            found = table.rowids[low:high]
        else:
            select = self._compiler.select(query)
            # As one text: row by row takes three times as long, and the interpreter's lock at each.
            text = self._db.execute(f"SELECT group_concat(r) FROM ({select.sql})", select.params).get
            found = np.fromstring(str(text or ""), np.int64, sep=",")
            if len(found) > 1 and not np.all(found[1:] > found[:-1]):
                found = np.sort(found)
        if self._without:
            found = found[~np.isin(found, np.array(self._without, np.int64))]
        return found


def _span(query: Query) -> tuple[int, int] | None:
    """The row ids that a query of nothing but times stands for; None for any other."""
    parts = query.subqueries if isinstance(query, And) else [query]
    first, beyond = 0, _BEYOND
    for part in parts:
        if isinstance(part, SentRange):
            low, high = rowid_range(part.start, part.end)
            first, beyond = max(first, low), min(beyond, high)
        elif not isinstance(part, Every):
            return None
    return first, max(first, beyond)


class _Order:
    """Rows, ascending by row id, in the order asked: by `keys`, where there are any, then by time."""

    def __init__(
        self, rowids: Ints, keys: npt.NDArray[np.float64] | None, *, newest: bool, bound: int
    ) -> None:
        self._rowids = rowids
        self._keys = keys
        self._newest = newest
        self._bound = bound

    def best_of_each(self, labels: Codes) -> Rows:
        """The first row of each group, as places in the rows, in order."""
        order = self._sorted(np.arange(len(self._rowids)))
        ranks = np.full(int(labels.max(initial=-1)) + 1, len(order))
        # Written from the last to the first, so that the first one stays.
        ranks[labels[order[::-1]]] = np.arange(len(order) - 1, -1, -1)
        best: Rows = order[np.sort(ranks[ranks < len(order)])]
        return best

    def page(self, some: Rows | None, after: Place | None, limit: int) -> Rows:
        """The first `limit` rows after a place, of all or of `some` that are in order already."""
        if some is not None:
            return some[self._after(some, after)][:limit]
        left = np.flatnonzero(self._after(np.arange(len(self._rowids)), after))
        if self._keys is None:
            return left[::-1][:limit] if self._newest else left[:limit]
        if len(left) > limit:
            keys = self._keys[left]
            left = left[keys <= np.partition(keys, limit - 1)[limit - 1]]
        return self._sorted(left)[:limit]

    def places(self, rows: Rows) -> list[Place]:
        """What a cursor needs of rows."""
        keys = np.zeros(len(rows)) if self._keys is None else self._keys[rows]
        return [
            Place(row, key, self._bound)
            for row, key in zip(self._rowids[rows].tolist(), keys.tolist(), strict=True)
        ]

    def _sorted(self, rows: Rows) -> Rows:
        if self._keys is None:
            return rows[::-1] if self._newest else rows
        return rows[np.lexsort((-self._rowids[rows], self._keys[rows]))]

    def _after(self, rows: Rows, place: Place | None) -> npt.NDArray[np.bool]:
        if place is None:
            return np.ones(len(rows), bool)
        rowids = self._rowids[rows]
        behind: npt.NDArray[np.bool]
        if self._keys is None:
            behind = rowids < place.rowid if self._newest else rowids > place.rowid
        else:
            keys = self._keys[rows]
            behind = (keys > place.score) | ((keys == place.score) & (rowids < place.rowid))
        return behind
