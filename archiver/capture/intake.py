"""The bounded queue between the doors and the group commit: batches form while the disk is busy."""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass

from archiver.archive import Archive
from archiver.capture.ports import Arrival, Receipt
from archiver.capture.prepare import Prepared
from archiver.commit import Committed
from archiver.errors import ArchiverError, StoreError
from archiver.sources import Sources

SWITCH_SECONDS = 0.0005

OnStored = Callable[[Sequence[tuple[Prepared, Committed]]], None]
"""Told of each committed batch, so that the indexer needn't parse again. Must not raise."""


Prepare = Callable[[Arrival, frozenset[str]], "Future[Prepared]"]
"""Begins the preparation of an arrival, in a thread or another process."""


@dataclass(slots=True)
class _Waiting:
    """An arrival under preparation and whoever waits for its receipt."""

    prepared: Future[Prepared]
    answer: Future[Receipt]


class GroupIntake:
    """`Intake` over an archive: prepares in a pool, commits in one thread. Start it before use.

    `submit` blocks while `depth` arrivals wait. A receipt is given only when the batch is durable.
    """

    def __init__(
        self,
        archive: Archive,
        sources: Sources,
        prepare: Prepare,
        *,
        on_stored: OnStored,
        batch: int = 256,
        wait_ms: int = 4,
        depth: int = 2_048,
    ) -> None:
        self._archive = archive
        self._sources = sources
        self._prepare = prepare
        self._on_stored = on_stored
        self._batch = batch
        self._wait = wait_ms / 1_000
        self._queue: queue.Queue[_Waiting | None] = queue.Queue(depth)
        self._thread = threading.Thread(target=self._run, name="commit", daemon=True)
        self._closed = False
        self._addresses: dict[str, frozenset[str]] = {}

    def start(self) -> None:
        """Begin to commit."""
        # The committer lets go of the interpreter at every statement; beside threads that parse and index
        # it would wait Python's usual 5 ms each time to go on. Measured: twice the messages a second.
        sys.setswitchinterval(min(sys.getswitchinterval(), SWITCH_SECONDS))
        self._thread.start()

    def submit(self, arrival: Arrival) -> Future[Receipt]:
        """See `Intake.submit`. Raises StoreError once closed."""
        if self._closed:
            raise StoreError("the archive is shutting down; try again later")
        waiting = _Waiting(self._prepare(arrival, self._journal_addresses(arrival.source_id)), Future())
        self._queue.put(waiting)
        return waiting.answer

    def refuse(self, source_id: str, reason: str) -> None:
        """See `Intake.refuse`."""
        self._sources.refuse(source_id, reason)

    def close(self) -> None:
        """Commit what waits, answer it, and stop."""
        if self._closed:
            return
        self._closed = True
        self._queue.put(None)
        self._thread.join()

    def _journal_addresses(self, source_id: str) -> frozenset[str]:
        # A feed's own address is not a recipient of the mail it reports; it never changes.
        if source_id not in self._addresses:
            address = self._sources.get(source_id).address
            self._addresses[source_id] = frozenset({address}) if address else frozenset()
        return self._addresses[source_id]

    def _run(self) -> None:
        open_ = True
        while open_:
            first = self._queue.get()
            if first is None:
                break
            batch, open_ = self._gather(first)
            self._settle(batch)

    def _gather(self, first: _Waiting) -> tuple[list[_Waiting], bool]:
        batch = [first]
        deadline = time.monotonic() + self._wait
        while len(batch) < self._batch:
            try:
                left = deadline - time.monotonic()
                item = self._queue.get(timeout=left) if left > 0 else self._queue.get_nowait()
            except queue.Empty:
                break
            if item is None:
                return batch, False
            batch.append(item)
        return batch, True

    def _settle(self, batch: list[_Waiting]) -> None:
        ready: list[tuple[Prepared, Future[Receipt]]] = []
        for waiting in batch:
            try:
                ready.append((waiting.prepared.result(), waiting.answer))
            except Exception as error:  # whatever failed, this arrival alone gets "try again later"
                _fail(waiting.answer, error)
        if not ready:
            return
        try:
            committed = self._archive.commit([prepared for prepared, _ in ready])
        except Exception as error:  # the whole batch is unacknowledged; senders will deliver it again
            for _, answer in ready:
                _fail(answer, error)
            return
        for (_, answer), done in zip(ready, committed, strict=True):
            if not answer.cancelled():
                _succeed(answer, done.receipt)
        self._on_stored([(p, c) for (p, _), c in zip(ready, committed, strict=True)])


def _succeed(answer: Future[Receipt], receipt: Receipt) -> None:
    try:
        answer.set_result(receipt)
    except InvalidStateError:  # cancelled between our look and now: stored, not acknowledged
        return


def _fail(answer: Future[Receipt], error: Exception) -> None:
    if not isinstance(error, ArchiverError):
        failure: Exception = StoreError("the archive can't store mail now; try again later")
        failure.__cause__ = error
    else:
        failure = error
    try:
        answer.set_exception(failure)
    except InvalidStateError:
        return
