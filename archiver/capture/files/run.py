"""Runs an import: items in, arrivals to the archive, and a reconciliation that adds up."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from typing import Literal, Protocol

from archiver.capture.files.items import FileItem, Why
from archiver.capture.ports import Arrival, Intake, Receipt
from archiver.capture.spool import SealedSpool
from archiver.errors import ArchiverError, StoreError
from archiver.message.content import Raw

LOOK_UP = 500
"""Items asked about in one query of the import journal."""
LOOK_UP_BYTES = 16 * 1024 * 1024

Note = Literal[
    "bad_attachment", "bad_rtf", "embedded_item", "linked_file", "ole_object", "parse_failed", "partial",
    "size_wrong", "too_deep",
]  # fmt: skip
"""What a stored item lacks, or what was odd about it (docs/importing.md)."""

_TOLD = ("partial", "size_wrong")


class ImportJournal(Protocol):
    """Remembers which items of a source are durable, so that an interrupted import can go on."""

    def seen(self, keys: Sequence[str]) -> Collection[str]:
        """Which of the items were marked by an earlier run; one marked by this run may be told as unknown."""
        ...

    def mark(self, keys: Sequence[str]) -> None:
        """Remember items. Called only after each is durable; durable itself on return."""
        ...


class ImportIntake(Intake, Protocol):
    """An `Intake` that counts many refusals at a time."""

    def refuse(self, source_id: str, reason: str, count: int = 1) -> None:
        """See `Intake.refuse`."""
        ...


@dataclass(frozen=True, slots=True)
class ImportSource:
    """What is the same for every message of an import: see `Arrival`."""

    id: str
    custodians: tuple[str, ...] = ()
    attested_by: str | None = None
    received_by: tuple[str, ...] = ()
    reports: bool | None = None


@dataclass(frozen=True, slots=True)
class RefusedItem:
    """One line of the list of refusals. `where` is for the operator, never for a log."""

    where: str
    why: Why


@dataclass(frozen=True, slots=True)
class NotedItem:
    """One line of the list of items that were taken, and are not all they might be."""

    where: str
    note: Note


@dataclass(slots=True)
class ImportResult:
    """The reconciliation: at the end `read == stored + duplicates + refused`.

    `resumed` says how many of the duplicates weren't offered to the archive again because the journal
    knew them as durable. `ignored` counts what is no mail and never was (indexes, `.DS_Store`): it isn't
    part of `read`.
    """

    read: int = 0
    stored: int = 0
    duplicates: int = 0
    refused: int = 0
    resumed: int = 0
    ignored: int = 0
    items_refused: list[RefusedItem] = field(default_factory=list)
    items_noted: list[NotedItem] = field(default_factory=list)
    items_ignored: list[RefusedItem] = field(default_factory=list)


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
        intake: ImportIntake,
        journal: ImportJournal,
        progress: Callable[[ImportResult], None] | None = None,
        *,
        max_in_flight: int = 2500,
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
        self._asked: list[FileItem] = []
        self._asked_bytes = 0
        self._waiting: deque[tuple[FileItem, Raw, Future[Receipt]]] = deque()
        self._waiting_bytes = 0
        self._durable: list[str] = []
        # Counted in the source many at a time: a tree may hold 100,000 pictures.
        self._refused: Counter[Why] = Counter()

    def run(self) -> ImportResult:
        """Import everything and return the reconciliation.

        Durability point: an item counts as stored or duplicate once its receipt's future succeeded,
        and is marked in the journal after that. Raises StoreError, or the archive's own ArchiverError,
        when the archive can't take a message now: what was counted by then is durable and marked, the
        rest can be had by running again.
        """
        try:
            for item in self._items:
                self._look_at(item)
            self._offer_asked()
            while self._waiting:
                self._settle_oldest()
            self._count_refused()
        except BaseException:
            self._keep_what_is_durable()
            raise
        self._mark()
        return self.result

    def _look_at(self, item: FileItem) -> None:
        if item.ignored and item.why is not None:
            self.result.ignored += 1
            self.result.items_ignored.append(RefusedItem(item.where, item.why))
            return
        self.result.read += 1
        if item.raw is None:
            why: Why = item.why or "unreadable"
            self._refused[why] += 1
            self.result.refused += 1
            self.result.items_refused.append(RefusedItem(item.where, why))
            if self._refused.total() >= self._max_in_flight:
                self._count_refused()
            self._report()
            return
        # One question to the journal for many items: one each cost more than reading them.
        self._asked.append(item)
        self._asked_bytes += len(item.raw)
        if len(self._asked) >= min(LOOK_UP, self._max_in_flight) or self._asked_bytes >= LOOK_UP_BYTES:
            self._offer_asked()

    def _offer_asked(self) -> None:
        seen = self._journal.seen([item.key for item in self._asked]) if self._asked else ()
        for item in self._asked:
            if item.key in seen:
                # Its bytes are in the archive already, so for this run it is a duplicate.
                self.result.duplicates += 1
                self.result.resumed += 1
                self._report()
            else:
                self._offer(item)
        self._asked = []
        self._asked_bytes = 0

    def _offer(self, item: FileItem) -> None:
        assert item.raw is not None
        arrival = Arrival(
            raw=item.raw,
            source_id=self._source.id,
            folder=item.folder,
            custodians=self._source.custodians,
            attested_by=self._source.attested_by,
            received_at=item.received_at,
            received_by=self._source.received_by,
            original=item.original,
            notes=item.notes,
            reports=self._source.reports,
        )
        bare = FileItem(item.where, None, None, "", item.key, notes=item.notes)
        self._waiting.append((bare, item.raw, self._intake.submit(arrival)))
        self._waiting_bytes += len(item.raw)
        while len(self._waiting) > self._max_in_flight or self._waiting_bytes > self._max_bytes:
            self._settle_oldest()

    def _settle_oldest(self) -> None:
        item, raw, future = self._waiting.popleft()
        self._waiting_bytes -= len(raw)
        try:
            receipt = future.result(self._commit_timeout)
        except ArchiverError:
            raise
        except TimeoutError as error:
            raise StoreError("the archive did not answer in time: run the import again") from error
        except (Exception, CancelledError) as error:
            raise StoreError("the archive could not take a message: run the import again") from error
        if isinstance(raw, SealedSpool):
            raw.close()
        self._count(item, receipt)

    def _count(self, item: FileItem, receipt: Receipt) -> None:
        if receipt.outcome == "stored":
            self.result.stored += 1
        else:
            self.result.duplicates += 1
        self._note(item, receipt)
        self._durable.append(item.key)
        if len(self._durable) >= self._max_in_flight:
            self._mark()
        self._report()

    def _note(self, item: FileItem, receipt: Receipt) -> None:
        if receipt.parse_failed:
            self.result.items_noted.append(NotedItem(item.where, "parse_failed"))
        for name, value in item.notes:
            told = value.split(",") if name == "converted" else [name] if name in _TOLD else []
            for note in told:
                if not note.startswith("from_"):
                    self.result.items_noted.append(NotedItem(item.where, note))  # type: ignore[arg-type]

    def _keep_what_is_durable(self) -> None:
        """After a failure: count and mark what did become durable; the rest was never read, so to say."""
        while self._waiting:
            item, _, future = self._waiting.popleft()
            if future.done() and not future.cancelled() and future.exception() is None:
                self._count(item, future.result())
        self.result.read = self.result.stored + self.result.duplicates + self.result.refused
        self._mark()
        self._count_refused()

    def _count_refused(self) -> None:
        while self._refused:
            why, count = self._refused.popitem()
            self._intake.refuse(self._source.id, why, count)

    def _mark(self) -> None:
        if self._durable:
            self._journal.mark(self._durable)
            self._durable = []

    def _report(self) -> None:
        if self._progress is not None:
            self._progress(self.result)
