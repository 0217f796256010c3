"""Corrections and the clock: one person's word never lets a message go sooner, and no verdict that was being
computed meanwhile overtakes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest
from sqlalchemy import select

from archiver.store.schema import messages
from retention.dating.corrections import Corrections
from retention.law.schedules import default_schedule
from retention.refusals import SecondPersonNeeded, WrongState
from retention.roster.csv_file import Patient
from tests.retention.whole_house import OLD, House, mail

CHILD = Patient(
    "MRN-00123", "Kim", born=date(2004, 1, 1), email="kim@home.example", last_encounter=OLD, discharged=OLD
)


@pytest.fixture
def corrections(house: House) -> Corrections:
    return Corrections(house.vault, house.gate, default_schedule())


def dated(house: House, pk: int) -> date:
    house.runs.run(propose=False)
    with house.vault.records.read() as connection:
        row = connection.execute(select(messages).where(messages.c.pk == pk)).one()
    return date.max if row.permanent or row.disposal_date is None else row.disposal_date


def about_a_patient() -> bytes:
    """Nothing in it says so but the address."""
    return mail(to=CHILD.email)


def unreadable() -> bytes:
    message = message_from_bytes(mail(subject="scan", body="see the scan"), policy=default)
    assert isinstance(message, EmailMessage)
    message.add_attachment(bytes(range(256)) * 9, maintype="application", subtype="pdf", filename="scan.pdf")
    return message.as_bytes()


@pytest.mark.parametrize("make", [about_a_patient, unreadable])
def test_one_persons_word_never_lets_a_message_go_sooner(
    house: House, corrections: Corrections, make: Callable[[], bytes]
) -> None:
    house.patients.import_roster([CHILD])
    (done,) = house.capture(house.arrival(make()))
    pk, message = done.pk, done.receipt.id
    before = dated(house, pk)
    made = corrections.make(house.manager, message, ["billing"], "an invoice")
    assert made["state"] == "in_force"
    alone = dated(house, pk)
    assert alone >= before
    # Nor does naming one more in its place.
    second = corrections.make(house.manager, message, ["billing", "fmla"], "and a leave")
    assert dated(house, pk) >= alone
    with pytest.raises(WrongState):
        corrections.approve(house.officer, made["n"])
    with pytest.raises(SecondPersonNeeded):
        corrections.approve(house.manager, second["n"])
    agreed = corrections.approve(house.officer, second["n"], "so it is")
    assert (agreed["state"], agreed["decided_by"]) == ("in_force", house.officer.user_id)
    # Now the two of them mean that it is no chart at all.
    after = dated(house, pk)
    assert after < before
    (facts,) = house.explainer.verdicts.of([pk])[pk].facts
    assert facts.record_types == ("billing", "fmla")
    with pytest.raises(WrongState):
        corrections.approve(house.second, second["n"])
    # And again one person can only lengthen.
    corrections.make(house.manager, message, ["billing", "fmla", "dental"], "and a tooth")
    assert dated(house, pk) >= after


def test_no_verdict_computed_meanwhile_overtakes_a_correction(
    house: House, corrections: Corrections, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed, dating = house.old(2)
    house.runs.run(propose=False)
    disposition = house.due()
    verdicts = house.explainer.verdicts
    real = verdicts.of
    waiting = {listed.pk: listed.receipt.id}

    def slow(pks: Sequence[int], *rest: Any) -> Any:
        found = real(pks, *rest)
        for pk in waiting.keys() & set(pks):
            corrections.make(house.manager, waiting.pop(pk), ["medical_record"], "goes with a chart")
        return found

    monkeypatch.setattr(verdicts, "of", slow)
    outcomes = house.dispositions.execute(house.second, disposition)["outcomes"]
    assert outcomes == {"destroyed": 1, "not_due": 1}
    assert listed.pk in house.living()
    assert dating.pk not in house.living()


def test_a_run_does_not_write_what_a_correction_has_overtaken(
    house: House, corrections: Corrections, monkeypatch: pytest.MonkeyPatch
) -> None:
    (done,) = house.old(1)
    verdicts = house.explainer.verdicts
    real = verdicts.of
    waiting = [done.receipt.id]

    def slow(pks: Sequence[int], *rest: Any) -> Any:
        found = real(pks, *rest)
        while waiting:
            corrections.make(house.manager, waiting.pop(), ["medical_record"], "goes with a chart")
        return found

    monkeypatch.setattr(verdicts, "of", slow)
    assert dated(house, done.pk) == date.max  # a chart of nobody known: facts are missing
