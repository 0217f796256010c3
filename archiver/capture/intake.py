"""The bounded queue between the doors and the group commit: batches form while the disk is busy."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, replace
from typing import Protocol

from archiver.archive import Archive
from archiver.capture import garbage
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

    prepared: Future[Prepared] | Prepared
    ticket: int
    answers: Answers


class _Line:
    """What waits to be committed: at most `depth` arrivals, or one handing-over more."""

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._items: deque[_Waiting] = deque()
        self._lock = threading.Lock()
        self._more = threading.Condition(self._lock)
        self._room = threading.Condition(self._lock)
        self._hurry = False
        self._ended = False

    def put(self, items: Sequence[_Waiting], *, complete: bool) -> None:
        """Add some, once there is room; `complete` says that no others are to be expected with them."""
        with self._lock:
            while len(self._items) >= self._depth and not self._ended:
                self._room.wait()
            if self._ended:
                raise _closing()
            self._items += items
            self._hurry |= complete
            self._more.notify()

    def take(self, most: int, wait: float) -> list[_Waiting]:
        """The next ones, at least one, with what comes within `wait` seconds unless they are complete.
        None at all only after the end."""
        with self._lock:
            while not self._items and not self._ended:
                self._more.wait()
            deadline = time.monotonic() + wait
            while not (self._hurry or self._ended or len(self._items) >= most):
                left = deadline - time.monotonic()
                if left <= 0 or not self._more.wait(left):
                    break
            taken = [self._items.popleft() for _ in range(min(most, len(self._items)))]
            self._hurry = self._hurry and bool(self._items)
            self._room.notify_all()
            return taken

    def end(self) -> None:
        """Take nothing more; what is there is still given."""
        with self._lock:
            self._ended = True
            self._more.notify_all()
            self._room.notify_all()


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

    def known(self, source_id: str) -> bool:
        """True when `of` answers from memory."""
        return source_id in self._known

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
        self._line = _Line(depth)
        self._thread = threading.Thread(target=self._run, name="commit", daemon=True)
        self._closed = False
        self._addresses = JournalAddresses(sources)

    def start(self) -> None:
        """Begin to commit."""
        # The committer lets go of the interpreter at every statement; beside threads that parse and index
        # it would wait Python's usual 5 ms each time to go on. Measured: twice the messages a second.
        sys.setswitchinterval(min(sys.getswitchinterval(), SWITCH_SECONDS))
        garbage.rarely(self._batch)
        self._thread.start()

    def submit(self, arrival: Arrival) -> Future[Receipt]:
        """See `Intake.submit`. Raises StoreError once closed."""
        self._refuse_when_closed()
        answer = _Awaited()
        prepared = self._prepare(self._addresses.judged(arrival), self._addresses.of(arrival.source_id))
        self._line.put((_Waiting(prepared, 0, answer),), complete=False)
        return answer.future

    def hand_over(self, mail: Sequence[tuple[int, Prepared]], answers: Answers) -> None:
        """Take what another process has prepared, with its tickets; `answers` is told once of each.

        What belongs together has been gathered there: it isn't kept waiting for more. Raises StoreError
        once closed.
        """
        self._refuse_when_closed()
        self._line.put([_Waiting(prepared, ticket, answers) for ticket, prepared in mail], complete=True)

    def refuse(self, source_id: str, reason: str, count: int = 1) -> None:
        """See `Intake.refuse`."""
        self._sources.refuse(source_id, reason, count)

    def close(self) -> None:
        """Commit what waits, answer it, and stop."""
        if self._closed:
            return
        self._closed = True
        self._line.end()
        self._thread.join()

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise _closing()

    def _run(self) -> None:
        while batch := self._line.take(self._batch, self._wait):
            self._settle(batch)

    def _settle(self, batch: list[_Waiting]) -> None:
        ready: list[tuple[Prepared, _Waiting]] = []
        failed: list[tuple[_Waiting, Answer]] = []
        for waiting in batch:
            try:
                prepared = waiting.prepared
                ready.append((prepared if isinstance(prepared, Prepared) else prepared.result(), waiting))
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


def _closing() -> StoreError:
    return StoreError("the archive is shutting down; try again later")


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
