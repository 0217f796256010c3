"""Time, injected: everything that asks what time it is asks a `Clock`, so tests can hold it still."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from typing import Protocol

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """Tells the time in UTC."""

    def now(self) -> datetime: ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The current time, aware, UTC."""
        return datetime.fromtimestamp(time.time(), UTC)


def to_us(moment: datetime) -> int:
    """Microseconds since 1970 UTC; exact, also for years far from it."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def from_us(value: int) -> datetime:
    """The inverse of `to_us`."""
    return _EPOCH + timedelta(microseconds=value)


def rfc3339(moment: datetime) -> str:
    """A time as programs read it: RFC 3339, UTC, `Z`."""
    text = moment.astimezone(UTC).isoformat(timespec="microseconds" if moment.microsecond else "seconds")
    return text.removesuffix("+00:00") + "Z"


def everywhere_today(now: datetime) -> date:
    """The date that has begun everywhere on Earth (UTC-12): nothing is disposed of before it."""
    return (now - timedelta(hours=12)).date()
