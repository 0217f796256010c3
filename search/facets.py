"""Facets as people see them: each value by its name, with the words that narrow a query to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from search.engine.views import Facet, FacetName
from search.language import is_quotable, render
from search.language.tree import Tag


@dataclass(frozen=True, slots=True)
class FacetValue:
    """One value and how many messages of the result bear it. Anded to the query, `query` gives just these;
    None where the language has no words for it."""

    value: str
    count: int
    query: str | None


@dataclass(frozen=True, slots=True)
class FacetList:
    """A facet as in `search.engine.views.Facet`, with values that can be asked for."""

    name: FacetName
    values: tuple[FacetValue, ...]
    other_values: int
    other_messages: int
    without: int


def facet_list(facet: Facet, source_names: Mapping[str, str]) -> FacetList:
    """Make a facet readable. `source_names` are by id; a source that isn't there keeps its id."""
    values = tuple(
        FacetValue(
            source_names.get(value, value) if facet.name == "source" else value,
            count,
            _query(facet.name, value),
        )
        for value, count in facet.values
    )
    return FacetList(facet.name, values, facet.other_values, facet.other_messages, facet.without)


def _query(name: FacetName, value: str) -> str | None:
    if name == "attachment":
        return "has:attachment" if value == "yes" else "NOT has:attachment"
    if name == "year":
        return f"date:{value}" if value >= "1000" else None
    return render(Tag(name, value)) if is_quotable(value) else None
