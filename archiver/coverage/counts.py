"""received = stored + duplicates + refused, re-added from the rows of what arrived and what was refused.

A source's counters change in the transaction that writes those rows, so they can't drift by a crash. What
could make them differ is a bug, a restore gone wrong or a hand in the database; then it is said.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, case, func, literal, select, true, union_all

from archiver.store.schema import arrival_days, coverage_marks, deliveries, refusals, sources

ARRIVALS = "arrivals"
"""Name of the mark below which deliveries are added up in `arrival_days`."""

_STORED = func.sum(case((deliveries.c.outcome == "stored", 1), else_=0))
_DUPLICATES = func.sum(case((deliveries.c.outcome == "duplicate", 1), else_=0))


@dataclass(frozen=True, slots=True)
class Counts:
    """What one source came to."""

    received: int = 0
    stored: int = 0
    duplicates: int = 0
    refused: int = 0

    @property
    def adds_up(self) -> bool:
        """The law."""
        return self.received == self.stored + self.duplicates + self.refused


@dataclass(frozen=True, slots=True)
class Difference:
    """A source whose counters aren't what its rows come to, or don't add up."""

    source_id: str
    counted: Counts
    rows: Counts


@dataclass(slots=True)
class _Sum:
    told: Counts = field(default_factory=Counts)
    stored: int = 0
    duplicates: int = 0
    refused: int = 0


def differences(connection: Connection) -> list[Difference]:
    """Every source whose counters differ from its rows, by one consistent statement.

    Quick on an archive of any size: deliveries below the watermark were added up by day; only those above
    it, and the refusals, are counted now. `recounted` trusts no such sums.
    """
    mark = select(coverage_marks.c.value).where(coverage_marks.c.name == ARRIVALS).scalar_subquery()
    # Grouped by an expression: SQLite would walk the whole index of sources to have them in order.
    source = func.coalesce(deliveries.c.source_id, "")
    rest = select(source.label("source_id"), *_columns("rows", stored=_STORED, duplicates=_DUPLICATES))
    by_day = select(
        arrival_days.c.source_id,
        *_columns(
            "rows",
            stored=func.sum(arrival_days.c.stored),
            duplicates=func.sum(arrival_days.c.duplicates),
        ),
    )
    return _compare(
        connection,
        [
            rest.where(deliveries.c.seq >= func.coalesce(mark, 0)).group_by(source),
            by_day.group_by(arrival_days.c.source_id),
        ],
    )


def recounted(connection: Connection) -> list[Difference]:
    """As `differences`, counting every delivery row anew."""
    every = select(deliveries.c.source_id, *_columns("rows", stored=_STORED, duplicates=_DUPLICATES))
    return _compare(connection, [every.group_by(deliveries.c.source_id)])


def wrong_days(connection: Connection) -> Iterator[tuple[str, date]]:
    """The (source, day) whose kept sums aren't what the delivery rows below the watermark come to."""
    # One statement, as the watch may move the mark meanwhile.
    sums = connection.execute(
        select(coverage_marks.c.value, arrival_days)
        .select_from(coverage_marks.outerjoin(arrival_days, true()))
        .where(coverage_marks.c.name == ARRIVALS)
    ).all()
    if not sums:
        return
    kept = {(row.source_id, row.day): (row.stored, row.duplicates) for row in sums if row.day is not None}
    number = deliveries.c.at_us // DAY_US
    counted = connection.execute(
        select(deliveries.c.source_id, number.label("day"), _STORED, _DUPLICATES)
        .where(deliveries.c.seq < sums[0].value)
        .group_by(deliveries.c.source_id, number)
    )
    found = {(row[0], day_of(int(row[1]) * DAY_US)): (int(row[2]), int(row[3])) for row in counted}
    yield from sorted(key for key in found.keys() | kept.keys() if found.get(key) != kept.get(key))


def faults(connection: Connection) -> Iterator[tuple[str, str]]:
    """For `verify`: (source, what is wrong with its counts), everything counted anew."""
    for found in recounted(connection):
        told = (found.counted.received, found.counted.stored, found.counted.duplicates, found.counted.refused)
        rows = (found.rows.received, found.rows.stored, found.rows.duplicates, found.rows.refused)
        yield found.source_id, f"counters say {told}, the rows {rows}"
    for source_id, day in wrong_days(connection):
        yield source_id, f"its kept sums of {day} aren't what its rows come to"


DAY_US = 86_400_000_000


def day_of(at_us: int) -> date:
    """The day, in UTC, of a time."""
    return date.fromordinal(date(1970, 1, 1).toordinal() + at_us // DAY_US)


def day_us(day: date) -> int:
    """When a day begins, in UTC."""
    return (day.toordinal() - date(1970, 1, 1).toordinal()) * DAY_US


def _columns(of: str, **values: ColumnElement[Any]) -> list[ColumnElement[Any]]:
    named = [
        values.get(name, literal(0)).label(name) for name in ("received", "stored", "duplicates", "refused")
    ]
    return [literal(of).label("of"), *named]


def _compare(connection: Connection, rows: list[Select[Any]]) -> list[Difference]:
    told = select(
        sources.c.id.label("source_id"),
        *_columns(
            "told",
            received=sources.c.received,
            stored=sources.c.stored,
            duplicates=sources.c.duplicates,
            refused=sources.c.refused,
        ),
    )
    refused = select(refusals.c.source_id, *_columns("rows", refused=func.count())).group_by(
        refusals.c.source_id
    )
    parts = [told, refused, *rows]
    sums: dict[str, _Sum] = {}
    for row in connection.execute(union_all(*parts)):
        total = sums.setdefault(row.source_id, _Sum())
        if row.of == "told":
            total.told = Counts(row.received, row.stored, row.duplicates, row.refused)
        else:
            total.stored += int(row.stored or 0)
            total.duplicates += int(row.duplicates or 0)
            total.refused += int(row.refused or 0)
    found = []
    for name, total in sorted(sums.items()):
        rows_say = Counts(
            total.stored + total.duplicates + total.refused, total.stored, total.duplicates, total.refused
        )
        if total.told != rows_say:
            found.append(Difference(name, total.told, rows_say))
    return found
