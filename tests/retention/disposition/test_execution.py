"""Execution: faults at every step, with their twins that persisted; killed and resumed; what it spares."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text, update

from archiver.capture.ports import Arrival
from archiver.compaction import Compactor
from archiver.errors import NotFound, StoreError, StoreRefuses
from archiver.store import dialect
from archiver.store.records import Records
from archiver.store.schema import (
    dispositions,
    messages,
    part_keys,
    sources,
    users,
)
from archiver.verify import Scrubber
from config.settings import Settings
from retention.disposition import execution
from retention.disposition import items as items_of
from retention.disposition.certifying import Certifier
from retention.disposition.execution import Executor
from retention.jobs.runner import Interrupted
from retention.roster.patient import Patient
from search.access import Actor, Role
from tests.retention.whole_house import OLD, House, destroyable, mail, open_house
from tests.support.dying import DIED, run

LONG = "shall we meet on Tuesday\n" * 45_000
"""So long a text is a part of its own."""


def outcomes(house: House, disposition: str) -> dict[str, int]:
    return dict(house.dispositions.execute(house.second, disposition)["outcomes"])


def state(house: House, disposition: str) -> str:
    return str(house.dispositions.show(house.manager, disposition)["state"])


# --- failures -------------------------------------------------------------------------------------


@contextmanager
def failing(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, *, persists: bool, call: int = 1
) -> Iterator[None]:
    """Let the n-th call of a function fail, before or after it did its work."""
    real = getattr(owner, name)
    calls: list[int] = []

    def fails(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) == call and not persists:
            raise StoreError("the database can't be reached")
        result = real(*args, **kwargs)
        if len(calls) == call:
            raise StoreError("the database can't be reached")
        return result

    with monkeypatch.context() as broken:
        broken.setattr(owner, name, fails)
        yield
    assert len(calls) >= call, "the fault never came"


@contextmanager
def failing_commit(monkeypatch: pytest.MonkeyPatch, call: int) -> Iterator[None]:
    """Let the n-th write transaction persist and then fail, as when the answer to COMMIT is lost."""
    real = Records.write
    calls: list[int] = []

    @contextmanager
    def write(self: Records, lock: int | None = None) -> Iterator[Any]:
        with real(self, lock) as connection:
            yield connection
        calls.append(1)
        if len(calls) == call:
            raise StoreError("the answer was lost")

    with monkeypatch.context() as broken:
        broken.setattr(Records, "write", write)
        yield


STEPS: dict[str, Callable[[House], tuple[Any, str, int]]] = {
    "destroying": lambda house: (house.vault.archive, "destroy_many", 2),
    "a chunk": lambda _: (Executor, "_chunk", 2),
    "emptying the log": lambda _: (dialect, "scrub_log", 1),
    "publishing": lambda house: (house.vault.publisher, "publish", 1),
    "certifying": lambda _: (Certifier, "certify", 1),
}


@pytest.mark.parametrize("persists", [False, True], ids=["lost", "failed but persisted"])
@pytest.mark.parametrize("step", STEPS)
def test_each_step_may_fail(house: House, monkeypatch: pytest.MonkeyPatch, step: str, persists: bool) -> None:
    monkeypatch.setattr(execution, "CHUNK", 2)
    house.old(5)
    house.index()
    disposition = house.due()
    owner, name, call = STEPS[step](house)
    with (
        failing(monkeypatch, owner, name, persists=persists, call=call),
        pytest.raises(StoreError),
    ):
        house.dispositions.execute(house.second, disposition)
    finished = step == "certifying" and persists
    assert state(house, disposition) == ("executed" if finished else "approved")
    living = len(house.living())
    assert living == {"destroying": 3, "a chunk": 1 if persists else 3}.get(step, 0)
    assert list(Scrubber(house.vault, full=True).run()) == []
    if not finished:
        assert outcomes(house, disposition) == {"destroyed": 5}
    certificate = house.dispositions.certificate(house.manager, disposition)
    assert len(certificate["items"]) == len({one["id"] for one in certificate["items"]}) == 5
    assert house.indexer.drain_removals() == 5
    assert list(Scrubber(house.vault, full=True).run()) == []


@pytest.mark.parametrize("call", range(1, 7))
def test_any_answer_may_be_lost(house: House, monkeypatch: pytest.MonkeyPatch, call: int) -> None:
    """begin, three chunks, (the audit entry of) the end: each transaction persisted, though it failed."""
    monkeypatch.setattr(execution, "CHUNK", 2)
    house.old(5)
    disposition = house.due()
    with failing_commit(monkeypatch, call):
        try:
            house.dispositions.execute(house.second, disposition)
        except StoreError:
            pass
        else:
            assert call > 5
    if state(house, disposition) == "approved":
        house.dispositions.execute(house.second, disposition)
    assert house.living() == set()
    certificate = house.dispositions.certificate(house.manager, disposition)
    assert len(certificate["items"]) == 5
    leaves = [leaf for leaf in house.leaves() if b'"disposed"' in leaf]
    assert len(leaves) == 5
    assert list(Scrubber(house.vault, full=True).run()) == []


POINTS = [
    ("retention.disposition.execution:Executor.run", "before", 1),
    ("archiver.archive:Archive.destroy_many", "after", 1),
    ("retention.disposition.execution:Executor._chunk", "after", 1),
    ("archiver.store.dialect:scrub_log", "before", 1),
    ("archiver.store.dialect:scrub_log", "after", 1),
    ("archiver.ledger.publish:Publisher.publish", "after", 1),
    ("retention.disposition.certificates:issue", "after", 1),
]


def execute(settings: Settings, disposition: str) -> None:
    """The work of a process that is killed."""
    execution.CHUNK = 2
    with open_house(settings, again=True) as house:
        actor = Actor("usecond", "second", Role.COMPLIANCE_OFFICER, "cli")
        house.dispositions.execute(actor, disposition)


def test_killed_at_each_step_and_resumed_by_a_job(house: House, settings: Settings) -> None:
    house.old(6)
    house.index()
    disposition = house.due()
    house.writer.close()
    for point in POINTS:
        assert run(execute, settings, point, disposition=disposition) == DIED, point
        assert state(house, disposition) == "approved"
        assert list(Scrubber(house.vault, full=True).run()) == [], point
        # Neither rejected nor changed half way.
        with pytest.raises(Exception, match="has begun"):
            house.dispositions.reject(house.third, disposition, "stop")
    assert house.living() == set()
    assert house.dispositions.list(house.manager)[0]["executing"] is True
    assert house.dispositions.resume() == 1
    assert house.dispositions.resume() == 0
    document = house.dispositions.certificate(house.manager, disposition)["document"]
    assert document["executed"]["by"] == document["begun"]["by"] == "second"
    assert document["outcomes"]["destroyed"] == 6
    assert list(Scrubber(house.vault, full=True).run()) == []


def test_two_executions_at_once_end_each_message_once(house: House) -> None:
    house.old(4)
    disposition = house.due()
    house.dispositions.execute(house.second, disposition, seconds=-1)  # begun, and no more
    with house.vault.records.read() as connection:
        items = list(items_of.read_all(connection, house.dispositions._fields, disposition))
    # The second one read its chunk before the first one's transaction.
    house.dispositions._executor._chunk(house.second, disposition, items)
    house.dispositions._executor._chunk(house.third, disposition, items)
    assert len([leaf for leaf in house.leaves() if b'"disposed"' in leaf]) == 4
    assert outcomes(house, disposition) == {"destroyed": 4}


def test_what_it_tells_and_how_it_is_stopped(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "CHUNK", 2)
    house.old(6)
    disposition = house.due()
    told: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> None:
        told.append((done, total))
        if done == 2:
            raise Interrupted

    with pytest.raises(Interrupted):
        house.dispositions.execute(house.second, disposition, progress)
    assert told == [(2, 6)]
    assert len(house.living()) == 4
    part = house.dispositions.execute(house.second, disposition, seconds=-1)
    assert (part["state"], part["executing"], len(house.living())) == ("approved", True, 4)
    done = house.dispositions.execute(house.second, disposition, lambda *step: told.append(step))
    assert (done["state"], told[-1]) == ("executed", (6, 6))


def test_one_that_the_guard_refuses_stops_no_other(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the database alone knows of: a term that was made behind our back."""
    stored = house.old(5)
    disposition = house.due()
    monkeypatch.setattr(execution, "extended", lambda *_: {})
    with house.vault.records.write() as connection:
        connection.execute(
            text(
                "INSERT INTO extensions (id, message_pk, until, sealed, created_us, created_by) "
                f"VALUES ('t1', {stored[2].pk}, '2999-01-01', sealed_, 1, 'uofficer')".replace(
                    "sealed_", "'x'" if house.vault.records.dialect == "sqlite" else "'x'::bytea"
                )
            )
        )
    assert outcomes(house, disposition) == {"destroyed": 4, "refused": 1}
    assert house.living() == {stored[2].pk}


