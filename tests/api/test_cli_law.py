"""`retention compute` and `retention schedules` without an archive: what a records manager reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from api.cli import main

ORDER = {
    "record_types": ["medicare_order_certify"],
    "jurisdictions": ["OH"],
    "provider_type": "physician",
    "anchor": "2019-09-30",
    "born": "1950-01-01",
}
CHILD = {
    "record_types": ["mental_health"],
    "jurisdictions": ["CO"],
    "provider_type": "counselor",
    "anchor": "2020-01-05",
    "born": "2008-02-29",
    "last_encounter": "2020-01-05",
}


@pytest.fixture
def facts(tmp_path: Path) -> Any:
    def write(document: dict[str, Any]) -> str:
        path = tmp_path / "facts.json"
        path.write_text(json.dumps(document))
        return str(path)

    return write


def test_compute_says_the_day_the_advice_and_why(facts: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["retention", "compute", facts(ORDER)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "disposal is lawful from 2026-10-01; advised from 2029-10-01"
    assert "Kept 7 years from creation of the entry on 2019-09-30, through 2026-09-30." in lines[1]
    assert "advice by US-any-billing-any" in lines[2]
    assert main(["retention", "compute", facts(ORDER), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["disposal_date"], document["advised_date"]) == ("2026-10-01", "2029-10-01")


def test_compute_goes_by_the_organisations_own_default(
    facts: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    letter = facts({"record_types": ["correspondence"], "anchor": "2010-01-02"})

    def day(*more: str) -> str:
        assert main(["retention", "compute", letter, "--json", *more]) == 0
        return str(json.loads(capsys.readouterr().out)["disposal_date"])

    assert day() == "2020-01-03"
    monkeypatch.setenv("HOLDFAST_RETENTION_DEFAULT_YEARS", "15")
    assert day() == "2025-01-03"
    assert day("--default-years", "12") == "2022-01-03"


def test_compute_shows_a_duty_to_destroy(facts: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["retention", "compute", facts(CHILD)]) == 0
    text = capsys.readouterr().out
    assert text.startswith("disposal is lawful from 2033-03-02\n")
    assert "2032-01-05  duty to destroy by CO-counselor-mental_health-any" in text
    assert "beside its term: The twelve years bind licensed professional counselors only." in text
    assert "as 29 February counts as 1 March in a common year" in text


def test_schedules_are_found_and_said_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["retention", "schedules", "--state", "wa", "--type", "treatment", "--provider", "hospital"])
        == 0
    )
    text = capsys.readouterr().out
    assert "26 years from creation of the entry. In force since 2025-07-27." in text
    assert "RCW 70.41.190(1) as amended by 2025 c 131 (statute, two sources)" in text
    assert main(["retention", "schedules", "--state", "VA", "--provider", "physician", "--json"]) == 0
    rules = {rule["rule_id"]: rule for rule in map(json.loads, capsys.readouterr().out.splitlines())}
    adult = rules["VA-physician-medical_record-adult"]
    assert (adult["max_years_cap"], adult["cap_from"], adult["clock_level"]) == (12, "creation", "patient")
    assert [line["field"] for line in adult["overlay"]] == ["max_years_cap", "cap_from", "condition"]
    assert len(adult["digest"]) == 64
    assert main(["retention", "schedules", "--state", "ZZ"]) == 2
    assert "use one of US, AK" in capsys.readouterr().err
