"""The worked examples: the day, the rule, and what the answer says of both."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from retention.clock.clock import compute
from retention.clock.facts import parse_facts
from retention.clock.result import Result
from retention.law.schedules import DEFAULT_DIRECTORY, Schedule, default_schedule
from tests.retention.clock.examples import EXAMPLES


def answer(document: Any) -> Result:
    return compute(parse_facts(document), default_schedule())


@pytest.mark.parametrize(("facts", "disposal", "rule_id"), EXAMPLES.values(), ids=EXAMPLES.keys())
def test_worked_example(facts: Any, disposal: str, rule_id: str) -> None:
    document = answer(facts).to_json()
    assert document["disposal_date"] == disposal
    assert document["governing"]["rule_id"] == rule_id
    assert document["governing"]["date"] == disposal
    assert document["candidates"][0] == document["governing"]
    assert document["permanent"] is False
    assert "missing" not in document


@pytest.mark.parametrize(
    "name", [name for name in EXAMPLES if name.split("-")[0] in ("1", "2", "4", "8", "13")]
)
def test_an_entry_of_unknown_day_where_the_law_counts_from_something_else(name: str) -> None:
    facts, disposal, rule_id = EXAMPLES[name]
    document = answer({**facts, "anchor": None}).to_json()
    assert (document["disposal_date"], document["governing"]["rule_id"]) == (disposal, rule_id)
    assert "missing" not in document


def test_an_entry_of_unknown_day_where_the_law_counts_from_it() -> None:
    facts, _, _ = EXAMPLES["5-md-physician-leap-entry"]
    document = answer({**facts, "anchor": None}).to_json()
    assert (document["disposal_date"], document["missing"]) == (None, ["anchor"])


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
