"""The table of jobs: each due time queued once, one runner at a time, leases, retries, history."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.vault import Vault
from config.settings import load
from retention.jobs import queue as queue_module
from retention.jobs.kinds import KINDS, LANES, Kind, kinds_of
from retention.jobs.queue import ABANDONED, LEASE, RETRIES, Claim, JobQueue

NIGHTLY = Kind("test.nightly", "15 2 * * *", "upkeep", "a nightly test")
OFTEN = Kind("test.often", "*/5 * * * *", "holds", "a frequent test")
TWO = {kind.name: kind for kind in (NIGHTLY, OFTEN)}


class MovedClock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 3, 4, 1, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def pass_(self, **span: float) -> None:
        self.moment += timedelta(**span)


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
def queue(vault: Vault, clock: MovedClock) -> JobQueue:
    return JobQueue(vault.records, clock, TWO)


def taken(queue: JobQueue, *names: str) -> Claim:
    claim = queue.claim(names or list(TWO))
    assert claim is not None
    return claim


@given(st.datetimes(datetime(2020, 1, 1), datetime(2050, 1, 1)), st.sampled_from(sorted(KINDS)))
def test_the_next_time_is_after_the_moment_and_on_the_minute(moment: datetime, name: str) -> None:
    moment = moment.replace(tzinfo=UTC)
    due = KINDS[name].due_after(moment)
    assert moment < due
    assert (due.second, due.microsecond) == (0, 0)
    assert KINDS[name].due_after(due - timedelta(microseconds=1)) == due


def test_a_time_that_passed_is_queued_once_however_many_passed(queue: JobQueue, clock: MovedClock) -> None:
    assert queue.enqueue_due(TWO) == []  # never seen: from now on
    clock.pass_(minutes=4)
    assert queue.enqueue_due(TWO) == []
    clock.pass_(minutes=1)
    assert queue.enqueue_due(TWO) == ["test.often"]
    assert queue.enqueue_due(TWO) == []
    clock.pass_(days=9)  # the server was down
    assert queue.enqueue_due(TWO) == ["test.nightly", "test.often"]
    assert [job["kind"] for job in queue.history()] == ["test.nightly", "test.often"]


def test_two_processes_queue_a_time_once(vault: Vault, queue: JobQueue, clock: MovedClock) -> None:
    other = JobQueue(vault.records, clock, TWO)
    queue.enqueue_due(TWO)
    clock.pass_(minutes=5)
    assert (queue.enqueue_due(TWO), other.enqueue_due(TWO)) == (["test.often"], [])


def test_one_runs_at_a_time_among_the_kinds_asked_for(queue: JobQueue) -> None:
    queue.enqueue("test.nightly")
    queue.enqueue("test.often")
    first = taken(queue)
    assert first.kind == "test.nightly"
    assert queue.claim(list(TWO)) is None  # a lane takes turns
    assert taken(queue, "test.often").kind == "test.often"  # another lane doesn't wait for it
    queue.finish(first, {"seen": 3})
    nightly, often = queue.overview()
    assert (nightly["state"], nightly["last_counts"]) == ("idle", {"seen": 3})
    assert (often["state"], often["last_at"]) == ("running", None)


def test_a_lease_is_renewed_and_passes_on_when_it_ends(queue: JobQueue, clock: MovedClock) -> None:
    queue.enqueue("test.nightly")
    first = taken(queue)
    clock.pass_(seconds=LEASE.total_seconds() - 1)
    assert queue.beat(first, 5, 10)
    assert queue.overview()[0]["done"] == 5
    clock.pass_(seconds=LEASE.total_seconds() - 1)
    assert queue.claim(list(TWO)) is None
    clock.pass_(seconds=2)
    second = taken(queue)
    assert second.id == first.id
    # Who lost the job can't speak for it any more: failed at the caller's, but done all the same.
    assert not queue.beat(first)
    queue.keep(first, "far")
    queue.finish(first, {"seen": 1})
    queue.fail(first, "late")
    assert queue.overview()[0]["state"] == "running"
    queue.keep(second, "near")
    queue.give_back(second)
    assert taken(queue).cursor == "near"


def test_a_job_that_kills_its_runner_every_time_is_given_up(queue: JobQueue, clock: MovedClock) -> None:
    queue.enqueue("test.nightly")
    for _ in range(RETRIES):
        taken(queue)
        clock.pass_(hours=1)
    assert queue.claim(list(TWO)) is None
    assert queue.overview()[0]["error"] == ABANDONED
    queue.enqueue("test.nightly")  # its next time comes as ever
    queue.finish(taken(queue))
    assert queue.overview()[0]["error"] is None


def test_a_failed_job_waits_longer_each_time_and_then_is_given_up(queue: JobQueue, clock: MovedClock) -> None:
    queue.enqueue("test.nightly")
    waited = []
    for _ in range(RETRIES):
        start = clock.now()
        while (claim := queue.claim(list(TWO))) is None:
            clock.pass_(seconds=30)
        waited.append((clock.now() - start).total_seconds())
        queue.fail(claim, "store_failed")
        if (again := queue.overview()[0]["again_at"]) is not None:
            assert datetime.fromisoformat(again) > clock.now()
    assert waited == [0, 30, 60, 120, 240]
    (job,) = queue.history()
    assert (job["state"], job["failures"], job["error"]) == ("failed", RETRIES, "store_failed")


def test_what_wasnt_done_for_more_than_a_day_is_overdue(queue: JobQueue, clock: MovedClock) -> None:
    def overdue() -> list[str]:
        return [job["kind"] for job in queue.overview() if job["overdue"]]

    for kind in TWO:
        queue.enqueue(kind)
    queue.finish(taken(queue, "test.often"))
    clock.pass_(hours=24)  # an hour short of a day behind the first time of the nightly one
    assert overdue() == []
    clock.pass_(hours=2)
    assert overdue() == ["test.nightly", "test.often"]
    queue.finish(taken(queue, "test.nightly"))
    assert overdue() == ["test.often"]


def test_who_asks_for_one_doesnt_wait_out_a_failure(queue: JobQueue) -> None:
    queue.enqueue("test.nightly")
    queue.fail(taken(queue), "store_failed")
    queue.enqueue("test.nightly")  # at its time, it waits on
    assert queue.claim(list(TWO)) is None
    queue.enqueue("test.nightly", at_once=True)
    assert taken(queue).kind == "test.nightly"
    assert len(queue.history()) == 1


def test_one_asked_for_by_hand_takes_its_turn_in_the_lane(vault: Vault, clock: MovedClock) -> None:
    kinds = {**TWO, "test.other": replace(NIGHTLY, name="test.other")}
    queue = JobQueue(vault.records, clock, kinds)
    queue.enqueue("test.nightly")
    running = taken(queue, "test.nightly")
    queue.enqueue("test.other")
    assert queue.claim(["test.other"]) is None
    queue.finish(running)
    assert taken(queue, "test.other").kind == "test.other"


@pytest.mark.parametrize("back", [timedelta(minutes=5), timedelta(days=365)])
def test_a_clock_set_back_stops_nothing(queue: JobQueue, clock: MovedClock, back: timedelta) -> None:
    queue.enqueue_due(TWO)
    queue.enqueue("test.nightly")
    queue.fail(taken(queue, "test.nightly"), "store_failed")
    clock.pass_(minutes=5)
    queue.enqueue_due(TWO)
    taken(queue, "test.often")  # its process dies, and the clock was wrong
    clock.moment -= back
    queue.enqueue_due(TWO)
    clock.pass_(minutes=8)
    assert taken(queue, "test.often").kind == "test.often"
    assert taken(queue, "test.nightly").kind == "test.nightly"
    queue.enqueue_due(TWO)
    assert [job["kind"] for job in queue.history() if job["state"] == "queued"] == ["test.often"]


def test_history_forgets_the_oldest_and_pages(queue: JobQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_module, "KEEP_DONE", 3)
    for number in range(6):
        queue.enqueue("test.often")
        queue.finish(taken(queue), {"number": number})
    assert [job["counts"]["number"] for job in queue.history()] == [5, 4, 3]
    first = queue.history(limit=2)
    assert [j["counts"]["number"] for j in queue.history(limit=2, before=first[-1]["n"])] == [3]
    assert queue.history("test.nightly") == []


def test_every_kind_has_a_lane_and_the_due_list_follows_the_settings() -> None:
    assert {kind.lane for kind in KINDS.values()} == set(LANES)
    base = {"home": "/nowhere/home", "root_key": "file:/nowhere/key"}
    never = kinds_of(load({**base, "due_list": "never"}, {}))
    assert "retention.propose" not in never
    monthly = kinds_of(load({**base, "due_list": "monthly"}, {}))["retention.propose"]
    assert monthly.due_after(datetime(2026, 3, 2, tzinfo=UTC)) == datetime(2026, 4, 1, 6, tzinfo=UTC)
    weekly = kinds_of(load(base, {}))["retention.propose"]
    assert weekly.due_after(datetime(2026, 3, 3, tzinfo=UTC)).strftime("%a") == "Mon"
