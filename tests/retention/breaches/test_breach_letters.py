"""What goes out of a breach: letters to each patient, the media, the form of HHS, the log of a year."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest

from archiver.errors import DestructionRefused
from archiver.ledger.note import open_note, parse_vkey
from archiver.message.content import whole as bytes_of
from archiver.store.schema import breach_letters
from retention.breaches import wording
from retention.breaches.errors import BadBreach, StepMissing
from retention.breaches.hhs import NAMED, Form
from retention.breaches.letters import addressee
from retention.breaches.wording import House
from retention.refusals import NotThere
from retention.roster.matches import Person
from retention.roster.patient import Patient
from search.access import AccessDenied, Purpose
from tests.retention.case_house import Office, open_small_office
from tests.support.markers import Scanner, marker

WORDS = {
    "what_happened": "A password was used by somebody else.",
    "information": "Names, birth dates and what your mail with us said.",
    "protect": "Watch the statements of your insurer.",
    "doing": "All passwords were changed.",
    "contact": "1-800-555-0100, privacy@clinic.example",
}
ELM = "1 Elm Street\nRaleigh, NC 27601"
PEOPLE = [
    Patient("MRN-3001", f"Ann {marker('patient')}", date(1960, 1, 2), state="NC", postal=marker("street")),
    Patient("MRN-3002", "Tim Poe", born=date(2020, 5, 6), state="NY", postal=ELM),
    Patient("MRN-3003", "Old Roe", born=date(1930, 1, 2), died=date(2020, 1, 2), state="NC", postal=ELM),
    Patient("MRN-3004", "=cmd()", born=date(1970, 1, 2), state="NC", email="no@home.example"),
]


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Office, str]]:
    """Four people whose mail was read, and the breach of it, with what its notice says."""
    folder = tmp_path_factory.mktemp("letters")
    with open_small_office(folder) as office:
        office.house.patients.import_roster(PEOPLE)
        one = office.put(" ".join(each.mrn for each in PEOPLE))
        office.settle()
        office.room.open(office.second, Purpose.TREATMENT, one)
        breach = office.breach()
        with pytest.raises(StepMissing, match="say first"):
            next(office.cases.breach_letters.make(office.privacy, breach))
        office.cases.papers.word(office.privacy, breach, WORDS)
        yield office, breach
        scanner = Scanner()
        scanner.folder(folder)
        assert scanner.hits == []
        assert scanner.read > 100_000


def made(office: Office, breach: str) -> dict[str, bytes]:
    files = office.cases.breach_letters.make(office.privacy, breach)
    return {name: bytes_of(content) for name, content in files}


def test_a_letter_to_each_and_a_list_for_the_mail_merge(clinic: tuple[Office, str]) -> None:
    office, breach = clinic
    files = made(office, breach)
    rows = {row["name"]: row for row in csv.DictReader(io.StringIO(files["recipients.csv"].decode()))}
    assert len(rows) == 4
    assert rows["Tim Poe"]["to"] == "The parent or guardian of Tim Poe"
    assert [rows["Tim Poe"][f"address_{number}"] for number in (1, 2, 3)] == [*ELM.split("\n"), ""]
    assert rows["Old Roe"]["to"] == "The next of kin or personal representative of Old Roe"
    assert rows["Old Roe"]["way"] == "post"
    # No spreadsheet runs a patient's name; who has no address is for the substitute notice.
    assert (rows["'=cmd()"]["way"], rows["'=cmd()"]["email"]) == ("substitute", "no@home.example")
    for row in rows.values():
        assert files[row["letter"]].startswith(b"%PDF")
    assert b"some of them we have no address" in b" ".join(files["substitute-notice.txt"].split())
    manifest = json.loads(files["manifest.json"])
    assert (manifest["letters"], manifest["without_address"]) == (4, 1)
    assert set(manifest["files"]) | {"manifest.json", "manifest.note"} == set(files)
    for name, digest in manifest["files"].items():
        assert hashlib.sha256(files[name]).hexdigest() == digest
    assert open_note(files["manifest.note"], [parse_vkey(manifest["vkey"])]).signed_by
    events = office.cases.breaches.show(office.privacy, breach)["events"]
    event = [one for one in events if one["kind"] == "letters"][-1]
    assert (event["letters"], event["unreachable"]) == (4, 1)
    assert "words" not in event


def test_a_letter_is_shown_as_it_was_made(clinic: tuple[Office, str]) -> None:
    office, breach = clinic
    papers, letters = office.cases.papers, office.cases.breach_letters
    people = {one["name"]: one["id"] for one in papers.patients(office.privacy, breach)["items"]}
    made(office, breach)
    text = letters.kept(office.privacy, breach, people["Tim Poe"])["text"]
    for needed in ("Sample Clinic", "1 Elm Street", "the health information of Tim Poe", *WORDS.values()):
        assert needed in " ".join(text.split()) or needed in text, needed
    # Words and addresses that change later are of later letters.
    papers.word(office.privacy, breach, {"doing": "Something else."})
    assert letters.kept(office.privacy, breach, people["Tim Poe"])["text"] == text
    papers.word(office.privacy, breach, {"doing": WORDS["doing"]})
    assert letters.kept_pdf(office.privacy, breach, people["Tim Poe"]).startswith(b"%PDF")
    # A run that was cut short has addressed letters and made none.
    with office.house.vault.records.write() as connection:
        cut = {"run": "lzzzzzzzzzzzzzzz", "breach_id": breach, "sealed": b"half"}
        connection.execute(breach_letters.insert().values(patient_id=people["Tim Poe"], **cut))
    assert letters.kept(office.privacy, breach, people["Tim Poe"])["text"] == text
    with pytest.raises(NotThere):
        letters.kept(office.privacy, breach, "pnobody")
    with pytest.raises(AccessDenied):
        next(letters.make(office.officer, breach))
    records = office.house.vault.records
    for change in (breach_letters.delete(), breach_letters.update().values(sealed=b"")):
        with pytest.raises(DestructionRefused), records.write() as connection:
            connection.execute(change)


def test_who_looked_is_on_record_before_the_first_letter(clinic: tuple[Office, str]) -> None:
    office, breach = clinic
    before = len(office.house.audit())
    files = office.cases.breach_letters.make(office.privacy, breach)
    next(files)
    entries = [one[0] for one in office.house.audit()[before:]]
    assert entries == ["breach.letters"] * 3


def person(**facts: Any) -> Person:
    record = Patient("MRN-9", "Kim Lee", **facts)
    return Person("p9", (record,), ("p9",))


@pytest.mark.parametrize(
    ("facts", "first"),
    [
        ({}, "Kim Lee"),
        ({"born": date(2008, 11, 23)}, "The parent or guardian of Kim Lee"),  # 18 tomorrow
        ({"born": date(2008, 11, 22)}, "Kim Lee"),
        ({"born": date(2008, 11, 22), "state": "AL"}, "The parent or guardian of Kim Lee"),  # 19 there
        ({"born": date(2008, 11, 23), "emancipated": date(2025, 1, 1)}, "Kim Lee"),
        ({"born": (date(2008, 1, 1), date(2008, 12, 31))}, "Kim Lee"),  # may be of age
        ({"deceased": True}, "The next of kin or personal representative of Kim Lee"),
    ],
)
def test_who_is_written_to(facts: dict[str, Any], first: str) -> None:
    assert addressee(person(**facts), "p9", date(2026, 11, 22)).to == (first,)


HOUSE = House("b1", "Sample Clinic", "Pat Poe", "2026-03-02", "2026-02-20", "2026-03-01")


def test_the_media_of_a_state() -> None:
    text = wording.to_media(HOUSE, WORDS, "California", 1_501).as_text(datetime(2026, 3, 3, tzinfo=UTC))
    flat = " ".join(text.split())
    assert "1,501 residents of California" in flat
    assert "between February 20, 2026 and March 1, 2026" in flat
    assert "We discovered it on March 2, 2026." in flat
    assert "What people should do" in flat
    for one in WORDS.values():
        assert one in flat
    draft = wording.to_media(HOUSE, {}, "California", 501).as_text(datetime(2026, 3, 3, tzinfo=UTC))
    assert draft.count("[to be said:") == len(wording.missing({})) == 5


def test_no_state_has_more_than_500(clinic: tuple[Office, str]) -> None:
    office, breach = clinic
    found = office.cases.breach_letters.public(office.privacy, breach)
    assert found["media"] == []
    assert "toll-free number" in " ".join(found["substitute"].split())
    assert office.cases.breach_letters.public_pdf(office.privacy, breach).startswith(b"%PDF")
    with pytest.raises(NotThere, match="more than 500"):
        office.cases.breach_letters.public_pdf(office.privacy, breach, "NC")


def test_the_form_of_hhs_and_the_log_of_the_year(clinic: tuple[Office, str]) -> None:
    office, breach = clinic
    reports, privacy = office.cases.reports, office.privacy
    made(office, breach)
    form = reports.form(privacy, breach)
    known = {name: form.text(name) for name in NAMED}
    assert (known["individuals"], known["affecting"]) == ("4", "Fewer than 500")
    assert (known["entity_name"], known["location"], known["media"]) == ("Sample Clinic", "Email", "No")
    assert (known["substitute"], known["substitute_how"]) == ("Yes", "Fewer than 10")
    assert known["description"] == WORDS["what_happened"]
    assert {"type", "safeguards", "entity_type", "notice_start"} <= set(form.missing)
    assert "associate_name" not in form.missing
    for bad in (
        {"type": ["Arson"]},
        {"nothing": "x"},
        {"entity_type": ["Health plan", "Healthcare provider"]},
    ):
        with pytest.raises(BadBreach):
            reports.answer(privacy, breach, bad)
    said = reports.answer(
        privacy, breach, {"type": ["theft", "Loss"], "individuals": "5", "entity_city": "=Raleigh"}
    )
    assert said.answer("type") == ["Theft", "Loss"]
    assert said.text("individuals") == "5"
    assert reports.answer(privacy, breach, {"individuals": ""}).text("individuals") == "4"
    assert "'=Raleigh" in said.as_csv()
    assert reports.pdf(privacy, breach).startswith(b"%PDF")
    open_ = office.cases.breaches.open(privacy, title="Another", what_happened="A disk was lost.")["id"]
    year = date.fromisoformat(known["discovery_start"]).year
    log = reports.log(privacy, year)
    assert [(one["id"], one["people"], one["told_on"]) for one in log["breaches"]] == [(breach, 4, None)]
    assert log["undecided"] == [open_]
    assert log["due_on"] == (f"{year + 1}-03-01" if year % 4 != 3 else f"{year + 1}-02-29")
    assert len(list(csv.reader(io.StringIO(log["csv"])))) == 2
    assert reports.log(privacy, year - 1)["breaches"] == []
    with pytest.raises(BadBreach):
        reports.log(privacy, 26)
    with pytest.raises(AccessDenied):
        reports.log(office.house.lawyer, year)


def test_what_people_say_goes_before_what_is_known() -> None:
    form = Form(
        "b1", {"filed_by": "Business associate, for a covered entity"}, {"filed_by": "Covered entity"}
    )
    assert form.text("filed_by").startswith("Business associate")
    assert "associate_name" in form.missing
    assert set(form.missing) <= set(NAMED)


def test_letters_on_both_databases(office: Office) -> None:
    office.house.patients.import_roster(PEOPLE)
    one = office.put(" ".join(each.mrn for each in PEOPLE))
    office.settle()
    office.room.open(office.second, Purpose.TREATMENT, one)
    breach = office.breach()
    office.cases.papers.word(office.privacy, breach, WORDS)
    assert len([name for name in made(office, breach) if name.startswith("letters/")]) == 4
    assert office.cases.reports.log(office.privacy, office.house.clock.now().year)["breaches"]
