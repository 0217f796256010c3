"""Deadlines of requests and breaches: days of the calendar there, through leap years and clock changes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.cases import zone_of
from retention.cases.clock import (
    Kind,
    begin_of,
    breach_deadlines,
    day_of,
    due,
    may_extend,
    urgency,
    years_after,
    years_before,
)

DAYS = st.dates(date(1990, 1, 1), date(2090, 12, 31))
MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2090, 12, 31), timezones=st.just(UTC))
ZONES = st.sampled_from(sorted(available_timezones() - {"localtime", "Factory"})).map(ZoneInfo)
KINDS = st.sampled_from(["access", "accounting"])
FIRST: dict[Kind, int] = {"access": 30, "accounting": 60}


@given(DAYS, KINDS)
def test_thirty_and_thirty_days_or_sixty_and_thirty(received: date, kind: Kind) -> None:
    first, second = due(kind, received), due(kind, received, extended=True)
    assert (first - received).days == FIRST[kind]
    assert (second - first).days == 30
    # Counted by hand, a day at a time, as somebody with a calendar does.
    counted = received
    for _ in range(FIRST[kind]):
        counted += timedelta(days=1)
    assert counted == first
    assert may_extend(kind, received, first)
    assert not may_extend(kind, received, first + timedelta(days=1))


def test_days_that_people_know() -> None:
    assert due("access", date(2024, 1, 31)) == date(2024, 3, 1)  # a leap year: 29 days of February
    assert due("access", date(2023, 1, 31)) == date(2023, 3, 2)
    assert due("access", date(2023, 12, 15), extended=True) == date(2024, 2, 13)
    assert due("accounting", date(2024, 2, 29), extended=True) == date(2024, 5, 29)
    assert years_before(date(2024, 2, 29), 6) == date(2018, 2, 28)
    assert years_after(date(2024, 2, 29), 6) == date(2030, 2, 28)
    assert years_before(date(2026, 11, 22), 6) == date(2020, 11, 22)


@given(DAYS, KINDS, st.integers(-80, 80))
def test_a_deadline_is_over_on_the_day_after_it(received: date, kind: Kind, off: int) -> None:
    last = due(kind, received)
    today = last + timedelta(days=off)
    how = urgency(last, today)
    assert (how == "overdue") == (off > 0)
    assert (how == "soon") == (-7 <= off <= 0)
    assert urgency(last, today, closed=True) == "closed"


@given(MOMENTS, ZONES)
def test_a_day_is_the_calendars_where_the_organisation_is(moment: datetime, zone: ZoneInfo) -> None:
    day = day_of(moment, zone)
    assert day == moment.astimezone(zone).date()
    assert abs((day - moment.date()).days) <= 1
    start, following = begin_of(day, zone), begin_of(day + timedelta(days=1), zone)
    # Clock changes make a day of 23 or 25 hours, and islands that changed sides skipped one.
    assert timedelta(0) <= following - start <= timedelta(hours=49)
    assert moment < following
    assert start <= moment


def test_an_evening_in_raleigh_is_that_day() -> None:
    raleigh = zone_of("America/New_York")
    evening = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)  # 20:30 the day before
    assert day_of(evening, raleigh) == date(2026, 3, 1)
    assert due("access", day_of(evening, raleigh)) == date(2026, 3, 31)
    # Thirty days with a clock change in them are thirty days of the calendar, not 720 hours.
    assert due("access", date(2026, 2, 20)) == date(2026, 3, 22)


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../etc/passwd", "EST5EDT4"])
def test_a_time_zone_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="IANA"):
        zone_of(name)


@given(
    MOMENTS,
    ZONES,
    st.integers(0, 2_000),
    st.dictionaries(st.sampled_from(["NC", "NY", "CA"]), st.integers(0, 2_000)),
)
def test_notices_of_a_breach(
    discovered: datetime, zone: ZoneInfo, people: int, residents: dict[str, int]
) -> None:
    day = day_of(discovered, zone)
    told = {one.who: one for one in breach_deadlines(discovered, zone, people=people, residents=residents)}
    assert told["individuals"].last == day + timedelta(days=60)
    assert ("media" in told) == any(number > 500 for number in residents.values())
    if people >= 500:
        assert told["hhs"].last == told["individuals"].last
    elif people:
        # Within 60 days after the end of the calendar year: 1 March, or 29 February before a leap day.
        assert told["hhs"].last.year == day.year + 1
        leap = (date(day.year + 1, 3, 1) - date(day.year + 1, 2, 1)).days == 29
        assert (told["hhs"].last.month, told["hhs"].last.day) == ((2, 29) if leap else (3, 1))
    else:
        assert "hhs" not in told


def test_exactly_five_hundred() -> None:
    when = datetime(2026, 1, 1, 12, tzinfo=UTC)
    told = {d.who for d in breach_deadlines(when, UTC, people=500, residents={"NC": 500})}
    assert told == {"individuals", "hhs"}
    told = {d.who for d in breach_deadlines(when, UTC, people=501, residents={"NC": 501})}
    assert told == {"individuals", "hhs", "media"}


@given(MOMENTS, ZONES, st.integers(1, 1_440))
def test_an_associate_tells_the_covered_entity(discovered: datetime, zone: ZoneInfo, hours: int) -> None:
    (one,) = breach_deadlines(
        discovered,
        zone,
        people=900,
        residents={"NC": 900},
        held_as="business_associate",
        contract_hours=hours,
    )
    assert one.who == "covered_entity"
    assert one.moment == discovered + timedelta(hours=hours)
    assert one.last <= day_of(discovered, zone) + timedelta(days=60)
    (without,) = breach_deadlines(discovered, zone, people=900, residents={}, held_as="business_associate")
    assert (without.last - day_of(discovered, zone)).days == 60
    assert without.moment is None


@given(MOMENTS, st.integers(0, 400))
def test_a_delay_moves_what_is_due_before_its_end_and_nothing_else(discovered: datetime, days: int) -> None:
    until = discovered.date() + timedelta(days=days)
    plain = breach_deadlines(discovered, UTC, people=700, residents={"NC": 700})
    moved = breach_deadlines(discovered, UTC, people=700, residents={"NC": 700}, delay_until=until)
    for before, after in zip(plain, moved, strict=True):
        assert after.last == max(before.last, until + timedelta(days=1))
        assert after.not_before == until
