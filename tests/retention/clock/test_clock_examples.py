"""The data set's worked examples and some of our own, as facts a records manager would state."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from retention.clock.clock import compute
from retention.clock.facts import parse_facts
from retention.clock.result import Result
from retention.law.schedules import DEFAULT_DIRECTORY, Schedule, default_schedule

CHART = ["medical_record"]


def answer(document: Any) -> Result:
    return compute(parse_facts(document), default_schedule())


EXAMPLES = {
    "interface-nc-hospital-minor": (
        {
            "record_types": CHART,
            "jurisdictions": ["NC"],
            "provider_type": "hospital",
            "anchor": "2025-06-29",
            "born": "2007-06-30",
            "last_encounter": None,
            "discharged": "2025-06-29",
            "died": None,
            "last_in_effect": None,
            "employment_ended": None,
            "contract_ended": None,
            "audit_closed": None,
            "captured_at": "2025-06-30T10:00:00Z",
        },
        "2037-07-01",
        "NC-hospital-medical_record-minor",
    ),
    "1-ny-hospital": (
        {
            "record_types": CHART,
            "jurisdictions": ["NY"],
            "provider_type": "hospital",
            "anchor": "2019-08-01",
            "born": "2010-05-20",
            "discharged": "2019-08-01",
        },
        "2031-05-21",
        "NY-hospital-medical_record-minor",
    ),
    "2-ny-physician-day-before-18": (
        {
            "record_types": CHART,
            "jurisdictions": ["NY"],
            "provider_type": "physician",
            "anchor": "2024-03-14",
            "born": "2006-03-15",
            "last_encounter": "2024-03-14",
        },
        "2030-03-15",
        "NY-physician-medical_record-minor",
    ),
    "4-tx-physician-leap-birthday": (
        {
            "record_types": CHART,
            "jurisdictions": ["TX"],
            "provider_type": "physician",
            "anchor": "2020-02-29",
            "born": "2008-02-29",
            "last_encounter": "2020-02-29",
        },
        "2029-03-02",
        "TX-physician-medical_record-minor",
    ),
    "5-md-physician-leap-entry": (
        {
            "record_types": CHART,
            "jurisdictions": ["MD"],
            "provider_type": "physician",
            "anchor": "2024-02-29",
            "born": "1970-01-01",
        },
        "2031-03-02",
        "MD-any-medical_record-adult",
    ),
    "7-oh-medicare-order": (
        {
            "record_types": ["medicare_order_certify"],
            "jurisdictions": ["OH"],
            "provider_type": "physician",
            "anchor": "2019-09-30",
            "born": "1950-01-01",
        },
        "2026-10-01",
        "US-any-medicare_order_certify-any",
    ),
    "7-oh-false-claims-horizon": (
        {
            "record_types": ["medicare_order_certify", "billing"],
            "jurisdictions": ["OH"],
            "provider_type": "physician",
            "anchor": "2019-09-30",
            "born": "1950-01-01",
        },
        "2029-10-01",
        "US-any-billing-any",
    ),
    "7-oh-chart-has-no-state-rule": (
        {
            "record_types": ["medical_record", "medicare_order_certify"],
            "jurisdictions": ["OH"],
            "provider_type": "physician",
            "anchor": "2019-09-30",
            "last_encounter": "2019-09-30",
            "born": "1950-01-01",
        },
        "2029-10-01",
        "ORG-default",
    ),
    "8-three-states": (
        {
            "record_types": CHART,
            "jurisdictions": ["NY", "VA", "SC"],
            "provider_type": "physician",
            "anchor": "2022-04-05",
            "born": "1980-06-01",
            "last_encounter": "2022-04-05",
        },
        "2032-04-06",
        "SC-physician-medical_record-adult",
    ),
    "9-two-records-as-possibilities": (
        [
            {
                "record_types": CHART,
                "jurisdictions": ["PA"],
                "provider_type": "physician",
                "anchor": "2023-01-15",
                "born": "2012-11-02",
                "last_encounter": "2023-01-15",
            },
            {
                "record_types": CHART,
                "jurisdictions": ["NJ"],
                "provider_type": "hospital",
                "anchor": "2023-01-20",
                "born": "2012-11-02",
                "discharged": "2023-01-20",
            },
        ],
        "2035-11-03",
        "NJ-hospital-medical_record-any",
    ),
    "9-pa-physician-alone": (
        {
            "record_types": CHART,
            "jurisdictions": ["PA"],
            "provider_type": "physician",
            "anchor": "2023-01-15",
            "born": "2012-11-02",
            "last_encounter": "2023-01-15",
        },
        "2031-11-03",
        "PA-physician-medical_record-minor",
    ),
    "13-ms-newborn": (
        {
            "record_types": CHART,
            "jurisdictions": ["MS"],
            "provider_type": "hospital",
            "anchor": "2020-12-28",
            "born": "2020-12-25",
            "discharged": "2020-12-28",
        },
        "2048-12-26",
        "MS-hospital-medical_record-minor",
    ),
    "15-az-homeopath-whichever-first": (
        {
            "record_types": CHART,
            "jurisdictions": ["AZ"],
            "provider_type": "homeopath",
            "anchor": "2020-01-01",
            "born": "2015-01-01",
            "last_encounter": "2020-01-01",
        },
        "2027-01-02",
        "AZ-homeopath-medical_record-minor",
    ),
    "15-under-az-general-section": (
        {
            "record_types": CHART,
            "jurisdictions": ["AZ"],
            "provider_type": "physician",
            "anchor": "2020-01-01",
            "born": "2015-01-01",
            "last_encounter": "2020-01-01",
        },
        "2036-01-02",
        "AZ-any-medical_record-minor",
    ),
    "18-mammogram-returned": (
        {
            "record_types": ["mammography"],
            "jurisdictions": ["US"],
            "anchor": "2018-04-10",
            "born": "1960-01-01",
            "later_mammogram": "2021-05-05",
        },
        "2023-04-11",
        "US-any-mammography-any",
    ),
    "18-mammogram-never-returned": (
        {
            "record_types": ["mammography"],
            "jurisdictions": ["US"],
            "anchor": "2018-04-10",
            "born": "1960-01-01",
        },
        "2028-04-11",
        "US-any-mammography-any",
    ),
    "18-mammogram-tn-physician": (
        {
            "record_types": ["mammography"],
            "jurisdictions": ["TN"],
            "provider_type": "physician",
            "anchor": "2018-04-10",
            "born": "1960-01-01",
            "later_mammogram": "2021-05-05",
        },
        "2028-04-11",
        "TN-physician-mammography-any",
    ),
}


@pytest.mark.parametrize(("facts", "disposal", "rule_id"), EXAMPLES.values(), ids=EXAMPLES.keys())
def test_worked_example(facts: Any, disposal: str, rule_id: str) -> None:
    document = answer(facts).to_json()
    assert document["disposal_date"] == disposal
    assert document["governing"]["rule_id"] == rule_id
    assert document["governing"]["date"] == disposal
    assert document["candidates"][0] == document["governing"]
    assert document["permanent"] is False
    assert "missing" not in document


def test_trace_is_sorted_latest_first_with_reasons() -> None:
    facts, _, _ = EXAMPLES["8-three-states"]
    candidates = answer(facts).to_json()["candidates"]
    assert [one["rule_id"] for one in candidates] == [
        "SC-physician-medical_record-adult",
        "NY-physician-medical_record-adult",
        "VA-physician-medical_record-adult",
    ]
    assert candidates[1]["explanation"] == (
        "Kept 6 years from the last encounter on 2022-04-05, through 2028-04-05. "
        "Disposal is lawful from 2028-04-06."
    )
    for one in candidates:
        assert set(one) - {"condition", "notice"} == {
            "rule_id",
            "jurisdiction",
            "record_type",
            "date",
            "retain_through",
            "citation",
            "explanation",
            "basis",
            "verified",
        }
        assert one["date"] in one["explanation"]
        assert one["citation"]


def test_7_advises_the_false_claims_horizon_and_doesn_t_wait_for_it() -> None:
    facts, _, _ = EXAMPLES["7-oh-medicare-order"]
    document = answer(facts).to_json()
    assert (document["disposal_date"], document["advised_date"]) == ("2026-10-01", "2029-10-01")
    assert [one["rule_id"] for one in document["candidates"]] == ["US-any-medicare_order_certify-any"]
    advice = document["advice"][0]
    assert (advice["rule_id"], advice["date"]) == ("US-any-billing-any", "2029-10-01")
    assert advice["explanation"] == (
        "Kept 10 years from submission of the claim on 2019-09-30, through 2029-09-30; advised, not "
        "required. Disposal is advised from 2029-10-01 only."
    )
    followed = answer({**facts, "follow_recommendations": True})
    # The horizon is advice on billing; on orders it stays advice even for those who follow advice.
    assert str(followed.disposal_date) == "2026-10-01"


def test_13_the_cap_is_there_and_later() -> None:
    facts, _, _ = EXAMPLES["13-ms-newborn"]
    rule = default_schedule().rule("MS-hospital-medical_record-minor")
    assert rule is not None
    assert (rule.max_years_cap, rule.cap_from, rule.age_of_majority) == (28, "discharge", 21)
    governing = answer(facts).governing
    assert governing is not None
    # 28 years from discharge would be 2048-12-28: the birthday is earlier, so the cap says nothing.
    assert "never longer" not in governing.explanation
    assert "the patient's 28th birthday" in governing.explanation


def test_15_if_the_general_section_is_applied_as_well(tmp_path: Path) -> None:
    facts, _, _ = EXAMPLES["15-az-homeopath-whichever-first"]
    folder = tmp_path / "schedules"
    shutil.copytree(DEFAULT_DIRECTORY, folder)
    lines = (folder / "overlay.csv").read_text("utf-8").splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith("AZ-any-medical_record")]
    assert len(kept) == len(lines) - 2
    (folder / "overlay.csv").write_text("".join(kept), "utf-8")
    schedule = Schedule.load(folder)
    both = compute(parse_facts(facts, schedule), schedule)
    assert str(both.disposal_date) == "2036-01-02"
    assert both.governing is not None
    assert both.governing.rule_id == "AZ-any-medical_record-minor"
    # And with the shipped data, where it isn't known which of the two the provider is.
    unsure = answer({**facts, "provider_type": ["homeopath", "physician"]})
    assert str(unsure.disposal_date) == "2036-01-02"
