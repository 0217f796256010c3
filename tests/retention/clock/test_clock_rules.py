"""The clock rule by rule: who is bound, where a term starts, what is missing, what stands in."""

from __future__ import annotations

from typing import Any

import pytest

from retention.clock.clock import Clock, compute
from retention.clock.facts import Facts, parse_facts
from retention.clock.result import Result
from retention.errors import RetentionError, UnknownFact
from retention.law.schedules import default_schedule


def answer(default_years: int = 10, **facts: Any) -> Result:
    facts.setdefault("record_types", ["medical_record"])
    return compute(parse_facts(facts), default_schedule(), default_years=default_years)


def day(result: Result) -> str | None:
    return result.disposal_date.isoformat() if result.disposal_date else None


def rules(result: Result) -> list[str]:
    return [candidate.rule_id for candidate in result.candidates]


def test_adult_on_the_birthday_itself() -> None:
    born, states = "2007-06-30", ["NC"]
    adult = answer(
        jurisdictions=states,
        provider_type="hospital",
        born=born,
        anchor="2025-06-30",
        discharged="2025-06-30",
    )
    assert day(adult) == "2036-07-01"
    assert rules(adult) == ["NC-hospital-medical_record-adult", "US-hospital-medical_record-any"]


def test_minor_at_entry_and_adult_at_discharge_keeps_both_terms() -> None:
    both = answer(
        jurisdictions=["NC"],
        provider_type="hospital",
        born="2007-06-30",
        anchor="2025-06-29",
        discharged="2030-01-01",
    )
    assert rules(both)[:2] == ["NC-hospital-medical_record-adult", "NC-hospital-medical_record-minor"]
    assert day(both) == "2041-01-02"


@pytest.mark.parametrize(
    ("state", "provider", "born", "last", "expected"),
    [
        ("NV", "physician", "2000-01-01", "2019-06-01", "2024-06-02"),
        ("NV", "physician", "2002-01-01", "2020-06-01", "2025-06-02"),
        ("NV", "hospital", "2005-01-01", "2019-06-01", "2028-01-02"),
        ("NV", "physician", "2003-01-01", "2020-12-31", "2026-01-02"),
        ("NJ", "hospital", "2000-01-01", "2010-06-01", "2023-01-02"),
        ("NE", "hospital", "2002-03-01", "2020-06-01", "2030-06-02"),
        ("AL", "hospital", "2002-03-01", "2020-06-01", "2025-06-02"),
        ("WA", "hospital", "2010-01-01", "2026-01-01", "2052-01-02"),
        ("SC", "physician", "2020-01-01", "2020-01-02", "2033-01-03"),
        ("MA", "physician", "2020-01-01", "2020-02-01", "2038-01-02"),
    ],
)
def test_state_terms(state: str, provider: str, born: str, last: str, expected: str) -> None:
    found = answer(
        jurisdictions=[state],
        provider_type=provider,
        born=born,
        anchor=last,
        last_encounter=last,
        discharged=last,
    )
    assert day(found) == expected


def test_nevada_binds_an_adult_treated_before_23() -> None:
    found = answer(jurisdictions=["NV"], provider_type="physician", born="2000-01-01", anchor="2018-06-01")
    assert day(found) == "2023-06-02"
    young = answer(jurisdictions=["NV"], provider_type="physician", born="2000-01-01", anchor="2018-01-01")
    assert rules(young) == ["NV-any-medical_record-adult", "NV-any-medical_record-minor"]


def test_mississippi_minor_has_the_adult_floor() -> None:
    found = answer(
        jurisdictions=["MS"],
        provider_type="hospital",
        born="2000-01-01",
        anchor="2020-12-01",
        discharged="2020-12-01",
    )
    assert day(found) == "2030-12-02"


