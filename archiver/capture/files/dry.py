"""An import without writing: reads and parses everything, and tells what would become of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import Future

from sqlalchemy import select

from archiver.capture.files.run import ImportJournal
from archiver.capture.ports import Arrival, Receipt
from archiver.capture.reading import read
from archiver.store.records import Records
from archiver.store.schema import messages


class DryIntake:
    """`Intake` that keeps nothing: `stored` means would be stored. Looks up what the archive has."""

    def __init__(self, records: Records) -> None:
        self._records = records
        # The first 64 bits of each hash: enough for a forecast, and a tenth of the memory.
        self._met: set[int] = set()

    def submit(self, arrival: Arrival) -> Future[Receipt]:
        """See `Intake.submit`; done on return."""
        reading = read(arrival)
        sha256 = reading.sha256
        short = int.from_bytes(sha256[:8], "big")
        known = short in self._met or self._stored(sha256)
        self._met.add(short)
        answer: Future[Receipt] = Future()
        answer.set_result(Receipt("", "duplicate" if known else "stored", reading.parsed.parse_failed))
        return answer

    def refuse(self, source_id: str, reason: str, count: int = 1) -> None:
        """Counted by the run alone."""

    def _stored(self, sha256: bytes) -> bool:
        with self._records.read() as connection:
            found = connection.execute(
                select(messages.c.pk).where(messages.c.sha256 == sha256, messages.c.disposed_us.is_(None))
            )
            return found.first() is not None


class DryJournal:
    """What an earlier import marked, if there was one; nothing is marked anew."""

    def __init__(self, earlier: ImportJournal | None) -> None:
        self._earlier = earlier

    def seen(self, keys: Sequence[str]) -> Collection[str]:
        """See `ImportJournal.seen`."""
        return self._earlier.seen(keys) if self._earlier is not None else ()

    def mark(self, keys: Sequence[str]) -> None:
        """Nothing became durable."""
