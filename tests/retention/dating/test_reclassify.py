"""Newer rules look at older mail: what they find is added, nothing is taken away, and dates follow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date

import pytest
from sqlalchemy import select

from archiver import reclassifying
from archiver.capture import prepare
from archiver.classify.model import Classification, RecordType
from archiver.reclassifying import Reclassified
from archiver.store.schema import found_types, messages
from retention.dating.corrections import Corrections
from retention.jobs.kinds import KINDS
from retention.jobs.reclassify import ReclassifyJob
from retention.law.schedules import default_schedule
from retention.roster.csv_file import Patient
from tests.retention.whole_house import OLD, House, mail

BILL = "The copay and claim of this patient account are due; see the remittance"
KIM = Patient(
    "MRN-00123", "Kim", born=date(2004, 1, 1), email="kim@home.example", last_encounter=OLD, discharged=OLD
)


class Dull:
    """Rules of long ago: to them all mail is one thing."""

    def __init__(self, type_: str = "correspondence") -> None:
        self._found = Classification((), (RecordType(type_, 0.5, ""),))

    def classify(self, _: object) -> Classification:
        return self._found


@contextmanager
def long_ago(house: House, type_: str = "correspondence") -> Iterator[None]:
    with pytest.MonkeyPatch.context() as then:
        then.setattr(prepare, "CLASSIFIER_VERSION", 1)
        then.setattr(house.vault.preparer, "classifier", Dull(type_))
        yield


def types_of(house: House, pk: int) -> set[str]:
    return {name for name, _ in house.vault.archive.scan_records([pk])[pk].meta["record_types"]}


def dates(house: House) -> dict[int, date]:
    house.runs.run(propose=False)
    with house.vault.records.read() as connection:
        rows = connection.execute(select(messages.c.pk, messages.c.disposal_date, messages.c.permanent))
        return {
            row.pk: row.disposal_date if row.disposal_date and not row.permanent else date.max for row in rows
        }


def test_what_newer_rules_find_is_added_and_dated_anew(house: House) -> None:
    with long_ago(house):
        bill, marked, lunch = (
            done.pk
            for done in house.capture(
                *(house.arrival(mail(body=body)) for body in (BILL, "re chart 4711, MRN-00777", "lunch?"))
            )
        )
    with long_ago(house, "fmla"):
        (other,) = (done.pk for done in house.capture(house.arrival(mail(body="lunch, too?"))))
    (new,) = (done.pk for done in house.capture(house.arrival(mail(body=BILL))))
    house.index()
    before = dates(house)
    assert reclassifying.due(house.vault)
    found = ReclassifyJob(house.vault).run()
    assert found == Reclassified(looked=4, changed=2)
    assert types_of(house, bill) == {"correspondence", "billing"}
    assert types_of(house, marked) == {"correspondence", "medical_record"}
    assert types_of(house, lunch) == {"correspondence"}
    assert types_of(house, other) == {"fmla"}  # nothing is taken away
    assert types_of(house, new) == {"billing"}
    assert house.follower.waiting()["dates"] == 2
    house.follower.run()
    after = dates(house)
    assert all(after[pk] >= day for pk, day in before.items())
    assert after[marked] == date.max > before[marked]  # nobody knows the patient
    assert not reclassifying.due(house.vault)
    assert ReclassifyJob(house.vault).run() is None
    assert [entry for entry in house.audit() if entry[0] == "message.reclassify"] == [
        ("message.reclassify", "success", "system")
    ]
    with house.vault.records.read() as connection:
        assert set(connection.scalars(select(found_types.c.message_pk))) == {bill, marked}
    assert "message.reclassify" in KINDS


def test_a_mark_found_later_does_not_end_what_was_supposed_before(house: House) -> None:
    """Mail about a patient counts as her chart; a type more must not make it less."""
    house.patients.import_roster([KIM])
    with long_ago(house):
        (pk,) = (done.pk for done in house.capture(house.arrival(mail(body=BILL, to=KIM.email))))
    before = dates(house)[pk]
    reclassifying.reclassify(house.vault)
    assert "billing" in types_of(house, pk)
    assert dates(house)[pk] >= before
    (facts,) = house.explainer.verdicts.of([pk])[pk].facts
    assert facts.record_types == ("billing", "medical_record")


def test_killed_anywhere_it_goes_on_there(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reclassifying, "CHUNK", 2)
    with long_ago(house):
        pks = [one.pk for one in house.capture(*(house.arrival(mail(body=BILL)) for _ in range(7)))]

    class Killed(BaseException):
        pass

    def once(_: str, done: int, last: int) -> None:
        if done >= 3:
            raise Killed

    with pytest.raises(Killed):
        reclassifying.reclassify(house.vault, once)
    assert reclassifying.due(house.vault)
    found = reclassifying.reclassify(house.vault)
    assert (found.looked, found.changed) == (3, 3)
    assert all("billing" in types_of(house, pk) for pk in pks)
    # Rules that are newer still take back nothing.
    monkeypatch.setattr(reclassifying, "CLASSIFIER_VERSION", 99)
    monkeypatch.setattr(house.vault.preparer, "classifier", Dull("dental"))
    assert reclassifying.due(house.vault)
    reclassifying.reclassify(house.vault)
    assert all(types_of(house, pk) == {"correspondence", "billing", "dental"} for pk in pks)


def test_an_empty_archive_is_done_at_once_and_new_mail_is_never_looked_at(house: House) -> None:
    assert reclassifying.reclassify(house.vault) == Reclassified(0, 0)
    house.old(1)
    assert not reclassifying.due(house.vault)


def test_corrections_go_before_and_it_ends_with_the_message(
    house: House, destroy: Callable[[int], None]
) -> None:
    corrections = Corrections(house.vault, house.gate, default_schedule())
    with long_ago(house):
        agreed, alone, gone = house.capture(*(house.arrival(mail(body=BILL)) for _ in range(3)))
    corrections.make(house.manager, alone.receipt.id, ["dental"], "a tooth")
    made = corrections.make(house.manager, agreed.receipt.id, ["dental"], "a tooth")
    corrections.approve(house.officer, made["n"])
    reclassifying.reclassify(house.vault)
    of = house.explainer.verdicts.of([agreed.pk, alone.pk])
    assert of[agreed.pk].facts[0].record_types == ("dental",)
    assert of[alone.pk].facts[0].record_types == ("billing", "correspondence", "dental")
    assert types_of(house, alone.pk) == {"dental"}
    destroy(gone.pk)
    with house.vault.records.read() as connection:
        assert gone.pk not in set(connection.scalars(select(found_types.c.message_pk)))


@pytest.fixture
def destroy(house: House) -> Callable[[int], None]:
    def destroy(pk: int) -> None:
        house.confirm_all()
        house.follower.run()
        house.dispositions.execute(house.second, house.due())
        assert pk not in house.living()

    return destroy
