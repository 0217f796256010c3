"""What can be asked of a result besides its page, and what comes back: facets, histogram, groups.

All of it is counted over the same rows as the total, in the same snapshot: it adds up, and tells of nothing
that the query's tree, scope included, doesn't match.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

FacetName = Literal["sender", "custodian", "source", "year", "record", "state", "attachment"]
Group = Literal["conversation", "similar"]
Unit = Literal["year", "month", "week", "day"]

FACETS: Final[tuple[FacetName, ...]] = (
    "sender",
    "custodian",
    "source",
    "year",
    "record",
    "state",
    "attachment",
)


@dataclass(frozen=True, slots=True)
class Ask:
    """What is wanted besides the page. `top` is how many values of each facet are named.

    `without` are rows left out of everything, joining groups too: disposed messages that the index still
    knows.
    `group` gives one line a group, which stands at its best message's place in the order.
    """

    facets: tuple[FacetName, ...] = ()
    top: int = 10
    histogram: bool = False
    group: Group | None = None
    without: Collection[int] = ()

    @property
    def plain(self) -> bool:
        """True where nothing but the page is wanted."""
        return not (self.facets or self.histogram or self.group)


@dataclass(frozen=True, slots=True)
class Facet:
    """Messages by one fact. `values` are the most frequent, each with the number of messages that bear it.

    `other_values` more are not named, and `other_messages` messages bear at least one of those;
    `without` messages have no value at all.
    """

    name: FacetName
    values: tuple[tuple[str, int], ...]
    other_values: int
    other_messages: int
    without: int


@dataclass(frozen=True, slots=True)
class Histogram:
    """Messages by the time they were sent, in UTC. `bars` follow one another without a gap, each from its
    time to the next one's; weeks begin on Monday. `before` and `after` are those outside the bars, where a
    few strays would make the rest one bar. It all adds up to the total."""

    unit: Unit
    bars: tuple[tuple[datetime, int], ...]
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class View:
    """One page of a result in the asked order, and what was asked besides. `total` is exact.

    With a group each row id is that of a group's best message, `members` says how many of the result are in
    each, and `groups` how many groups there are. `ranked_among` is given with `relevance`: so many of the
    newest matches were ranked, and the rest follows them newest first; None where nothing was ranked.
    """

    total: int
    rowids: tuple[int, ...]
    next: str | None
    facets: tuple[Facet, ...] = ()
    histogram: Histogram | None = None
    groups: int | None = None
    members: tuple[int, ...] = field(default=())
    ranked_among: int | None = None
