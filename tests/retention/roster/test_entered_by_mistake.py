"""A patient entered by mistake: her record is emptied, and what that does to mail, holds and the disk."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import select

from archiver.store.schema import messages, name_book, patient_tokens, patients
from config.settings import Settings
from retention.roster.patient import Patient
from search.access import Purpose
from tests.retention.patients.rosters import ndjson, patient
from tests.retention.whole_house import House, found, held, mail, open_house

WHY = Purpose.OPERATIONS
ROW = "MRN-77,Zelda Quux,2004-05-06,NC,zelda@home.example,919-555-0177,2005-01-01,2005-01-01"
HEADER = "mrn,name,born,state,email,phone,last_encounter,discharged,died,previous_names,emancipated"
BLANK = f"{HEADER},postal_address\nMRN-77,-,,,,,,,,,,\n"
"""What docs/patients-and-units.md says: a dash for the name, and every other cell blank."""
CLINICAL = "Assessment and plan: hypertension, diabetes. Prescribed lisinopril 10 mg, vital signs stable."


@pytest.fixture
def letters(house: House, tmp_path: Path) -> dict[str, int]:
    """Mail that names the patient by each of her marks, with its key; dated by what is known of her."""
    imported(house, tmp_path, f"{HEADER},postal_address\n{ROW},,,,\n")
    bodies = {
        "name": mail(body=f"{CLINICAL} Re: patient Zelda Quux"),
        "number": mail(body=f"{CLINICAL} MRN-77"),
        "address": mail(body=CLINICAL, sender="zelda@home.example"),
    }
    keys = {by: house.capture(house.arrival(raw))[0].pk for by, raw in bodies.items()}
    settle(house)
    return keys


def imported(house: House, folder: Path, text: str) -> None:
    path = folder / "roster.csv"
    path.write_text(text)
    house.roster.run(path)


def settle(house: House) -> None:
    house.index()
    house.follower.run()
    house.index()
    house.runs.run(propose=False)


def dated(house: House) -> dict[int, date | None]:
    with house.vault.records.read() as connection:
        rows = connection.execute(select(messages.c.pk, messages.c.disposal_date)).all()
    return {row.pk: row.disposal_date for row in rows}


def test_her_mail_is_nobodys_or_of_one_of_whom_nothing_is_known_and_so_it_is_kept(
    house: House, letters: dict[str, int], tmp_path: Path
) -> None:
    assert set(house.patients.of_messages(letters.values())) == set(letters.values())
    assert all(dated(house).values()), "by the child's birth: with a day"
    imported(house, tmp_path, BLANK)
    settle(house)
    assert set(house.patients.of_messages(letters.values())) == {letters["number"]}
    assert dated(house) == dict.fromkeys(letters.values()), "unknown facts keep: none has a day any more"
    assert found(house, "patient:MRN-77") == {letters["number"]}
    review = house.review
    assert review.find(house.officer, WHY, name="Zelda Quux")["items"] == []
    assert review.find(house.officer, WHY, address="zelda@home.example")["items"] == []
    assert review.find(house.officer, WHY, phone="919-555-0177")["items"] == []
    (left,) = house.review.find(house.officer, WHY)["items"]
    assert (left["numbers"], left["name"], left["born"], left["states"]) == (["MRN-77"], "-", None, [])


def test_a_hold_on_her_keeps_what_it_has_and_takes_what_comes(
    house: House, letters: dict[str, int], matter: str, tmp_path: Path
) -> None:
    hold = str(house.holds.create(house.lawyer, matter, patients=["MRN-77"])["id"])
    house.index()
    assert held(house, hold) == set(letters.values())
    imported(house, tmp_path, BLANK)
    settle(house)
    assert held(house, hold) == set(letters.values())
    later = [
        house.capture(house.arrival(raw))[0].pk
        for raw in (
            mail(body="Re: patient Zelda Quux, again"),
            mail(body="again, MRN-77"),
            mail(sender="zelda@home.example"),
        )
    ]
    settle(house)
    assert held(house, hold) == {*letters.values(), *later}


def test_a_fhir_record_is_emptied_likewise(house: House, tmp_path: Path) -> None:
    path = ndjson(tmp_path / "r.ndjson", patient("p7", "7700", birthDate="2004-05-06", gender="female"))
    house.roster.run(path)
    (one,) = house.capture(house.arrival(mail(body=f"{CLINICAL} MRN 7700")))
    settle(house)
    assert set(house.patients.of_messages([one.pk])) == {one.pk}
    house.roster.run(ndjson(tmp_path / "r.ndjson", {"resourceType": "Patient", "id": "p7"}))
    settle(house)
    assert house.patients.of_messages([one.pk]) == {}
    assert dated(house) == {one.pk: None}
    with house.vault.records.read() as connection:
        (row,) = connection.execute(select(patients)).all()
        person = house.patients.matcher.persons(connection, [row.id])[row.id]
    assert person.records == (Patient("", "", fhir=("p7",)),)


def test_what_was_known_of_her_is_overwritten(settings: Settings, tmp_path: Path) -> None:
    """Rows on both databases; on SQLite every byte of the home, its log and its free pages among it."""
    with open_house(settings) as house:
        imported(house, tmp_path, f"{HEADER},postal_address\n{ROW},,,,\n")
        with house.vault.records.read() as connection:
            before = connection.execute(select(patients.c.sealed)).scalar_one()
            tokens = set(map(bytes, connection.scalars(select(patient_tokens.c.token))))
    written = {bytes(before), *tokens}
    on_disk = house.vault.records.dialect == "sqlite"
    assert len(tokens) > 5
    if on_disk:
        assert found_in(settings.home, written) == written, "this scan would see them"
    with open_house(settings, again=True) as house:
        imported(house, tmp_path, BLANK)
        with house.vault.records.read() as connection:
            (row,) = connection.execute(select(patients)).all()
            left = set(map(bytes, connection.scalars(select(patient_tokens.c.token))))
            names = set(map(bytes, connection.scalars(select(name_book.c.token))))
            person = house.patients.matcher.persons(connection, [row.id])[row.id]
        assert person.records == (Patient("MRN-77", "-"),)
    assert bytes(row.sealed) != bytes(before)
    assert len(left & tokens) == 2, "her number's, as the record's own name and as mail bears it"
    assert len(names) == 1, "it says that somebody was called so: mail that a hold takes is found by it"
    if on_disk:
        assert found_in(settings.home, written) == (left & tokens) | names


def found_in(folder: Path, needles: set[bytes]) -> set[bytes]:
    seen: set[bytes] = set()
    for path in folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            seen |= {needle for needle in needles if needle in data}
    return seen
