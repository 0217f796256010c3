"""A query tree as SQL over the index tables: sets of row ids, combined by set operations.

Text and the labels that are words become as few FTS5 matches as possible, times become row-id bounds,
changing labels and sizes become look-ups beside whatever drives the query. Every value is bound or a
number of ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import apsw
from whoosh.query import And, Every, Not, Or, Query

from archiver.store.rowid import MAX_ROWID, rowid_range
from search.engine import match
from search.language.fields import tag
from search.language.tree import SentRange, SizeRange, Tag

_FEW: Final = 20_000
"""Up to here a label's rows are gathered once; beyond it each candidate is looked up."""

_ANY_OF_WIDE: Final = (
    "SELECT DISTINCT f.rowid AS doc FROM carray(?) AS c CROSS JOIN ft(c.value) AS f"
    " WHERE f.rowid BETWEEN ? AND ?"
)


@dataclass(frozen=True, slots=True)
class Select:
    """A SELECT of distinct row ids as `r`. With `ranked` it also gives `s`, lower is better."""

    sql: str
    params: tuple[Any, ...]
    ranked: bool = False


@dataclass(frozen=True, slots=True)
class _Test:
    """A condition on a row id."""

    sql: str
    params: tuple[Any, ...] = ()


_NEVER: Final = _Test("0")
_ALWAYS: Final = _Test("1")


