"""The rhythm of made-up sources: offices, tiny feeds, nightly batches, steady streams."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.coverage.rhythm import LEAST, SLOTS_A_DAY, WEEK, WEEKS, Bounds, Rhythm

MONDAY = 2_000 * WEEK + 4 * SLOTS_A_DAY
"""A Monday 00:00 UTC (1970-01-01 was a Thursday)."""
HOUR = 4
Rate = Callable[[int], float]


def clock(slot: int) -> tuple[int, int]:
    """(weekday from Monday = 0, hour) of a slot."""
    since = (slot - MONDAY) % WEEK
    return since // SLOTS_A_DAY, since % SLOTS_A_DAY // HOUR


def office(slot: int) -> float:
    day, hour = clock(slot)
    return 8.0 if day < 5 and 8 <= hour < 18 else 0.0


def hospital(slot: int) -> float:
    return 40.0 if 7 <= clock(slot)[1] < 20 else 12.0


def tiny(_: int) -> float:
    return 3 / WEEK


def draw(rate: Rate, begin: int, end: int, seed: int) -> Counter[int]:
    """Poisson arrivals by slot."""
    rng = random.Random(seed)
    arrived: Counter[int] = Counter()
    for slot in range(begin, end):
        expected, time = rate(slot), 0.0
        while expected > 0:
            time += rng.expovariate(expected)
            if time >= 1:
                break
            arrived[slot] += 1
    return arrived


def learn(rate: Rate, now: int, seed: int, weeks: int = WEEKS) -> tuple[Rhythm, int]:
    """The rhythm learned until `now`, and the slot of the last arrival before."""
    first = now - weeks * WEEK
    arrived = draw(rate, first, now, seed)
    return Rhythm(arrived, first, now), max(arrived, default=first)


def alarms_after(rhythm: Rhythm, last: int, begin: int, slots: int) -> int | None:
    """After how many slots of silence from `begin` on it alarms."""
    for slot in range(begin, begin + slots + 1):
        if rhythm.judge(last, float(slot), Bounds()).alarm:
            return slot - begin
    return None


@pytest.mark.parametrize("seed", range(6))
def test_the_weekend_of_an_office_is_no_alarm(seed: int) -> None:
    friday_evening = MONDAY + 4 * SLOTS_A_DAY + 18 * HOUR
    rhythm, last = learn(office, friday_evening, seed)
    assert alarms_after(rhythm, last, friday_evening, 2 * SLOTS_A_DAY + 14 * HOUR) is None


@pytest.mark.parametrize("seed", range(6))
def test_a_dead_monday_morning_alarms_within_two_hours(seed: int) -> None:
    friday_evening = MONDAY + 4 * SLOTS_A_DAY + 18 * HOUR
    rhythm, last = learn(office, friday_evening, seed)
    eight = friday_evening + 2 * SLOTS_A_DAY + 14 * HOUR
    assert clock(eight) == (0, 8)
    found = alarms_after(rhythm, last, eight, SLOTS_A_DAY)
    assert found is not None
    assert HOUR <= found <= 2 * HOUR


@pytest.mark.parametrize("seed", range(4))
def test_a_stream_that_stops_alarms_within_the_hour_but_not_before_a_quarter(seed: int) -> None:
    noon = MONDAY + 2 * SLOTS_A_DAY + 12 * HOUR
    rhythm, _ = learn(hospital, noon, seed)
    found = alarms_after(rhythm, noon - 1, noon, SLOTS_A_DAY)
    assert found is not None
    assert 1 <= found <= HOUR
    assert not rhythm.judge(noon - 1, noon + 0.9, Bounds()).alarm


@pytest.mark.parametrize("seed", range(10))
def test_a_source_of_three_mails_a_week_does_not_cry(seed: int) -> None:
    """Ten weeks, looked at every six hours with what was known by then: at most one false alarm."""
    now = MONDAY
    arrived = draw(tiny, now, now + 18 * WEEK, seed)
    cries = 0
    silent_since: int | None = None
    for slot in range(now + 8 * WEEK, now + 18 * WEEK, 6 * HOUR):
        past = {s: n for s, n in arrived.items() if s < slot}
        last = max(past, default=now)
        if last == silent_since:
            continue
        if Rhythm(past, now, slot).judge(last, float(slot), Bounds()).alarm:
            cries, silent_since = cries + 1, last
    assert cries <= 1


def test_a_nightly_batch_that_comes_at_two_or_at_three_is_no_alarm() -> None:
    rng = random.Random(5)
    arrived: Counter[int] = Counter()
    for day in range(WEEKS * 7 + 7):
        arrived[MONDAY + day * SLOTS_A_DAY + rng.choice((8, 9, 10, 11, 12, 13))] += 500
    now = MONDAY + WEEKS * WEEK
    for slot in range(now, now + WEEK - SLOTS_A_DAY):
        past = {s: n for s, n in arrived.items() if s < slot}
        assert not Rhythm(past, MONDAY, slot).judge(max(past), float(slot), Bounds()).alarm, clock(slot)
    # But once it stays away, it is missed within a day and a half.
    last = max(s for s in arrived if s < now)
    assert alarms_after(Rhythm(arrived, MONDAY, now), last, last, 2 * SLOTS_A_DAY) is not None


def test_daily_traffic_is_missed_within_a_day_even_before_a_rhythm_is_known() -> None:
    first = MONDAY
    arrived = draw(hospital, first, first + 4 * SLOTS_A_DAY, 1)
    rhythm = Rhythm(arrived, first, first + 4 * SLOTS_A_DAY)
    last = max(arrived)
    assert not rhythm.judge(last, last + 20.0 * HOUR, Bounds()).alarm
    # Only days of the week that were seen are expected; here the next four are not.
    assert (
        Rhythm(draw(hospital, first, first + 10 * SLOTS_A_DAY, 1), first, first + 10 * SLOTS_A_DAY)
        .judge(last + 6 * SLOTS_A_DAY, float(last + 7 * SLOTS_A_DAY + 2), Bounds())
        .alarm
    )


def test_an_outage_that_was_alarmed_teaches_nothing() -> None:
    now = MONDAY + 2 * SLOTS_A_DAY + 12 * HOUR
    first = now - WEEKS * WEEK
    arrived = draw(hospital, first, now, 3)
    outages = [(first + week * WEEK + 40, first + week * WEEK + 100) for week in (1, 3, 5)]
    for begin, end in outages:
        for slot in range(begin, end):
            arrived.pop(slot, None)
    blind = Rhythm(arrived, first, now)
    told = Rhythm(arrived, first, now, outages)
    assert told.limit < blind.limit
    assert (alarms_after(told, now - 1, now, SLOTS_A_DAY) or 999) <= 2 * HOUR


@pytest.mark.parametrize("rate", [office, hospital])
def test_steady_sources_are_not_alarmed_about_in_a_whole_quiet_month(rate: Rate) -> None:
    """What is looked at every quarter of an hour must not cry wolf."""
    first = MONDAY
    arrived = draw(rate, first, first + (WEEKS + 4) * WEEK, 7)
    cries = 0
    ordered = sorted(arrived)
    for week in range(4):
        begin = first + (WEEKS + week) * WEEK
        rhythm = Rhythm({s: n for s, n in arrived.items() if s < begin}, first, begin)
        for before, after in itertools.pairwise(ordered):
            if begin <= before < begin + WEEK and after - before > 1:
                cries += rhythm.judge(before, float(after), Bounds()).alarm
    assert cries == 0


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.integers(0, 3 * WEEK), st.integers(1, 1_000), max_size=60),
    st.integers(0, 3 * WEEK),
    st.integers(0, 2 * WEEK),
)
def test_any_past_gives_a_verdict_that_only_grows(past: dict[int, int], last: int, more: int) -> None:
    rhythm = Rhythm(past, 0, 3 * WEEK)
    verdicts = [rhythm.judge(last, last + 1 + more * share, Bounds()) for share in (0.0, 0.5, 1.0)]
    assert [v.surprise for v in verdicts] == sorted(v.surprise for v in verdicts)
    assert [v.alarm for v in verdicts] == sorted(v.alarm for v in verdicts)
    assert all(v.missed >= 1 for v in verdicts)
    assert not Rhythm({}, 0, LEAST).judge(0, 50.0 * WEEK, Bounds()).alarm
