"""Facets and histograms of a result: counts over the facts of its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Final

import numpy as np

from archiver.store.rowid import MAX_ROWID, rowid_range, sent_at_of
from search.engine.chunks import Codes, Ints, gather
from search.engine.table import Fact, Table
from search.engine.views import Facet, FacetName, Histogram, Unit

MOST_BARS: Final = 120
_STRAYS: Final = 100
"""One in so many at either end may lie outside the bars."""
_UNITS: Final[tuple[Unit, ...]] = ("day", "week", "month", "year")


def facet(table: Table, name: FacetName, rowids: Ints, places: Codes, top: int) -> Facet:
    """Count rows by a fact. `places` are where the facts of `rowids`, ascending, lie."""
    if name == "year":
        return _by_year(rowids, top)
    found = _by_fact(table.facts[name], name, places, top)
    if name != "attachment":
        return found
    counts = [("yes", len(rowids) - found.without), ("no", found.without)]
    named = sorted(((value, n) for value, n in counts if n), key=lambda pair: -pair[1])
    return Facet(name, tuple(named), 0, 0, 0)


def _by_fact(fact: Fact, name: FacetName, places: Codes, top: int) -> Facet:
    bearers = np.bincount(fact.codes[places], minlength=len(fact.ends))
    used = np.flatnonzero(bearers)
    bearers = bearers[used]
    if len(used) == len(fact.ends):
        values, lengths = fact.flat, np.diff(fact.ends, prepend=0)
    else:
        values, lengths = gather(fact.ends, fact.flat, used)
    # Weights are doubles: exact up to 2^53 messages.
    counts = np.bincount(values, weights=np.repeat(bearers, lengths)).astype(np.int64)
    named = _most(counts, top)
    chosen = sorted(((fact.names[value], int(counts[value])) for value in named), key=_by_count)[:top]
    shown = {value for value, _ in chosen}
    is_other = np.ones(len(counts), bool)
    is_other[[value for value in named if fact.names[value] in shown]] = False
    has_other = np.zeros(len(used), bool)
    has_other[np.repeat(np.arange(len(used)), lengths)[is_other[values]]] = True
    return Facet(
        name,
        tuple(chosen),
        int(np.count_nonzero(counts)) - len(chosen),
        int(bearers[has_other].sum()),
        int(bearers[lengths == 0].sum()),
    )


def _by_count(pair: tuple[str, int]) -> tuple[int, str]:
    return -pair[1], pair[0]


def _most(counts: Ints, top: int) -> list[int]:
    """The numbers with the `top` greatest counts, all that are equal to the last of them included."""
    present = np.flatnonzero(counts)
    if len(present) > top:
        least = np.partition(counts[present], -top)[-top]
        present = present[counts[present] >= least]
    return present.tolist()


def _by_year(rowids: Ints, top: int) -> Facet:
    counts: list[tuple[str, int]] = []
    if len(rowids):
        first, last = sent_at_of(int(rowids[0])), sent_at_of(int(rowids[-1]))
        starts = [datetime(year, 1, 1, tzinfo=UTC) for year in range(first.year, last.year + 1)]
        bars, _, _ = _count(rowids, starts, None)
        counts = sorted(((f"{start.year:04}", n) for start, n in bars if n), key=_by_count)
    others = counts[top:]
    return Facet("year", tuple(counts[:top]), len(others), sum(n for _, n in others), 0)


# --- histogram -----------------------------------------------------------------------------------


def histogram(rowids: Ints) -> Histogram:
    """Count rows, ascending, by the time they were sent: by the finest unit that gives few enough bars."""
    if not len(rowids):
        return Histogram("day", (), 0, 0)
    first, last = _day(rowids[0]), _day(rowids[-1])
    stray = len(rowids) // _STRAYS
    low, high = _day(rowids[stray]), _day(rowids[len(rowids) - 1 - stray])
    unit: Unit = next((unit for unit in _UNITS if _bars(unit, low, high) <= MOST_BARS), "year")
    if _bars(unit, first, last) <= MOST_BARS:
        low, high = first, last
    if _bars(unit, low, high) > MOST_BARS:
        low = date(high.year - MOST_BARS + 1, 1, 1)
    starts = [_midnight(day) for day in _starts(unit, low, high)]
    bars, before, after = _count(rowids, starts, _following(unit, high))
    return Histogram(unit, tuple(bars), before, after)


def _count(
    rowids: Ints, starts: list[datetime], end: date | None
) -> tuple[list[tuple[datetime, int]], int, int]:
    """Rows from each start to the next, the last one's up to `end` (None: for ever), and those outside."""
    bounds = [rowid_range(start, None)[0] for start in starts]
    bounds.append(MAX_ROWID + 1 if end is None else rowid_range(_midnight(end), None)[0])
    at = np.searchsorted(rowids, np.array(bounds, np.int64))
    return (
        list(zip(starts, np.diff(at).tolist(), strict=True)),
        int(at[0]),
        len(rowids) - int(at[-1]),
    )


def _day(rowid: np.int64) -> date:
    return sent_at_of(int(rowid)).date()


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _start(unit: Unit, day: date) -> date:
    if unit == "week":
        return day - timedelta(days=day.weekday())  # year 1 begins on a Monday, so none is before it
    return day.replace(month=1 if unit == "year" else day.month, day=1) if unit != "day" else day


def _following(unit: Unit, day: date) -> date | None:
    """The start of the unit after the one that `day` is in; None after the year 9999."""
    start = _start(unit, day)
    try:
        if unit == "year":
            return start.replace(year=start.year + 1)
        if unit == "month":
            return start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
        return start + timedelta(days=7 if unit == "week" else 1)
    except (ValueError, OverflowError):
        return None


_BARS: Final[dict[Unit, Callable[[date], int]]] = {
    "day": lambda day: day.toordinal(),
    "week": lambda day: (day.toordinal() - 1) // 7,
    "month": lambda day: day.year * 12 + day.month,
    "year": lambda day: day.year,
}


def _bars(unit: Unit, low: date, high: date) -> int:
    number = _BARS[unit]
    return number(high) - number(low) + 1


def _starts(unit: Unit, low: date, high: date) -> Iterator[date]:
    day: date | None = _start(unit, low)
    while day is not None and day <= high:
        yield day
        day = _following(unit, day)
