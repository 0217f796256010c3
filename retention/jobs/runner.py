"""Runs what is due: a thread for each lane, a pulse that renews the lease, and APScheduler for the time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger

from config.errors import HoldfastError
from retention.jobs.kinds import KINDS, LANES, Kind
from retention.jobs.queue import Claim, Counts, JobQueue

PULSE_SECONDS: Final = 20.0
LOOK_SECONDS: Final = 1.0
TELL_SECONDS: Final = 1.0
"""Progress is written down at most so often."""
log = logging.getLogger("holdfast.jobs")


Told = Callable[[int, int | None], object]


class Interrupted(Exception):
    """The work ends early and well: its runner stops. The job waits again, with its cursor."""


class Task:
    """One job as its work sees it: where to go on, how to say how far it is, and whether to stop."""

    def __init__(
        self, queue: JobQueue, claim: Claim, stop: threading.Event, told: Told | None = None
    ) -> None:
        self._queue = queue
        self._claim = claim
        self._stop = stop
        self._tell = told
        self._done: int | None = None
        self._total: int | None = None
        self._told = time.monotonic()
        self._lost = False

    @property
    def cursor(self) -> str:
        """Where the last job of this kind stopped; empty at first."""
        return self._claim.cursor

    @property
    def stopping(self) -> bool:
        """True when the work should end soon: the server stops, or another process has taken the job over."""
        return self._lost or self._stop.is_set()

    def check(self) -> None:
        """Raise Interrupted when the work should end; call it between steps that are safe to stop at."""
        if self.stopping:
            raise Interrupted

    def rest(self, seconds: float) -> None:
        """Leave the database to others so long. Raises Interrupted as `check` does."""
        self._stop.wait(seconds)
        self.check()

    def progress(self, done: int, total: int | None = None) -> None:
        """Say how far the work is."""
        self._done, self._total = done, total
        if self._tell is not None:
            self._tell(done, total)
        if time.monotonic() - self._told >= TELL_SECONDS:
            self.pulse()

    def keep(self, cursor: str) -> None:
        """Remember, durably, where the next job of this kind goes on."""
        self._queue.keep(self._claim, cursor)

    def pulse(self) -> None:
        """Renew the lease."""
        self._told = time.monotonic()
        if not self._queue.beat(self._claim, self._done, self._total):
            self._lost = True


Work = Callable[[Task], Counts | None]
"""What a kind does. Idempotent, and safe to kill anywhere; a HoldfastError means: try again later."""


def simple(work: Callable[[], object]) -> Work:
    """Work that is short and counts nothing."""

    def run(_: Task) -> None:
        work()

    return run


class JobRunner:
    """Runs the jobs of an archive until stopped. Any number may run, in any processes: they take turns."""

    def __init__(self, queue: JobQueue, work: Mapping[str, Work], kinds: Mapping[str, Kind] = KINDS) -> None:
        self._queue = queue
        self._work = work
        self._kinds = {name: kind for name, kind in kinds.items() if name in work}
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(names,), name=f"jobs-{lane}", daemon=True)
            for lane in LANES
            if (names := [kind.name for kind in self._kinds.values() if kind.lane == lane])
        ]
        self._timer = BackgroundScheduler(timezone="UTC", daemon=True)
        # One tick a minute: crontabs know no shorter time, and the table knows what has come due since.
        self._timer.add_job(self._tick, CronTrigger(second=0), coalesce=True, max_instances=1)

    def start(self) -> None:
        """Queue what came due while nothing ran, and what is done at each start; then begin."""
        for kind in self._kinds.values():
            if kind.at_start:
                self._queue.enqueue(kind.name)
        self._queue.enqueue_due(self._kinds)
        self._timer.start()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let running jobs come to a good place, and stop."""
        self._stop.set()
        self._timer.shutdown(wait=False)
        for thread in self._threads:
            thread.join()

    def run_due(self, names: list[str] | None = None) -> int:
        """Run every job that waits, here and now; how many were begun."""
        begun = 0
        while (
            not self._stop.is_set() and (claim := self._queue.claim(names or list(self._kinds))) is not None
        ):
            begun += 1
            self.run(claim)
        return begun

    def run(self, claim: Claim, told: Told | None = None) -> None:
        """Run one claimed job to its end, failure or the runner's stop; `told` hears how far it is."""
        task = Task(self._queue, claim, self._stop, told)
        ended = threading.Event()
        pulse = threading.Thread(target=_keep_alive, args=(task, ended), name="jobs-pulse", daemon=True)
        pulse.start()
        try:
            counts = self._work[claim.kind](task)
        except Interrupted:
            self._queue.give_back(claim)
        except KeyboardInterrupt:  # of `holdfast jobs run`: nobody should have to wait for its lease
            self._queue.give_back(claim)
            raise
        except HoldfastError as error:
            log.warning("job %s failed: %s", claim.kind, error.code)
            self._queue.fail(claim, error.code)
        except Exception as error:  # our own mistake: the job fails, the runner goes on
            log.error("job %s failed: %s", claim.kind, type(error).__name__)
            self._queue.fail(claim, "internal")
        else:
            self._queue.finish(claim, counts)
        finally:
            ended.set()
            pulse.join()

    def _tick(self) -> None:
        try:
            self._queue.enqueue_due(self._kinds)
        except HoldfastError as error:
            log.warning("the schedule could not be looked at: %s", error.code)

    def _run(self, names: list[str]) -> None:
        while not self._stop.is_set():
            try:
                self.run_due(names)
            except HoldfastError:
                self._stop.wait(5.0)  # the database is away; the table keeps what is due
            self._stop.wait(LOOK_SECONDS)


def _keep_alive(task: Task, ended: threading.Event) -> None:
    while not ended.wait(PULSE_SECONDS):
        try:
            task.pulse()
        except HoldfastError as error:
            log.warning("a job's lease could not be renewed: %s", error.code)
