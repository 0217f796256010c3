"""An entry younger than the discharge or the encounter that is given with it: what the law counts from."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from retention.clock.clock import compute
from retention.clock.facts import parse_facts
from retention.clock.result import Result
from retention.law.schedules import default_schedule


def answer(**facts: Any) -> Result:
    return compute(parse_facts({"record_types": ["medical_record"], **facts}), default_schedule())


@pytest.mark.parametrize(
    ("place", "rule", "discharged", "expected"),
    [
        # The law counts from the discharge of the stay, and the entry is younger than what it asks.
        ("NC", "NC-hospital-medical_record-adult", "2005-08-01", "2020-08-02"),
        # The same entry within the term: a late result ends with the record of its stay.
        ("NC", "NC-hospital-medical_record-adult", "2012-08-01", "2023-08-02"),
        # Unsure whether the entry is of later care: both days are possible, and the latest result wins.
        ("NC", "NC-hospital-medical_record-adult", ["2005-08-01", "2020-08-01"], "2031-08-02"),
        ("TX", "TX-physician-medical_record-adult", "2005-08-01", "2020-08-02"),
        ("TX", "TX-physician-medical_record-adult", ["2005-08-01", "2020-08-01"], "2027-08-02"),
        # WSR 05-21-122: a call or a refill is contact, so this entry is.
        ("WA", "WA-physician-medical_record-adult", "2005-08-01", "2030-08-02"),
    ],
)
def test_an_entry_after_the_discharge_that_is_given(
    place: str, rule: str, discharged: str | list[str], expected: str
) -> None:
    found = answer(
        jurisdictions=[place],
        provider_type="hospital" if place == "NC" else "physician",
        born="1960-01-01",
        anchor="2020-08-01",
        discharged=discharged,
    )
    (said,) = [one for one in found.candidates if one.rule_id == rule]
    assert str(said.date) == expected
    ended = said.retain_through == date(2020, 8, 1)
    assert ("if that is of later care, give its day as another possibility" in said.explanation) == ended


def test_both_possibilities_of_an_entry_after_the_discharge_of_a_minor() -> None:
    """Of the stay she was a minor in, or of care as an adult: the longer term counts."""
    facts: dict[str, Any] = {
        "jurisdictions": ["NC"],
        "provider_type": "hospital",
        "born": "2000-06-30",
        "anchor": "2018-08-01",
    }
    assert str(answer(**facts, discharged="2018-05-01").disposal_date) == "2030-07-01"
    assert str(answer(**facts, discharged="2018-08-01").disposal_date) == "2029-08-02"
    both = answer(**facts, discharged=["2018-05-01", "2018-08-01"])
    assert str(both.disposal_date) == "2030-07-01"


def test_the_default_says_so_as_well() -> None:
    """Ohio has no rule for physicians' charts: the organisation's ten years run from the last encounter."""
    found = answer(
        jurisdictions=["OH"],
        provider_type="physician",
        born="1960-01-01",
        anchor="2020-08-01",
        last_encounter="2005-08-01",
    )
    (said,) = [one for one in found.candidates if one.basis == "organisation_default"]
    assert str(said.date) == "2020-08-02"
    assert "another possibility" in said.explanation
