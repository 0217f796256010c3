"""The oracle as an engine that counts, too."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from search.engine.ports import IndexDocument
from search.engine.views import Ask, Group, View
from search.language import tree as t
from tests.search.oracle import plain_engine, plain_views


class PlainViewer(plain_engine.PlainReader):
    """`IndexReader` with `view` and `group_of`."""

    def view(
        self,
        query: t.Query,
        *,
        limit: int,
        sort: str = "newest",
        after: str | None = None,
        ask: Ask | None = None,
        within: t.Query | None = None,
    ) -> View:
        ask = ask or Ask()
        found = [rowid for rowid in self.all_rowids(query) if rowid not in ask.without]
        counted = [self._documents()[rowid] for rowid in found]
        order = plain_engine._ordered(self._asked(query), query, found, sort)
        group: dict[int, frozenset[int]] = {}
        if ask.group:
            group = self._groups(ask.group, within, ask.without)
            order = plain_views.first_of_each(order, group)
        name = f"{sort} {ask.group}"
        start = 0
        if after is not None:
            start = order.index(plain_engine._read_cursor(query, name, after)) + 1
        page = tuple(order[start : start + limit])
        more = len(order) > start + limit
        return View(
            len(found),
            page,
            plain_engine._write_cursor(query, name, page[-1]) if more else None,
            facets=tuple(plain_views.facet(counted, name, ask.top) for name in ask.facets),
            histogram=plain_views.histogram(counted) if ask.histogram else None,
            groups=len(order) if ask.group else None,
            members=tuple(len(group[rowid].intersection(found)) for rowid in page) if ask.group else (),
            ranked_among=len(found) if sort == "relevance" and _has_words(query) else None,
        )

    def group_of(
        self, rowid: int, by: Group, *, within: t.Query | None = None, without: Collection[int] = ()
    ) -> list[int]:
        return sorted(self._groups(by, within, without).get(rowid, ()))

    def warm(self) -> None:
        """There is nothing to read ahead."""

    def _groups(self, by: Group, within: t.Query | None, without: Collection[int]) -> dict[int, Any]:
        rowids = set(self.all_rowids(within or t.Every())).difference(without)
        return plain_views.groups([self._documents()[rowid] for rowid in rowids], by)

    def _documents(self) -> dict[int, IndexDocument]:
        return plain_engine._folders[self._folder].documents


def _has_words(query: t.Query) -> bool:
    """True where there is something to rank by at the top of a query."""
    parts = query.subqueries if isinstance(query, t.And) else [query]
    words = (t.Word, t.Term, t.Phrase, t.Prefix)
    return any(isinstance(part, words) and not isinstance(part, t.Tag) for part in parts)
