"""Message row ids that are also the sort order: sent time in seconds, shifted left, plus a counter.

Descending row ids are newest first and a span of time is a span of row ids, in the records and in the
index alike (DESIGN section 5, "Row id = time").
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

ROWID_SHIFT: Final = 24
EPOCH: Final = datetime(1, 1, 1, tzinfo=UTC)
_COUNTER_MASK: Final = (1 << ROWID_SHIFT) - 1
_LAST_SECOND: Final = (datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC) - EPOCH) // timedelta(seconds=1)
MAX_ROWID: Final = (_LAST_SECOND << ROWID_SHIFT) | _COUNTER_MASK
"""The greatest row id there can be. It fits SQLite's and PostgreSQL's signed 64 bits."""


def _seconds(moment: datetime) -> int:
    """Whole seconds since `EPOCH`, floored, clamped to years 1 to 9999 in UTC.

    An aware time in year 1 or 9999 may lie outside those years once its zone is taken off: mail with
    such a date exists and must still get a row id.
    """
    if moment.tzinfo is None:
        raise ValueError("a row id needs a time with a zone")
    return min(max((moment - EPOCH) // timedelta(seconds=1), 0), _LAST_SECOND)


def make_rowid(sent_at: datetime, counter: int) -> int:
    """Return the row id of a message sent at `sent_at` (aware); only `counter`'s low 24 bits count.

    Two messages of one second need different counters; the caller keeps the row ids unique. A naive
    time is a programming error (ValueError).
    """
    return (_seconds(sent_at) << ROWID_SHIFT) | (counter & _COUNTER_MASK)


def sent_at_of(rowid: int) -> datetime:
    """Return the sent time (UTC, whole seconds) inside a row id that `make_rowid` made."""
    return EPOCH + timedelta(seconds=rowid >> ROWID_SHIFT)


def rowid_range(start: datetime | None, end: datetime | None) -> tuple[int, int]:
    """Return the half-open row-id span `(first, beyond)` of messages sent in `[start, end)`.

    None leaves that side open. Row ids hold whole seconds, so a fraction of a second is cut off both.
    """
    first = 0 if start is None else _seconds(start) << ROWID_SHIFT
    beyond = MAX_ROWID + 1 if end is None else _seconds(end) << ROWID_SHIFT
    return first, max(first, beyond)
