"""The runner: lanes, stops, kills, takeovers by another process, and the checks of what is stored."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import update

from archiver.capture.ports import Arrival
from archiver.coverage.watch import Watch
from archiver.errors import StoreError
from archiver.ledger import canonical, log
from archiver.ledger.log import Log
from archiver.store.schema import alerts, jobs, messages
from archiver.vault import Vault
from retention.dating.verdicts import Verdicts
from retention.jobs import checks as checks_module
from retention.jobs.checks import StoreChecks
from retention.jobs.kinds import Kind
from retention.jobs.queue import Counts, JobQueue
from retention.jobs.runner import JobRunner, Task, simple
from retention.law.schedules import default_schedule
from retention.roster.patients import PatientStore

LONG = Kind("test.long", "15 2 * * *", "upkeep", "takes its time", at_start=True)
QUICK = Kind("test.quick", "* * * * *", "watch", "is quick", at_start=True)
TWO = {kind.name: kind for kind in (LONG, QUICK)}


def until(condition: object, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_long_job_keeps_no_other_lane_waiting_and_stops_at_a_good_place(vault: Vault) -> None:
    queue = JobQueue(vault.records, vault.clock, TWO)
    quick = threading.Event()
    steps: list[str] = []

    def long(task: Task) -> Counts:
        steps.append(task.cursor)
        for number in range(int(task.cursor or 0), 10_000):
            task.check()
            task.keep(str(number + 1))
            task.progress(number + 1, 10_000)
            time.sleep(0.01)
        return {}

    runner = JobRunner(queue, {"test.long": long, "test.quick": simple(quick.set)}, TWO)
    runner.start()
    assert quick.wait(20)
    until(lambda: queue.overview()[0]["done"])
    runner.stop()
    assert [job["state"] for job in queue.history("test.long")] == ["queued"]
    claim = queue.claim(["test.long"])
    assert claim is not None
    assert int(claim.cursor) > 0


def test_failures_of_any_kind_end_the_job_and_not_the_runner(vault: Vault) -> None:
    queue = JobQueue(vault.records, vault.clock, TWO)

    def store_is_away(_: Task) -> None:
        raise StoreError("not now")

    def mistaken(_: Task) -> None:
        raise ZeroDivisionError("a secret")

    for kind in TWO:
        queue.enqueue(kind)
    runner = JobRunner(queue, {"test.long": store_is_away, "test.quick": mistaken}, TWO)
    assert runner.run_due() == 2
    assert {job["kind"]: job["error"] for job in queue.history()} == {
        "test.long": StoreError.code,
        "test.quick": "internal",
    }


def test_ctrl_c_gives_the_job_back(vault: Vault) -> None:
    queue = JobQueue(vault.records, vault.clock, TWO)
    queue.enqueue("test.long")

    def broken_off(_: Task) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        JobRunner(queue, {"test.long": broken_off}, TWO).run_due()
    assert [(job["state"], job["failures"]) for job in queue.history()] == [("queued", 0)]


KILLED = """
import sys, time
from pathlib import Path
from archiver.vault import open_vault
from config.settings import load
from retention.jobs.queue import JobQueue
from retention.jobs.runner import JobRunner
from tests.retention.jobs.test_runner import TWO

vault = open_vault(load({"home": sys.argv[1], "root_key": sys.argv[2], "database_url": sys.argv[3]}, {}))
queue = JobQueue(vault.records, vault.clock, TWO)
queue.enqueue("test.long")

def work(task):
    task.keep("half")
    print("begun", flush=True)
    time.sleep(60)

JobRunner(queue, {"test.long": work}, TWO).run_due()
"""


def test_a_job_whose_process_was_killed_is_taken_over_where_it_was(vault: Vault) -> None:
    settings = vault.settings
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(settings.home), settings.root_key, settings.database_url],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"begun\n"
    queue = JobQueue(vault.records, vault.clock, TWO)
    assert queue.claim(["test.long"]) is None  # it lives
    process.kill()
    process.wait()
    process.stdout.close()
    with vault.records.write() as connection:  # two minutes later
        connection.execute(update(jobs).values(beat_us=jobs.c.beat_us - 121_000_000))
    claim = queue.claim(["test.long"])
    assert claim is not None
    assert claim.cursor == "half"


# --- checking what is stored ---------------------------------------------------------------------


@pytest.fixture
def filled(vault: Vault) -> Vault:
    source = vault.sources.add("import", "desk").id
    batch = [
        vault.preparer.prepare(
            Arrival(b"From: a@clinic.example\r\nSubject: %d\r\n\r\nbody %d\r\n" % (n, n), source)
        )
        for n in range(20)
    ]
    vault.archive.commit(batch)
    return vault


def checks_of(vault: Vault) -> StoreChecks:
    verdicts = Verdicts(vault, default_schedule(), PatientStore(vault))
    return StoreChecks(vault, Watch(vault).alerts, verdicts)


def night(vault: Vault) -> dict[str, int]:
    """What one night's scrubbing counted."""
    queue = JobQueue(vault.records, vault.clock)
    queue.enqueue("store.scrub")
    checks = checks_of(vault)
    assert JobRunner(queue, {"store.scrub": checks.scrub}).run_due() == 1
    (job, *_) = queue.history("store.scrub")
    assert job["state"] == "done"
    return dict(job["counts"])


def outcomes(vault: Vault, action: str) -> list[str]:
    with vault.records.read() as connection:
        leaves = log.read(connection, Log.AUDIT, 0, log.state(connection, Log.AUDIT).size)
    told = [canonical.loads(leaf) for leaf in leaves]
    return [str(one["outcome"]) for one in told if one["action"] == action]  # type: ignore[index,call-overload]


def test_so_many_nights_read_everything_once(filled: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks_module, "STRETCH", 2)
    settings = filled.settings.model_copy(update={"scrub_days": 4})
    object.__setattr__(filled, "settings", settings)
    seen = [night(filled) for _ in range(4)]
    assert seen == [{"messages": 5, "faults": 0}] * 4
    assert outcomes(filled, "store.scrub") == ["success"] * 4


def test_a_damaged_blob_is_found_told_and_the_rest_goes_on(filled: Vault) -> None:
    settings = filled.settings.model_copy(
        update={
            "scrub_days": 1,
            "alert_to": ("it@clinic.example",),
            "alert_from": "a@clinic.example",
            "alert_relay": "smtp://127.0.0.1:9",
        }
    )
    object.__setattr__(filled, "settings", settings)
    with filled.records.read() as connection:
        row = connection.execute(messages.select().limit(1)).one()
    path = filled.packs.path(row.pack_id)
    data = bytearray(path.read_bytes())
    data[row.pack_offset + row.pack_length - 1] ^= 1
    path.write_bytes(bytes(data))
    assert night(filled) == {"messages": 20, "faults": 1}
    assert outcomes(filled, "store.scrub") == ["failed"]
    with filled.records.read() as connection:
        assert [one.kind for one in connection.execute(alerts.select())] == ["faults"]


def test_the_weekly_check_compares_rows_with_ledgers(filled: Vault) -> None:
    queue = JobQueue(filled.records, filled.clock)
    queue.enqueue("store.verify")
    JobRunner(queue, {"store.verify": checks_of(filled).verify}).run_due()
    (job,) = queue.history("store.verify")
    assert (job["state"], job["counts"]["faults"], job["counts"]["captures_entries"]) == ("done", 0, 20)
    assert outcomes(filled, "store.verify") == ["success"]
