"""Dispositions: two persons, every message re-checked, what is gone is gone, and a certificate says so."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from archiver.errors import KeyDestroyed, LedgerError, StoreError
from archiver.ledger.checkpoint import open_checkpoint
from archiver.ledger.log import Log
from archiver.store.schema import data_keys, index_removals, messages
from retention.disposition import certificates
from retention.refusals import (
    HoldBeingApplied,
    ItemsChanged,
    NotThere,
    SecondPersonNeeded,
    WrongState,
)
from retention.roster.csv_file import Patient
from search.access import AccessDenied
from search.language import parse
from tests.retention.whole_house import OLD, House, mail, tamper


def outcomes(house: House, disposition: str) -> dict[str, int]:
    return dict(house.dispositions.execute(house.second, disposition)["outcomes"])


# --- two persons ----------------------------------------------------------------------------------


def test_who_proposed_does_not_approve(house: House) -> None:
    house.old()
    disposition = house.runs.run(proposed_by="uofficer")["disposition"]
    with pytest.raises(SecondPersonNeeded):
        house.dispositions.approve(house.officer, disposition)
    assert house.dispositions.approve(house.second, disposition)["state"] == "approved"
    # Two persons are in it already: the approver may execute.
    assert house.dispositions.execute(house.second, disposition)["state"] == "executed"


def test_where_no_person_proposed_the_approver_does_not_execute(house: House) -> None:
    house.old()
    disposition = house.due()
    with pytest.raises(SecondPersonNeeded):
        house.dispositions.execute(house.officer, disposition)
    assert len(house.living()) == 1
    assert outcomes(house, disposition) == {"destroyed": 1}


def test_roles(house: House) -> None:
    house.old()
    disposition = house.due(approve=False)
    for actor in (house.lawyer, house.administrator):
        for call in (
            house.dispositions.approve,
            house.dispositions.reject,
            house.dispositions.execute,
            house.dispositions.show,
            house.dispositions.certificate,
        ):
            with pytest.raises(AccessDenied):
                call(actor, disposition)
        with pytest.raises(AccessDenied):
            house.dispositions.list(actor)
    house.dispositions.approve(house.manager, disposition)


def test_states_follow_one_another(house: House) -> None:
    house.old()
    disposition = house.due(approve=False)
    with pytest.raises(WrongState):
        house.dispositions.execute(house.second, disposition)
    with pytest.raises(WrongState):
        house.dispositions.certificate(house.second, disposition)
    house.dispositions.approve(house.officer, disposition)
    with pytest.raises(WrongState):
        house.dispositions.approve(house.third, disposition)
    house.dispositions.reject(house.third, disposition, "not yet")
    with pytest.raises(WrongState):
        house.dispositions.execute(house.second, disposition)
    with pytest.raises(WrongState):
        house.dispositions.reject(house.third, disposition)
    assert len(house.living()) == 1
    with pytest.raises(NotThere):
        house.dispositions.show(house.officer, "d-unknown")


def test_executed_is_the_end(house: House) -> None:
    house.old()
    disposition = house.due()
    outcomes(house, disposition)
    for call in (house.dispositions.execute, house.dispositions.approve, house.dispositions.reject):
        with pytest.raises(WrongState):
            call(house.second, disposition)


@pytest.mark.parametrize("when", ["proposed", "approved"])
def test_changed_items_are_neither_approved_nor_executed(house: House, when: str) -> None:
    house.old(2)
    disposition = house.due(approve=when == "approved")
    tamper(house.vault, "UPDATE disposition_items SET disposal_date = '2001-01-01'")
    call = house.dispositions.approve if when == "proposed" else house.dispositions.execute
    with pytest.raises(ItemsChanged):
        call(house.second, disposition)
    assert len(house.living()) == 2


# --- re-checks ------------------------------------------------------------------------------------


def test_a_hold_after_the_approval_wins(house: House) -> None:
    one, two = house.old(2)
    disposition = house.due()
    matter = house.matters.create(house.lawyer, "m")["id"]
    house.holds.create(house.lawyer, matter, message_ids=[one.receipt.id])
    assert outcomes(house, disposition) == {"destroyed": 1, "held": 1}
    assert house.living() == {one.pk}
    assert two.pk not in house.living()


def test_a_query_hold_that_may_cover_it_wins(house: House) -> None:
    (indexed,) = house.old()
    house.index()
    (waiting,) = house.old()
    disposition = house.due()
    matter = house.matters.create(house.lawyer, "m")["id"]
    house.holds.create(house.lawyer, matter, query="unrelated")
    assert outcomes(house, disposition) == {"destroyed": 1, "refused": 1}
    assert house.living() == {waiting.pk}
    assert indexed.pk not in house.living()


def test_while_a_hold_is_being_applied_the_execution_waits(house: House) -> None:
    house.old(2)
    house.index()
    disposition = house.due()
    matter = house.matters.create(house.lawyer, "m")["id"]
    house.holds.place(house.lawyer, matter, query="unrelated")
    with pytest.raises(HoldBeingApplied):
        house.dispositions.execute(house.second, disposition)
    assert len(house.living()) == 2
    house.holds.resume()
    assert outcomes(house, disposition) == {"destroyed": 2}


def test_facts_that_changed_after_the_approval_count(house: House) -> None:
    note = (
        "Discharge summary. Assessment and plan: hypertension. The patient was admitted with chest pain, "
        "vital signs stable, blood pressure 120/80, prescribed lisinopril 10 mg. Diagnosis I10. MRN-00123"
    )
    (one,) = house.capture(house.arrival(mail(body=note)))
    known = Patient("MRN-00123", "Pat", born=date(1950, 1, 1), last_encounter=OLD, discharged=OLD)
    house.patients.import_roster([known])
    house.confirm_all()
    disposition = house.due()
    later = datetime.now(UTC).date() - timedelta(days=30)
    seen = Patient("MRN-00123", "Pat", born=date(1950, 1, 1), last_encounter=later, discharged=later)
    house.patients.import_roster([seen])
    assert outcomes(house, disposition) == {"not_due": 1}
    assert house.living() == {one.pk}
    with house.vault.records.read() as connection:
        due = connection.scalar(select(messages.c.disposal_date))
    assert due is not None
    assert due > later


def test_one_that_went_by_another_disposition_is_gone(house: House) -> None:
    house.old(1)
    first = house.due()
    tamper(house.vault, "UPDATE dispositions SET state = 'rejected'")
    second = house.due()
    tamper(house.vault, "UPDATE dispositions SET state = 'approved'")
    assert outcomes(house, first) == {"destroyed": 1}
    assert outcomes(house, second) == {"gone": 1}
    assert house.dispositions.certificate(house.officer, second)["items"] == []


# --- gone -----------------------------------------------------------------------------------------


def test_the_key_the_words_and_the_description_are_gone(house: House) -> None:
    one, two = house.old(1, subject="zyzzyva")[0], house.old(1, subject="quokka")[0]
    house.index()
    matter = house.matters.create(house.lawyer, "m")["id"]
    house.holds.create(house.lawyer, matter, message_ids=[two.receipt.id])
    house.index()
    with house.vault.records.read() as connection:
        wrapped = bytes(
            connection.scalar(select(data_keys.c.wrapped).where(data_keys.c.message_pk == one.pk)) or b""
        )
    assert outcomes(house, house.due()) == {"destroyed": 1}
    house.indexer.drain_removals()
    with pytest.raises(KeyDestroyed):
        house.vault.archive.scan(one.pk)
    assert house.vault.archive.scan(two.pk).raw
    assert house.reader.count(parse("zyzzyva", now=datetime.now(UTC)).tree) == 0
    assert house.reader.count(parse("quokka", now=datetime.now(UTC)).tree) == 1
    if house.vault.records.sqlite_path is not None:
        for path in house.vault.settings.home.rglob("*"):
            assert not path.is_file() or wrapped not in path.read_bytes(), path.name


def test_words_wait_for_whoever_holds_the_index(house: House) -> None:
    (one,) = house.old(subject="zyzzyva")
    house.index()
    result = house.dispositions.execute(house.second, house.due())
    assert (result["state"], result["index_pending"]) == ("executed", 1)
    assert house.indexer.drain_removals() == 1
    assert house.indexer.drain_removals() == 0
    assert house.reader.count(parse("zyzzyva", now=datetime.now(UTC)).tree) == 0
    assert one.pk not in house.living()


def test_equal_bytes_may_come_again(house: House) -> None:
    raw = mail()
    (one,) = house.capture(house.arrival(raw))
    outcomes(house, house.due())
    (two,) = house.capture(house.arrival(raw))
    assert two.receipt.outcome == "stored"
    assert two.receipt.id != one.receipt.id
    assert house.vault.archive.scan(two.pk).raw == raw


# --- crash ----------------------------------------------------------------------------------------


def test_an_execution_cut_short_is_finished_by_the_same_call(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.old(5)
    house.index()
    disposition = house.due()
    monkeypatch.setattr("retention.disposition.execution.CHUNK", 2)
    real = house.vault.archive.destroy_many
    calls: list[int] = []

    def second_fails(*arguments: Any) -> Any:
        calls.append(1)
        done = real(*arguments)
        if len(calls) == 2:
            raise StoreError("the disk is full")
        return done

    with monkeypatch.context() as broken:
        broken.setattr(house.vault.archive, "destroy_many", second_fails)
        with pytest.raises(StoreError):
            house.dispositions.execute(house.second, disposition)
    # The first chunk stands, the second left no trace.
    assert len(house.living()) == 3
    shown = house.dispositions.show(house.officer, disposition)
    assert (shown["state"], shown["outcomes"]) == ("approved", {"destroyed": 2})
    with monkeypatch.context() as broken:

        def unpublished(_: object) -> bytes:
            raise StoreError("the ledger folder is read-only")

        broken.setattr(house.vault.publisher, "publish", unpublished)
        with pytest.raises(StoreError):
            house.dispositions.execute(house.second, disposition)
    assert house.living() == set()
    result = house.dispositions.execute(house.third, disposition)
    assert (result["state"], result["outcomes"], result["index_pending"]) == (
        "executed",
        {"destroyed": 5},
        5,
    )
    assert house.indexer.drain_removals() == 5
    assert len(house.dispositions.certificate(house.officer, disposition)["items"]) == 5
    with house.vault.records.read() as connection:
        assert connection.scalars(select(index_removals.c.message_pk)).all() == []


# --- certificate ----------------------------------------------------------------------------------


def test_the_certificate_can_be_checked_without_us(house: House) -> None:
    stored = house.old(3)
    disposition = house.due()
    outcomes(house, disposition)
    certificate = house.dispositions.certificate(house.manager, disposition)
    verifier = house.vault.publisher.signer(Log.CAPTURES).verifier
    document = certificates.verify(certificate["note"], certificate["items"], verifier)
    assert document["disposition"] == disposition
    assert document["proposed"]["by"] == "operator"
    assert document["approved"]["by"] == "officer"
    assert document["executed"]["by"] == "second"
    assert document["outcomes"]["destroyed"] == 3
    executed = datetime.fromisoformat(document["executed"]["at"])
    complete = datetime.fromisoformat(document["complete_after"])
    assert complete - executed == timedelta(days=house.vault.settings.key_backup_days)
    assert document["erased_in_primary"] is (house.vault.records.sqlite_path is not None)
    checkpoint = open_checkpoint(document["checkpoint"].encode(), verifier)
    leaves = house.leaves()
    for item in certificate["items"]:
        assert item["ledger_index"] < checkpoint.size
        leaf = json.loads(leaves[item["ledger_index"]])
        assert (leaf["type"], leaf["id"], leaf["sha256"]) == ("disposed", item["id"], item["sha256"])
        assert leaf["disposition"] == disposition
    assert {item["id"] for item in certificate["items"]} == {one.receipt.id for one in stored}
    assert json.loads(leaves[-1])["type"] == "disposition"


def test_what_others_still_hold_is_kept_and_certified(house: House) -> None:
    long = "shall we meet on Tuesday\n" * 45_000
    own = "or rather on Friday, then\n" * 45_000
    due, _, kept = house.capture(
        house.arrival(mail(body=long)),
        house.arrival(mail(body=own)),
        house.arrival(mail(body=long), attested=False),
    )
    raw = house.vault.archive.scan(kept.pk).raw
    disposition = house.due()
    assert outcomes(house, disposition) == {"destroyed": 2}
    certificate = house.dispositions.certificate(house.manager, disposition)
    verifier = house.vault.publisher.signer(Log.CAPTURES).verifier
    document = certificates.verify(certificate["note"], certificate["items"], verifier)
    assert document["parts"] == {"destroyed": 1, "kept": 1}
    # What is signed must not claim that one key sealed everything: parts have keys of their own.
    assert "parts.kept counts" in document["method"]
    assert due.pk not in house.living()
    assert house.vault.archive.scan(kept.pk).raw == raw


def test_a_changed_certificate_does_not_verify(house: House) -> None:
    house.old(2)
    disposition = house.due()
    outcomes(house, disposition)
    certificate = house.dispositions.certificate(house.manager, disposition)
    verifier = house.vault.publisher.signer(Log.CAPTURES).verifier
    note, items = certificate["note"], certificate["items"]
    with pytest.raises(LedgerError):
        certificates.verify(note, items[:1], verifier)
    with pytest.raises(LedgerError):
        certificates.verify(note, [{**items[0], "size": 1}, items[1]], verifier)
    with pytest.raises(LedgerError):
        certificates.verify(note.replace('"destroyed":2', '"destroyed":1'), items, verifier)
    with pytest.raises(LedgerError):
        certificates.verify(note, items, house.vault.publisher.signer(Log.AUDIT).verifier)
    checkpoint = house.vault.publisher.publish(Log.CAPTURES).decode()
    with pytest.raises(LedgerError):
        certificates.verify(checkpoint, items, verifier)


def test_lists_and_pages(house: House) -> None:
    assert house.dispositions.list(house.manager) == []
    house.old(5)
    disposition = house.due(approve=False)
    (one,) = house.dispositions.list(house.manager)
    assert (one["id"], one["messages"], one["state"]) == (disposition, 5, "proposed")
    seen: list[str] = []
    after = None
    while True:
        page = house.dispositions.show(house.manager, disposition, after, limit=2)
        seen += [item["id"] for item in page["items"]]
        after = page["next"]
        if after is None:
            break
    assert len(seen) == len(set(seen)) == 5


def test_every_step_is_on_record(house: House) -> None:
    house.old(1)
    disposition = house.due()
    with pytest.raises(SecondPersonNeeded):
        house.dispositions.execute(house.officer, disposition)
    outcomes(house, disposition)
    house.dispositions.certificate(house.manager, disposition)
    assert [e for e in house.audit() if e[0].startswith("disposition")] == [
        ("disposition.propose", "success", "operator"),
        ("disposition.approve", "success", "uofficer"),
        ("disposition.execute", "failed", "uofficer"),
        ("disposition.execute", "begun", "usecond"),
        ("disposition.execute", "success", "usecond"),
        ("disposition.execute", "success", "usecond"),
        ("disposition.certificate", "success", "umanager"),
    ]
