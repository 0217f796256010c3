"""Checkpoints on record, and whose cosignatures they bear. Nothing here is ever changed or deleted."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, select

from archiver.clock import Clock, to_us
from archiver.ledger import log
from archiver.ledger.log import Log
from archiver.store import dialect
from archiver.store.records import Records
from archiver.store.schema import ledger_checkpoints, ledger_cosignatures

PAGE: Final = 200


@dataclass(frozen=True, slots=True)
class Kept:
    """A checkpoint on record: as it was signed, with the cosignatures that came behind."""

    generation: int
    size: int
    at_us: int
    note: bytes
    witnesses: tuple[str, ...]


class History:
    """The published checkpoints of one archive that are on record."""

    def __init__(self, records: Records, clock: Clock) -> None:
        self._records = records
        self._clock = clock

    def keep(self, which: Log, generation: int, size: int, note: bytes) -> None:
        """Put a checkpoint on record, once. Durable on return."""
        with self._records.write() as connection:
            log.keep_checkpoint(connection, which, generation, size, note, to_us(self._clock.now()))

    def cosigned(
        self, which: Log, generation: int, size: int, note: bytes, witness: str, lines: bytes
    ) -> None:
        """Put a checkpoint and a witness's verified lines on record, once. Durable on return."""
        now = to_us(self._clock.now())
        table = ledger_cosignatures
        same = (
            table.c.log == which,
            table.c.generation == generation,
            table.c.size == size,
            table.c.witness == witness,
        )
        with self._records.write() as connection:
            log.keep_checkpoint(connection, which, generation, size, note, now)
            if connection.execute(select(table.c.size).where(*same)).first() is None:
                connection.execute(
                    dialect.insert_or_ignore(connection, table).values(
                        log=int(which),
                        generation=generation,
                        size=size,
                        witness=witness,
                        at_us=now,
                        lines=lines,
                    )
                )

    def last_cosigned(self, which: Log, generation: int, witness: str) -> int | None:
        """The largest size that a witness has cosigned of a log's generation; None before the first."""
        table = ledger_cosignatures
        with self._records.read() as connection:
            newest = connection.scalar(
                select(func.max(table.c.size)).where(
                    table.c.log == which, table.c.generation == generation, table.c.witness == witness
                )
            )
        return int(newest) if newest is not None else None

    def newest_cosigned(self, which: Log, generation: int, limit: int) -> int:
        """The largest size up to a limit that anybody has cosigned; 0 where there is none."""
        lines = ledger_cosignatures.c
        with self._records.read() as connection:
            newest = connection.scalar(
                select(func.max(lines.size)).where(
                    lines.log == which, lines.generation == generation, lines.size <= limit
                )
            )
        return int(newest or 0)

    def covering(
        self, which: Log, generation: int, index: int, witnesses: Collection[str], quorum: int
    ) -> Kept | None:
        """The newest checkpoint with entry `index` in it that `quorum` of these witnesses have cosigned."""
        table = ledger_cosignatures
        with self._records.read() as connection:
            size = connection.scalar(
                select(table.c.size)
                .where(
                    table.c.log == which,
                    table.c.generation == generation,
                    table.c.size > index,
                    table.c.witness.in_(list(witnesses)),
                )
                .group_by(table.c.size)
                .having(func.count() >= quorum)
                .order_by(table.c.size.desc())
                .limit(1)
            )
        return self.at(which, generation, int(size)) if size is not None else None

    def at(self, which: Log, generation: int, size: int) -> Kept | None:
        """The checkpoint of a size, with every cosignature on record."""
        return next(iter(self.kept(which, generation, size, size)), None)

    def kept(self, which: Log, generation: int, first: int = 0, last: int = 2**63 - 1) -> list[Kept]:
        """Checkpoints on record of these sizes, smallest first."""
        points, lines = ledger_checkpoints.c, ledger_cosignatures.c
        with self._records.read() as connection:
            rows = connection.execute(
                select(ledger_checkpoints)
                .where(points.log == which, points.generation == generation, points.size.between(first, last))
                .order_by(points.size)
            ).all()
            signed: dict[int, list[tuple[str, bytes]]] = {}
            for row in connection.execute(
                select(ledger_cosignatures)
                .where(lines.log == which, lines.generation == generation, lines.size.between(first, last))
                .order_by(lines.size, lines.at_us, lines.witness)
            ):
                signed.setdefault(row.size, []).append((row.witness, bytes(row.lines)))
        return [
            Kept(
                generation,
                row.size,
                row.at_us,
                bytes(row.note) + b"".join(added for _, added in signed.get(row.size, [])),
                tuple(name for name, _ in signed.get(row.size, [])),
            )
            for row in rows
        ]

    def sizes(self, which: Log, generation: int) -> list[int]:
        """The sizes of all checkpoints on record of a log's generation, smallest first."""
        points = ledger_checkpoints.c
        with self._records.read() as connection:
            chosen = select(points.size).where(points.log == which, points.generation == generation)
            return [int(size) for size in connection.scalars(chosen.order_by(points.size))]

    def all(self, which: Log, generation: int) -> Iterator[Kept]:
        """Every checkpoint on record of a log's generation, smallest first, few at a time in memory."""
        sizes = self.sizes(which, generation)
        for start in range(0, len(sizes), PAGE):
            some = sizes[start : start + PAGE]
            yield from self.kept(which, generation, some[0], some[-1])
