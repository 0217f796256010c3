"""The query tree every engine compiles from: Whoosh's query classes, and the few it lacks.

Every text leaf has a `fieldname`, and matches a message that has what it asks for in one of that field's
columns: rows of words and words near each other never reach from one column into the next.

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
    "Address",
    "And",
    "Every",
    "Fuzzy",
    "Near",
    "Not",
    "Or",
    "Pattern",
    "PatternPhrase",
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
    "flat",
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


class Pattern(Term):  # type: ignore[misc]
    """Any index word of the form `text`: `*` is any number of characters, `?` exactly one.

    What `Prefix` and `Suffix` can say is never a Pattern, and two `*` never touch.
    """


class PatternPhrase(Phrase):  # type: ignore[misc]
    """Words in a row, any of which may be a pattern as in `Pattern`, `Prefix` (`a*`) or `Suffix` (`*a`)."""


class Fuzzy(Term):  # type: ignore[misc]
    """Any index word at most `edits` (1 or 2) edits away from `text`, which is an index word itself.

    An edit leaves out a character, adds one, replaces one or swaps two neighbours; none touches a place
    that another has changed (optimal string alignment).
    """

    def __init__(self, fieldname: str, text: str, edits: int) -> None:
        super().__init__(fieldname, text)
        self.edits = edits

    def __eq__(self, other: object) -> bool:
        return bool(super().__eq__(other)) and isinstance(other, Fuzzy) and self.edits == other.edits

    def __hash__(self) -> int:
        return hash((self.fieldname, self.text, self.edits))

    def __repr__(self) -> str:
        return f"Fuzzy({self.fieldname!r}, {self.text!r}, {self.edits})"


class Near(Query):  # type: ignore[misc]
    """Exact words close together in one column, in any order.

    Each of `words` (at least two, all different) is an index word, or several in a row with a blank between
    them. There are places for all of them such that from the end of each to the beginning of the last there
    are at most `distance` (1 to 100) words. For single words: at most so many stand between the first and
    the last, the others of `words` among them.
    """

    boost = 1.0

    def __init__(self, fieldname: str, words: Iterable[str], distance: int) -> None:
        self.fieldname = fieldname
        self.words = tuple(words)
        self.distance = distance

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Near) and (self.fieldname, self.words, self.distance) == (
            other.fieldname,
            other.words,
            other.distance,
        )

    def __hash__(self) -> int:
        return hash((self.fieldname, self.words, self.distance))

    def __repr__(self) -> str:
        return f"Near({self.fieldname!r}, {self.words!r}, {self.distance})"

    def field(self) -> str:
        return self.fieldname


class Tag(Term):  # type: ignore[misc]
    """Messages with the exact label `fieldname:text`; `text` is casefolded."""


class Address(Term):  # type: ignore[misc]
    """Messages with this very e-mail address in one of the field's columns; see `language.addresses`."""


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
    level: list[Query] = []
    for part in parts:
        level.extend(part.subqueries if type(part) is And else [part])
    if not level:
        return Every()
    return level[0] if len(level) == 1 else And(level)


def any_of(parts: Iterable[Query]) -> Query:
    """OR, flat; one part is itself and no part matches nothing."""
    level: list[Query] = []
    for part in parts:
        level.extend(part.subqueries if type(part) is Or else [part])
    if not level:
        return Not(Every())
    return level[0] if len(level) == 1 else Or(level)


def none_of(parts: Iterable[Query]) -> Query:
    """Messages that match none of the parts."""
    return Not(any_of(parts))


def flat(query: Query) -> Query:
    """Return the same tree with no AND right inside an AND and no OR right inside an OR."""
    if isinstance(query, And | Or):
        build = all_of if isinstance(query, And) else any_of
        return build(flat(part) for part in query.subqueries)
    return Not(flat(query.query)) if isinstance(query, Not) else query


def leaves(query: Query) -> Iterator[Query]:
    """Every leaf of a tree, left to right."""
    if isinstance(query, Query) and query.is_leaf():
        yield query
    else:
        for child in query.children():
            yield from leaves(child)
