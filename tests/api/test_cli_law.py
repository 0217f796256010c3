"""`retention compute` and `retention schedules` without an archive: what a records manager reads."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from api.cli import main
from api.cli.retention import explained
from tests.retention.clock.examples import EXAMPLES

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
    def write(document: Any) -> str:
        path = tmp_path / "facts.json"
        path.write_text(json.dumps(document))
        return str(path)

    return write


def test_compute_says_the_day_the_advice_and_why(facts: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["retention", "compute", facts(ORDER)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "disposal is lawful from 2026-10-01; advised from 2029-10-01"
    assert "Kept 7 years from creation of the entry on 2019-09-30" in lines[1]
    assert "advice by US-any-billing-any" in lines[2]
    assert main(["retention", "compute", facts(ORDER), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["disposal_date"], document["advised_date"]) == ("2026-10-01", "2029-10-01")


@pytest.mark.parametrize(("told", "day", "rule_id"), EXAMPLES.values(), ids=EXAMPLES)
def test_the_worked_examples(
    facts: Any, capsys: pytest.CaptureFixture[str], told: Any, day: str, rule_id: str
) -> None:
    assert main(["retention", "compute", facts(told), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["disposal_date"], document["permanent"]) == (day, False)
    assert document["governing"]["rule_id"] == rule_id
    assert main(["retention", "compute", facts(told)]) == 0
    assert capsys.readouterr().out.startswith(f"disposal is lawful from {day}")


def test_each_of_the_ten_worked_examples_is_there() -> None:
    numbers = {found[0] for name in EXAMPLES if (found := re.match(r"\d+", name))}
    assert numbers == {"1", "2", "4", "5", "7", "8", "9", "13", "15", "18"}


def test_compute_reads_standard_input(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(json.dumps(ORDER).encode("utf-16"))))
    assert main(["retention", "compute", "-", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["disposal_date"] == "2026-10-01"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[" * 100_000, "nested too deep"),
        ('{"born": ' + "1" * 5_000 + "}", "not JSON that can be read"),
        ('{"born": "2007-06-30", "born": "1950-01-01"}', "twice"),
        ('{"born": "2007-06-30"', "line 1, column 22"),
        ('{"born": "0001-01-01"}', "born: must be a date from 1800 to 2300"),
        (json.dumps([{"born": None}] * 300_000), "over 256 possibilities"),
    ],
    ids=["deep", "long number", "twice", "cut off", "year 1", "many"],
)
def test_what_are_no_facts_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, says: str
) -> None:
    (tmp_path / "facts.json").write_text(text)
    assert main(["retention", "compute", str(tmp_path / "facts.json")]) == 2
    told = capsys.readouterr().err
    assert says in told
    assert told.count("\n") == 1
    assert "2007" not in told
    assert main(["retention", "compute", str(tmp_path)]) == 2
    assert "is it a file" in capsys.readouterr().err
    assert main(["retention", "compute", str(tmp_path / "absent.json")]) == 2
    assert "is not there" in capsys.readouterr().err


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
    # What the columns have no place for stands there with its own source, once for each reading.
    assert text.count("read so: In force since that day for older records still held then as well.") == 2
    assert main(["retention", "schedules", "--state", "VA", "--provider", "physician", "--json"]) == 0
    rules = {rule["rule_id"]: rule for rule in map(json.loads, capsys.readouterr().out.splitlines())}
    adult = rules["VA-physician-medical_record-adult"]
    assert (adult["max_years_cap"], adult["cap_from"], adult["clock_level"]) == (12, "creation", "patient")
    assert [line["field"] for line in adult["overlay"]] == ["max_years_cap", "cap_from", "condition"]
    assert len(adult["digest"]) == 64
    assert main(["retention", "schedules", "--state", "ZZ"]) == 2
    assert "use one of US, AK" in capsys.readouterr().err


def test_a_held_message_is_not_said_to_go() -> None:
    document = {"id": "m1", "status": "held", "earliest": "2026-01-01", "unconfirmed": []}
    assert "Without the hold it could go on 2026-01-01" in explained(document)
    assert "It can go on 2026-01-01" in explained({**document, "status": "dated"})
