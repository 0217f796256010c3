"""When is a source's silence too long for that very source? A function of its past arrivals, nothing else.

Time is measured in the source's own units. Each quarter of an hour of the week weighs as much as silence in
it would surprise: nothing on the weekend of an office, much on a Monday morning. A silence is the sum of the
weights it lasted through, so it is comparable whenever it began (the time-rescaling theorem: arrivals of a
Poisson process become those of a unit one). It alarms when it is beyond what chance gives (`SURPRISE`) and
a quarter longer than the source's second longest silence of before. docs/completeness.md explains it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

SLOTS_A_DAY: Final = 96
WEEK: Final = 7 * SLOTS_A_DAY
WEEKS: Final = 8
"""How far back a rhythm is learned from."""
LEAST: Final = 2 * WEEK
"""Of how much past there must be before the weekly profile is believed."""
SURPRISE: Final = -math.log(1e-5)
"""How unlikely a silence must be: with independent arrivals, one in 100,000."""
BEYOND_PAST: Final = 1.25
SHIFT: Final = SLOTS_A_DAY // 24
"""An hour: clocks change, people come later. A slot never weighs more than the one an hour before it."""
STEADY_DAYS: Final = 6
"""A day of the week expects mail once it has had some so many times running; a busy one at once."""
BUSY_DAY: Final = 5
HOLIDAY_AMONG: Final = 5
"""Among so many busy days one may be empty: a holiday."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Alarm never sooner and never later than this, in slots; the latter only over days that expect mail."""

    soonest: float = 1.0
    latest: float = float(SLOTS_A_DAY)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`alarm` says whether this silence is too long; `missed` how many messages would have come meanwhile."""

    alarm: bool
    surprise: float
    limit: float
    missed: int


class Rhythm:
    """What was learned of one source until the slot `until` (slots are quarters of an hour since 1970 UTC).

    `arrived` counts arrivals by slot, slots without any left out; `first` is the slot the source began in.
    Silences that touch one of the `outages` (spans of slots that were alarmed) teach nothing.
    """

    def __init__(
        self,
        arrived: Mapping[int, int],
        first: int,
        until: int,
        outages: Sequence[tuple[int, int]] = (),
    ) -> None:
        self._start = max(first, until - WEEKS * WEEK)
        self._until = until
        self._arrived = {slot: n for slot, n in arrived.items() if self._start <= slot < until}
        self._learned = until - self._start >= LEAST
        expected = self._expected()
        self._mean = expected
        weights = self._weights(expected)
        self._weight = [min(weights[s], weights[s - SHIFT]) for s in range(WEEK)]
        self._days = self._expected_days()
        silences = list(self._silences(outages))
        self.limit = max(
            SURPRISE, BEYOND_PAST * _second([_total(self._weight, begin, end) for begin, end in silences])
        )
        self._longest_expecting = BEYOND_PAST * _second(
            [self._expecting(begin, end) for begin, end in silences]
        )

    def judge(self, last: int, now: float, bounds: Bounds) -> Verdict:
        """Judge the silence since an arrival in slot `last`, at `now` (in slots, with its fraction)."""
        begin, whole = last + 1, int(now)
        surprise = missed = 0.0
        if whole >= begin:
            surprise = _total(self._weight, begin, whole) + self._weight[whole % WEEK] * (now - whole)
            missed = _total(self._mean, begin, whole) + self._mean[whole % WEEK] * (now - whole)
        long_enough = now - begin >= bounds.soonest
        too_long = self._learned and surprise > self.limit
        overdue = self._expecting(begin, now) > max(bounds.latest, self._longest_expecting)
        return Verdict(long_enough and (too_long or overdue), surprise, self.limit, max(1, round(missed)))

    # --- learning -----------------------------------------------------------------------------

    def _expected(self) -> list[float]:
        """Mean arrivals of each slot of the week, smoothed over its neighbours."""
        sums = [0.0] * WEEK
        for slot, number in self._arrived.items():
            sums[slot % WEEK] += number
        span = self._until - self._start
        times = [span // WEEK + (1 if (s - self._start) % WEEK < span % WEEK else 0) for s in range(WEEK)]
        mean = [sums[s] / times[s] if times[s] else 0.0 for s in range(WEEK)]
        return [0.25 * mean[s - 1] + 0.5 * mean[s] + 0.25 * mean[(s + 1) % WEEK] for s in range(WEEK)]

    def _weights(self, expected: Sequence[float]) -> list[float]:
        """How surprising silence is in each slot of the week.

        For independent arrivals it is the expected number. Mail comes in bursts, so a slot never weighs
        more than the share of empty slots, among all that expect about as much, allows.
        """
        level = [round(2 * math.log2(e)) if e > 0 else None for e in expected]
        seen: dict[int, int] = {}
        empty: dict[int, int] = {}
        for slot in range(self._start, self._until):
            which = level[slot % WEEK]
            if which is not None:
                seen[which] = seen.get(which, 0) + 1
                if slot not in self._arrived:
                    empty[which] = empty.get(which, 0) + 1
        allowed = {
            which: -math.log((empty.get(which, 0) + 0.5) / (number + 1.0)) for which, number in seen.items()
        }
        return [
            0.0 if which is None else max(0.0, min(e, allowed.get(which, 0.0)))
            for e, which in zip(expected, level, strict=True)
        ]

    def _silences(self, outages: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        """The past silences, as spans of slots, but those of an outage."""
        before: int | None = None
        for slot in sorted(self._arrived):
            if before is not None and slot - before > 1:
                last = before
                if not any(begin <= slot and end >= last for begin, end in outages):
                    yield before + 1, slot
            before = slot

    def _expected_days(self) -> frozenset[int]:
        """The days of the week on which mail has come so steadily that a day without is no chance."""
        counts: dict[int, int] = {}
        for slot, number in self._arrived.items():
            counts[slot // SLOTS_A_DAY] = counts.get(slot // SLOTS_A_DAY, 0) + number
        first = -(-self._start // SLOTS_A_DAY)
        last = self._until // SLOTS_A_DAY
        found = set()
        for weekday in range(7):
            past = [counts.get(day, 0) for day in range(first, last) if day % 7 == weekday]
            empty = past.count(0)
            busy = sum(past) >= BUSY_DAY * len(past) and empty <= (len(past) >= HOLIDAY_AMONG)
            if past and (busy or (not empty and len(past) >= STEADY_DAYS)):
                found.add(weekday)
        return frozenset(found)

    def _expecting(self, begin: int, now: float) -> float:
        """How much of a silence, in slots, fell on days that expect mail."""
        total = 0.0
        slot = float(begin)
        while slot < now:
            day = int(slot // SLOTS_A_DAY)
            end = min(now, (day + 1) * SLOTS_A_DAY)
            if day % 7 in self._days:
                total += end - slot
            slot = end
        return total


def _total(weekly: Sequence[float], begin: int, end: int) -> float:
    """The sum over the slots from `begin` to before `end`, which may be many weeks."""
    weeks, rest = divmod(end - begin, WEEK)
    total = weeks * sum(weekly) if weeks else 0.0
    return total + sum(weekly[slot % WEEK] for slot in range(begin, begin + rest))


def _second(lengths: Sequence[float]) -> float:
    """The second longest, so that one outage nobody noticed doesn't blind."""
    return sorted(lengths)[-2] if len(lengths) > 1 else 0.0
