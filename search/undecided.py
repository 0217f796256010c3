"""Of which messages a query can't say for certain whether they match, when parts of them couldn't be read.

Every leaf is true, false or not known. A word that was found is there; one that wasn't may stand in what
couldn't be read. So a tree has two bounds: what certainly matches (`lower`) and what may (`upper`), with NOT
swapping them. What lies between is undecided: for `word` the unread messages in which it wasn't seen, for
`NOT word` just those that are in the result and may not belong there. Leaves that don't hang on the text,
such as dates, sources and custodians, are settled: they bound the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final, Protocol, TypeVar

from search.language.tree import And, Every, Not, Or, Query, all_of, any_of, none_of

BY_RECORDS: Final = frozenset(
    {"date", "size", "custodian", "source", "hold", "matter", "tag", "id", "unsearchable"}
)
"""Fields that the archive knows of every message, whether it could be read or not."""
BY_HEADERS: Final = BY_RECORDS | {
    "from",
    "to",
    "cc",
    "bcc",
    "participant",
    "subject",
    "header",
    "has",
    "message-id",
}
"""Fields that are also known of a message whose parts alone couldn't be read."""

T = TypeVar("T")


class Algebra(Protocol[T]):
    """How conditions are joined: as trees for an index, or as SQL over the records."""

    @property
    def always(self) -> T: ...
    @property
    def never(self) -> T: ...
    def both(self, parts: list[T]) -> T: ...
    def either(self, parts: list[T]) -> T: ...
    def neither(self, part: T) -> T: ...


def bounds(tree: Query, of: Algebra[T], leaf: Callable[[Query], tuple[T, T]]) -> tuple[T, T]:
    """The conditions of what certainly matches and of what may. `leaf` gives those of a leaf."""
    if isinstance(tree, Every):
        return of.always, of.always
    if isinstance(tree, Not):
        lower, upper = bounds(tree.query, of, leaf)
        return of.neither(upper), of.neither(lower)
    if isinstance(tree, And | Or):
        join = of.both if isinstance(tree, And) else of.either
        parts = [bounds(part, of, leaf) for part in tree.subqueries]
        return join([lower for lower, _ in parts]), join([upper for _, upper in parts])
    return leaf(tree)


class Trees:
    """Query trees, kept small: a part that is always or never true leaves no trace."""

    always: Query = Every()
    never: Query = Not(Every())

    def both(self, parts: list[Query]) -> Query:
        if any(part == self.never for part in parts):
            return self.never
        return all_of([part for part in parts if part != self.always])

    def either(self, parts: list[Query]) -> Query:
        if any(part == self.always for part in parts):
            return self.always
        return any_of([part for part in parts if part != self.never])

    def neither(self, part: Query) -> Query:
        return part.query if isinstance(part, Not) else none_of([part])


TREES: Final = Trees()


def undecided(tree: Query, settled: Collection[str]) -> Query:
    """The tree of the messages of which it isn't known whether they match, if of each only the `settled`
    fields are known for certain; `TREES.never` where a query asks for nothing else."""

    def leaf(node: Query) -> tuple[Query, Query]:
        return (node, node) if getattr(node, "fieldname", None) in settled else (node, TREES.always)

    lower, upper = bounds(tree, TREES, leaf)
    return TREES.both([upper, TREES.neither(lower)]) if lower != upper else TREES.never
