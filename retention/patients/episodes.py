"""Episodes: the time of an encounter with some days around it, and the time between them. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final

from archiver.store.rowid import rowid_range, sent_at_of
from retention.roster.encounters import Encounter
from search.language.tree import Query, SentRange, all_of, any_of, none_of

MARGIN: Final = 7
"""Days before an admission and after a discharge whose mail counts to the episode, unless somebody says how
many."""
MOST_MARGIN: Final = 365


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time, `[start, end)` in UTC; None leaves a side open."""

    start: datetime | None
    end: datetime | None

    @property
    def tree(self) -> Query:
        """Mail sent in it."""
        return SentRange(self.start, self.end)

    def count(self, pks: Sequence[int]) -> int:
        """How many of the messages with these keys, in ascending order, were sent in it."""
        first, beyond = rowid_range(self.start, self.end)
        return bisect_left(pks, beyond) - bisect_left(pks, first)


def window(encounter: Encounter, margin: int) -> Window | None:
    """An encounter's time with `margin` days around it, whole days in UTC; None where nobody tells when it
    was. One that hasn't ended goes on for ever."""
    if encounter.first is None:
        return None
    start = datetime.combine(encounter.first, time(), UTC) - timedelta(days=margin)
    if encounter.last is None:
        return Window(start, None)
    # Rosters may name an end before the beginning; then it is the day it began.
    last = max(encounter.first, encounter.last)
    return Window(start, datetime.combine(last, time(), UTC) + timedelta(days=margin + 1))


def united(windows: Iterable[Window]) -> list[Window]:
    """Spans that don't overlap or touch, together the same time."""
    found: list[Window] = []
    for one in sorted(windows, key=lambda w: w.start or _NEVER):
        if found and (found[-1].end is None or (one.start or _NEVER) <= found[-1].end):
            ends = (found[-1].end, one.end)
            found[-1] = Window(found[-1].start, None if None in ends else max(e for e in ends if e))
        else:
            found.append(one)
    return found


def between(windows: Iterable[Window]) -> list[Window]:
    """The time that is in none of them: before the first, between two, after the last."""
    found: list[Window] = []
    at: datetime | None = None
    for one in united(windows):
        found.append(Window(at, one.start))
        at = one.end
        if at is None:
            return found
    return [*found, Window(at, None)]


def within_any(windows: Iterable[Window]) -> Query:
    """Mail of any of these times; of none at all, no mail."""
    return any_of([one.tree for one in united(windows)])


def outside_all(windows: Iterable[Window]) -> Query:
    """Mail of none of these times; where there are none, all mail."""
    joined = united(windows)
    return none_of([one.tree for one in joined]) if joined else all_of([])


def months(pks: Iterable[int]) -> list[tuple[str, int]]:
    """How much mail was sent in each month that has any, as YYYY-MM in UTC."""
    counted = Counter((day.year, day.month) for day in map(sent_at_of, pks))
    return [(f"{year:04}-{month:02}", count) for (year, month), count in sorted(counted.items())]


_NEVER: Final = datetime.min.replace(tzinfo=UTC)