def test_shared_parts_end_with_the_last_that_needs_them(house: House) -> None:
    raws = [mail(body=LONG) for _ in range(3)]
    stored = house.capture(*(house.arrival(raw) for raw in raws[:2]), house.arrival(raws[2], attested=False))
    disposition = house.due(approve=False)
    listed = {item["id"] for item in house.dispositions.show(house.manager, disposition)["items"]}
    assert listed == {one.receipt.id for one in stored[:2]}
    house.dispositions.approve(house.officer, disposition)
    assert outcomes(house, disposition) == {"destroyed": 2}
    document = house.dispositions.certificate(house.manager, disposition)["document"]
    # One part, which the third still needs: counted once, however many referred to it.
    assert document["parts"] == {"destroyed": 0, "kept": 1}
    assert house.vault.archive.scan(stored[2].pk).raw == raws[2]


def test_a_part_that_only_the_destroyed_had_ends(house: House) -> None:
    house.old(3, body=LONG)
    disposition = house.due()
    assert outcomes(house, disposition) == {"destroyed": 3}
    document = house.dispositions.certificate(house.manager, disposition)["document"]
    assert document["parts"] == {"destroyed": 1, "kept": 0}
    with house.vault.records.read() as connection:
        assert connection.scalar(select(func.count()).select_from(part_keys)) == 0
    assert list(Scrubber(house.vault, full=True).run()) == []


