"""The clocks of patients' requests and of breaches: pure functions of days. No database, no settings.

A day is the calendar's where the organisation is: a request that came in at nine in the evening in Raleigh
came in that day, although it was the next one in UTC. A deadline names the last day on which acting is in
time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final, Literal

Kind = Literal["access", "accounting"]
HeldAs = Literal["covered_entity", "business_associate"]

ACT_DAYS: Final[Mapping[Kind, int]] = {"access": 30, "accounting": 60}
"""164.524(b)(2)(i) and 164.528(c)(1)(i): no later than so many days after receipt of the request."""
EXTENSION_DAYS: Final = 30
"""164.524(b)(2)(iii) and 164.528(c)(1)(ii): once, by no more than 30 days."""
SOON_DAYS: Final = 7
NOTICE_DAYS: Final = 60
"""164.404(b), 164.406(b), 164.410(b): no later than 60 calendar days after discovery."""
MEDIA_MORE_THAN: Final = 500
"""164.406(a): more than 500 residents of a State or jurisdiction."""
HHS_AT_ONCE: Final = 500
"""164.408(b): 500 or more individuals; fewer are told of within 60 days of the year's end (164.408(c))."""
ORAL_DELAY_DAYS: Final = 30
"""164.412(b), 164.528(a)(2)(ii): an agency's oral statement holds no longer than 30 days."""
ACCOUNTING_YEARS: Final = 6
"""164.528(a)(1): disclosures in the six years prior to the request."""


def day_of(moment: datetime, zone: tzinfo) -> date:
    """The calendar's day of a moment where the organisation is."""
    return moment.astimezone(zone).date()


def begin_of(day: date, zone: tzinfo) -> datetime:
    """The first moment of a day there, in UTC; where a clock change skips midnight, the first that exists."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def due(kind: Kind, received: date, extended: bool = False) -> date:
    """The last day to act on a request."""
    return received + timedelta(days=ACT_DAYS[kind] + (EXTENSION_DAYS if extended else 0))


def may_extend(kind: Kind, received: date, today: date) -> bool:
    """Whether the time for the written statement of an extension has not run out: it is the first period's
    own (164.524(b)(2)(iii)(A): "within the time limit set by paragraph (b)(2)(i)")."""
    return today <= due(kind, received)


def years_before(day: date, years: int) -> date:
    """The same day so many years before; for 29 February in a year without one, 28 February."""
    return _in_year(day, day.year - years)


def years_after(day: date, years: int) -> date:
    """The same day so many years later; for 29 February likewise."""
    return _in_year(day, day.year + years)


def _in_year(day: date, year: int) -> date:
    try:
        return day.replace(year=year)
    except ValueError:
        return day.replace(year=year, day=28)


Urgency = Literal["closed", "in_time", "soon", "overdue"]


def urgency(last: date, today: date, closed: bool = False) -> Urgency:
    """How a deadline stands: `soon` in its last seven days, `overdue` from the day after it."""
    if closed:
        return "closed"
    if today > last:
        return "overdue"
    return "soon" if last - today <= timedelta(days=SOON_DAYS) else "in_time"


@dataclass(frozen=True, slots=True)
class Deadline:
    """Somebody who must be told, until when. `last` is the last day, `moment` the last moment where hours
    count; `not_before` the end of a delay that law enforcement asked for."""

    who: str
    citation: str
    last: date
    why: str
    moment: datetime | None = None
    not_before: date | None = None


def breach_deadlines(
    discovered: datetime,
    zone: tzinfo,
    *,
    people: int,
    residents: Mapping[str, int],
    held_as: HeldAs = "covered_entity",
    contract_hours: int | None = None,
    delay_until: date | None = None,
) -> list[Deadline]:
    """Who must be told of a breach by when. `residents` are people by State; `delay_until` is the last day of
    a law-enforcement delay: nobody is told before it is over, and what would be due by then is due the day
    after.

    A business associate tells the covered entity, which tells everybody else.
    """
    day = day_of(discovered, zone)
    sixty = day + timedelta(days=NOTICE_DAYS)
    if held_as == "business_associate":
        moment = discovered + timedelta(hours=contract_hours) if contract_hours else None
        last = min(sixty, day_of(moment, zone)) if moment else sixty
        why = (
            f"the contract says {contract_hours} hours"
            if moment and last < sixty
            else "60 days from discovery"
        )
        told = [Deadline("covered_entity", "45 CFR 164.410", last, why, moment)]
    else:
        told = [Deadline("individuals", "45 CFR 164.404(b)", sixty, "60 days from discovery")]
        media = sorted(state for state, number in residents.items() if number > MEDIA_MORE_THAN)
        if media:
            why = f"more than {MEDIA_MORE_THAN} residents of {', '.join(media)}"
            told.append(Deadline("media", "45 CFR 164.406", sixty, why))
        if people >= HHS_AT_ONCE:
            why = f"{HHS_AT_ONCE} people or more: with the notice to them"
            told.append(Deadline("hhs", "45 CFR 164.408(b)", sixty, why))
        elif people:
            last = date(day.year, 12, 31) + timedelta(days=NOTICE_DAYS)
            why = f"fewer than {HHS_AT_ONCE} people: within 60 days of the end of {day.year}"
            told.append(Deadline("hhs", "45 CFR 164.408(c)", last, why))
    if delay_until is None:
        return told
    after = delay_until + timedelta(days=1)
    return [
        Deadline(one.who, one.citation, max(one.last, after), one.why, _later(one, delay_until), delay_until)
        for one in told
    ]


def _later(one: Deadline, delay_until: date) -> datetime | None:
    """The hours of a contract end where a delay outlasts them: then its day counts."""
    return one.moment if one.moment is not None and one.last > delay_until else None
