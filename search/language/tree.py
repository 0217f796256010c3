"""The query tree every engine compiles from: Whoosh's query classes, and the few it lacks.

`And`, `Or`, `Not`, `Every`, `Term` (one exact word), `Phrase` and `Prefix` are Whoosh's own. Build
with `all_of`, `any_of` and `none_of`, never with Whoosh's `&`, `|` or `normalize()`: those turn an AND
with `Every` inside into "everything", which would undo a scope.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from whoosh.query import And, Every, Not, Or, Phrase, Prefix, Query, Term

__all__ = [
    "ANYWHERE",
    "And",
    "Every",
    "Not",
    "Or",
    "Phrase",
    "Prefix",
    "PrefixPhrase",
    "Query",
    "SentRange",
    "SizeRange",
    "Suffix",
    "Tag",
    "Term",
    "Word",
    "all_of",
    "any_of",
    "leaves",
    "none_of",
]

ANYWHERE: Final = "anywhere"
"""Field name of a bare word: every text field but `header`."""

# Whoosh has no type information, so to mypy its classes are Any.


class Word(Term):  # type: ignore[misc]
    """Any index word with the English stem of `text`, itself an index word."""


class Suffix(Term):  # type: ignore[misc]
    """Any index word that ends in `text`."""


class PrefixPhrase(Phrase):  # type: ignore[misc]
    """Words in a row, the last of which only has to begin with the last of `words`."""


class Tag(Term):  # type: ignore[misc]
    """Messages with the exact label `fieldname:text`; `text` is casefolded."""


class _Span(Query):  # type: ignore[misc]
    """Equality and hashing of a leaf that is a pair of bounds."""

    fieldname = ""
    boost = 1.0

    def _bounds(self) -> tuple[object, object]:
        raise TypeError("a span has bounds of its own")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Span) and type(self) is type(other) and self._bounds() == other._bounds()

    def __hash__(self) -> int:
        return hash((type(self).__name__, self._bounds()))

    def __repr__(self) -> str:
        low, high = self._bounds()
        return f"{type(self).__name__}({low}, {high})"

    def field(self) -> str:
        return self.fieldname


class SentRange(_Span):
    """Messages sent in `[start, end)`, aware UTC times; None leaves that side open."""

    fieldname = "date"

    def __init__(self, start: datetime | None, end: datetime | None) -> None:
        self.start = start
        self.end = end

    def _bounds(self) -> tuple[object, object]:
        return self.start, self.end


class SizeRange(_Span):
    """Messages whose raw size in bytes is over `above` and under `below`; None leaves that side open."""

    fieldname = "size"

    def __init__(self, above: int | None, below: int | None) -> None:
        self.above = above
        self.below = below

    def _bounds(self) -> tuple[object, object]:
        return self.above, self.below


def all_of(parts: Iterable[Query]) -> Query:
    """AND, flat; one part is itself and no part is `Every`. This is how a scope is added to a query."""
    flat: list[Query] = []
    for part in parts:
        flat.extend(part.subqueries if type(part) is And else [part])
    if not flat:
        return Every()
    return flat[0] if len(flat) == 1 else And(flat)


def any_of(parts: Iterable[Query]) -> Query:
    """OR, flat; one part is itself and no part matches nothing."""
    flat: list[Query] = []
    for part in parts:
        flat.extend(part.subqueries if type(part) is Or else [part])
    if not flat:
        return Not(Every())
    return flat[0] if len(flat) == 1 else Or(flat)


def none_of(parts: Iterable[Query]) -> Query:
    """Messages that match none of the parts."""
    return Not(any_of(parts))


def leaves(query: Query) -> Iterator[Query]:
    """Every leaf of a tree, left to right."""
    if isinstance(query, Query) and query.is_leaf():
        yield query
    else:
        for child in query.children():
            yield from leaves(child)