class Compiler:
    """Compiles parts of one tree. Words are expanded and labels looked up through `db`, so compile and
    run in one transaction.
    """

    def __init__(self, db: apsw.Connection) -> None:
        self.db = db
        self._text = match.Expressions(db)

    def select(
        self, node: Query, first: int = 0, beyond: int = MAX_ROWID + 1, *, ranked: bool = False
    ) -> Select:
        """Return the rows of `node` whose row ids are in `[first, beyond)`.

        `ranked` asks for scores; only a tree with text at its top has them. Raises QueryTooBroad.
        """
        parts = list(node.subqueries) if isinstance(node, And) else [node]
        if isinstance(node, Or) and self._text.of(node) is None and not self._is_group(node):
            union = self._union(node, first, beyond)
            if union is not None:
                return union
        wanted: list[str] = []
        unwanted: list[tuple[Query, str]] = []
        wides: list[tuple[str, ...]] = []
        labels: list[tuple[int, ...]] = []
        rest: list[Query] = []
        # Labels would take part in the ranking, each at the cost of counting all who bear it.
        ranked = ranked and any(self._has_words(part) for part in parts)
        for part in parts:
            text = self._text.of(part)
            taken = self._text.of(part.query) if isinstance(part, Not) else None
            wide = match.wide(part)
            group = self._labels(part)
            if isinstance(part, SentRange):
                low, high = rowid_range(part.start, part.end)
                first, beyond = max(first, low), min(beyond, high)
            elif isinstance(part, SizeRange):
                # Most rows are ruled out by a word of the index, the rest by their size itself.
                classes = None if ranked else match.of_size(part)
                wanted.extend([classes] if classes else [])
                rest.append(part)
            elif text is not None and not (ranked and match.only_labels(part)):
                wanted.append(text)
            elif taken is not None:
                unwanted.append((part, taken))
            elif wide is not None:
                wides.append(wide)
            elif group is not None:
                labels.append(group)
            else:
                rest.append(part)
        if not wanted and (wides or labels):
            rest.extend(part for part, _ in unwanted)
        elif unwanted:
            wanted = [match.difference(wanted or [match.every()], [text for _, text in unwanted])]
        return self._driven(wanted, wides, labels, rest, first, beyond, ranked)

    def _has_words(self, part: Query) -> bool:
        return self._text.of(part) is not None and not match.only_labels(part)

    def _driven(
        self,
        wanted: list[str],
        wides: list[tuple[str, ...]],
        labels: list[tuple[int, ...]],
        rest: list[Query],
        first: int,
        beyond: int,
        ranked: bool,
    ) -> Select:
        """Choose the table that drives, and put everything else beside it."""
        params: list[Any] = []
        labels = sorted(labels, key=self._weight)
        score = ""
        if wanted:
            row, source = "ft.rowid", "ft(?)"
            params.append(" AND ".join(wanted))
            score = ", ft.rank AS s" if ranked else ""
        elif labels:
            ids = labels.pop(0)
            distinct = "DISTINCT " if len(ids) > 1 else ""
            row = "t.doc"
            source = (
                f"(SELECT {distinct}doc FROM doc_tag WHERE {_among('tag', ids)} AND doc BETWEEN ? AND ?) AS t"
            )
            params += [first, beyond - 1]
        elif wides:
            row, source = "t.doc", f"({_ANY_OF_WIDE}) AS t"
            params += [apsw.carray(wides.pop(0)), first, beyond - 1]
        else:
            row, source = "doc.id", "doc"
        bounds = (first, beyond - 1)
        tests = [_Test(f"{row} BETWEEN ? AND ?", bounds)]
        tests += [self._label_test(ids, row) for ids in labels]
        tests += [_wide_test(wide, row, bounds) for wide in wides]
        tests += [self._test(part, row, bounds) for part in rest]
        for test in tests:
            params += test.params
        where = " AND ".join(test.sql for test in tests)
        return Select(f"SELECT {row} AS r{score} FROM {source} WHERE {where}", tuple(params), bool(score))

    def _union(self, node: Or, first: int, beyond: int) -> Select | None:
        """Return an Or of mixed parts as a union, or None when an exclusion makes a scan the better way."""
        if any(isinstance(part, Not | Every) for part in node.subqueries):
            return None
        parts = [self.select(part, first, beyond) for part in self._gather(node)]
        sql = " UNION ".join(f"SELECT r FROM ({part.sql})" for part in parts)
        return Select(f"SELECT r FROM ({sql})", tuple(value for part in parts for value in part.params))

    def _is_group(self, node: Query) -> bool:
        return match.wide(node) is not None or self._labels(node) is not None

    def _gather(self, node: Or) -> list[Query]:
        """Return the parts of an Or with all text in one part and all labels of a kind in another."""
        fixed = [part for part in node.subqueries if match.is_fixed(part)]
        apart = fixed if len(fixed) > match.WIDE else []
        text = [
            part
            for part in node.subqueries
            if self._text.of(part) is not None and not (apart and match.is_fixed(part))
        ]
        rows = [part for part in node.subqueries if isinstance(part, Tag) and not match.is_fixed(part)]
        seen = {id(part) for part in (*apart, *text, *rows)}
        others = [part for part in node.subqueries if id(part) not in seen]
        gathered = [Or(group) if len(group) > 1 else group[0] for group in (text, apart, rows) if group]
        return [*gathered, *others]

    def _test(self, node: Query, row: str, bounds: tuple[int, int]) -> _Test:
        """Return `node` as a condition on `row`, which is within `bounds` (both ends included)."""
        if isinstance(node, Every):
            return _ALWAYS
        if isinstance(node, SentRange):
            low, high = rowid_range(node.start, node.end)
            return _Test(f"{row} BETWEEN ? AND ?", (low, high - 1))
        if isinstance(node, SizeRange):
            return _size_test(node, row)
        labels = self._labels(node)
        if labels is not None:
            return self._label_test(labels, row)
        wide = match.wide(node)
        if wide is not None:
            return _wide_test(wide, row, bounds)
        text = self._text.of(node)
        if text is not None:
            # The plus keeps SQLite from asking FTS5 row by row.
            sql = f"+{row} IN (SELECT rowid FROM ft(?) WHERE rowid BETWEEN ? AND ?)"
            return _Test(sql, (text, *bounds))
        if isinstance(node, Not):
            inner = self._test(node.query, row, bounds)
            return _Test(f"NOT ({inner.sql})", inner.params)
        if not isinstance(node, And | Or):
            raise TypeError(f"{type(node).__name__} is no part of the query language")
        joint = " AND " if isinstance(node, And) else " OR "
        tests = [
            self._test(part, row, bounds) for part in (self._gather(node) if isinstance(node, Or) else node)
        ]
        return _Test(
            f"({joint.join(test.sql for test in tests)})",
            tuple(value for test in tests for value in test.params),
        )

    def _labels(self, node: Query) -> tuple[int, ...] | None:
        """Return the ids of a changing Tag or of an Or of nothing else; labels nobody bears are left out."""
        tags = list(node.subqueries) if isinstance(node, Or) else [node]
        if not tags or not all(isinstance(part, Tag) and not match.is_fixed(part) for part in tags):
            return None
        names = tuple({tag(part.fieldname, part.text) for part in tags})
        sql = "SELECT id FROM label WHERE name IN (SELECT value FROM carray(?))"
        return tuple(int(found) for (found,) in self.db.execute(sql, (apsw.carray(names),)))

    def _weight(self, ids: Sequence[int]) -> int:
        """Return how many rows bear one of these labels, as far as it matters."""
        sql = f"SELECT count(*) FROM (SELECT 1 FROM doc_tag WHERE {_among('tag', ids)} LIMIT ?)"
        return int(self.db.execute(sql, (_FEW + 1,)).get)

    def _label_test(self, ids: tuple[int, ...], row: str) -> _Test:
        if not ids:
            return _NEVER
        if self._weight(ids) <= _FEW:
            return _Test(f"+{row} IN (SELECT doc FROM doc_tag WHERE {_among('tag', ids)})")
        if len(ids) == 1:
            return _Test(f"EXISTS (SELECT 1 FROM doc_tag WHERE tag = {ids[0]} AND doc = {row})")
        # The plus makes SQLite read the row's own few labels instead of trying each wanted one.
        return _Test(f"EXISTS (SELECT 1 FROM doc_tag WHERE doc = {row} AND {_among('+tag', ids)})")


def _wide_test(wide: tuple[str, ...], row: str, bounds: tuple[int, int]) -> _Test:
    return _Test(f"+{row} IN ({_ANY_OF_WIDE})", (apsw.carray(wide), *bounds))


def _among(column: str, ids: Sequence[int]) -> str:
    return f"{column} = {ids[0]}" if len(ids) == 1 else f"{column} IN ({', '.join(map(str, ids))})"


def _size_test(node: SizeRange, row: str) -> _Test:
    above = -1 if node.above is None else node.above
    below = 2**63 - 1 if node.below is None else node.below
    size = "doc.size" if row == "doc.id" else f"(SELECT size FROM doc WHERE id = {row})"
    return _Test(f"({size} > ? AND {size} < ?)", (above, below))