def test_death_extends_and_never_shortens() -> None:
    facts: dict[str, Any] = {
        "provider_type": "hospital",
        "born": "1950-01-01",
        "anchor": "2019-01-01",
        "discharged": "2019-01-01",
        "last_encounter": "2019-01-01",
    }
    assert day(answer(jurisdictions=["NY"], **facts)) == "2025-01-02"
    assert day(answer(jurisdictions=["NY"], died="2021-05-05", **facts)) == "2027-05-06"
    alive = answer(jurisdictions=["OK"], **facts)
    assert day(answer(jurisdictions=["OK"], died="2019-02-01", **facts)) == day(alive) == "2024-01-02"


def test_georgia_hospice_child_runs_to_the_end_of_the_year_of_hypothetical_majority() -> None:
    found = answer(
        jurisdictions=["GA"],
        provider_type="hospice",
        born="2010-04-01",
        anchor="2019-01-01",
        discharged="2019-01-01",
        died="2019-01-01",
    )
    assert day(found) == "2034-01-01"
    assert rules(found)[0] == "GA-hospice-medical_record-deceased"


def test_nursing_facility_takes_federal_only_where_the_state_is_silent() -> None:
    facts: dict[str, Any] = {
        "provider_type": "nursing_facility",
        "born": "1940-01-01",
        "anchor": "2019-01-01",
        "discharged": "2019-01-01",
        "last_encounter": "2019-01-01",
    }
    assert rules(answer(jurisdictions=["OH"], **facts)) == ["OH-nursing_facility-medical_record-any"]
    silent = answer(jurisdictions=["WY"], **facts)
    assert rules(silent) == ["ORG-default", "US-nursing_facility-medical_record-adult"]
    assert day(answer(jurisdictions=["US"], **facts)) == "2024-01-02"


def test_federal_minor_term_uses_the_state_s_majority() -> None:
    facts: dict[str, Any] = {
        "provider_type": "nursing_facility",
        "born": "2010-01-01",
        "anchor": "2019-01-01",
        "discharged": "2019-01-01",
    }
    by_state = {
        state: {one.rule_id: str(one.date) for one in answer(jurisdictions=[state], **facts).candidates}
        for state in ("WY", "NE", "PR")
    }
    rule = "US-nursing_facility-medical_record-minor"
    assert [by_state[state][rule] for state in ("WY", "NE", "PR")] == [
        "2031-01-02",
        "2032-01-02",
        "2034-01-02",
    ]


def test_default_for_a_minor_runs_past_majority() -> None:
    facts: dict[str, Any] = {"jurisdictions": ["OH"], "provider_type": "physician", "anchor": "2019-01-01"}
    seen = {"last_encounter": "2019-01-01"}
    assert day(answer(born="2010-03-04", **facts, **seen)) == "2038-03-05"
    assert day(answer(born="1980-03-04", **facts, **seen)) == "2029-01-02"
    assert day(answer(7, born="1980-03-04", **facts, **seen)) == "2026-01-02"
    assert answer(born="1980-03-04", **facts).missing == ("last_encounter",)
    assert answer(**facts, **seen).missing == ("born",)


@pytest.mark.parametrize("record_types", [[], ["correspondence"]])
def test_correspondence_takes_the_default_from_its_own_date(record_types: list[str]) -> None:
    found = answer(record_types=record_types, anchor="2012-02-29")
    assert day(found) == "2022-03-02"
    assert rules(found) == ["ORG-default"]


def test_treatment_is_the_medical_record() -> None:
    facts: dict[str, Any] = {
        "jurisdictions": ["TX"],
        "provider_type": "hospital",
        "anchor": "2020-01-01",
        "born": "1970-01-01",
        "last_encounter": "2020-01-01",
    }
    assert answer(record_types=["treatment"], **facts) == answer(record_types=["medical_record"], **facts)


def test_clinical_type_without_a_rule_is_part_of_the_chart() -> None:
    facts: dict[str, Any] = {
        "jurisdictions": ["NC"],
        "provider_type": "hospital",
        "anchor": "2020-01-01",
        "born": "1970-01-01",
        "discharged": "2020-01-01",
    }
    chart = answer(**facts)
    assert day(chart) == "2031-01-02"
    assert answer(record_types=["mental_health"], **facts) == chart
    assert day(answer(record_types=["lab_report"], **facts)) == "2031-01-02"


