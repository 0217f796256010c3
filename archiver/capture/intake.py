"""The bounded queue between the doors and the group commit: batches form while the disk is busy."""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, replace
from typing import Protocol

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

Answer = Receipt | ArchiverError
"""What becomes of a message: durable, or not acknowledged."""


class Answers(Protocol):
    """Where the answers to handed-over messages go, all those of one commit at once. Must not raise."""

    def settle(self, settled: Sequence[tuple[int, Answer]]) -> None:
        """Take `(ticket, answer)` pairs, on the committing thread."""
        ...


@dataclass(slots=True)
class _Waiting:
    """An arrival under preparation, and who waits for its receipt under which ticket."""

    prepared: Future[Prepared]
    ticket: int
    answers: Answers


class JournalAddresses:
    """What never changes about a source: its own address, and whether its journal reports are believed.

    A feed's own address is no recipient of the mail it reports. Safe from any thread.
    """

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._known: dict[str, tuple[frozenset[str], bool]] = {}

    def of(self, source_id: str) -> frozenset[str]:
        """The address of a source as a set; empty where it has none. Raises NotFound, StoreError."""
        return self._facts(source_id)[0]

    def judged(self, arrival: Arrival) -> Arrival:
        """The arrival with `reports` decided: by its source, where the door didn't. Raises as `of` does."""
        if arrival.reports is not None:
            return arrival
        return replace(arrival, reports=self._facts(arrival.source_id)[1])

    def _facts(self, source_id: str) -> tuple[frozenset[str], bool]:
        facts = self._known.get(source_id)
        if facts is None:
            source = self._sources.get(source_id)
            addresses = frozenset({source.address.casefold()}) if source.address else frozenset[str]()
            facts = self._known[source_id] = addresses, source.reports
        return facts


class GroupIntake:
    """`Intake` over an archive: prepares in a pool, commits in one thread. Start it before use.

    `submit` and `hand_over` block while `depth` arrivals wait. A receipt is given only when the batch is
    durable.
    """

    def __init__(
        self,
        archive: Archive,
        sources: Sources,
        prepare: Prepare,
        *,
        on_stored: OnStored,
        batch: int = 256,
        wait_ms: int = 1,
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
        self._addresses = JournalAddresses(sources)

    def start(self) -> None:
        """Begin to commit."""
        # The committer lets go of the interpreter at every statement; beside threads that parse and index
        # it would wait Python's usual 5 ms each time to go on. Measured: twice the messages a second.
        sys.setswitchinterval(min(sys.getswitchinterval(), SWITCH_SECONDS))
        self._thread.start()

    def submit(self, arrival: Arrival) -> Future[Receipt]:
        """See `Intake.submit`. Raises StoreError once closed."""
        self._refuse_when_closed()
        answer = _Awaited()
        prepared = self._prepare(self._addresses.judged(arrival), self._addresses.of(arrival.source_id))
        self._queue.put(_Waiting(prepared, 0, answer))
        return answer.future

    def hand_over(self, prepared: Prepared, ticket: int, answers: Answers) -> None:
        """Take what another process has prepared; `answers` is told once. Raises StoreError once closed."""
        self._refuse_when_closed()
        done: Future[Prepared] = Future()
        done.set_result(prepared)
        self._queue.put(_Waiting(done, ticket, answers))

    def refuse(self, source_id: str, reason: str, count: int = 1) -> None:
        """See `Intake.refuse`."""
        self._sources.refuse(source_id, reason, count)

    def close(self) -> None:
        """Commit what waits, answer it, and stop."""
        if self._closed:
            return
        self._closed = True
        self._queue.put(None)
        self._thread.join()
        late = []
        while not self._queue.empty():  # what came between the two lines above
            waiting = self._queue.get_nowait()
            if waiting is not None:
                late.append((waiting, as_answer(StoreError("the archive is shutting down; try again later"))))
        _tell(late)

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise StoreError("the archive is shutting down; try again later")

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
        ready: list[tuple[Prepared, _Waiting]] = []
        failed: list[tuple[_Waiting, Answer]] = []
        for waiting in batch:
            try:
                ready.append((waiting.prepared.result(), waiting))
            except Exception as error:  # whatever failed, this arrival alone gets "try again later"
                failed.append((waiting, as_answer(error)))
        _tell(failed)
        if not ready:
            return
        try:
            committed = self._archive.commit([prepared for prepared, _ in ready])
        except Exception as error:  # the whole batch is unacknowledged; senders will deliver it again
            answer = as_answer(error)
            _tell([(waiting, answer) for _, waiting in ready])
            return
        _tell([(waiting, done.receipt) for (_, waiting), done in zip(ready, committed, strict=True)])
        self._on_stored([(p, c) for (p, _), c in zip(ready, committed, strict=True)])


class _Awaited:
    """The answer to one arrival of this process, as a future."""

    def __init__(self) -> None:
        self.future: Future[Receipt] = Future()

    def settle(self, settled: Sequence[tuple[int, Answer]]) -> None:
        """See `Answers`."""
        for _, answer in settled:
            fulfil(self.future, answer)


def fulfil(future: Future[Receipt], answer: Answer) -> None:
    """End a future with an answer; one that was cancelled acknowledges nothing, and stays so."""
    try:
        if isinstance(answer, Receipt):
            future.set_result(answer)
        else:
            future.set_exception(answer)
    except InvalidStateError:
        return


def as_answer(error: Exception) -> ArchiverError:
    """A failure as it is told to whoever waits: our own errors as they are, others as "try again later"."""
    if isinstance(error, ArchiverError):
        return error
    failure = StoreError("the archive can't store mail now; try again later")
    failure.__cause__ = error
    return failure


def _tell(settled: Sequence[tuple[_Waiting, Answer]]) -> None:
    by_place: dict[int, tuple[Answers, list[tuple[int, Answer]]]] = {}
    for waiting, answer in settled:
        by_place.setdefault(id(waiting.answers), (waiting.answers, []))[1].append((waiting.ticket, answer))
    for answers, told in by_place.values():
        answers.settle(told)
