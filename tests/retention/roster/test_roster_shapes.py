"""Rosters as real systems write them: other columns and dates, territories, merges by number, deletions, ids
that two systems have both given."""

from __future__ import annotations

import json
import os
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from retention.errors import RosterError
from retention.roster.csv_file import Form, read_rows
from retention.roster.fhir import Meeting, Reader
from retention.roster.patient import Patient
from retention.roster.reading import How, files_of, read
from retention.roster.states import is_here, state_code, state_name
from search.access import Purpose
from tests.retention.roster.test_roster_import import encounter, ndjson, patient, records
from tests.retention.whole_house import House, mail


def rows(text: str, form: Form | None = None) -> list[Patient]:
    return [row.patient for row in read_rows(text.splitlines(keepends=True), form or Form())]


# --- CSV ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        'mrn;name;email\n7;"Roe, Jane";"a@b.example;c@d.example"\n',
        "mrn\tname\temail\n7\tRoe, Jane\ta@b.example;c@d.example\n",
        'MRN,Name , E MAIL\r\n7,"Roe, Jane",a@b.example;c@d.example\r\n'.replace("E MAIL", "EMAIL"),
    ],
)
def test_whatever_divides_the_cells(text: str) -> None:
    (one,) = rows(text)
    assert (one.mrn, one.name, one.all_emails) == ("7", "Roe, Jane", ("a@b.example", "c@d.example"))


def test_columns_of_another_name() -> None:
    form = Form({"mrn": "Patient ID", "name": "Full name", "born": "DOB"}, us_dates=True)
    text = "Ward,DOB,Patient ID,Full Name\n3,2/28/1970,7,Jane Roe\n4,1970-02-28,8,Ann Roe\n"
    assert rows(text, form) == [
        Patient("7", "Jane Roe", date(1970, 2, 28)),
        Patient("8", "Ann Roe", date(1970, 2, 28)),
    ]
    # Only what the file has columns for is said.
    assert next(read_rows(text.splitlines(keepends=True), form)).given == {"mrn", "numbers", "name", "born"}


@pytest.mark.parametrize(
    ("text", "form", "says"),
    [
        ("mrn,name,DOB\n", Form(), "line 1, column 3: unknown column; .*--column"),
        ("mrn,name,DOB\n", Form({"born": "Birth"}), "line 1, column born: no column has the name"),
        ("mrn,name,Born,BORN\n", Form(), "twice"),
        ("mrn,name,born\n7,Jane,2/3/1970\n", Form(), "line 2, column born: .*--us-dates"),
        ("mrn,name,born\n7,Jane,28/2/1970\n", Form(us_dates=True), "line 2, column born: .*MM/DD/YYYY"),
        ("mrn,name,born\n7,Jane,2/3/70\n", Form(us_dates=True), "line 2, column born"),
    ],
)
def test_what_is_not_sure_is_refused(text: str, form: Form, says: str) -> None:
    with pytest.raises(RosterError, match=says) as caught:
        rows(text, form)
    assert "DOB" not in str(caught.value)


def test_a_form_that_makes_no_sense() -> None:
    with pytest.raises(RosterError, match="OURS=YOURS"):
        Form({"birthday": "DOB"})
    with pytest.raises(RosterError, match="a system is named"):
        Form(system="a|b")


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("nc", "NC"),
        ("north  carolina", "NC"),
        ("N.C.", "NC"),
        ("D.C.", "DC"),
        ("U.S. Virgin Islands", "VI"),
        ("Ontario", ""),
        ("", ""),
    ],
)
def test_states_as_people_write_them(written: str, code: str) -> None:
    assert state_code(written) == code
    assert state_code(state_name(code)) == code


def test_where_an_address_is() -> None:
    for country in ("", "US", "u.s.a.", "United States of America", "840", "PR", "Puerto Rico", "GUM"):
        assert is_here(country)
    for country in ("CA", "DE", "Canada", "MX"):
        assert not is_here(country)


# --- FHIR -----------------------------------------------------------------------------------------


