"""Scheduled work: APScheduler only tells the time; what is to be done stands in a table of ours.

A job is claimed by one worker at a time (`FOR UPDATE SKIP LOCKED` on PostgreSQL, the single writer on
SQLite); one that died with its worker is claimed again after an hour. Every job is idempotent.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from sqlalchemy import and_, delete, or_, select, update

from archiver.clock import Clock, to_us
from archiver.store.records import Records
from archiver.store.schema import jobs
from config.errors import HoldfastError

ABANDONED_AFTER = timedelta(hours=1)
RETRIES = 5
KEEP_DONE = timedelta(days=2)
SCHEDULE: Mapping[str, str] = {
    "retention.recompute": "15 2 * * *",
    "holds.resume": "*/5 * * * *",
    "holds.finish_cooling": "*/15 * * * *",
    "dictionary.train": "40 * * * *",
    "coverage.watch": "* * * * *",
}
"""Which job is due when, as crontab lines in UTC."""


class JobQueue:
    """The table of jobs. Every method is one transaction, durable on return."""

    def __init__(self, records: Records, clock: Clock) -> None:
        self._records = records
        self._clock = clock

    def enqueue(self, kind: str) -> None:
        """Queue a job unless one of its kind waits already."""
        with self._records.write() as connection:
            waits = select(jobs.c.id).where(jobs.c.kind == kind, jobs.c.state == "queued")
            if connection.execute(waits.limit(1)).first() is None:
                now = to_us(self._clock.now())
                connection.execute(jobs.insert().values(kind=kind, state="queued", queued_us=now))

    def claim(self, kinds: Collection[str]) -> tuple[int, str] | None:
        """Take the oldest job of these kinds that waits or was abandoned; None when there is none."""
        now = self._clock.now()
        abandoned = and_(jobs.c.state == "running", jobs.c.started_us < to_us(now - ABANDONED_AFTER))
        with self._records.write() as connection:
            row = connection.execute(
                select(jobs.c.id, jobs.c.kind)
                .where(or_(jobs.c.state == "queued", abandoned), jobs.c.kind.in_(list(kinds)))
                .order_by(jobs.c.id)
                .limit(1)
                .with_for_update(skip_locked=True)
            ).first()
            if row is None:
                return None
            connection.execute(
                update(jobs).where(jobs.c.id == row.id).values(state="running", started_us=to_us(now))
            )
            return row.id, row.kind

    def finish(self, job_id: int, *, failed: bool) -> None:
        """Mark a job done, or queue it again after a failure, up to five times; forget those long done."""
        now = self._clock.now()
        with self._records.write() as connection:
            failures = connection.scalar(select(jobs.c.failures).where(jobs.c.id == job_id)) or 0
            failures += 1 if failed else 0
            state = "done" if not failed else ("queued" if failures < RETRIES else "failed")
            connection.execute(
                update(jobs)
                .where(jobs.c.id == job_id)
                .values(state=state, failures=failures, ended_us=to_us(now))
            )
            connection.execute(
                delete(jobs).where(jobs.c.state == "done", jobs.c.ended_us < to_us(now - KEEP_DONE))
            )


class JobRunner:
    """Runs due jobs in one thread until stopped."""

    def __init__(self, queue: JobQueue, work: Mapping[str, Callable[[], object]]) -> None:
        self._queue = queue
        self._work = work
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)
        self._timer = BackgroundScheduler(timezone="UTC", daemon=True)
        for kind in work:
            if kind in SCHEDULE:
                trigger = CronTrigger.from_crontab(SCHEDULE[kind], timezone="UTC")
                self._timer.add_job(queue.enqueue, trigger, args=[kind], coalesce=True, max_instances=1)

    def start(self) -> None:
        """Queue every kind once (whatever a stop left undone) and begin."""
        for kind in self._work:
            self._queue.enqueue(kind)
        self._timer.start()
        self._thread.start()

    def stop(self) -> None:
        """Finish the running job and stop."""
        self._timer.shutdown(wait=False)
        self._stop.set()
        self._thread.join()

    def run_due(self) -> int:
        """Run every job that waits; return how many."""
        done = 0
        while (job := self._queue.claim(self._work.keys())) is not None:
            job_id, kind = job
            failed = False
            try:
                self._work[kind]()
            except HoldfastError:
                failed = True
            self._queue.finish(job_id, failed=failed)
            done += 1
            if failed:
                break
        return done

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.run_due()
            except HoldfastError:
                self._stop.wait(5.0)  # the database is away; the table keeps what is due
            self._stop.wait(1.0)
