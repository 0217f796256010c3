"""Stretches of time as people name them, in the organisation's time zone: days, weeks, months."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

from api.errors import BadInput
from archiver.clock import from_us, rfc3339, to_us

Length = Literal["weekly", "monthly"]
FIRST_YEAR, LAST_YEAR = 1970, 9000
_MONTH: Final = re.compile(r"(\d{4})-(\d{2})", re.ASCII)
_WEEK: Final = re.compile(r"(\d{4})-W(\d{2})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Period:
    """`[from_us, before_us)` in microseconds of UTC; None leaves a side open. `name` as people say it."""

    from_us: int | None = None
    before_us: int | None = None
    name: str = ""

    def to_json(self) -> dict[str, str | None]:
        """Both ends as RFC 3339 times."""
        return {
            "from": rfc3339(from_us(self.from_us)) if self.from_us is not None else None,
            "before": rfc3339(from_us(self.before_us)) if self.before_us is not None else None,
        }

    def holds(self, at_us: int) -> bool:
        """Whether a time lies in it."""
        return (self.from_us is None or at_us >= self.from_us) and (
            self.before_us is None or at_us < self.before_us
        )


def days(zone: ZoneInfo, first: date, before: date, name: str = "") -> Period:
    """The days from one to another, which isn't one of them."""
    return Period(to_us(_start(zone, first)), to_us(_start(zone, before)), name)


def parse(
    zone: ZoneInfo, *, since: str | None = None, until: str | None = None, month: str | None = None
) -> Period:
    """A period as asked for: a month, or from a day or time until one; a day named last is in it whole.

    Raises BadInput.
    """
    if month:
        if since or until:
            raise BadInput("name either a month, or from and until")
        return named(zone, month)
    first = None if not since else to_us(_moment(zone, since, last=False))
    before = None if not until else to_us(_moment(zone, until, last=True))
    if first is not None and before is not None and before <= first:
        raise BadInput("the period ends before it begins")
    return Period(first, before)


def named(zone: ZoneInfo, name: str) -> Period:
    """The month `2026-11` or the week `2026-W47` (ISO 8601). Raises BadInput."""
    try:
        if (found := _WEEK.fullmatch(name)) is not None:
            first = _known(date.fromisocalendar(int(found[1]), int(found[2]), 1))
            return days(zone, first, first + timedelta(days=7), name)
        if (found := _MONTH.fullmatch(name)) is not None:
            first = _known(date(int(found[1]), int(found[2]), 1))
            return days(zone, first, _next_month(first), name)
    except (ValueError, OverflowError):
        pass
    raise BadInput("a month is named like 2026-11 and a week like 2026-W47")


def around(zone: ZoneInfo, moment: datetime, length: Length) -> Period:
    """The week or month in which a moment lies."""
    day = moment.astimezone(zone).date()
    if length == "monthly":
        return named(zone, f"{day.year:04}-{day.month:02}")
    year, week, _ = day.isocalendar()
    return named(zone, f"{year:04}-W{week:02}")


def _moment(zone: ZoneInfo, text: str, *, last: bool) -> datetime:
    text = text.strip()
    try:
        if "T" in text or " " in text:
            moment = datetime.fromisoformat(text)
            _known(moment.date())
            return moment if moment.tzinfo else moment.replace(tzinfo=zone)
        day = _known(date.fromisoformat(text))
        return _start(zone, day + timedelta(days=1) if last else day)
    except (ValueError, OverflowError):
        raise BadInput("a day is written like 2026-11-30, a time like 2026-11-30T14:00:00Z") from None


def _start(zone: ZoneInfo, day: date) -> datetime:
    return datetime.combine(day, time(), zone)


def _known(day: date) -> date:
    """A day of which there can be a log, and far enough from the ends of time to reckon with."""
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise ValueError
    return day


def _next_month(first: date) -> date:
    return (first + timedelta(days=32)).replace(day=1)