def meet(**more: Any) -> Meeting:
    told = {
        "resourceType": "Encounter",
        "id": "e",
        "status": "finished",
        "subject": {"reference": "Patient/p"},
    }
    one = Reader().read(
        {**told, "class": {"code": "AMB"}, "period": {"start": "2020-01-02"}, **more}, "line 1"
    )
    assert isinstance(one, Meeting)
    return one


def test_a_stay_whose_end_nobody_tells_is_not_over() -> None:
    assert meet().last == date(2020, 1, 2)
    for more in ({"class": {"code": "IMP"}}, {"status": "unknown"}):
        assert (meet(**more).last, meet(**more).open_since) == (None, "2020-01-02")
    ended = {"class": {"code": "IMP"}, "period": {"start": "2020-01-02", "end": "2020-01-09"}}
    assert meet(**ended).last == date(2020, 1, 9)


def test_line_ends_in_a_name_are_blanks() -> None:
    told = patient("a", name=[{"family": "Roe\r\nSmith", "given": ["Jane\tMary"]}])
    one = Reader().read(told, "line 1")
    assert isinstance(one, Patient)
    assert one.name == "Roe Smith, Jane Mary"


def test_states_that_are_none_are_told(house: House, tmp_path: Path) -> None:
    addresses = [
        {"state": "Nowhere"},
        {"state": "puerto rico", "country": "PR"},
        {"state": "ON", "country": "CA"},
    ]
    path = ndjson(tmp_path / "r.ndjson", patient("a", "1", address=addresses))
    assert house.roster.run(path)["states_unknown"] == 1
    (told,) = house.review.find(house.officer, Purpose.OPERATIONS, number="1")["items"]
    assert told["states"] == ["PR"]


def test_deletions_take_nothing_and_no_bundle_is_lost_in_another(house: House, tmp_path: Path) -> None:
    gone = {"fullUrl": "urn:uuid:b", "request": {"method": "DELETE", "url": "Patient/b"}}
    path = tmp_path / "history.json"
    whole = {"resourceType": "Bundle", "type": "history", "entry": [gone, {"resource": patient("a", "1")}]}
    path.write_text(json.dumps(whole))
    counts = house.roster.run(path)
    assert (counts["deletions"], counts["read"]) == (1, 1)
    path.write_text(json.dumps({"resourceType": "Bundle", "entry": [{"resource": whole}]}))
    with pytest.raises(RosterError, match="entry 1: a Bundle must be a file of its own"):
        list(read(files_of(path)[0], How()))


