"""Where arrivals are prepared: threads beside a server, processes for a bulk import."""

from __future__ import annotations

import multiprocessing
import os
import signal
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor

from archiver.capture.ports import Arrival
from archiver.capture.prepare import Prepared, Preparer
from config.settings import Settings

_worker: Preparer | None = None


class PreparePool:
    """Runs `Preparer.prepare` in `processes` other processes, or in two threads when there are none."""

    def __init__(self, preparer: Preparer, settings: Settings, processes: int = 0) -> None:
        self._preparer = preparer
        self._processes = processes
        self._pool: Executor
        if processes:
            self._pool = ProcessPoolExecutor(
                processes,
                # A fork would copy locks and database connections in whatever state they are.
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_begin,
                initargs=(settings,),
            )
        else:
            self._pool = ThreadPoolExecutor(2, thread_name_prefix="prepare")

    def __call__(self, arrival: Arrival, journal_addresses: frozenset[str]) -> Future[Prepared]:
        """Begin to prepare an arrival."""
        if self._processes:
            return self._pool.submit(_prepare, arrival, journal_addresses)
        return self._pool.submit(self._preparer.prepare, arrival, journal_addresses)

    def close(self) -> None:
        """Wait for what was begun, and stop."""
        self._pool.shutdown(wait=True)


def processes_for(settings: Settings) -> int:
    """How many processes a bulk import uses: as set, or one for each processor."""
    return settings.import_processes or os.cpu_count() or 1


def _begin(settings: Settings) -> None:
    from archiver.vault import open_vault  # the vault imports this package; a worker starts from here

    global _worker
    # Ctrl-C is for the importer, which lets its workers finish what it will acknowledge.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _worker = open_vault(settings).preparer


def _prepare(arrival: Arrival, journal_addresses: frozenset[str]) -> Prepared:
    if _worker is None:
        raise RuntimeError("the worker process was not started by PreparePool")
    return _worker.prepare(arrival, journal_addresses)