def test_after_a_compaction_nothing_of_it_is_on_the_disk(house: House) -> None:
    house.old(6)
    (kept,) = house.capture(house.arrival(mail(), attested=False))
    house.index()
    disposition = house.due()
    blobs = []
    with house.vault.records.read() as connection:
        for row in connection.execute(select(messages).where(messages.c.pk != kept.pk)):
            data = house.vault.packs.path(row.pack_id).read_bytes()
            blobs.append(data[row.pack_offset + 57 : row.pack_offset + 97])
    outcomes(house, disposition)
    house.indexer.drain_removals()
    Compactor(house.vault).run(1)
    everything = [p.read_bytes() for p in house.vault.settings.home.rglob("*") if p.is_file()]
    assert not any(blob in data for blob in blobs for data in everything)
    assert house.vault.archive.scan(kept.pk).raw
    assert list(Scrubber(house.vault, full=True).run()) == []


# --- afterwards -----------------------------------------------------------------------------------


def test_what_became_of_a_message(house: House) -> None:
    one, two = house.old(2)
    disposition = house.due(approve=False)
    house.extensions.extend(house.third, [two.receipt.id], years=2, reason="a donor's file")
    house.dispositions.approve(house.officer, disposition)
    outcomes(house, disposition)
    gone = house.explainer.explain(house.manager, one.receipt.id)
    assert gone["status"] == "destroyed"
    assert gone["destroyed"]["disposition"] == disposition
    assert (gone["destroyed"]["approved_by"], gone["destroyed"]["executed_by"]) == ("officer", "second")
    kept = house.explainer.explain(house.manager, two.receipt.id)
    assert kept["status"] == "extended"
    assert kept["earliest"] == (date.fromisoformat(kept["extended_until"]) + timedelta(days=1)).isoformat()
    assert any("longer term of its own" in line for line in kept["because"])


