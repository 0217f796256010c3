"""The retention run: dates from facts, what is uncertain kept, what is due proposed once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import select, update

from archiver.clock import everywhere_today
from archiver.store.schema import disposition_items, messages
from config.settings import Settings
from retention.dating.explain import Explainer
from retention.errors import RosterError, UnknownFact
from retention.law.schedules import default_schedule
from retention.roster.csv_file import Patient
from search.access import AccessDenied
from tests.retention.whole_house import OLD, House, mail, open_house

CLINICAL = (
    "Discharge summary. Assessment and plan: hypertension. The patient was admitted with chest pain, "
    "vital signs stable, blood pressure 120/80, prescribed lisinopril 10 mg daily. Diagnosis I10. MRN-00123"
)


def clinical(sent: date = OLD) -> bytes:
    return mail(subject="progress note", body=CLINICAL, sent=sent)


def dates(house: House) -> dict[int, date | None]:
    with house.vault.records.read() as connection:
        return {
            row.pk: row.disposal_date
            for row in connection.execute(select(messages.c.pk, messages.c.disposal_date))
        }


def test_counts_are_disjoint_and_complete(house: House) -> None:
    house.old(3)
    (kept,) = house.old(1, sender="cat@clinic.example", to="dan@clinic.example")
    house.capture(house.arrival(mail(), attested=False))
    house.capture(house.arrival(clinical()))
    matter = house.matters.create(house.lawyer, "m")["id"]
    house.holds.create(house.lawyer, matter, message_ids=[kept.receipt.id])
    seen: list[int] = []
    days = [everywhere_today(house.clock.now())]
    counts = house.runs.run(progress=seen.append)
    days.append(everywhere_today(house.clock.now()))
    assert date.fromisoformat(counts.pop("as_of")) in days
    assert sum(seen) == 6
    disposition = counts.pop("disposition")
    assert counts.pop("dispositions") == [disposition]
    assert counts == {
        "examined": 6,
        "computed": 6,
        "due": 3,
        "held": 1,
        "extended": 0,
        "missing": 1,
        "unconfirmed": 0,
        "permanent": 0,
        "proposed": 3,
        "waiting": [],
    }
    shown = house.dispositions.show(house.officer, disposition)
    assert shown["state"] == "proposed"
    assert shown["proposed_by"] == "operator"
    assert [i["rule_id"] for i in shown["items"]] == ["ORG-default"] * 3
    assert ("retention.run", "success", "operator") in house.audit()
    assert ("disposition.propose", "success", "operator") in house.audit()


def test_what_is_proposed_is_not_proposed_again(house: House) -> None:
    house.old(2)
    first = house.runs.run()
    assert first["proposed"] == 2
    again = house.runs.run()
    assert (again["disposition"], again["proposed"], again["computed"]) == (None, 0, 0)
    house.old(1)
    assert house.runs.run()["proposed"] == 1
    house.dispositions.reject(house.officer, first["disposition"], "wait for the audit")
    assert house.runs.run()["proposed"] == 2


def test_an_unattested_date_starts_the_clock_at_capture(house: House) -> None:
    (one,) = house.capture(house.arrival(mail(sent=date(1995, 1, 1)), attested=False))
    house.runs.run()
    today = house.clock.now().date()
    due = dates(house)[one.pk]
    assert due is not None
    assert due > today.replace(year=today.year + 9, day=1)


def test_clinical_mail_without_its_patient_is_kept(house: House) -> None:
    (one,) = house.capture(house.arrival(clinical()))
    counts = house.runs.run()
    assert (counts["missing"], counts["proposed"]) == (1, 0)
    explained = house.explainer.explain(house.officer, one.receipt.id)
    assert explained["disposal_date"] is None
    assert "born" in explained["missing"]


def test_a_roster_brings_dates_and_a_changed_one_changes_them(house: House) -> None:
    (one,) = house.capture(house.arrival(clinical()))
    house.runs.run()
    adult = Patient(
        "123", "Pat", born=date(1950, 1, 1), last_encounter=date(2005, 4, 1), discharged=date(2005, 4, 1)
    )
    # Another spelling of another number: not this patient.
    assert house.patients.import_roster([Patient("MRN-0123", "Pat"), Patient("MRN-00999", "Quin")]) == {
        "read": 2,
        "added": 2,
        "changed": 0,
        "unchanged": 0,
    }
    assert house.runs.run()["missing"] == 1
    pat = Patient(**{**{f: getattr(adult, f) for f in adult.__slots__}, "mrn": "mrn 00123"})
    house.patients.import_roster([pat])
    counts = house.runs.run(propose=False)
    assert (counts["computed"], counts["missing"]) == (1, 0)
    first = dates(house)[one.pk]
    assert first is not None
    assert first > date(2011, 4, 1)
    child = Patient("MRN-00123", "Pat", born=date(2004, 1, 1), last_encounter=OLD, discharged=OLD)
    assert house.patients.import_roster([child])["changed"] == 1
    house.runs.run(propose=False)
    second = dates(house)[one.pk]
    assert second is not None
    assert second >= date(2022, 1, 1) + timedelta(days=365)
    assert house.patients.import_roster([child])["unchanged"] == 1
    assert house.runs.run(propose=False)["computed"] == 0


def test_of_several_patients_the_longest_wins(house: House) -> None:
    (one,) = house.capture(house.arrival(mail(body=CLINICAL + " and MRN-00124 as well")))
    house.patients.import_roster(
        [
            Patient("MRN-00123", "Pat", born=date(1950, 1, 1), last_encounter=OLD, discharged=OLD),
            Patient("MRN-00124", "Kim", born=date(2004, 1, 1), last_encounter=OLD, discharged=OLD),
        ]
    )
    both = house.explainer.explain(house.officer, one.receipt.id)
    assert len(both["facts"]) == 2
    assert both["disposal_date"] >= "2025-01-01"
    # A patient of the list of whom nothing is known makes the answer unknown.
    house.patients.import_roster([Patient("MRN-00124", "Kim")])
    assert house.explainer.explain(house.officer, one.receipt.id)["disposal_date"] is None


def test_a_message_may_be_of_care_that_the_roster_does_not_know_of(house: House) -> None:
    (one,) = house.capture(house.arrival(clinical(date(2010, 6, 1))))
    stale = Patient("MRN-00123", "Pat", born=date(1950, 1, 1), last_encounter=OLD, discharged=OLD)
    house.patients.import_roster([stale])
    told = house.explainer.explain(house.officer, one.receipt.id)
    (facts,) = told["facts"]
    assert facts["last_encounter"] == facts["discharged"] == ["2005-03-01", "2010-06-01"]
    assert told["disposal_date"] == "2020-06-02", "ten years from the message, not from the discharge"
    # What the roster knows to be later stands alone.
    seen = date(2011, 1, 1)
    house.patients.import_roster([replace(stale, last_encounter=seen, discharged=seen)])
    (facts,) = house.explainer.explain(house.officer, one.receipt.id)["facts"]
    assert facts["last_encounter"] == facts["discharged"] == "2011-01-01"


def test_mail_about_a_stay_as_a_minor_keeps_the_minors_term_when_she_is_of_age(house: House) -> None:
    """North Carolina, 10A NCAC 13B .3903: eleven years from discharge, a minor's until the 30th birthday.
    Three months after the stay she is 18: the letter may be of the stay, or of care as an adult."""
    (one,) = house.capture(house.arrival(clinical(date(2018, 8, 1))))
    stay = date(2018, 5, 1)
    pat = Patient(
        "MRN-00123", "Pat", born=date(2000, 6, 30), state="NC", last_encounter=stay, discharged=stay
    )
    house.patients.import_roster([pat])
    house.runs.run(propose=False)
    assert dates(house)[one.pk] == date(2030, 7, 1), "not eleven years from the letter, 2029-08-02"


def test_a_second_delivery_makes_the_date_anew(house: House) -> None:
    raw = clinical()
    house.patients.import_roster([Patient("MRN-55555", "Sam", email="sam@home.example")])
    house.patients.import_roster(
        [Patient("MRN-00123", "Pat", born=date(1950, 1, 1), last_encounter=OLD, discharged=OLD)]
    )
    house.capture(house.arrival(raw))
    assert house.runs.run(propose=False)["missing"] == 0
    # It was Sam's mailbox too, of whom nothing is known: now nothing can be said.
    house.capture(house.arrival(raw, custodians=("sam@home.example",)))
    counts = house.runs.run(propose=False)
    assert (counts["computed"], counts["missing"]) == (1, 1)


def test_unreadable_mail_is_kept_and_does_not_stop_the_run(house: House) -> None:
    one, two = house.old(2)
    with house.vault.records.write() as connection:
        connection.execute(update(messages).where(messages.c.pk == one.pk).values(sealed_meta=b"\1" * 90))
    counts = house.runs.run()
    assert (counts["examined"], counts["missing"], counts["proposed"]) == (2, 1, 1)
    assert house.explainer.explain(house.officer, one.receipt.id)["missing"] == ["readable_description"]
    assert dates(house)[two.pk] is not None


def test_mail_that_could_not_be_parsed_is_kept(house: House) -> None:
    (one,) = house.old()
    with house.vault.records.write() as connection:
        connection.execute(update(messages).where(messages.c.pk == one.pk).values(parse_failed=True))
    assert house.runs.run()["missing"] == 1


def test_a_date_beyond_the_clocks_range_keeps_the_message(house: House) -> None:
    house.old(sent=date(1700, 1, 1))
    assert house.runs.run()["missing"] == 1


def test_simulate_tells_of_a_day_and_changes_nothing(house: House) -> None:
    house.old(2)
    house.capture(house.arrival(mail(), attested=False))
    before = dates(house)
    today = house.clock.now().date()
    for _ in range(2):
        assert house.runs.simulate(date(2010, 1, 1))["due"] == 0
        assert house.runs.simulate(today)["due"] == 2
        counts = house.runs.simulate(today.replace(year=today.year + 11, day=1))
        assert (counts["due"], counts["examined"]) == (3, 3)
        assert dates(house) == before
        # Once without dates in the rows, once with: the answers are the same.
        house.runs.run(propose=False)
        before = dates(house)


def test_a_later_day_proposes_early_and_nothing_goes_early(house: House) -> None:
    (young,) = house.capture(house.arrival(mail(), attested=False))
    (old,) = house.old()
    today = house.clock.now().date()
    disposition = house.runs.run(today.replace(year=today.year + 11, day=1))["disposition"]
    house.dispositions.approve(house.officer, disposition)
    outcome = house.dispositions.execute(house.second, disposition)["outcomes"]
    assert outcome == {"destroyed": 1, "not_due": 1}
    assert house.living() == {young.pk}
    assert old.pk not in house.living()


def test_rules_are_sealed_in_the_rows(house: House) -> None:
    house.old(1)
    house.runs.run()
    with house.vault.records.read() as connection:
        sealed = bytes(connection.scalar(select(disposition_items.c.sealed_rule)) or b"")
    assert b"creation" not in sealed
    assert b"2015" not in sealed


def test_explain_is_for_those_with_the_right_and_spares_administrators_the_facts(house: House) -> None:
    (one,) = house.capture(house.arrival(clinical()))
    house.patients.import_roster(
        [Patient("MRN-00123", "Pat", born=date(1950, 2, 3), last_encounter=OLD, discharged=OLD)]
    )
    with pytest.raises(AccessDenied):
        house.explainer.explain(house.lawyer, one.receipt.id)
    full = house.explainer.explain(house.manager, one.receipt.id)
    assert full["facts"][0]["born"] == "1950-02-03"
    spared = json.dumps(house.explainer.explain(house.administrator, one.receipt.id))
    assert "1950" not in spared
    assert "citation" in spared
    assert house.audit()[-3:] == [
        ("retention.read", "denied", "ulawyer"),
        ("retention.explain", "success", "umanager"),
        ("retention.explain", "success", "uadmin"),
    ]


def test_explain_names_the_holds(house: House) -> None:
    (one,) = house.old()
    matter = house.matters.create(house.lawyer, "m")["id"]
    hold = house.holds.create(house.lawyer, matter, message_ids=[one.receipt.id])
    (shown,) = house.explainer.explain(house.officer, one.receipt.id)["holds"]
    assert shown == {
        "id": hold["id"],
        "matter": matter,
        "state": "active",
        "in_force_at": hold["in_force_at"],
    }


def test_a_roster_with_one_number_twice_is_refused_whole(house: House) -> None:
    with pytest.raises(RosterError):
        house.patients.import_roster([Patient("MRN-1", "A"), Patient("mrn 1", "B")])
    with pytest.raises(RosterError):
        house.patients.import_roster([Patient("--", "A")])
    assert house.patients.import_roster([Patient("MRN-1", "A")])["added"] == 1


@pytest.fixture
def nowhere(settings: Settings) -> Iterator[House]:
    with open_house(settings) as opened:
        yield opened


def test_unknown_provider_keeps_clinical_mail(nowhere: House) -> None:
    nowhere.capture(nowhere.arrival(clinical()))
    assert nowhere.runs.run()["missing"] == 1


def test_settings_the_schedule_does_not_know_are_refused_at_once(nowhere: House) -> None:
    nowhere.vault.settings = nowhere.vault.settings.model_copy(update={"jurisdictions": ("ZZ",)})
    with pytest.raises(UnknownFact):
        Explainer(nowhere.vault, default_schedule(), nowhere.patients)
