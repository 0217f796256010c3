"""Dates and sizes as people type them in a query."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from search.errors import QueryError
from search.language.tree import SentRange, SizeRange

_DAY: Final = timedelta(days=1)
_DATE: Final = re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?")
_RANGE: Final = re.compile(r"\[\s*(\S+)\s+to\s+(\S+)\s*\]", re.IGNORECASE)
_SIZE: Final = re.compile(r"([0-9]{1,19})([kmg]?)b?", re.IGNORECASE)
_UNITS: Final = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_OPEN: Final = "*"
_DATE_HELP: Final = (
    "write 2024-03-01, 2024-03, 2024, today, yesterday or a range as in date:[2024-01 to 2024-06]"
)


def _bad_date(position: int, what: str = "this is no date") -> QueryError:
    return QueryError("bad_date", f"{what}; {_DATE_HELP}", position)


def _next_month(year: int, month: int) -> datetime | None:
    if (year, month) == (9999, 12):
        return None
    return datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)


def period(text: str, *, now: datetime, position: int) -> SentRange:
    """Return the whole UTC day, month or year that `text` names. Raises QueryError `bad_date`."""
    relative = {"today": 0, "yesterday": 1}.get(text.casefold())
    if relative is not None:
        day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return SentRange(day - relative * _DAY, day + (1 - relative) * _DAY)
    found = _DATE.fullmatch(text)
    if found is None:
        raise _bad_date(position)
    year, month, day_of_month = int(found[1]), int(found[2] or 0), int(found[3] or 0)
    try:
        start = datetime(year, month if found[2] else 1, day_of_month if found[3] else 1, tzinfo=UTC)
    except ValueError:
        raise _bad_date(position, "the calendar has no such date") from None
    if found[3]:
        # The year 10000 can't be written down, so the last day, month and year are open-ended.
        end = None if (start.year, start.month, start.day) == (9999, 12, 31) else start + _DAY
    else:
        end = _next_month(year, month if found[2] else 12)
    return SentRange(start, end)


def sent(field: str, text: str, *, now: datetime, position: int) -> SentRange:
    """Return what `date:`, `after:` or `before:` with this value means.

    `date:` is the whole day, month or year; `after:` is on or after its first instant, `before:` is
    earlier than it (both as in Gmail), so that `before:X` and `after:X` leave no gap and no overlap. A
    range holds both its ends whole. Raises QueryError `bad_date`.
    """
    if field == "date":
        return (
            _range(text, now, position) if text.startswith("[") else period(text, now=now, position=position)
        )
    start = period(text, now=now, position=position).start
    if field == "after":
        return SentRange(start, None)
    if start == datetime.min.replace(tzinfo=UTC):
        raise _bad_date(position, "nothing can be earlier than the year 1")
    return SentRange(None, start)


def _range(text: str, now: datetime, position: int) -> SentRange:
    found = _RANGE.fullmatch(text)
    if found is None:
        raise _bad_date(position, "this is no date range")
    first, last = found[1], found[2]
    if first == last == _OPEN:
        raise _bad_date(position, "a range needs at least one end")
    start = None if first == _OPEN else period(first, now=now, position=position).start
    end = None if last == _OPEN else period(last, now=now, position=position).end
    if start is not None and end is not None and start >= end:
        raise _bad_date(position, "the range ends before it begins")
    if start is None and end is None:
        raise _bad_date(position, "a range up to the end of time has no effect")
    return SentRange(start, end)


def size(field: str, text: str, *, position: int) -> SizeRange:
    """Return what `larger:` or `smaller:` means: over or under so many bytes, k = 1,024.

    Raises QueryError `bad_size`.
    """
    found = _SIZE.fullmatch(text)
    if found is None:
        raise QueryError("bad_size", "this is no size; write bytes, or 500k, 2M, 1G", position)
    amount = int(found[1]) * _UNITS[found[2].lower()]
    if amount >= 2**63:
        raise QueryError("bad_size", "no message is this large", position)
    return SizeRange(amount, None) if field == "larger" else SizeRange(None, amount)


def show_sent(span: SentRange) -> str:
    """Return a span as query text. Whole days read as inclusive dates and parse back to the same span."""
    start = _OPEN if span.start is None else _show_moment(span.start)
    if span.end is None:
        end = _OPEN
    elif _is_midnight(span.end):
        end = _show_moment(span.end - _DAY)
    else:
        end = _show_moment(span.end)
    return f"date:[{start} to {end}]"


def _is_midnight(moment: datetime) -> bool:
    return moment.time() == datetime.min.time()


def _show_moment(moment: datetime) -> str:
    if _is_midnight(moment):
        return f"{moment.year:04}-{moment.month:02}-{moment.day:02}"
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
