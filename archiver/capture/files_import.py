"""Runs an import: items in, arrivals to the archive, and a reconciliation that adds up."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from typing import Protocol

from archiver.capture.files_items import FileItem, Why
from archiver.capture.ports import Arrival, Intake, Receipt
from archiver.errors import ArchiverError, StoreError


class ImportJournal(Protocol):
    """Remembers which items of a source are durable, so that an interrupted import can go on."""

    def seen(self, key: str) -> bool:
        """True when an item was marked by an earlier run; one marked by this run may be told as unknown."""
        ...

    def mark(self, keys: Sequence[str]) -> None:
        """Remember items. Called only after each is durable; durable itself on return."""
        ...


@dataclass(frozen=True, slots=True)
class ImportSource:
    """What is the same for every message of an import: see `Arrival`."""

    id: str
    custodians: tuple[str, ...] = ()
    attested_by: str | None = None


@dataclass(frozen=True, slots=True)
class RefusedItem:
    """One line of the list of refusals. `where` is for the operator, never for a log."""

    where: str
    why: Why


@dataclass(slots=True)
class ImportResult:
    """The reconciliation: at the end `read == stored + duplicates + refused`.

    `resumed` says how many of the duplicates weren't offered to the archive again because the journal
    knew them as durable.
    """

    read: int = 0
    stored: int = 0
    duplicates: int = 0
    refused: int = 0
    resumed: int = 0
    items_refused: list[RefusedItem] = field(default_factory=list)


class ImportRun:
    """One pass over the items of an import.

    At most `max_in_flight` messages and about `max_bytes` of them wait for the archive at a time.
    `result` can be read while it runs (from `progress`, which is called after each item settled) and
    after an error.
    """

    def __init__(
        self,
        source: ImportSource,
        items: Iterable[FileItem],
        intake: Intake,
        journal: ImportJournal,
        progress: Callable[[ImportResult], None] | None = None,
        *,
        max_in_flight: int = 1000,
        max_bytes: int = 64 * 1024 * 1024,
        commit_timeout: float = 120.0,
    ) -> None:
        self.result = ImportResult()
        self._source = source
        self._items = items
        self._intake = intake
        self._journal = journal
        self._progress = progress
        self._max_in_flight = max_in_flight
        self._max_bytes = max_bytes
        self._commit_timeout = commit_timeout
        self._waiting: deque[tuple[str, int, Future[Receipt]]] = deque()
        self._waiting_bytes = 0
        self._durable: list[str] = []

    def run(self) -> ImportResult:
        """Import everything and return the reconciliation.

        Durability point: an item counts as stored or duplicate once its receipt's future succeeded,
        and is marked in the journal after that. Raises StoreError, or the archive's own ArchiverError,
        when the archive can't take a message now: what was counted by then is durable and marked, the
        rest can be had by running again.
        """
        try:
            for item in self._items:
                self.result.read += 1
                self._take(item)
                while len(self._waiting) > self._max_in_flight or self._waiting_bytes > self._max_bytes:
                    self._settle_oldest()
            while self._waiting:
                self._settle_oldest()
        except BaseException:
            self._keep_what_is_durable()
            raise
        self._mark()
        return self.result

    def _take(self, item: FileItem) -> None:
        if item.raw is None:
            why: Why = item.why or "unreadable"
            self._intake.refuse(self._source.id, why)
            self.result.refused += 1
            self.result.items_refused.append(RefusedItem(item.where, why))
            self._report()
        elif self._journal.seen(item.key):
            # Its bytes are in the archive already, so for this run it is a duplicate.
            self.result.duplicates += 1
            self.result.resumed += 1
            self._report()
        else:
            arrival = Arrival(
                raw=item.raw,
                source_id=self._source.id,
                folder=item.folder,
                custodians=self._source.custodians,
                attested_by=self._source.attested_by,
            )
            self._waiting.append((item.key, len(item.raw), self._intake.submit(arrival)))
            self._waiting_bytes += len(item.raw)

    def _settle_oldest(self) -> None:
        key, size, future = self._waiting.popleft()
        self._waiting_bytes -= size
        try:
            receipt = future.result(self._commit_timeout)
        except ArchiverError:
            raise
        except TimeoutError as error:
            raise StoreError("the archive did not answer in time: run the import again") from error
        except (Exception, CancelledError) as error:
            raise StoreError("the archive could not take a message: run the import again") from error
        self._count(key, receipt)

    def _count(self, key: str, receipt: Receipt) -> None:
        if receipt.outcome == "stored":
            self.result.stored += 1
        else:
            self.result.duplicates += 1
        self._durable.append(key)
        if len(self._durable) >= self._max_in_flight:
            self._mark()
        self._report()

    def _keep_what_is_durable(self) -> None:
        """After a failure: count and mark what did become durable; the rest was never read, so to say."""
        while self._waiting:
            key, _, future = self._waiting.popleft()
            if future.done() and not future.cancelled() and future.exception() is None:
                self._count(key, future.result())
        self.result.read = self.result.stored + self.result.duplicates + self.result.refused
        self._mark()

    def _mark(self) -> None:
        if self._durable:
            self._journal.mark(self._durable)
            self._durable = []

    def _report(self) -> None:
        if self._progress is not None:
            self._progress(self.result)