def test_whether_it_was_right_can_be_asked_by_who_has_only_the_bytes(house: House) -> None:
    raw = mail(subject="your visit", body="Patient of record number MRN-00123 was seen, diagnosis E11.9")
    house.patients.import_roster(
        [Patient("MRN-00123", "Pat", born=date(1950, 2, 3), last_encounter=OLD, discharged=OLD)]
    )
    (one,) = house.capture(house.arrival(raw))
    house.confirm_all()
    sha256 = hashlib.sha256(raw).hexdigest()
    before = house.explainer.explain(house.manager, sha256)
    assert (before["id"], before["status"]) == (one.receipt.id, "due")
    disposition = house.due()
    assert outcomes(house, disposition) == {"destroyed": 1}
    # The patient and her dates may be gone from the roster by then: what counted is kept with the list.
    gone = house.explainer.explain(house.manager, sha256)
    assert gone["id"] == one.receipt.id
    told = gone["destroyed"]
    assert told["facts"] == before["facts"]
    assert "1950-02-03" in json.dumps(told["facts"])
    rules = {rule["rule_id"] for rule in (told["rule"], *told["others"])}
    assert rules == {rule["rule_id"] for rule in before["candidates"]}
    assert len(rules) > 1
    assert all(rule["date"] <= told["rule"]["date"] for rule in told["others"])
    assert any(before["governing"]["explanation"][1:] in line for line in gone["because"])
    spared = json.dumps(house.explainer.explain(house.administrator, sha256))
    assert "1950" not in spared
    assert told["rule"]["date"] not in spared
    # The same bytes may come again, and are explained then.
    (again,) = house.capture(house.arrival(raw))
    assert house.explainer.explain(house.manager, sha256)["id"] == again.receipt.id
    with pytest.raises(NotFound):
        house.explainer.explain(house.manager, hashlib.sha256(b"").hexdigest())
    assert not any(b"1950-02-03" in data for data in _files(house))


def _files(house: House) -> Iterator[bytes]:
    return (path.read_bytes() for path in house.vault.settings.home.rglob("*") if path.is_file())


def test_nothing_that_is_ended_or_taken_away_destroys_mail(house: House) -> None:
    """A source, a user, a mailbox, a matter: mail outlives them all, and no SQL takes it with them."""
    box = house.vault.sources.add("imap", "somebody's mailbox").id
    raw = mail()
    (one,) = house.capture(Arrival(raw, box, folder="INBOX", attested_by="records office"))
    (two,) = house.old(1)
    raws = {pk: house.vault.archive.scan(pk).raw for pk in (one.pk, two.pk)}
    with house.vault.records.write() as connection:
        connection.execute(update(sources).values(disabled_us=1))
        connection.execute(update(users).values(disabled_us=1))
    for sql in (
        "DELETE FROM sources",
        "DELETE FROM users WHERE id = 'uofficer'",
        "DELETE FROM imap_checkpoints",
        "DELETE FROM imap_usage",
        "DELETE FROM credentials",
        "DELETE FROM arrival_days",
    ):
        with contextlib.suppress(StoreRefuses), house.vault.records.write() as connection:
            connection.execute(text(sql))
    assert {pk: house.vault.archive.scan(pk).raw for pk in raws} == raws
    assert list(Scrubber(house.vault, full=True).run()) == []
    assert destroyable(house, one.pk)  # by a disposition, and by nothing else
    with house.vault.records.read() as connection:
        assert connection.scalar(select(func.count()).select_from(dispositions)) == 0
