"""The schedules load whole, every row has a stable id, and a fault is named by file, line and column."""

from __future__ import annotations

import csv
import dataclasses
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retention.errors import ScheduleError, UnknownFact
from retention.law.schedules import DEFAULT_DIRECTORY, Schedule, default_schedule, schedules

STATES = "state_schedules.csv"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    target = tmp_path / "schedules"
    shutil.copytree(DEFAULT_DIRECTORY, target)
    return target


def edit(folder: Path, file: str, old: str, new: str) -> None:
    path = folder / file
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8", newline="")


def test_all_rows_are_there() -> None:
    schedule = Schedule.load()
    assert len(schedule.rules) == 334 + 56
    assert len(schedule.majority) == 56
    assert len({rule.rule_id for rule in schedule.rules}) == 390
    assert len(schedule.version) == 64
    assert Schedule.load().version == schedule.version


def test_ids_are_readable_and_count_repeats() -> None:
    schedule = default_schedule()
    rule = schedule.rule("TX-hospital-medical_record-minor")
    assert rule is not None
    assert (rule.min_years, rule.minor_until_age, rule.combine) == (10, 20, "longer_of")
    first, second = (schedule.rule(f"US-any-hipaa_documentation-any{tail}") for tail in ("", "-2"))
    assert first is not None
    assert second is not None
    assert (first.citation, second.citation) == ("45 CFR 164.316(b)(2)(i)", "45 CFR 164.530(j)(2)")
    assert schedule.rule("TX-hospital-medical_record-elder") is None


def test_rules_carry_every_cell_of_their_row() -> None:
    shown = schedules()
    rows = []
    for file in (STATES, "federal_schedules.csv"):
        with (DEFAULT_DIRECTORY / file).open(encoding="utf-8", newline="") as handle:
            rows += list(csv.DictReader(handle))
    overlaid = {"min_years", "minor_plus_years", "combine"}
    assert len(shown) == len(rows) == 390
    for rule, row in zip(shown, rows, strict=True):
        for column, cell in row.items():
            value = rule[column]
            if column == "source_urls":
                assert isinstance(value, list)
                assert ";".join(map(str, value)) == cell
            elif isinstance(value, bool):
                assert str(value).lower() == cell
            elif column not in overlaid:
                assert ("" if value is None else str(value)) == cell.strip()


def test_overlay_is_laid_over_with_its_citations() -> None:
    schedule = default_schedule()
    lead = schedule.rule("US-employer-occupational_lead-any")
    assert lead is not None
    assert (lead.min_years, lead.second_event, lead.second_years) == (40, "employment_end", 20)
    assert {line.field for line in lead.overlay} == {"second_event", "second_years"}
    assert {line.citation for line in lead.overlay} == {"29 CFR 1910.1025(n)"}
    newborn = schedule.rule("MS-hospital-medical_record-minor")
    assert newborn is not None
    assert (newborn.min_years, newborn.combine, newborn.max_years_cap) == (10, "longer_of", 28)
    washington = schedule.rule("WA-hospital-medical_record-minor")
    assert washington is not None
    assert str(washington.effective_from) == "2025-07-27"
    assert [str(old.effective_to) for old in washington.former] == ["2025-07-26"]


def test_every_rule_has_a_digest_and_a_version_of_its_own() -> None:
    schedule = default_schedule()
    assert len({rule.digest for rule in schedule.rules}) == 390
    for rule in schedule.rules:
        assert len(rule.digest) == 64
        assert rule.version == f"{schedule.edition}-{rule.digest[:12]}"
        assert rule.to_json()["digest"] == rule.digest


@pytest.mark.parametrize(
    ("file", "old", "new", "rule_id"),
    [
        (
            STATES,
            "AK,hospital,medical_record,adult,7,",
            "AK,hospital,medical_record,adult,8,",
            "AK-hospital-medical_record-adult",
        ),
        (
            STATES,
            "Seven years after discharge.",
            "7 years after discharge.",
            "AK-hospital-medical_record-adult",
        ),
        (
            "overlay.csv",
            "The age term binds the record of every patient",
            "It binds every patient",
            "NJ-hospital-medical_record-any",
        ),
        (
            "former_versions.csv",
            "Ten years from the most recent discharge.",
            "Ten years.",
            "WA-hospital-medical_record-adult",
        ),
        ("age_of_majority.csv", "MT,18,", "MT,19,", "MT-hospital-medical_record_core-any"),
    ],
)
def test_a_rule_s_digest_follows_its_data_alone(
    folder: Path, file: str, old: str, new: str, rule_id: str
) -> None:
    before = {rule.rule_id: rule.digest for rule in Schedule.load(folder).rules}
    edit(folder, file, old, new)
    after = {rule.rule_id: rule.digest for rule in Schedule.load(folder).rules}
    changed = {name for name in before if before[name] != after[name]}
    assert rule_id in changed
    assert {name[:2] for name in changed} == {rule_id[:2]}
    assert len(changed) == 1 or file == "age_of_majority.csv"


