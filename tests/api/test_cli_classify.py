"""`holdfast classify` on files: messages with attachments, text, several files, a roster, the own forms."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from api.cli import main

LETTER = b"""From: desk@clinic.example\r
Subject: chart MRN-00123\r
MIME-Version: 1.0\r
Content-Type: multipart/mixed; boundary=b\r
\r
--b\r
Content-Type: text/plain\r
\r
Progress note: Dana Whitfield was seen on 3/4/2021.\r
--b\r
Content-Type: text/csv\r
Content-Disposition: attachment; filename=a.csv\r
\r
ssn\r
SSN 536-90-4399\r
--b\r
Content-Type: image/jpeg\r
Content-Disposition: attachment; filename=a.jpg\r
Content-Transfer-Encoding: base64\r
\r
/9j/4AAQSkZJRgABAQ==\r
--b--\r
"""


@pytest.fixture
def letter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "none"))
    path = tmp_path / "letter.eml"
    path.write_bytes(LETTER)
    return path


def test_a_message_with_its_attachments(letter: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["classify", str(letter), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    found = {(f["type"], f["text"]) for f in document["phi"]}
    assert {("mrn", "MRN-00123"), ("ssn", "536-90-4399"), ("date", "3/4/2021")} <= found
    assert "medical_record" in [r["type"] for r in document["record_types"]]
    assert document["not_read"] == [{"part": "3", "why": "no_text"}]
    assert not (letter.parent / "none").exists()


def test_text_for_people_says_where_and_why(letter: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["classify", str(letter)]) == 0
    out = capsys.readouterr().out
    assert "record type medical_record" in out
    assert "line 1" in out
    assert "536-90-4399: the form and range of a Social Security number" in out or "ssn" in out
    assert "part 3 could not be read (no_text)" in out


def test_several_files_give_a_document_a_line(letter: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = letter.with_name("other.txt")
    other.write_text("DOB: 03/04/1950", "utf-8")
    assert main(["classify", "--text", "--json", str(other), str(letter)]) == 0
    documents = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [document["file"] for document in documents] == [str(other), str(letter)]
    assert [f["type"] for f in documents[0]["phi"]] == ["date_of_birth"]


@pytest.mark.parametrize("kind", ["csv", "fhir"])
def test_names_of_a_roster(letter: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    roster = letter.with_name("roster.csv" if kind == "csv" else "roster.ndjson")
    if kind == "csv":
        roster.write_text("mrn,name\nZZ-90001,Dana Whitfield\n", "utf-8")
    else:
        patient = {
            "resourceType": "Patient",
            "id": "p1",
            "identifier": [{"type": {"coding": [{"code": "MR"}]}, "value": "ZZ-90001"}],
            "name": [{"family": "Whitfield", "given": ["Dana"]}],
        }
        roster.write_text(json.dumps(patient) + "\n", "utf-8")
    text = letter.with_name("mail.txt")
    text.write_text("Whitfield, Dana asks about ZZ-90001.", "utf-8")
    assert main(["classify", "--text", "--json", "--roster", str(roster), str(text)]) == 0
    found = json.loads(capsys.readouterr().out)["phi"]
    assert [(f["type"], f["text"]) for f in found] == [("name", "Whitfield, Dana"), ("mrn", "ZZ-90001")]


def test_forms_of_the_settings(
    letter: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOLDFAST_RECORD_NUMBER_FORMS", "QX-######, @@#######")
    text = letter.with_name("mail.txt")
    text.write_text("about qx-123456", "utf-8")
    assert main(["classify", "--text", "--json", str(text)]) == 0
    assert [f["why"] for f in json.loads(capsys.readouterr().out)["phi"]] == ["record_number_form"]
    monkeypatch.setenv("HOLDFAST_RECORD_NUMBER_FORMS", "(x+)+$")
    assert main(["classify", "--text", str(text)]) == 2
    assert "record_number_forms" in capsys.readouterr().err


def test_a_fault_names_no_text(letter: Path, capsys: pytest.CaptureFixture[str]) -> None:
    roster = letter.with_name("roster.csv")
    roster.write_text("mrn,name,born\n1,Dana Whitfield,never\n", "utf-8")
    assert main(["classify", "--roster", str(roster), str(letter)]) != 0
    assert main(["classify", str(letter.with_name("absent Whitfield.eml"))]) == 2
    assert "Whitfield" not in capsys.readouterr().err


def test_a_file_that_cannot_be_read_spoils_no_other(letter: Path, capsys: pytest.CaptureFixture[str]) -> None:
    absent = letter.with_name("absent Whitfield.eml")
    assert main(["classify", "--json", str(absent), str(letter), str(letter.parent)]) == 2
    told = capsys.readouterr()
    assert [json.loads(line)["file"] for line in told.out.splitlines()] == [str(letter)]
    assert "2 of 3 files" in told.err
    assert "number 1 isn't there" in told.err
    assert "number 3 is a folder" in told.err
    assert "Whitfield" not in told.err


@pytest.mark.parametrize("raw", ["utf-16", "utf-8-sig", "cp1252"])
def test_text_in_whatever_it_is_written(letter: Path, raw: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = letter.with_name("mail.txt")
    text.write_bytes("Número de Seguro Social: 536–90–4399".encode(raw))
    assert main(["classify", "--text", "--json", str(text)]) == 0
    found = json.loads(capsys.readouterr().out)["phi"]
    assert [(f["start"], f["text"]) for f in found] == [(25, "536–90–4399")]


@pytest.mark.parametrize(
    "content", [b"", b"\x00\xff\xfe" * 500, b"\xff\xfe\x00", b"\x1b]0;x\x07MRN 1234\x9b31m"]
)
def test_any_bytes_are_looked_at(letter: Path, content: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    odd = letter.with_name("odd")
    odd.write_bytes(content)
    assert main(["classify", "--text", str(odd)]) == 0
    assert main(["classify", str(odd)]) == 0
    assert not set(capsys.readouterr().out) & set("\x1b\x07\x9b\x00")
