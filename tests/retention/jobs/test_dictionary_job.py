"""The job that learns a dictionary: in a process of its own, recorded, without the roster's names."""

from __future__ import annotations

import random
import threading
from typing import Any

import pytest
from sqlalchemy import update

from archiver import training
from archiver.capture.ports import Arrival
from archiver.errors import StoreError
from archiver.ledger import canonical, log
from archiver.ledger.log import Log
from archiver.store.schema import wrapped_keys
from archiver.vault import Vault
from retention.jobs.dictionary import DictionaryJob
from retention.jobs.kinds import KINDS
from retention.roster.csv_file import Patient
from retention.roster.patients import PatientStore

WORDS = ["rosebud", "ward", "note", "staff", "rules", "today", "lantern"]


def fill(vault: Vault, count: int = 60) -> None:
    source = vault.sources.add("import", "desk").id
    batch = []
    for n in range(count):
        chance = random.Random(n)
        lines = "\r\n".join("see the " + " of the ".join(chance.choices(WORDS, k=8)) + "." for _ in range(9))
        raw = (
            f"From: s{n}@clinic.example\r\nTo: all@clinic.example\r\nSubject: item {n}\r\n"
            f"Date: Tue, {n % 28 + 1:02d} Feb 2022 10:00:00 +0000\r\n\r\n{lines}\r\n"
        )
        batch.append(vault.preparer.prepare(Arrival(raw.encode(), source)))
    vault.archive.commit(batch)


@pytest.fixture(autouse=True)
def _early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "FEWEST", 50)


def events(vault: Vault) -> list[tuple[str, str, int | None]]:
    with vault.records.read() as connection:
        leaves = log.read(connection, Log.AUDIT, 0, log.state(connection, Log.AUDIT).size)
    told: list[Any] = [canonical.loads(leaf) for leaf in leaves]
    return [
        (e["outcome"], e.get("reason", ""), e.get("count")) for e in told if e["action"] == "dictionary.train"
    ]


def test_it_learns_once_beside_this_process_without_the_rosters_names(vault: Vault) -> None:
    fill(vault)
    PatientStore(vault).import_roster([Patient("m-1", "Ann Rosebud", email="j.lantern@mail.example")])
    job = DictionaryJob(vault)
    steps: list[tuple[str, int, int]] = []
    made = job.run(lambda *step: steps.append(step))
    assert made is not None
    assert made.number == 1
    assert {what for what, _, _ in steps} == {"reading", "learning"}
    vault.dictionaries.refresh()
    assert vault.dictionaries.newest is not None
    data = vault.dictionaries.newest.data
    assert b"staff" in data
    assert b"rosebud" not in data.lower()
    assert b"lantern" not in data.lower()
    assert job.run() is None, "none is due any more"
    assert events(vault) == [("success", "", 60)]


def test_too_few_messages_start_no_process(vault: Vault) -> None:
    fill(vault, 20)
    assert DictionaryJob(vault).run() is None
    assert events(vault) == []


def test_a_failure_is_recorded_and_changes_nothing(vault: Vault) -> None:
    fill(vault)
    with vault.records.write() as connection:
        connection.execute(
            update(wrapped_keys).where(wrapped_keys.c.kind == "canary").values(wrapped=b"damaged")
        )
    with pytest.raises(StoreError):
        DictionaryJob(vault).run()
    assert vault.dictionaries.numbers() == []
    assert events(vault) == [("failed", "key_unavailable", None)]


def test_it_ends_at_once_when_the_server_stops(vault: Vault) -> None:
    fill(vault)
    job = DictionaryJob(vault)
    begun = threading.Event()
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.append(job.run(lambda *_: begun.set())))
    thread.start()
    assert begun.wait(120)
    job.stop()
    thread.join(60)
    assert not thread.is_alive()
    assert len(results) == 1
    assert job.run() is None


def test_the_server_looks_every_hour() -> None:
    assert "dictionary.train" in KINDS