def test_the_edition_is_no_part_of_a_rule(folder: Path) -> None:
    edit(folder, "edition.csv", "2026-11.3", "2027-01.1")
    other = Schedule.load(folder)
    assert other.edition == "2027-01.1"
    assert other.version != default_schedule().version
    assert [one.digest for one in other.rules] == [one.digest for one in default_schedule().rules]


def test_clock_levels() -> None:
    schedule = default_schedule()
    levels = {
        "GA-physician-medical_record-any": "entry",
        "KS-physician-medical_record-minor": "entry",
        "TX-hospital-medical_record-adult": "patient",
        "NC-hospital-medical_record-minor": "patient",
        "US-employer-occupational_medical-any": "event",
        "US-any-immunization-any": "none",
        "CA-physician-medical_record-any": "none",
    }
    found = {rule.rule_id: rule.clock_level for rule in schedule.rules}
    assert {name: found[name] for name in levels} == levels


def test_find_by_provider() -> None:
    schedule = default_schedule()
    assert [rule.population for rule in schedule.find("AZ", "homeopath", "medical_record")] == [
        "adult",
        "minor",
        "adult",
        "minor",
        "deceased",
    ]
    assert len(schedule.find("AZ", None, "medical_record")) == 7
    assert schedule.find("AZ", "hospital", "occupational_lead") == ()


def test_immutable() -> None:
    rule = default_schedule().rules[0]
    with pytest.raises(dataclasses.FrozenInstanceError):
        rule.min_years = 1  # type: ignore[misc]


def test_schedules_of_one_state() -> None:
    california = schedules("CA")
    assert {rule["jurisdiction"] for rule in california} == {"CA"}
    assert schedules(" ca ") == california
    assert len(schedules("US")) == 56
    assert schedules("GU") == []
    with pytest.raises(UnknownFact, match="CA"):
        schedules("Narnia")


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        (
            STATES,
            "AK,hospital,medical_record,adult,7,",
            "AK,hospital,medical_record,adult,seven,",
            "min_years",
        ),
        (STATES, "AK,hospital,medical_record,adult,7,", "AK,hospital,medical_record,adult,0,", "min_years"),
        (STATES, "AK,hospital,medical_record,adult,7,", "AK,hospital,medical_record,adult,-7,", "min_years"),
        (STATES, "AK,hospital,medical_record,adult,7,", "AK,hospital,medical_record,old,7,", "population"),
        (
            STATES,
            "AK,hospital,medical_record,adult,7,",
            "XX,hospital,medical_record,adult,7,",
            "jurisdiction",
        ),
        (
            STATES,
            "AK,hospital,medical_record,adult,7,",
            "US,hospital,medical_record,adult,7,",
            "jurisdiction",
        ),
        (
            STATES,
            "AK,hospital,medical_record,adult,7,",
            "AK,Hospital!,medical_record,adult,7,",
            "provider_type",
        ),
        (STATES, "AK,hospital,medical_record,adult,7,", "AK,hospital,gossip,adult,7,", "record_type"),
        (STATES, "adult,7,discharge,", "adult,7,sometime,", "runs_from"),
        (STATES, "adult,7,discharge,,,,single,", "adult,,discharge,,,,single,", "combine"),
        (STATES, "adult,7,discharge,,,,single,false,", "adult,7,discharge,,,,both,false,", "combine"),
        (STATES, "adult,7,discharge,,,,single,false,", "adult,7,discharge,,,,single,perhaps,", "permanent"),
        (STATES, "adult,7,discharge,,,,single,", "adult,7,discharge,,,,shorter_of,", "combine"),
        (STATES, "adult,7,discharge,,,,", "adult,7,discharge,19,2,,", "minor_plus_years"),
        (STATES, "jurisdiction,provider_type", "jurisdiction,provider_kind", "provider_kind"),
        (STATES, "jurisdiction,provider_type", "jurisdiction,jurisdiction", "exactly once"),
        ("age_of_majority.csv", "AL,19,", "AL,12,", "age"),
        ("age_of_majority.csv", "AK,18,", "AL,18,", "jurisdiction"),
        ("overlay.csv", "age_test,everyone", "age_test,nobody", "value"),
        ("overlay.csv", "rule_id,field", "rule_id,column", "column"),
        (
            "former_versions.csv",
            "WA-hospital-medical_record-adult,",
            "WA-hospital-medical_record-elder,",
            "rule_id",
        ),
        ("former_versions.csv", "2025-07-26,10", "2025-06-30,10", "effective_to"),
        ("former_versions.csv", "2025-07-26,10", "26.07.2025,10", "effective_to"),
        ("former_versions.csv", "2025-07-26,10", "2025-W30-1,10", "effective_to"),
        ("former_versions.csv", "2025-07-26,10,discharge,21", "2025-07-26,,discharge,", "min_years"),
        ("former_versions.csv", "2025-07-26,10,discharge", "2025-07-26,10,none", "runs_from"),
        (
            "former_versions.csv",
            "2025-07-26,10,discharge,21,",
            "2025-07-26,10,discharge,21,3",
            "minor_plus_years",
        ),
        ("edition.csv", "2026-11-22", "November", "as_of"),
        (
            "overlay.csv",
            "NJ-hospital-medical_record-any,age_test",
            "NJ-hospital-medical_record-any,colour",
            "field",
        ),
        ("overlay.csv", "NJ-hospital-medical_record-any", "NJ-hospital-medical_record-none", "rule_id"),
        ("overlay.csv", "min_years,10", "min_years,", "value"),
        ("overlay.csv", "second_event,employment_end", "year_end,true", "field"),
        (
            "overlay.csv",
            "US-any-mammography-any,repeat_years,5",
            "US-any-mammography-any,repeat_years,",
            "value",
        ),
        ("record_types.csv", "billing,billing,administrative", "billing,billing,other", "kind"),
        ("record_types.csv", "billing,billing,administrative\n", "", "record_type"),
    ],
)
def test_faults_name_file_line_and_column(folder: Path, file: str, old: str, new: str, says: str) -> None:
    edit(folder, file, old, new)
    with pytest.raises(ScheduleError) as caught:
        Schedule.load(folder)
    assert says in str(caught.value)
    assert ".csv, line " in str(caught.value)


