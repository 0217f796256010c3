"""What single laws say beside their years: caps, duties to destroy, death, emancipation, tiers, versions."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from retention.clock.clock import compute
from retention.clock.facts import parse_facts
from retention.clock.result import Candidate, Result
from retention.law.schedules import DEFAULT_DIRECTORY, Schedule, default_schedule

ADULT: dict[str, Any] = {"born": "1960-05-05", "anchor": "2020-01-10", "last_encounter": "2020-01-10"}


def answer(state: str, provider: str, record_type: str = "medical_record", **facts: Any) -> Result:
    document = {"jurisdictions": [state], "provider_type": provider, "record_types": [record_type], **facts}
    return compute(parse_facts(document), default_schedule())


def day(result: Result) -> str:
    return str(result.disposal_date)


def of(result: Result, rule_id: str) -> Candidate:
    return next(one for one in (*result.candidates, *result.advice) if one.rule_id == rule_id)


def changed(tmp_path: Path, lines: str) -> Schedule:
    folder = tmp_path / "schedules"
    shutil.copytree(DEFAULT_DIRECTORY, folder)
    with (folder / "overlay.csv").open("a", encoding="utf-8") as handle:
        handle.write(lines)
    return Schedule.load(folder)


# --- caps and duties to destroy -----------------------------------------------------------------------


def test_virginia_asks_no_more_than_twelve_years_from_creation() -> None:
    seen = {"born": "1960-05-05", "anchor": "2010-03-01"}
    capped = answer("VA", "physician", last_encounter="2019-06-01", **seen)
    assert day(capped) == "2022-03-02"
    assert "never longer than 12 years from creation of the entry on 2010-03-01" in (
        capped.candidates[0].explanation
    )
    assert day(answer("VA", "physician", last_encounter="2016-02-01", **seen)) == "2022-02-02"


def test_mississippi_disability_is_capped_where_its_end_is_not_known() -> None:
    facts = {**ADULT, "discharged": "2020-01-10"}
    assert day(answer("MS", "hospital", **facts)) == "2030-01-11"
    assert day(answer("MS", "hospital", incompetent=True, **facts)) == "2048-01-11"
    assert day(answer("MS", "hospital", disability_ended="2026-02-28", **facts)) == "2033-03-01"
    assert day(answer("MS", "hospital", disability_ended="2045-02-28", **facts)) == "2048-01-11"
    # Tennessee names no cap: without the end of the disability it can't be said.
    assert answer("TN", "hospital", incompetent=True, **facts).missing == ("disability_ended",)
    assert day(answer("TN", "hospital", disability_ended="2040-02-29", **facts)) == "2041-03-02"


def test_colorado_counselors_a_duty_to_destroy_is_shown_and_does_nothing() -> None:
    child = {"born": "2018-03-03", "anchor": "2020-01-10", "last_encounter": "2020-01-10"}
    found = answer("CO", "counselor", "mental_health", **child)
    assert day(found) == "2043-03-04"
    duty = found.destroy_by
    assert duty is not None
    assert (duty.rule_id, str(duty.date)) == ("CO-counselor-mental_health-any", "2032-01-10")
    assert duty.explanation.endswith("Another rule keeps it longer, and that wins.")
    assert duty.condition == "The twelve years bind licensed professional counselors only."
    assert found.to_json()["destroy_by"]["date"] == "2032-01-10"
    adult = answer("CO", "counselor", "mental_health", **ADULT)
    assert day(adult) == "2027-01-11"
    assert adult.destroy_by is not None
    assert "Another rule" not in adult.destroy_by.explanation


def test_part_2_programmes_destroy_once_they_end() -> None:
    facts = {**ADULT, "discharged": "2020-01-10"}
    assert answer("PA", "sud_program", "substance_use", **facts).destroy_by is None
    ended = answer("PA", "sud_program", "substance_use", discontinued="2022-05-05", **facts)
    assert ended.destroy_by is not None
    assert (ended.destroy_by.citation, str(ended.destroy_by.date)) == ("42 CFR 2.19", "2022-05-05")
    assert day(ended) == "2024-01-11"


def test_of_several_possibilities_the_duty_is_the_latest() -> None:
    found = answer(
        "CO", "counselor", "mental_health", **{**ADULT, "last_encounter": ["2020-01-10", "2021-01-10"]}
    )
    assert found.destroy_by is not None
    assert str(found.destroy_by.date) == "2033-01-10"


# --- patients who died --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "provider", "born", "died", "kept", "chosen", "rests_on"),
    [
        ("CT", "physician", "1960-05-05", "2021-02-28", "2027-01-11", "2024-02-29", True),
        ("CT", "physician", "1960-05-05", "2026-02-28", "2027-01-11", "2027-01-11", False),
        ("AZ", "homeopath", "1960-05-05", "2021-02-28", "2027-01-11", "2024-02-29", True),
        ("WA", "physician", "2015-05-05", "2021-02-28", "2036-05-06", "2026-03-01", True),
        ("OK", "hospital", "2015-05-05", "2020-01-10", "2036-05-06", "2025-01-11", True),
        ("MT", "hearing_aid_dispenser", "1960-05-05", "2021-02-28", "2027-01-11", "2022-03-01", True),
        ("OK", "hospice", "1960-05-05", "2020-01-10", "2026-01-11", "2026-01-11", False),
        ("MT", "hospital", "2015-05-05", "2021-02-28", "2043-05-06", "2031-03-01", False),
        ("MS", "hospital", "2015-05-05", "2020-01-10", "2043-05-06", "2027-01-11", True),
        ("MS", "hospital", "2015-05-05", "2021-02-28", "2043-05-06", "2043-05-06", False),
        ("NY", "hospital", "1960-05-05", "2021-02-28", "2027-03-01", "2027-03-01", False),
        ("GA", "hospice", "2015-05-05", "2020-01-10", "2039-01-01", "2039-01-01", False),
    ],
)
def test_death_shortens_only_where_the_organisation_chose_so(
    state: str, provider: str, born: str, died: str, kept: str, chosen: str, rests_on: bool
) -> None:
    facts = {
        "born": born,
        "died": died,
        "anchor": "2020-01-10",
        "last_encounter": "2020-01-10",
        "discharged": "2020-01-10",
    }
    assert day(answer(state, provider, **facts)) == kept
    for choice in (None, False, [True, False]):
        assert day(answer(state, provider, use_death_alternative=choice, **facts)) == kept
    short = answer(state, provider, use_death_alternative=True, **facts)
    assert day(short) == chosen
    assert any(one.rests_on for one in short.candidates) is rests_on
    if rests_on:
        assert "the organisation lets the term after death count instead" in str(short.to_json())


def test_the_hospice_s_alternative_stands_in_its_note_and_federal_law_beside_it() -> None:
    facts = {**ADULT, "died": "2020-01-10", "discharged": "2020-01-10", "use_death_alternative": True}
    found = answer("OK", "hospice", **facts)
    assert str(of(found, "OK-hospice-medical_record-any").date) == "2023-01-11"
    assert str(of(found, "US-hospice-medical_record-any").date) == "2026-01-11"


# --- ages ---------------------------------------------------------------------------------------------


def test_an_emancipated_minor_is_an_adult_only_where_the_organisation_chose_so() -> None:
    facts = {
        "born": "2004-05-05",
        "anchor": "2021-01-10",
        "last_encounter": "2021-01-10",
        "discharged": "2021-01-10",
    }
    plain = answer("CA", "hospital", **facts)
    assert [one.rule_id for one in plain.candidates][:1] == ["CA-hospital-medical_record-minor"]
    assert answer("CA", "hospital", emancipated_on="2020-06-06", **facts) == plain
    freed = answer("CA", "hospital", emancipated_on="2020-06-06", use_emancipation=True, **facts)
    assert [one.rule_id for one in freed.candidates][:1] == ["CA-hospital-medical_record-adult"]
    later = answer("CA", "hospital", emancipated_on="2021-06-06", use_emancipation=True, **facts)
    assert later == plain
    child = {**facts, "born": "2006-05-05", "anchor": "2015-01-10", "last_encounter": "2015-01-10"}
    assert day(answer("VA", "physician", **{**child, "discharged": None})) == "2024-05-06"
    ended = answer(
        "VA", "physician", emancipated_on="2022-06-06", use_emancipation=True, **{**child, "discharged": None}
    )
    assert day(ended) == "2022-06-07"
    assert "until the patient's emancipation on 2022-06-06" in ended.candidates[0].explanation


def test_alaska_s_own_age_and_nevada_s_day_of_destruction() -> None:
    facts = {"anchor": "2020-01-10", "last_encounter": "2020-01-10", "discharged": "2020-01-10"}
    # 18 years old: an adult of the State, and still under the 19 the hospital rule speaks of.
    eighteen = answer("AK", "hospital", born="2001-06-01", **facts)
    assert {one.rule_id for one in eighteen.candidates} >= {"AK-hospital-medical_record-minor"}
    nineteen = answer("AK", "hospital", born="2001-01-10", **facts)
    assert "AK-hospital-medical_record-minor" not in {one.rule_id for one in nineteen.candidates}
    assert day(answer("NV", "physician", born="2001-06-01", **facts)) == "2025-01-11"
    assert day(answer("NV", "physician", born="2003-06-01", **facts)) == "2026-06-02"


def test_a_rule_may_bind_below_another_age_than_it_counts_from(tmp_path: Path) -> None:
    schedule = changed(
        tmp_path, "TX-hospital-medical_record-minor,applies_if_age_below,16,an act of ours,a test\n"
    )
    facts = {"record_types": ["medical_record"], "jurisdictions": ["TX"], "provider_type": "hospital"}
    seen = {"anchor": "2020-01-10", "last_encounter": "2020-01-10"}
    for born, minor, adult in (
        ("2004-01-11", True, False),
        ("2004-01-10", False, True),
        ("2002-01-11", False, True),
        ("2002-01-10", False, True),
    ):
        found = compute(parse_facts({**facts, **seen, "born": born}, schedule), schedule)
        named = {one.rule_id for one in found.candidates}
        assert ("TX-hospital-medical_record-minor" in named) is minor
        assert ("TX-hospital-medical_record-adult" in named) is adult


def test_texas_tests_the_age_at_the_last_treatment() -> None:
    facts = {"anchor": "2019-01-10", "born": "2001-06-01"}
    child = answer("TX", "physician", last_encounter="2019-05-31", **facts)
    assert [one.rule_id for one in child.candidates] == ["TX-physician-medical_record-minor"]
    grown = answer("TX", "physician", last_encounter="2019-06-01", **facts)
    assert [one.rule_id for one in grown.candidates] == ["TX-physician-medical_record-adult"]


def test_incompetent_patients_in_washington() -> None:
    assert day(answer("WA", "physician", **ADULT)) == "2030-01-11"
    assert answer("WA", "physician", incompetent=True, **ADULT).permanent


# --- second clocks ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "provider", "record_type", "more", "expected"),
    [
        ("DE", "physician", "medical_record", {}, "2027-01-11"),
        ("DE", "physician", "medical_record", {"practice_closed": "2024-02-29"}, "2031-03-02"),
        ("OH", "chiropractor", "medical_record", {}, "2025-01-11"),
        ("OH", "chiropractor", "medical_record", {"proceedings_concluded": "2024-02-29"}, "2026-03-02"),
        ("NY", "dentist", "medicaid", {"claim_submitted": "2020-04-01"}, "2026-04-02"),
        ("NY", "dentist", "medicaid", {"claim_submitted": "2019-04-01"}, "2026-01-11"),
        ("WY", "blood_establishment", "blood_record", {"product_expires": "2021-08-31"}, "2030-01-11"),
        ("WY", "blood_establishment", "blood_record", {"product_expires": "2030-08-31"}, "2031-03-02"),
        ("MT", "psychologist", "mental_health", {"last_encounter": "2018-01-01"}, "2027-01-11"),
    ],
)
def test_a_second_clock(
    state: str, provider: str, record_type: str, more: dict[str, str], expected: str
) -> None:
    assert day(answer(state, provider, record_type, **{**ADULT, **more})) == expected


def test_blood_without_an_expiry_date_is_kept() -> None:
    found = answer("WY", "blood_establishment", "blood_record", **ADULT)
    assert found.missing == ("product_expires",)


# --- what stands beside what --------------------------------------------------------------------------


def test_a_tier_is_kept_as_long_as_its_record_too() -> None:
    newborn = {"born": "2020-01-10", "anchor": "2020-01-12", "discharged": "2020-01-12"}
    found = answer("NJ", "hospital", "discharge_summary", **newborn)
    assert [one.rule_id for one in found.candidates][:2] == [
        "NJ-hospital-medical_record-any",
        "NJ-hospital-discharge_summary-any",
    ]
    assert day(found) == "2043-01-11"
    assert answer("MN", "hospital", "medical_record_core", **newborn).permanent


def test_a_condition_nobody_knows_of_leaves_the_chart_s_term_beside_it() -> None:
    found = answer("TN", "physician", "radiology_image", **ADULT)
    assert [one.rule_id for one in found.candidates] == [
        "TN-physician-medical_record-adult",
        "US-any-radiology_image-any",
        "TN-physician-radiology_image-any",
    ]
    assert day(found) == "2030-01-11"
    own = of(found, "TN-physician-radiology_image-any")
    assert str(own.date) == "2024-01-11"
    assert own.condition is not None
    child = {"born": "2015-05-05", "anchor": "2020-01-10", "discharged": "2020-01-10"}
    limits = answer("NC", "nursing_facility", **child)
    assert str(of(limits, "NC-nursing_facility-medical_record-minor").date) == "2034-05-06"
    assert day(limits) == "2043-05-06"


def test_hawaii_s_rule_may_not_bind_nursing_institutions() -> None:
    facts = {**ADULT, "discharged": "2020-01-10"}
    found = answer("HI", "nursing_facility", **facts)
    assert {one.rule_id for one in found.candidates} == {
        "HI-any-medical_record-adult",
        "ORG-default",
        "US-nursing_facility-medical_record-adult",
    }
    assert {one.rule_id for one in answer("HI", "physician", **facts).candidates} == {
        "HI-any-medical_record-adult"
    }


def test_therapy_that_ended_before_the_rule_s_day_has_the_chart_s_term_beside_it() -> None:
    facts = {"born": "1960-05-05", "anchor": "2014-12-01"}
    before = answer("CA", "counselor", "mental_health", last_encounter="2014-12-31", **facts)
    assert day(before) == "2025-01-01"
    assert "speaks of the last encounter on 2015-01-01 or later" in (
        of(before, "CA-counselor-mental_health-any").explanation
    )
    after = answer("CA", "counselor", "mental_health", last_encounter="2015-01-01", **facts)
    assert day(after) == "2022-01-02"


def test_texas_hospitals_keep_forensic_examinations_twenty_years() -> None:
    found = answer("TX", "hospital", "sexual_assault_forensic", **ADULT)
    assert (day(found), len(found.candidates)) == ("2040-01-11", 1)


def test_notices_and_conditions_are_shown_with_the_candidate() -> None:
    found = answer("DC", "podiatrist", **ADULT).to_json()["candidates"]
    mine = next(one for one in found if one["rule_id"] == "DC-podiatrist-medical_record-any")
    assert mine["notice"] == "notice to the patient 60 days before destruction"


# --- recommendations ----------------------------------------------------------------------------------


def test_a_recommendation_sets_no_date_where_the_law_speaks() -> None:
    found = answer("PA", "psychologist", "mental_health", **ADULT)
    assert day(found) == "2025-01-11"
    assert [one.rule_id for one in found.advice] == ["US-psychologist-mental_health-adult"]
    assert str(found.advised_date) == "2027-01-11"
    followed = answer("PA", "psychologist", "mental_health", follow_recommendations=True, **ADULT)
    assert day(followed) == "2027-01-11"
    assert followed.governing is not None
    assert followed.governing.basis == "recommendation"


def test_where_the_law_is_silent_a_recommendation_counts_beside_the_default() -> None:
    facts = {
        **ADULT,
        "record_types": ["medical_record"],
        "jurisdictions": ["NC"],
        "provider_type": "physician",
    }
    for default, expected in ((10, "2030-01-11"), (7, "2027-01-11"), (2, "2027-01-11")):
        found = compute(parse_facts(facts), default_schedule(), default_years=default)
        assert day(found) == expected
    assert answer("NC", "physician", "master_patient_index", **ADULT).permanent


# --- versions of the law ------------------------------------------------------------------------------


def test_washington_binds_old_records_and_their_former_term_is_never_lost() -> None:
    facts = {"born": "1960-05-05"}
    new = answer("WA", "hospital", anchor="2026-01-01", **facts)
    assert day(new) == "2052-01-02"
    old = answer("WA", "hospital", anchor="2001-01-01", discharged="2020-05-05", **facts)
    assert day(old) == "2030-05-06"
    assert "under the version in force until 2025-07-26" in old.candidates[0].explanation
    # The former version's event isn't known: a law no longer in force keeps nothing from being said.
    assert day(answer("WA", "hospital", anchor="2001-01-01", **facts)) == "2027-01-02"
    last_day = answer("WA", "hospital", anchor="2025-07-26", discharged="2045-05-05", **facts)
    assert day(last_day) == "2055-05-06"
    next_day = answer("WA", "hospital", anchor="2025-07-27", discharged="2045-05-05", **facts)
    assert day(next_day) == "2051-07-28"


def test_minnesota_minors_of_before_2022_keep_majority_plus_seven() -> None:
    facts = {"born": "2015-05-05", "discharged": "2020-01-10"}
    assert day(answer("MN", "hospital", anchor="2020-01-10", **facts)) == "2040-05-06"
    assert day(answer("MN", "hospital", anchor="2023-01-01", **facts)) == "2033-05-06"


def test_a_row_that_ended_binds_only_what_was_created_before(tmp_path: Path) -> None:
    schedule = changed(
        tmp_path, "GA-physician-medical_record-any,effective_to,2021-12-31,an act of ours,a row that ended\n"
    )
    facts = {
        **ADULT,
        "record_types": ["medical_record"],
        "jurisdictions": ["GA"],
        "provider_type": "physician",
    }
    before = compute(parse_facts(facts, schedule), schedule)
    assert [one.rule_id for one in before.candidates] == ["GA-physician-medical_record-any"]
    after = compute(parse_facts({**facts, "anchor": "2022-01-01"}, schedule), schedule)
    assert [one.rule_id for one in after.candidates] == ["ORG-default"]
