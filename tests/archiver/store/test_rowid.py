"""Row ids sort by time and give it back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.store.rowid import EPOCH, MAX_ROWID, ROWID_SHIFT, make_rowid, rowid_range, sent_at_of

MOMENTS = st.datetimes(
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=14)), timezone(-timedelta(hours=12))])
)


@given(MOMENTS, st.integers(0, 2**30))
def test_the_time_comes_back_in_whole_seconds(moment: datetime, counter: int) -> None:
    rowid = make_rowid(moment, counter)
    assert 0 <= rowid <= MAX_ROWID < 2**63
    assert rowid & 0xFFFFFF == counter & 0xFFFFFF
    try:
        expected = moment.astimezone(UTC).replace(microsecond=0)
    except OverflowError:  # a local time in year 1 or 9999 that UTC can't write: clamped
        assert sent_at_of(rowid).year in (1, 9999)
        return
    assert sent_at_of(rowid) == expected


@given(MOMENTS, MOMENTS)
def test_row_ids_sort_as_times_do(one: datetime, other: datetime) -> None:
    first, second = sorted((one, other))
    assert make_rowid(first, 0) <= make_rowid(second, 0xFFFFFF)


@given(MOMENTS, MOMENTS, MOMENTS, st.integers(0, 0xFFFFFF))
def test_a_range_holds_what_was_sent_in_it(
    one: datetime, other: datetime, sent: datetime, counter: int
) -> None:
    start, end, sent = (sent_at_of(make_rowid(moment, 0)) for moment in (one, other, sent))
    first, beyond = rowid_range(start, end)
    assert (first <= make_rowid(sent, counter) < beyond) == (start <= sent < end)


def test_open_ranges_and_edges() -> None:
    assert rowid_range(None, None) == (0, MAX_ROWID + 1)
    assert rowid_range(EPOCH + timedelta(seconds=1), None) == (1 << ROWID_SHIFT, MAX_ROWID + 1)
    late = datetime(2025, 1, 1, tzinfo=UTC)
    assert rowid_range(late, late - timedelta(days=1)) == (make_rowid(late, 0), make_rowid(late, 0))
    with pytest.raises(ValueError):
        make_rowid(datetime(2024, 1, 1), 0)