def test_adult_only_rule_is_a_floor_for_minors() -> None:
    found = answer(
        record_types=["substance_use"],
        jurisdictions=["WI"],
        provider_type="sud_program",
        born="2010-01-01",
        anchor="2020-01-01",
        last_encounter="2020-01-01",
    )
    assert rules(found) == ["ORG-default", "WI-sud_program-substance_use-adult"]
    assert day(found) == "2038-01-02"


@pytest.mark.parametrize(
    ("record_type", "facts", "expected"),
    [
        ("osha_300_log", {}, "2026-01-01"),
        ("hipaa_documentation", {"last_in_effect": "2022-12-31"}, "2029-01-01"),
        ("hipaa_documentation", {"last_in_effect": "2010-12-31"}, "2026-03-02"),
        ("hipaa_documentation", {}, ["last_in_effect"]),
        ("medicare_advantage", {"contract_ended": "2021-06-30"}, "2031-07-01"),
        ("medicare_advantage", {"contract_ended": "2021-06-30", "audit_closed": "2024-01-01"}, "2034-01-02"),
        ("medicare_advantage", {"contract_ended": "2021-06-30", "audit_closed": "2021-01-01"}, "2031-07-01"),
        ("medicare_advantage", {"audit_closed": "2024-01-01"}, ["contract_ended"]),
        ("occupational_medical", {"employment_ended": "2022-01-01"}, "2052-01-02"),
        ("occupational_medical", {}, ["employment_ended"]),
        ("occupational_lead", {"employment_ended": "2022-01-01"}, "2060-03-02"),
        ("occupational_lead", {"employment_ended": "2045-01-01"}, "2065-01-02"),
        ("occupational_lead", {}, ["employment_ended"]),
        ("irb_record", {}, ["study_ended"]),
        ("irb_record", {"study_ended": "2024-01-01"}, "2027-01-02"),
        ("medicare_cost_report", {"cost_report_filed": "2021-01-01"}, "2026-01-02"),
        ("clinical_trial_drug", {"approved_or_discontinued": "2024-02-29"}, "2026-03-02"),
        ("litigation_hold", {}, ["hold_released"]),
        ("litigation_hold", {"hold_released": "2024-02-29"}, "2024-03-01"),
        ("litigation_hold", {"hold_released": "2019-02-28"}, "2020-03-02"),
        ("emtala", {"discharged": "2020-03-01"}, "2025-03-02"),
        # Only advised, and part of the chart, which wants its own facts.
        ("fetal_monitor", {"born": "2020-03-01", "last_encounter": "2020-03-01"}, "2048-03-02"),
        ("fetal_monitor", {"born": "1990-03-01", "last_encounter": "2020-03-01"}, ["child_born"]),
        ("fetal_monitor", {"born": "1990-03-01"}, ["child_born", "last_encounter"]),
        (
            "fetal_monitor",
            {"born": "1990-03-01", "last_encounter": "2020-03-01", "child_born": "2020-03-02"},
            "2048-03-03",
        ),
        ("clinical_trial_device", {"study_ended": "2024-01-01"}, ["approved_or_discontinued"]),
        (
            "clinical_trial_device",
            {"study_ended": "2024-01-01", "approved_or_discontinued": "2025-02-28"},
            "2027-03-01",
        ),
    ],
)
def test_events(record_type: str, facts: dict[str, str], expected: str | list[str]) -> None:
    provider = (
        "employer"
        if record_type in ("osha_300_log", "occupational_medical", "occupational_lead")
        else "hospital"
    )
    found = answer(
        record_types=[record_type],
        jurisdictions=["WY"],
        provider_type=provider,
        anchor="2020-03-01",
        **facts,
    )
    if isinstance(expected, list):
        assert (found.disposal_date, list(found.missing)) == (None, expected)
    else:
        assert day(found) == expected


