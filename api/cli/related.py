"""`conversation` and `similar`, and how counts and lines of results look at the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial

from api import views
from api.cli.verb import Context, Verb, acting
from search.engine.views import Group, Histogram
from search.facets import FacetList
from search.language.highlight import as_text
from search.results import Item, Page

_BAR = 40


def item_lines(item: Item) -> Iterator[str]:
    """One message of a page."""
    more = f"  ({item.members} messages)" if item.members is not None else ""
    yield f"\n{item.id}  {item.sent_at}  {item.from_} -> {', '.join(item.to[:3])}{more}"
    yield f"  {item.subject}"
    if shown := as_text(item.snippet):
        yield f"  {shown}"


def counts(page: Page) -> Iterator[str]:
    """What was asked besides the page."""
    if page.group:
        name = "conversation" if page.group == "conversation" else "group of messages nearly alike"
        if page.groups != 1:
            name = "conversations" if page.group == "conversation" else "groups of messages nearly alike"
        yield f"{page.groups} {name}"
    if page.ranked_among is not None and page.ranked_among < page.total:
        yield f"ranked among the newest {page.ranked_among}; the rest follows, newest first"
    for facet in page.facets:
        yield from _facet(facet)
    if page.histogram:
        yield from _histogram(page.histogram)


def _facet(facet: FacetList) -> Iterator[str]:
    yield f"\nby {facet.name}"
    for value in facet.values:
        yield f"{value.count:>10}  {value.value}"
    if facet.other_values:
        yield f"{facet.other_messages:>10}  with {facet.other_values} other values"
    if facet.without:
        yield f"{facet.without:>10}  without"


def _histogram(histogram: Histogram) -> Iterator[str]:
    yield f"\nby {histogram.unit}"
    if histogram.before:
        yield f"{histogram.before:>10}  before"
    most = max((count for _, count in histogram.bars), default=0)
    for start, count in histogram.bars:
        yield f"{count:>10}  {start.date()}  {'#' * -(-_BAR * count // max(most, 1))}"
    if histogram.after:
        yield f"{histogram.after:>10}  after"


def _related(by: Group, context: Context, args: argparse.Namespace) -> int:
    actor = context.actor()
    purpose = context.purpose_or_denied(actor, "search.query")
    found = context.app.room.related(actor, purpose, args.id, by, limit=args.limit, after=args.after)

    def text() -> str:
        lines = [f"{found.total} messages, oldest first"]
        for item in found.items:
            lines += item_lines(item)
        if found.next:
            lines.append(f"more: --after {found.next}")
        return "\n".join(lines)

    context.say(views.related_page(found), text)
    return 0


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="of a message")
    acting(parser, purpose=True)
    parser.add_argument("--limit", type=int, default=50, help="how many are shown (50); all are counted")
    parser.add_argument("--after", metavar="ID", help="where the page before ended")


def _verb(by: Group) -> Callable[[Context, argparse.Namespace], int]:
    return partial(_related, by)


VERBS = (
    Verb(
        ("conversation",),
        "list the conversation of a message",
        _verb("conversation"),
        _configure,
        ("message.conversation", "search.results"),
    ),
    Verb(
        ("similar",),
        "list the messages whose text is nearly that of a message",
        _verb("similar"),
        _configure,
        ("message.similar", "search.results"),
    ),
)
