"""The `Date:` header as a UTC time: what the sender claims, taken at its word."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_tz
from functools import lru_cache

_USUAL = re.compile(
    r"\s*(?:[A-Za-z]{3,9}\.?,?\s*)?(\d{1,2})[\s-]+([A-Za-z]{3})[a-z]*[\s-]+(\d{4})"
    r"\s+(\d{1,2}):(\d{2})(?::(\d{2}))?\s*(?:([+-])(\d{2}):?(\d{2})(?!\d)|(?:GMT|UTC?|Z)\b|(?=\Z))",
    re.ASCII | re.IGNORECASE,
)
_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, start=1)}


def parse_date(value: str) -> datetime | None:
    """Return the time in UTC, or None when it can't be read or falls outside the years 1 to 9999.

    RFC 5322 3.3 with the obsolete forms of 4.3; a missing or `-0000` zone counts as UTC. Four-digit
    years stand as claimed, however odd. A leap second becomes the second before.
    """
    return _parse(value.strip(" \t\r\n")) if len(value) <= 300 else None


# A message's date is asked for more than once.
@lru_cache(maxsize=256)
def _parse(value: str) -> datetime | None:
    match = _USUAL.match(value)
    try:
        if match is None:
            return _parse_odd(value)
        day, month, year, hour, minute, second, sign, zone_hours, zone_minutes = match.groups()
        number = _MONTHS.get(month.lower())
        if number is None:
            return _parse_odd(value)
        zone = UTC
        if sign:
            offset = timedelta(hours=int(zone_hours), minutes=int(zone_minutes))
            zone = timezone(-offset if sign == "-" else offset)
        local = datetime(
            int(year), number, int(day), int(hour), int(minute), min(int(second or 0), 59), tzinfo=zone
        )
        return local if zone is UTC else local.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _parse_odd(value: str) -> datetime | None:
    if value.strip()[4:5] == "-":
        iso = datetime.fromisoformat(value.strip())
        return iso.replace(tzinfo=UTC) if iso.tzinfo is None else iso.astimezone(UTC)
    try:
        fields = parsedate_tz(value)
    except (IndexError, TypeError, AttributeError):  # parsedate_tz breaks on some damaged input.
        return None
    if fields is None:
        return None
    year, month, day, hour, minute, second = fields[:6]
    local = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
    return local - timedelta(seconds=fields[9] or 0)
