"""Where arrivals are prepared: threads beside a server, processes for a bulk import.

Processes are fed in chunks: handing over one message at a time cost more than preparing it.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from archiver.capture import garbage
from archiver.capture.beside import Post, begin, ends, received
from archiver.capture.ports import Arrival
from archiver.capture.prepare import Prepared, Preparer
from archiver.errors import StoreError
from config.errors import HoldfastError
from config.settings import Settings

CHUNK_MESSAGES = 32
CHUNK_BYTES = 1 << 20
CHUNKS_A_PROCESS = 2
"""One that is worked on and one that waits, so that no process idles while the feeder wakes."""
WAITED_SECONDS = 5.0
"""Arrivals have waited so long in all for a free process before another is begun."""
IDLE_SHARE = 0.2
"""And so much of all processors had nothing to do meanwhile: else one more takes them from the others."""


@dataclass(frozen=True, slots=True)
class _Task:
    """An arrival, and where its preparation is awaited."""

    arrival: Arrival
    journal_addresses: frozenset[str]
    prepared: Future[Prepared] = field(default_factory=Future)


def idle_processors() -> tuple[int, int] | None:
    """What all processors together did since the system began, in its ticks: nothing, and anything.

    None where the system doesn't say it as Linux does (proc(5), /proc/stat).
    """
    try:
        first = Path("/proc/stat").read_text("ascii").partition("\n")[0]
        ticks = [int(number) for number in first.split()[1:9]]
    except (OSError, ValueError):
        return None
    return (ticks[3] + ticks[4], sum(ticks)) if len(ticks) == 8 else None


def idle_share(before: tuple[int, int] | None, now: tuple[int, int] | None) -> float:
    """The share of processor time in which nothing was done between two looks; 1 where it isn't known."""
    if before is None or now is None or now[1] <= before[1]:
        return 1.0
    return (now[0] - before[0]) / (now[1] - before[1])


class PreparePool:
    """Runs `Preparer.prepare` in `processes` other processes, or in two threads when there are none."""

    def __init__(self, preparer: Preparer, settings: Settings, processes: int = 0) -> None:
        self._preparer = preparer
        self._feeder = _Feeder(settings, processes) if processes else None
        # Beside other processes only for what is spooled: its key never leaves this one.
        self._threads = ThreadPoolExecutor(1 if processes else 2, thread_name_prefix="prepare")

    def __call__(self, arrival: Arrival, journal_addresses: frozenset[str]) -> Future[Prepared]:
        """Begin to prepare an arrival."""
        if self._feeder is not None and isinstance(arrival.raw, bytes):
            return self._feeder.submit(_Task(arrival, journal_addresses))
        return self._threads.submit(self._preparer.prepare, arrival, journal_addresses)

    def close(self) -> None:
        """Wait for what was begun, and stop."""
        if self._feeder is not None:
            self._feeder.close()
        self._threads.shutdown(wait=True)


class _Feeder:
    """Hands arrivals to worker processes, as many at once as wait while all of them are busy.

    Begins with one, and with another once that one is what everything waits for while processors are idle:
    plain text is prepared faster than it is committed and indexed, and a process too many takes the processor
    from those, and 75 MiB.
    """

    def __init__(self, settings: Settings, processes: int) -> None:
        self._settings = settings
        self._most = processes
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        # Each worker is in it once for every chunk it may still be given.
        self._free: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        self._workers: list[_Worker] = []
        self._waited = 0.0
        self._processors = idle_processors()
        self._begin()
        self._thread = threading.Thread(target=self._run, name="prepare", daemon=True)
        self._thread.start()

    def submit(self, task: _Task) -> Future[Prepared]:
        self._tasks.put(task)
        return task.prepared

    def close(self) -> None:
        self._tasks.put(None)
        self._thread.join()
        for worker in self._workers:
            worker.close()

    def _run(self) -> None:
        open_ = True
        while open_:
            task = self._tasks.get()
            if task is None:
                return
            worker = self._next()
            chunk, open_ = self._gather(task)
            worker.give(chunk)

    def _begin(self) -> None:
        worker = _Worker(self._settings, self._free)
        self._workers.append(worker)
        for _ in range(CHUNKS_A_PROCESS):
            self._free.put(worker)

    def _next(self) -> _Worker:
        """Wait for a worker that can be given more; begin another if that has happened too long."""
        if len(self._workers) < self._most and self._waited >= WAITED_SECONDS:
            before, self._processors = self._processors, idle_processors()
            self._waited = 0.0
            if idle_share(before, self._processors) >= IDLE_SHARE:
                self._begin()
        begun = time.monotonic()
        worker = self._free.get()
        # Its own start isn't waiting for want of workers.
        if self._workers[-1].answered:
            self._waited += time.monotonic() - begun
        return worker

    def _gather(self, first: _Task) -> tuple[list[_Task], bool]:
        """Take what waits, up to a chunk; False when the last task was among it."""
        chunk, size = [first], len(first.arrival.raw)
        while len(chunk) < CHUNK_MESSAGES and size < CHUNK_BYTES:
            try:
                task = self._tasks.get_nowait()
            except queue.Empty:
                break
            if task is None:
                return chunk, False
            chunk.append(task)
            size += len(task.arrival.raw)
        return chunk, True