def test_a_pipe_can_not_be_read_twice(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(RosterError, match="save it to one first"):
        files_of(tmp_path / "pipe.csv")


def test_a_file_that_grows_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("mrn,name\n1,Jane Roe\n")
    items = read(files_of(path)[0], How())
    next(items)
    with path.open("a") as more:
        more.write("2,Ann Roe\n")
    with pytest.raises(RosterError, match="has changed"):
        list(items)


@pytest.mark.parametrize(
    "other",
    [
        {"reference": "Patient?identifier=urn:x|00123"},
        {"identifier": {"system": "urn:x", "value": "MRN 00123"}},
    ],
)
def test_a_merge_by_number_unites(house: House, tmp_path: Path, other: dict[str, Any]) -> None:
    """A link may name the other record by its number, whichever of the two comes first."""
    linked = patient("old", "77", link=[{"type": "replaced-by", "other": other}])
    house.roster.run(ndjson(tmp_path / "a.ndjson", linked))
    house.roster.run(ndjson(tmp_path / "b.ndjson", patient("new", "00123"), patient("else", "5")))
    (told,) = house.review.find(house.officer, Purpose.OPERATIONS, number="77")["items"]
    assert (told["records"], set(told["numbers"])) == (2, {"77", "00123"})


def test_two_systems_with_the_same_ids_and_numbers(house: House, tmp_path: Path) -> None:
    """One hospital's patient 1001 isn't another one's: neither takes the other's place, mail may be about
    either and keeps the longest."""
    head = "mrn,name,born\n"
    north, south = tmp_path / "north.csv", tmp_path / "south.csv"
    north.write_text(f"{head}1001,Jane Roe,2015-01-02\n")
    south.write_text(f"{head}1001,Bob Poe,1950-01-02\n")
    for path in (north, south, north):
        house.roster.run(path, form=Form(system=path.stem))
    told = house.review.find(house.officer, Purpose.OPERATIONS, number="1001")["items"]
    assert {(one["name"], *one["systems"]) for one in told} == {("Jane Roe", "north"), ("Bob Poe", "south")}
    pk = house.capture(house.arrival(mail(body="about MRN-1001")))[0].pk
    house.index()
    assert len(house.patients.of_messages([pk])[pk]) == 2

    fhir = ndjson(tmp_path / "n.ndjson", patient("p1", "1001"), encounter("e1", "p1", "2024-05-06"))
    house.roster.run(fhir, form=Form(system="north"))
    other = ndjson(tmp_path / "s.ndjson", patient("p1", "9"), encounter("e1", "p1", "2001-02-03"))
    assert house.roster.run(other, form=Form(system="south"))["added"] == 1
    by_name = {one["name"]: one for one in house.review.find(house.officer, Purpose.OPERATIONS)["items"]}
    assert len(by_name) == 3
    # Of one system, a row and a FHIR record of one number are one person, with the FHIR record's encounters.
    assert (by_name["Jane Roe"]["last_encounter"], by_name["Jane Roe"]["records"]) == ("2024-05-06", 2)
    assert by_name["Bob Poe"]["last_encounter"] is None


def test_encounters_by_number_within_a_system(house: House, tmp_path: Path) -> None:
    """They wait for their patient by the number of that system."""
    subject = {"subject": {"identifier": {"value": "1001"}}}
    early = ndjson(tmp_path / "e.ndjson", encounter("e1", "-", "2024-05-06", **subject))
    house.roster.run(early, form=Form(system="north"))
    path = tmp_path / "r.csv"
    path.write_text("mrn,name\n1001,Jane Roe\n")
    for system in ("south", "north"):
        house.roster.run(path, form=Form(system=system))
    told = house.review.find(house.officer, Purpose.OPERATIONS, number="1001")["items"]
    assert sorted(one["last_encounter"] or "" for one in told) == ["", "2024-05-06"]


def test_nobody_takes_another_persons_place_unasked(house: House, tmp_path: Path) -> None:
    """Two systems that gave the same number: the second file is refused before anything has changed."""
    path = tmp_path / "r.csv"
    path.write_text("mrn,name,born\n1000,Ann Good,1960-01-02\n1001,Jane Roe,2015-01-02\n")
    house.roster.run(path)
    path.write_text("mrn,name,born\n2000,Al New,1960-01-02\n1001,Bob Poe,1950-01-02\n")
    for dry_run in (True, False):
        with pytest.raises(RosterError, match=r"^line 3: another person .* --system NAME .* --replace"):
            house.roster.run(path, dry_run=dry_run)
    assert records(house) == 2
    assert house.roster.run(path, form=Form(system="south"))["added"] == 2
    assert house.roster.run(path, replace=True)["changed"] == 1


@pytest.mark.parametrize(
    ("now", "another"),
    [
        ({"birthDate": "1970-01-03", "name": [{"family": "Poe", "given": ["Bob"]}]}, True),
        ({"birthDate": "1970", "name": [{"family": "Poe", "given": ["Bob"]}]}, False),
        ({"birthDate": "1970-01-03"}, False),
        ({"name": [{"family": "Poe", "given": ["Bob"]}]}, False),
    ],
)
def test_who_is_another_person(house: House, tmp_path: Path, now: dict[str, Any], another: bool) -> None:
    """A name or a birth date alone may change; a FHIR record of the same number is the same patient's."""
    path = tmp_path / "r.ndjson"
    first = patient("a", "1", birthDate="1970-01-02", name=[{"family": "Roe", "given": ["Jane"]}])
    house.roster.run(ndjson(path, first))
    for number, refused in (("2", another), ("1", False)):
        ndjson(path, {**first, **patient("a", number), "name": first["name"], **now})
        if refused:
            with pytest.raises(RosterError, match="patient 1: another person"):
                house.roster.run(path, dry_run=True)
        else:
            house.roster.run(path, dry_run=True)
