"""Facets, histograms and groups counted one message after the other: what the engines must come to."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from archiver.store.rowid import sent_at_of
from search.engine.counting import MOST_BARS
from search.engine.ports import IndexDocument
from search.engine.views import Facet, FacetName, Group, Histogram, Unit
from search.language.fields import tag

Documents = Collection[IndexDocument]


def facet(documents: Documents, name: FacetName, top: int) -> Facet:
    borne = [values_of(document, name) for document in documents]
    counts = Counter(value for values in borne for value in values)
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    if name == "attachment":
        ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0] != "yes"))
        return Facet(name, tuple(ranked), 0, 0, 0)
    named = {value for value, _ in ranked[:top]}
    return Facet(
        name,
        tuple(ranked[:top]),
        len(ranked[top:]),
        sum(bool(values - named) for values in borne),
        sum(not values for values in borne),
    )


def values_of(document: IndexDocument, name: FacetName) -> set[str]:
    if name == "year":
        return {f"{sent_at_of(document.rowid).year:04}"}
    labels = [tag(*label.split(":", 1)) for label in document.tags]
    if name == "attachment":
        return {"yes" if "has:attachment" in labels else "no"}
    if name == "source":
        return set(document.sources)
    return {value for kind, _, value in (label.partition(":") for label in labels) if kind == name}


def histogram(documents: Documents) -> Histogram:
    days = sorted(sent_at_of(document.rowid).date() for document in documents)
    if not days:
        return Histogram("day", (), 0, 0)
    stray = len(days) // 100
    low, high = days[stray], days[len(days) - 1 - stray]
    units: Sequence[Unit] = ("day", "week", "month", "year")
    unit = next((unit for unit in units if len(_bars(unit, low, high)) <= MOST_BARS), "year")
    bars = _bars(unit, days[0], days[-1])
    if len(bars) > MOST_BARS:
        bars = _bars(unit, low, high)[-MOST_BARS:]
    counts = Counter(_start(unit, day) for day in days)
    inside = [(datetime(bar.year, bar.month, bar.day, tzinfo=UTC), counts[bar]) for bar in bars]
    before = sum(n for day, n in counts.items() if day < bars[0])
    after = sum(n for day, n in counts.items() if day > bars[-1])
    return Histogram(unit, tuple(inside), before, after)


def _bars(unit: Unit, low: date, high: date) -> list[date]:
    """The first day of every unit that a day from `low` to `high` is in."""
    step = {"day": 1, "week": 5, "month": 20, "year": 300}[unit]
    if (high - low).days > 200_000:
        step = 300  # whoever asks sees that there are too many of the smaller ones
    days = [*range(low.toordinal(), high.toordinal(), step), high.toordinal()]
    return sorted({_start(unit, date.fromordinal(day)) for day in days})


def _start(unit: Unit, day: date) -> date:
    if unit == "day":
        return day
    if unit == "week":
        return day - timedelta(days=day.isoweekday() - 1)
    return date(day.year, day.month if unit == "month" else 1, 1)


def groups(documents: Documents, by: Group) -> dict[int, frozenset[int]]:
    """The group of each message, joined by these messages alone."""
    parents = {document.rowid: document.rowid for document in documents}

    def root(rowid: int) -> int:
        while parents[rowid] != rowid:
            rowid = parents[rowid]
        return rowid

    for several in _joined(documents, by):
        for rowid in several:
            parents[root(rowid)] = root(several[0])
    members: dict[int, set[int]] = defaultdict(set)
    for rowid in parents:
        members[root(rowid)].add(rowid)
    return {rowid: frozenset(members[root(rowid)]) for rowid in parents}


def _joined(documents: Documents, by: Group) -> Iterable[list[int]]:
    sharing: dict[object, list[int]] = defaultdict(list)
    for document in documents:
        for key in document.likeness if by == "similar" else document.links:
            if key:
                sharing[key].append(document.rowid)
    if by == "conversation":
        turns: Counter[int] = Counter()
        for document in sorted(documents, key=lambda document: document.rowid):
            if document.topic:
                topic = document.topic >> 1
                turns[topic] += not document.topic & 1
                sharing["topic", topic, turns[topic]].append(document.rowid)
    return sharing.values()


def first_of_each(order: Sequence[int], group: Mapping[int, frozenset[int]]) -> list[int]:
    """The first of each group, in an order."""
    seen: set[int] = set()
    found = []
    for rowid in order:
        if rowid not in seen:
            found.append(rowid)
            seen |= group[rowid]
    return found