class _Worker:
    """One process that prepares, and the thread that takes its results in."""

    def __init__(self, settings: Settings, free: queue.SimpleQueue[_Worker]) -> None:
        self._free = free
        self._beside = begin(__name__)
        self._post = Post(self._beside.tells)
        self._lock = threading.Lock()
        self._given: deque[list[_Task]] = deque()
        self._gone = False
        self.answered = False
        with contextlib.suppress(OSError):  # its end shows where its results are awaited
            self._post.send(settings)
        self._thread = threading.Thread(target=self._run, name="prepared", daemon=True)
        self._thread.start()

    def give(self, chunk: list[_Task]) -> None:
        """Hand a chunk over; a worker that is gone fails it at once."""
        with self._lock:
            gone = self._gone
            if not gone:
                self._given.append(chunk)
        if gone:
            self._lose(chunk)
            return
        with contextlib.suppress(OSError):  # gone just now: the other thread fails what was given
            self._post.send([(task.arrival, task.journal_addresses) for task in chunk])

    def close(self) -> None:
        """Let it end what it was given, and wait for that."""
        with self._lock:
            if not self._beside.tells.closed:
                self._beside.tells.close()
        self._thread.join()
        self._beside.process.wait()

    def _run(self) -> None:
        while True:
            try:
                for results in received(self._beside.hears):
                    self._settle(self._given.popleft(), results)
            except (EOFError, OSError):
                break
        with self._lock:
            self._gone = True
            lost = list(self._given)
        for chunk in lost:
            self._lose(chunk)
        self._beside.hears.close()

    def _settle(self, chunk: list[_Task], results: Sequence[Prepared | Exception]) -> None:
        self.answered = True
        self._free.put(self)
        for task, result in zip(chunk, results, strict=True):
            if isinstance(result, Prepared):
                task.prepared.set_result(result)
            else:
                task.prepared.set_exception(result)

    def _lose(self, chunk: list[_Task]) -> None:
        self._free.put(self)
        for task in chunk:
            task.prepared.set_exception(StoreError("a process that prepares mail has ended; run this again"))


def processes_for(settings: Settings) -> int:
    """How many processes a bulk import uses at most: as set, or one for each processor."""
    return settings.import_processes or os.cpu_count() or 1


def main(told_descriptor: int, said_descriptor: int) -> None:
    """Prepare what comes, chunk by chunk, until the importing process closes the pipe or is gone."""
    from archiver.vault import open_vault  # the vault imports this package; a worker starts from here

    # Ctrl-C is for the importer, which lets its workers finish what it will acknowledge.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    told, said = ends(told_descriptor, said_descriptor)
    post = Post(said)
    # An archive that can't be opened here ends the worker: who waits for its results is told.
    with contextlib.suppress(EOFError, OSError, HoldfastError):
        settings: Settings = next(received(told))
        vault = open_vault(settings)
        garbage.rarely()
        try:
            while True:
                for chunk in received(told):
                    post.send(vault.preparer.prepare_all(chunk))
        finally:
            vault.close()
