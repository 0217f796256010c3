"""Where arrivals are prepared: threads beside a server, processes for a bulk import.

Processes are fed in chunks: handing over one message at a time cost more than preparing it.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field

from archiver.capture.ports import Arrival
from archiver.capture.prepare import Prepared, Preparer
from config.settings import Settings

CHUNK_MESSAGES = 32
CHUNK_BYTES = 1 << 20
CHUNKS_A_PROCESS = 2
"""One that is worked on and one that waits, so that no process idles while the feeder wakes."""

_worker: Preparer | None = None


@dataclass(frozen=True, slots=True)
class _Task:
    """An arrival, and where its preparation is awaited."""

    arrival: Arrival
    journal_addresses: frozenset[str]
    prepared: Future[Prepared] = field(default_factory=Future)


class PreparePool:
    """Runs `Preparer.prepare` in `processes` other processes, or in two threads when there are none."""

    def __init__(self, preparer: Preparer, settings: Settings, processes: int = 0) -> None:
        self._preparer = preparer
        self._feeder = _Feeder(settings, processes) if processes else None
        self._threads = None if processes else ThreadPoolExecutor(2, thread_name_prefix="prepare")

    def __call__(self, arrival: Arrival, journal_addresses: frozenset[str]) -> Future[Prepared]:
        """Begin to prepare an arrival."""
        if self._feeder is not None:
            return self._feeder.submit(_Task(arrival, journal_addresses))
        assert self._threads is not None
        return self._threads.submit(self._preparer.prepare, arrival, journal_addresses)

    def close(self) -> None:
        """Wait for what was begun, and stop."""
        if self._feeder is not None:
            self._feeder.close()
        if self._threads is not None:
            self._threads.shutdown(wait=True)


class _Feeder:
    """Hands arrivals to worker processes, as many at once as wait while all of them are busy."""

    def __init__(self, settings: Settings, processes: int) -> None:
        self._pool = ProcessPoolExecutor(
            processes,
            # A fork would copy locks and database connections in whatever state they are.
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_begin,
            initargs=(settings,),
        )
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._free = threading.Semaphore(processes * CHUNKS_A_PROCESS)
        self._thread = threading.Thread(target=self._run, name="prepare", daemon=True)
        self._thread.start()

    def submit(self, task: _Task) -> Future[Prepared]:
        self._tasks.put(task)
        return task.prepared

    def close(self) -> None:
        self._tasks.put(None)
        self._thread.join()
        self._pool.shutdown(wait=True)

    def _run(self) -> None:
        open_ = True
        while open_:
            task = self._tasks.get()
            if task is None:
                return
            self._free.acquire()
            chunk, open_ = self._gather(task)
            self._hand_over(chunk)

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

    def _hand_over(self, chunk: list[_Task]) -> None:
        work = [(task.arrival, task.journal_addresses) for task in chunk]
        try:
            done = self._pool.submit(_prepare, work)
        except RuntimeError as error:  # a worker was killed: its pool takes nothing any more
            self._settle(chunk, error)
            return
        done.add_done_callback(lambda future: self._settle(chunk, future.exception() or future.result()))

    def _settle(self, chunk: list[_Task], results: BaseException | Sequence[Prepared | Exception]) -> None:
        self._free.release()
        if isinstance(results, BaseException):
            for task in chunk:
                task.prepared.set_exception(results)
            return
        for task, result in zip(chunk, results, strict=True):
            if isinstance(result, Prepared):
                task.prepared.set_result(result)
            else:
                task.prepared.set_exception(result)


def processes_for(settings: Settings) -> int:
    """How many processes a bulk import uses: as set, or one for each processor."""
    return settings.import_processes or os.cpu_count() or 1


def _begin(settings: Settings) -> None:
    from archiver.vault import open_vault  # the vault imports this package; a worker starts from here

    global _worker
    # Ctrl-C is for the importer, which lets its workers finish what it will acknowledge.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _worker = open_vault(settings).preparer


def _prepare(work: Sequence[tuple[Arrival, frozenset[str]]]) -> list[Prepared | Exception]:
    """Prepare a chunk in a worker; one arrival's failure is its own."""
    if _worker is None:
        raise RuntimeError("the worker process was not started by PreparePool")
    results: list[Prepared | Exception] = []
    for arrival, journal_addresses in work:
        try:
            results.append(_worker.prepare(arrival, journal_addresses))
        except Exception as error:  # told to whoever waits for this arrival
            results.append(error)
    return results
