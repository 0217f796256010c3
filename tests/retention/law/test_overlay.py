"""Overlay lines that contradict their rule, each other, or say nothing: refused by file, line and column."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from retention.errors import ScheduleError
from retention.law.schedules import DEFAULT_DIRECTORY, Schedule


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    target = tmp_path / "schedules"
    shutil.copytree(DEFAULT_DIRECTORY, target)
    return target


CONTRADICTIONS = [
    ("NJ-hospital-medical_record-any,age_test,everyone", "field", "said already"),
    ("AK-hospital-medical_record-adult,min_years,5", "value", "shorten"),
    ("AK-hospital-medical_record-adult,min_years,7", "value", "already"),
    ("AK-hospital-medical_record-adult,combine,single", "value", "already"),
    ("AK-hospital-medical_record-minor,combine,shorter_of", "value", "longer_of"),
    ("AK-hospital-medical_record-minor,minor_plus_years,5", "field", "minor_until_age"),
    ("AK-hospital-medical_record-adult,second_event,death", "field", "second_years"),
    ("AK-hospital-medical_record-adult,second_years,5", "field", "second_event"),
    ("AK-hospital-medical_record-adult,max_years_cap,12", "field", "cap_from"),
    ("AK-hospital-medical_record-adult,cap_from,creation", "field", "max_years_cap"),
    ("AK-hospital-medical_record-adult,destroy_required,true", "field", "max_years_cap"),
    ("AK-hospital-medical_record-adult,destroy_required,false", "value", "already"),
    ("AK-hospital-medical_record-adult,age_test,everyone", "field", "term by age"),
    ("AK-hospital-medical_record-adult,year_end,true", "field", "term by age"),
    ("AK-hospital-medical_record-adult,age_subject,child", "field", "term by age"),
    ("AK-hospital-medical_record-adult,discharged_at_death,true", "field", "deceased"),
    ("AK-hospital-medical_record-adult,notice_before_destruction_days,30", "field", "notice_to"),
    ("AK-hospital-medical_record-adult,notice_to,", "value", "blank"),
    ("AK-hospital-medical_record-adult,advises_also,billing", "field", "recommendation"),
    ("AK-hospital-medical_record-adult,doubtful_for,hospice", "field", "any provider"),
    ("TX-physician-sexual_assault_forensic-any,doubtful_for,clinic", "field", "in also_providers"),
    ("AK-hospital-medical_record-adult,yields_to_named_provider,true", "field", "any provider"),
    ("AK-hospital-medical_record-adult,also_providers,wizard", "value", "provider types"),
    ("AK-hospital-medical_record-adult,also_providers,clinic clinic", "value", "twice"),
    ("AK-hospital-medical_record-adult,tier_of,medical_record", "value", "another record type"),
    ("AK-hospital-medical_record-adult,tier_of,gossip", "value", "another record type"),
    ("AK-hospital-radiology_image-any,tier_of,discharge_summary", "value", "no tier"),
    ("AK-hospital-radiology_image-any,age_tested_at,creation", "field", "asks for the age"),
    ("AK-hospital-radiology_image-any,emancipation_ends_minority,true", "field", "asks for the age"),
    ("AK-hospital-radiology_image-any,contact_includes_entry,true", "field", "the patient moves"),
    ("NJ-hospital-medical_record-any,age_tested_at,creation", "field", "age_test everyone"),
    ("WA-physician-medical_record-adult,disability_plus_years,7", "field", "disability_permanent"),
    ("CT-physician-medical_record-deceased,death_alternative_years,3", "field", "deceased"),
    ("NC-physician-immunization-any,max_years_cap,7", "field", "without a term"),
    ("CA-physician-medical_record-any,second_event,death", "field", "without a term"),
    ("WA-hospital-medical_record-adult,effective_to,2025-01-01", "value", "before effective_from"),
    ("WA-hospital-medical_record-adult,effective_to,soon", "value", "YYYY-MM-DD"),
    ("MD-any-medical_record-adult,also_providers,clinic", "field", "any provider"),
    ("AK-hospital-medical_record-adult,also_types,medical_record", "value", "other record types"),
    ("AK-hospital-medical_record-adult,also_years,20", "field", "also_types"),
    ("AK-hospital-medical_record-adult,also_types,treatment", "value", "other record types"),
    ("AK-hospital-medical_record-minor,minors_open,true", "field", "how long minors"),
    ("NC-physician-immunization-any,minors_open,true", "field", "without a term"),
    ("US-any-billing-any,advises_also,billing", "field", "said already"),
    ("US-any-radiology_image-any,advises_also,radiology_image", "value", "other record types"),
]


@pytest.mark.parametrize(("line", "column", "says"), CONTRADICTIONS, ids=[one[0] for one in CONTRADICTIONS])
def test_contradictory_overlay_lines_are_refused(folder: Path, line: str, column: str, says: str) -> None:
    path = folder / "overlay.csv"
    number = len(path.read_text("utf-8").splitlines()) + 1
    with path.open("a", encoding="utf-8") as handle:
        handle.write(f"{line},an act of ours,a test\n")
    with pytest.raises(ScheduleError) as caught:
        Schedule.load(folder)
    assert f"overlay.csv, line {number}, column {column}: " in str(caught.value)
    assert says in str(caught.value)


def test_a_cap_under_the_rule_s_own_years(folder: Path) -> None:
    with (folder / "overlay.csv").open("a", encoding="utf-8") as handle:
        handle.write("AK-hospital-medical_record-adult,max_years_cap,5,an act,a test\n")
        handle.write("AK-hospital-medical_record-adult,cap_from,discharge,an act,a test\n")
    with pytest.raises(ScheduleError, match=r"column value: is under the rule's own years"):
        Schedule.load(folder)


def test_a_rule_says_whom_it_may_bind() -> None:
    words = {str(one["rule_id"]): str(one["in_words"]) for one in Schedule.load().to_json()}
    georgia, hawaii = words["GA-physician-medical_record-any"], words["HI-any-medical_record-adult"]
    assert georgia.startswith("GA, physician, medical record")
    assert "May bind ambulatory surgery, birth center, " in georgia
    assert "May not bind nursing facility: kept, beside what counts without it." in hawaii
    texas = words["TX-physician-sexual_assault_forensic-any"]
    assert texas.startswith("TX, physician or hospital, ")