def test_rows_are_found_by_state_type_and_provider() -> None:
    schedule = default_schedule()
    texas = schedule.select("tx", "treatment", "Hospital")
    assert [rule.rule_id for rule in texas] == [
        "TX-hospital-medical_record-adult",
        "TX-hospital-medical_record-minor",
    ]
    forensic = schedule.select("TX", "sexual_assault_forensic", "hospital")
    assert [rule.provider_type for rule in forensic] == ["physician"]
    orders = schedule.select(record_type="medicare_order_certify")
    assert {rule.rule_id for rule in orders} == {"US-any-medicare_order_certify-any", "US-any-billing-any"}
    assert len(schedule.select()) == 390
    for wrong in (("XX",), (None, "gossip"), (None, None, "wizard")):
        with pytest.raises(UnknownFact):
            schedule.select(*wrong)


def test_every_rule_can_be_said_in_words() -> None:
    for document in schedules():
        words = str(document["in_words"])
        assert words.endswith(".")
        assert "None" not in words
        assert "_" not in words
        years = document["min_years"]
        assert years is None or f"{years} year" in words or document["combine"] == "none"
        if document["permanent"]:
            assert "permanently" in words


def test_the_line_named_is_the_line_at_fault(folder: Path) -> None:
    edit(folder, STATES, "AK,hospital,medical_record,minor,7,", "AK,hospital,medical_record,minor,x,")
    with pytest.raises(ScheduleError, match=r"^state_schedules\.csv, line 4, column min_years: "):
        Schedule.load(folder)


def test_a_missing_file(folder: Path) -> None:
    (folder / "overlay.csv").unlink()
    with pytest.raises(ScheduleError, match=r"overlay\.csv"):
        Schedule.load(folder)


def test_version_follows_every_byte(folder: Path) -> None:
    before = Schedule.load(folder).version
    assert before == default_schedule().version
    edit(folder, "record_types.csv", "administrative", "clinical")
    assert Schedule.load(folder).version != before


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300), st.integers(0, 3000))
def test_hostile_bytes_raise_only_our_error(folder: Path, junk: bytes, at: int) -> None:
    path = folder / "federal_schedules.csv"
    original = (DEFAULT_DIRECTORY / "federal_schedules.csv").read_bytes()
    path.write_bytes(original[:at] + junk + original[at:])
    try:
        assert Schedule.load(folder).rules
    except ScheduleError as error:
        assert "federal_schedules.csv" in str(error)  # noqa: PT017
