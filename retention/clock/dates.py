"""Date arithmetic of the clock: anniversaries and birthdays, 29 February rolling forward to 1 March."""

from __future__ import annotations

import calendar
from datetime import date, timedelta

ONE_DAY = timedelta(days=1)


def add_years(day: date, years: int) -> date:
    """The anniversary `years` (>= 0) after `day`; 29 February becomes 1 March in a common year.

    Raises OverflowError past the year 9999; `Facts` accepts no date for which that can happen.
    """
    year = day.year + years
    if year > date.max.year:
        raise OverflowError("anniversary past the year 9999")
    try:
        return day.replace(year=year)
    except ValueError:
        return date(year, 3, 1)


def add_months(day: date, months: int) -> date:
    """The same day of the month `months` (>= 0) later; where that month has none, the first of the next.

    Rolls forward like `add_years`, so that no period is ever cut short. Raises OverflowError past 9999.
    """
    count = day.year * 12 + day.month - 1 + months
    year, month = divmod(count, 12)
    if year > date.max.year:
        raise OverflowError("anniversary past the year 9999")
    if day.day <= calendar.monthrange(year, month + 1)[1]:
        return date(year, month + 1, day.day)
    return date(year, month + 2, 1)


def year_end(day: date) -> date:
    """31 December of the day's year."""
    return date(day.year, 12, 31)


def is_under(age: int, born: date, day: date) -> bool:
    """Whether a person born on `born` is younger than `age` on `day`; on the birthday itself they aren't."""
    return day < add_years(born, age)
