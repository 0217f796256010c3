"""What the reading room hands out: values, with nothing left to look up."""

from __future__ import annotations

from dataclasses import dataclass, field

from search.engine.ports import Expansion
from search.engine.views import Group, Histogram
from search.facets import FacetList
from search.language import Hint
from search.language.highlight import Segment


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a page of results."""

    id: str
    sha256: str
    sent_at: str
    captured_at: str
    size: int
    from_: str
    to: tuple[str, ...]
    subject: str
    snippet: tuple[Segment, ...]
    has_attachment: bool
    masked: int = 0
    """How many identifiers of its excerpt are withheld; see `search.masking`."""
    members: int | None = None
    """In an answer by groups: how many messages of the result its group has."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of results. `total` is exact; `next` is the cursor of the following page, if any."""

    query: str
    interpreted: str
    total: int
    items: tuple[Item, ...]
    next: str | None
    not_searchable: dict[str, int]
    masked: int = 0
    """How many identifiers are withheld on this page."""
    unsearched: dict[str, int] = field(default_factory=dict)
    """Messages within the query's own bounds of which it isn't known whether they match; see
    `search.unsearched`."""
    facets: tuple[FacetList, ...] = ()
    histogram: Histogram | None = None
    group: Group | None = None
    groups: int | None = None
    """How many groups the result has, where it was asked for by groups; `total` still counts messages."""
    hints: tuple[Hint, ...] = ()
    """What in the query people often mean otherwise."""
    expansions: tuple[Expansion, ...] = ()
    """On the first page, to a reader whose scope is everything: what patterns and stems stand for. The words
    themselves only where identifiers aren't withheld."""
    ranked_among: int | None = None
    """Sorted by relevance: how many of the newest matches were ranked; the rest follows, newest first."""


@dataclass(frozen=True, slots=True)
class Related:
    """A page of the messages of one message's group, oldest first, itself included. `total` is exact, within
    the reader's scope."""

    id: str
    by: Group
    total: int
    items: tuple[Item, ...]
    next: str | None
    masked: int