def test_permanent_wins_over_missing() -> None:
    found = answer(record_types=["immunization", "occupational_medical"], provider_type="employer")
    document = found.to_json()
    assert document["permanent"] is True
    assert document["disposal_date"] is None
    assert document["governing"]["rule_id"] == "US-any-immunization-any"
    assert "missing" not in document


@pytest.mark.parametrize(
    ("dropped", "missing"),
    [
        ("born", ["born"]),
        ("discharged", ["discharged"]),
        ("provider_type", ["provider_type"]),
        ("jurisdictions", ["jurisdictions"]),
        ("record_types", ["record_types"]),
    ],
)
def test_each_missing_fact_is_named(dropped: str, missing: list[str]) -> None:
    facts: dict[str, Any] = {
        "record_types": ["medical_record"],
        "jurisdictions": ["NC"],
        "provider_type": "hospital",
        "anchor": "2020-01-01",
        "born": "1970-01-01",
        "discharged": "2020-01-01",
    }
    complete = compute(parse_facts(facts), default_schedule())
    assert day(complete) == "2031-01-02"
    for blank in ({k: v for k, v in facts.items() if k != dropped}, {**facts, dropped: None}):
        document = compute(parse_facts(blank), default_schedule()).to_json()
        assert document["missing"] == missing
        assert document["disposal_date"] is None
        assert document["governing"] is None
        assert document["permanent"] is False


def test_capture_time_stands_in_for_the_anchor() -> None:
    found = answer(record_types=[], captured_at="2020-01-01T23:30:00-05:00")
    assert day(found) == "2030-01-03"


def test_federal_only_and_empty_jurisdictions() -> None:
    facts: dict[str, Any] = {
        "provider_type": "hospital",
        "anchor": "2020-01-01",
        "born": "1970-01-01",
        "discharged": "2020-01-01",
    }
    assert day(answer(jurisdictions=["US"], **facts)) == "2025-01-02"
    assert answer(jurisdictions=[], **facts).missing == ("jurisdictions",)
    assert day(answer(jurisdictions=["US", "NC"], **facts)) == day(answer(jurisdictions=["NC"], **facts))
    federal_type = answer(
        record_types=["hipaa_documentation"], anchor="2020-01-01", last_in_effect="2020-01-01"
    )
    assert day(federal_type) == "2026-01-02"


def test_the_schedule_s_word_any_as_provider() -> None:
    facts: dict[str, Any] = {"anchor": "2024-02-29", "born": "1970-01-01", "provider_type": "any"}
    assert day(answer(jurisdictions=["MD"], **facts)) == "2031-03-02"
    assert answer(jurisdictions=["NC"], **facts).missing == ("provider_type",)


def test_entry_younger_than_the_last_encounter_is_not_disposed_of_before_it_was_written() -> None:
    found = answer(
        jurisdictions=["TX"],
        provider_type="physician",
        born="1970-01-01",
        last_encounter="2000-01-01",
        anchor="2020-01-01",
    )
    assert day(found) == "2020-01-02"
    assert "never before the entry itself" in found.candidates[0].explanation


def test_incompetent_patient_in_tennessee_is_permanent() -> None:
    facts: dict[str, Any] = {
        "jurisdictions": ["TN"],
        "provider_type": "physician",
        "anchor": "2020-01-01",
        "born": "1950-01-01",
        "last_encounter": "2020-01-01",
    }
    assert day(answer(**facts)) == "2030-01-02"
    assert answer(incompetent=[True, False], **facts).permanent is True


def test_names_unknown_to_the_schedule_are_refused_by_the_clock_too() -> None:
    clock = Clock(default_schedule())
    for facts in (
        Facts(record_types=("gossip",), jurisdictions=("NC",)),
        Facts(record_types=("medical_record",), jurisdictions=("XX",)),
        Facts(record_types=("medical_record",), jurisdictions=("NC",), provider_type="wizard"),
    ):
        with pytest.raises(UnknownFact):
            clock.compute(facts)
    with pytest.raises(RetentionError):
        Clock(default_schedule(), 0)
    with pytest.raises(RetentionError):
        clock.compute([])
