"""Arrivals by time, added up from the delivery rows beside the write path, so that commits pay nothing.

Deliveries are numbered in the order in which their transactions become visible (they are leaves of the
captures log, written under its lock), so everything below a number that was seen is there for good: the
watermark is exact, across crashes and between processes.
"""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from archiver.clock import Clock, to_us
from archiver.coverage.counts import ARRIVALS, day_of
from archiver.store import dialect
from archiver.store.records import Records
from archiver.store.schema import arrival_days, arrival_slots, coverage_marks, deliveries

SLOT_US = 900_000_000
KEEP = timedelta(days=70)
CHUNK = 20_000


class Arrivals:
    """Adds up what has arrived. Safe from many processes: a chunk is counted once, whoever is first."""

    def __init__(self, records: Records, clock: Clock) -> None:
        self._records = records
        self._clock = clock

    def catch_up(self) -> int:
        """Add up every delivery not yet counted; how many there were. Durable on return."""
        with self._records.read() as connection:
            top = connection.scalar(select(func.max(deliveries.c.seq)))
        done = 0
        while top is not None and (start := self._mark()) <= top:
            stop = min(start + CHUNK, top + 1)
            done += self._add(start, stop)
        return done

    def forget_old_slots(self) -> None:
        """Drop the slots that no rhythm is learned from any more; days stay."""
        oldest = to_us(self._clock.now() - KEEP) // SLOT_US
        with self._records.write() as connection:
            connection.execute(delete(arrival_slots).where(arrival_slots.c.slot < oldest))

    def slots(self, source_id: str, since_slot: int) -> dict[int, int]:
        """Arrivals by slot from a slot on; slots without any are left out."""
        query = select(arrival_slots.c.slot, arrival_slots.c.arrived).where(
            arrival_slots.c.source_id == source_id, arrival_slots.c.slot >= since_slot
        )
        with self._records.read() as connection:
            return {row.slot: row.arrived for row in connection.execute(query)}

    def _mark(self) -> int:
        query = select(coverage_marks.c.value).where(coverage_marks.c.name == ARRIVALS)
        with self._records.read() as connection:
            mark = connection.scalar(query)
        if mark is None:
            with self._records.write() as connection:
                rows = dialect.insert_or_ignore(connection, coverage_marks)
                connection.execute(rows.values(name=ARRIVALS, value=0))
        return mark or 0

    def _add(self, start: int, stop: int) -> int:
        query = select(deliveries.c.source_id, deliveries.c.outcome, deliveries.c.at_us).where(
            deliveries.c.seq >= start, deliveries.c.seq < stop
        )
        slots: Counter[tuple[str, int]] = Counter()
        stored: Counter[tuple[str, date]] = Counter()
        duplicates: Counter[tuple[str, date]] = Counter()
        with self._records.read() as connection:
            for source_id, outcome, at_us in connection.execute(query):
                slots[source_id, at_us // SLOT_US] += 1
                (stored if outcome == "stored" else duplicates)[source_id, day_of(at_us)] += 1
        with self._records.write() as connection:
            # Whoever moves the mark has counted the chunk; anybody else's sums are thrown away.
            moved = connection.execute(
                update(coverage_marks)
                .where(coverage_marks.c.name == ARRIVALS, coverage_marks.c.value == start)
                .values(value=stop)
            ).rowcount
            if not moved:
                return 0
            _add_slots(connection, slots)
            _add_days(connection, stored, duplicates)
        return slots.total()


def _add_slots(connection: Connection, slots: Counter[tuple[str, int]]) -> None:
    rows: list[dict[str, Any]] = []
    for (source_id, slot), number in slots.items():
        before = connection.scalar(
            select(arrival_slots.c.arrived).where(
                arrival_slots.c.source_id == source_id, arrival_slots.c.slot == slot
            )
        )
        rows.append({"source_id": source_id, "slot": slot, "arrived": number + (before or 0)})
    dialect.upsert(connection, arrival_slots, rows, update=["arrived"])


def _add_days(
    connection: Connection, stored: Counter[tuple[str, date]], duplicates: Counter[tuple[str, date]]
) -> None:
    rows: list[dict[str, Any]] = []
    for key in stored.keys() | duplicates.keys():
        before = connection.execute(
            select(arrival_days.c.stored, arrival_days.c.duplicates).where(
                arrival_days.c.source_id == key[0], arrival_days.c.day == key[1]
            )
        ).first()
        rows.append(
            {
                "source_id": key[0],
                "day": key[1],
                "stored": stored[key] + (before.stored if before else 0),
                "duplicates": duplicates[key] + (before.duplicates if before else 0),
            }
        )
    dialect.upsert(connection, arrival_days, rows, update=["stored", "duplicates"])
