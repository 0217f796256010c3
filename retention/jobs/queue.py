"""The table of jobs: who may run what now, how far it is, and what became of it.

APScheduler only tells the time; what is due stands here, queued in one transaction with the note of how
far the schedule has been honoured. So each time is queued once over any number of processes, and times
that passed while nothing ran are made up for, once. A running job holds a lease that its runner renews;
one whose runner died is taken over when the lease ends. Every job is idempotent.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, func, or_, select, update

from archiver.clock import Clock, from_us, rfc3339, to_us
from archiver.store import dialect
from archiver.store.records import Records
from archiver.store.schema import job_marks, jobs
from archiver.vault import Vault
from retention.jobs.kinds import KINDS, Kind, kinds_of

LEASE: Final = timedelta(minutes=2)
RETRIES: Final = 5
FIRST_WAIT: Final = timedelta(seconds=30)
"""After a failure; twice as long after each further one."""
LONGEST_WAIT: Final = FIRST_WAIT * 2 ** (RETRIES - 2)
KEEP_DONE: Final = 100
"""Of each kind; failed ones are kept for `KEEP_FAILED`."""
KEEP_FAILED: Final = timedelta(days=90)
OVERDUE: Final = timedelta(days=1)
ABANDONED: Final = "abandoned"
"""The error of a job whose runner died with it every time."""

Counts = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Claim:
    """A job that is ours to run until the lease ends. `cursor` is where the last one of its kind stopped."""

    id: int
    kind: str
    owner: str
    cursor: str


class JobQueue:
    """The jobs of one archive. Every method is one transaction, durable on return; safe from any thread."""

    def __init__(self, records: Records, clock: Clock, kinds: Mapping[str, Kind] = KINDS) -> None:
        self._records = records
        self._clock = clock
        self._kinds = kinds

    # --- queueing -----------------------------------------------------------------------------

    def enqueue(self, kind: str, *, at_once: bool = False) -> None:
        """Queue a job unless one of its kind waits already; `at_once` ends its wait after a failure."""
        with self._records.write(dialect.LOCK_JOBS) as connection:
            self._enqueue(connection, kind)
            if at_once:
                waits = and_(jobs.c.kind == kind, jobs.c.state == "queued")
                connection.execute(update(jobs).where(waits).values(due_us=None))

    def enqueue_due(self, names: Iterable[str]) -> list[str]:
        """Queue each kind whose time has come since it was last asked; which they were.

        However many times passed meanwhile, it is queued once. A kind never seen is queued at its next time;
        so is one last asked at a time that is still to come, because the clock was set back.
        """
        now = self._clock.now()
        queued = []
        with self._records.write(dialect.LOCK_JOBS) as connection:
            marks = {row.kind: row.asked_us for row in connection.execute(select(job_marks))}
            for name in names:
                asked = marks.get(name)
                if asked is not None and asked > to_us(now):
                    asked = None
                elif asked is not None and self._kinds[name].due_after(from_us(asked)) > now:
                    continue
                if asked is not None:
                    self._enqueue(connection, name)
                    queued.append(name)
                row = {"kind": name, "asked_us": to_us(now), "cursor": ""}
                dialect.upsert(connection, job_marks, [row], update=["asked_us"])
        return queued

    def _enqueue(self, connection: Connection, kind: str) -> None:
        waits = select(jobs.c.id).where(jobs.c.kind == kind, jobs.c.state == "queued")
        if connection.execute(waits.limit(1)).first() is None:
            now = to_us(self._clock.now())
            connection.execute(jobs.insert().values(kind=kind, state="queued", queued_us=now))

    # --- running ------------------------------------------------------------------------------

    def claim(self, names: Collection[str]) -> Claim | None:
        """Take the oldest job of these kinds that waits; None while another of their lanes runs anywhere.

        One whose lease has ended counts as failed once, and is taken over.
        """
        lanes = {kind.lane for kind in self._kinds.values() if kind.name in names}
        beside = {kind.name for kind in self._kinds.values() if kind.lane in lanes}
        open_ = or_(
            and_(jobs.c.kind.in_(sorted(names)), jobs.c.state == "queued"),
            and_(jobs.c.kind.in_(sorted({*names, *beside})), jobs.c.state == "running"),
        )
        wanted = select(jobs).where(open_).order_by(jobs.c.id)
        with self._records.read() as connection:
            if self._takeable(connection.execute(wanted).all(), names) is None:
                return None
        # Every change of a job's row is made under this lock: what is read here stands until we are done.
        with self._records.write(dialect.LOCK_JOBS) as connection:
            row = self._takeable(connection.execute(wanted).all(), names)
            if row is None:
                return None
            now = to_us(self._clock.now())
            if row.state == "running" and row.failures + 1 >= RETRIES:
                self._end(connection, row.id, "failed", row.failures + 1, ABANDONED)
                return None
            owner = secrets.token_hex(8)
            connection.execute(
                update(jobs)
                .where(jobs.c.id == row.id)
                .values(
                    state="running",
                    owner=owner,
                    started_us=now,
                    beat_us=now,
                    done=None,
                    total=None,
                    failures=row.failures + (1 if row.state == "running" else 0),
                    due_us=None,
                )
            )
            cursor = connection.scalar(select(job_marks.c.cursor).where(job_marks.c.kind == row.kind))
            return Claim(row.id, row.kind, owner, cursor or "")

    def _takeable(self, rows: Iterable[Row[Any]], names: Collection[str]) -> Row[Any] | None:
        now = self._clock.now()
        # What lies further ahead than a lease or a wait can is of before the clock was set back.
        begun, alive, longest = to_us(now - LEASE), to_us(now + LEASE), to_us(now + LONGEST_WAIT)
        first = None
        for row in rows:
            if row.state == "running":
                if begun <= (row.beat_us or row.started_us or 0) <= alive:
                    return None
                first = first or (row if row.kind in names else None)
            elif not to_us(now) < (row.due_us or 0) <= longest:
                first = first or row
        return first

    def beat(self, claim: Claim, done: int | None = None, total: int | None = None) -> bool:
        """Renew the lease and say how far it is; False when the job has been taken over meanwhile."""
        with self._records.write(dialect.LOCK_JOBS) as connection:
            renewed = connection.execute(
                update(jobs)
                .where(_ours(claim))
                .values(beat_us=to_us(self._clock.now()), done=done, total=total)
            )
            return bool(renewed.rowcount)

    def keep(self, claim: Claim, cursor: str) -> None:
        """Remember where the next job of this kind goes on; nothing when ours was taken over."""
        with self._records.write(dialect.LOCK_JOBS) as connection:
            if connection.scalar(select(jobs.c.id).where(_ours(claim))) is not None:
                row = {"kind": claim.kind, "asked_us": to_us(self._clock.now()), "cursor": cursor}
                dialect.upsert(connection, job_marks, [row], update=["cursor"])

    def finish(self, claim: Claim, counts: Counts | None = None) -> None:
        """The job is done, with these counts; nothing when it was taken over."""
        with self._records.write(dialect.LOCK_JOBS) as connection:
            if connection.scalar(select(jobs.c.id).where(_ours(claim))) is None:
                return
            self._end(connection, claim.id, "done", 0, None, counts)
            self._forget(connection, claim.kind)

    def fail(self, claim: Claim, error: str) -> None:
        """The job failed: it waits for another try, longer each time, and after five is given up.

        `error` is an error's code. The next time of the schedule begins anew.
        """
        with self._records.write(dialect.LOCK_JOBS) as connection:
            row = connection.execute(select(jobs.c.failures).where(_ours(claim))).first()
            if row is None:
                return
            failures = row.failures + 1
            if failures >= RETRIES:
                self._end(connection, claim.id, "failed", failures, error)
                self._forget(connection, claim.kind)
                return
            due = to_us(self._clock.now() + FIRST_WAIT * 2 ** (failures - 1))
            connection.execute(
                update(jobs)
                .where(jobs.c.id == claim.id)
                .values(state="queued", failures=failures, error=error, due_us=due, owner=None, beat_us=None)
            )

    def give_back(self, claim: Claim) -> None:
        """The runner stops: the job waits again, where it is, without having failed."""
        with self._records.write(dialect.LOCK_JOBS) as connection:
            connection.execute(
                update(jobs).where(_ours(claim)).values(state="queued", owner=None, beat_us=None)
            )

    def _end(
        self,
        connection: Connection,
        job_id: int,
        state: str,
        failures: int,
        error: str | None,
        counts: Counts | None = None,
    ) -> None:
        connection.execute(
            update(jobs)
            .where(jobs.c.id == job_id)
            .values(
                state=state,
                failures=failures,
                error=error,
                ended_us=to_us(self._clock.now()),
                owner=None,
                counts=json.dumps(dict(counts), sort_keys=True) if counts else None,
            )
        )

    def _forget(self, connection: Connection, kind: str) -> None:
        oldest = connection.scalar(
            select(jobs.c.id)
            .where(jobs.c.kind == kind, jobs.c.state == "done")
            .order_by(jobs.c.id.desc())
            .offset(KEEP_DONE)
            .limit(1)
        )
        old = [and_(jobs.c.state == "failed", jobs.c.ended_us < to_us(self._clock.now() - KEEP_FAILED))]
        if oldest is not None:
            old.append(and_(jobs.c.state == "done", jobs.c.id <= oldest))
        connection.execute(delete(jobs).where(jobs.c.kind == kind, or_(*old)))

    # --- looking ------------------------------------------------------------------------------

    def overview(self) -> list[dict[str, Any]]:
        """Each kind: `{kind, about, schedule, next_at, state, done, total, last_at, last_counts, failures,
        error, again_at, overdue}`.

        `state` is idle, queued or running; `last_at` when one of its kind was last done; `error` the code of
        what keeps the present one from succeeding, or of the last one given up if none was done since;
        `again_at` when it is tried again after a failure. `overdue`: its time passed more than a day ago.
        """
        now = self._clock.now()
        with self._records.read() as connection:
            open_ = {
                row.kind: row
                for row in connection.execute(
                    select(jobs).where(jobs.c.state.in_(("queued", "running"))).order_by(jobs.c.id.desc())
                )
            }
            last = self._newest(connection, "done")
            failed = self._newest(connection, "failed")
        found = []
        for kind in self._kinds.values():
            present, past, lost = open_.get(kind.name), last.get(kind.name), failed.get(kind.name)
            given_up = lost is not None and (past is None or lost.id > past.id)
            found.append(
                {
                    "kind": kind.name,
                    "about": kind.about,
                    "schedule": kind.crontab,
                    "next_at": rfc3339(kind.due_after(now)),
                    "state": present.state if present is not None else "idle",
                    "done": present.done if present is not None else None,
                    "total": present.total if present is not None else None,
                    "last_at": rfc3339(from_us(past.ended_us)) if past is not None else None,
                    "last_counts": json.loads(past.counts) if past is not None and past.counts else {},
                    "failures": present.failures if present is not None else 0,
                    "error": present.error
                    if present is not None and present.error
                    else (lost.error if lost is not None and given_up else None),
                    "again_at": _moment(present.due_us) if present is not None else None,
                    "overdue": self._overdue(kind, past, present, now),
                }
            )
        return found

    def _overdue(self, kind: Kind, past: Row[Any] | None, present: Row[Any] | None, now: datetime) -> bool:
        began = past.ended_us if past is not None else present.queued_us if present is not None else None
        return began is not None and kind.due_after(from_us(began)) < now - OVERDUE

    def _newest(self, connection: Connection, state: str) -> dict[str, Row[Any]]:
        newest = select(func.max(jobs.c.id)).where(jobs.c.state == state).group_by(jobs.c.kind)
        return {row.kind: row for row in connection.execute(select(jobs).where(jobs.c.id.in_(newest)))}

    def history(
        self, kind: str | None = None, *, limit: int = 50, before: int | None = None
    ) -> list[dict[str, Any]]:
        """Jobs, newest first: `{n, kind, state, queued_at, started_at, ended_at, failures, error,
        counts}`; `before` is the `n` of the last one seen."""
        query = select(jobs).order_by(jobs.c.id.desc()).limit(limit)
        if kind is not None:
            query = query.where(jobs.c.kind == kind)
        if before is not None:
            query = query.where(jobs.c.id < before)
        with self._records.read() as connection:
            rows = connection.execute(query).all()
        return [
            {
                "n": row.id,
                "kind": row.kind,
                "state": row.state,
                "queued_at": _moment(row.queued_us),
                "started_at": _moment(row.started_us),
                "ended_at": _moment(row.ended_us),
                "failures": row.failures,
                "error": row.error,
                "counts": json.loads(row.counts) if row.counts else {},
            }
            for row in rows
        ]


def queue_of(vault: Vault) -> JobQueue:
    """The jobs of an archive, as its settings want them."""
    return JobQueue(vault.records, vault.clock, kinds_of(vault.settings))


def _ours(claim: Claim) -> ColumnElement[bool]:
    return and_(jobs.c.id == claim.id, jobs.c.owner == claim.owner, jobs.c.state == "running")


def _moment(us: int | None) -> str | None:
    return rfc3339(from_us(us)) if us is not None else None
