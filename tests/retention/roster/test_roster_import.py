"""Rosters of files: checked wholly before anything changes, resumed where they stopped, felt at once."""

from __future__ import annotations

import csv
import gzip
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from archiver.store.schema import patient_tokens, patients
from retention.errors import RosterError
from retention.roster import importing
from retention.roster.matches import Person
from retention.roster.reading import files_of
from search.access import Purpose
from tests.retention.whole_house import House, found, mail

MR = {"coding": [{"code": "MR"}]}


def patient(own: str, number: str = "", **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "resourceType": "Patient",
        "id": own,
        "name": [{"family": "Roe", "given": [own]}],
    }
    if number:
        found["identifier"] = [{"type": MR, "value": number}]
    return found | more


def encounter(own: str, of: str, end: str | None, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Encounter",
        "id": own,
        "status": "finished" if end else "in-progress",
        "class": {"code": "IMP"},
        "subject": {"reference": f"Patient/{of}"},
        "period": {"start": "2001-01-01", **({"end": end} if end else {})},
        **more,
    }


def ndjson(path: Path, *resources: dict[str, Any]) -> Path:
    text = "".join(json.dumps(one) + "\n" for one in resources).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def bundle(path: Path, *resources: dict[str, Any]) -> Path:
    entries = [{"fullUrl": f"urn:uuid:{one['id']}", "resource": one} for one in resources]
    path.write_text(json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}, indent=1))
    return path


def person(house: House, number: str) -> Person:
    with house.vault.records.read() as connection:
        token = house.vault.blind.token("mrn", f"MRN-{number}")
        ids = connection.scalars(
            select(patients.c.person)
            .join(patient_tokens, patient_tokens.c.patient_id == patients.c.id)
            .where(patient_tokens.c.token == token)
        )
        (one,) = house.patients.matcher.persons(connection, set(ids)).values()
        return one


def records(house: House) -> int:
    with house.vault.records.read() as connection:
        return int(connection.scalar(select(func.count()).select_from(patients)) or 0)


def test_a_bulk_export(house: House, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    folder.mkdir()
    ndjson(
        folder / "Encounter.000.ndjson.gz",
        encounter("e1", "a", "2019-05-06"),
        encounter("e2", "a", "2021-07-08", **{"class": {"code": "AMB"}}),
        encounter("e3", "b", None),
        encounter("e4", "a", "2030-01-01", status="cancelled"),
    )
    ndjson(folder / "Observation.ndjson", {"resourceType": "Observation", "id": "o"})
    ndjson(folder / "Patient.000.ndjson", patient("a", "1", birthDate="1990"), patient("b", "2"))
    bundle(folder / "Patient.001.json", patient("c", "3"), encounter("e5", "c", "2020-02-29"))
    (folder / ".hidden.ndjson").write_text("nothing")
    told: list[tuple[str, int, int]] = []
    counts = house.roster.run(folder, lambda *said: told.append(said))
    assert counts == {
        "read": 3,
        "added": 3,
        "changed": 0,
        "unchanged": 0,
        "persons": 0,
        "encounters": 5,
        "encounters_open": 1,
        "encounters_elsewhere": 0,
        "deletions": 0,
        "states_unknown": 0,
    }
    assert told[-2:] == [("patients", 3, 3), ("encounters", 5, 5)]
    one, two, three = (person(house, number) for number in "123")
    assert (one.last_encounter, one.discharged) == (date(2021, 7, 8), date(2019, 5, 6))
    assert one.born == (date(1990, 1, 1), date(1990, 12, 31))
    # Nobody knows how long the open one will last, so the last contact isn't known.
    assert (two.last_encounter, two.discharged) == (None, None)
    assert three.last_encounter == date(2020, 2, 29)
    assert house.roster.run(folder)["unchanged"] == 3
    # It ends in a later export, of encounters alone.
    later = ndjson(
        tmp_path / "later.ndjson", encounter("e3", "b", "2024-01-01"), encounter("e6", "a", "2018-01-01")
    )
    assert house.roster.run(later)["encounters_elsewhere"] == 2
    assert person(house, "2").last_encounter == date(2024, 1, 1)
    assert person(house, "1").last_encounter == date(2021, 7, 8)
    assert [e for e in house.audit() if e[0] == "roster.import"][-2:] == [
        ("roster.import", "begun", "operator"),
        ("roster.import", "success", "operator"),
    ]


def test_encounters_before_their_patient(house: House, tmp_path: Path) -> None:
    house.roster.run(ndjson(tmp_path / "e.ndjson", encounter("e1", "a", "2025-05-05")))
    house.roster.run(ndjson(tmp_path / "p.ndjson", patient("a", "1")))
    assert person(house, "1").last_encounter == date(2025, 5, 5)
    assert records(house) == 1


def test_encounters_by_record_number(house: House, tmp_path: Path) -> None:
    subject = {"subject": {"identifier": {"value": "0042"}}}
    (tmp_path / "r.csv").write_text("mrn,name,last_encounter\n0042,Jane Roe,2010-01-01\n")
    house.roster.run(tmp_path / "r.csv")
    house.roster.run(ndjson(tmp_path / "e.ndjson", encounter("e1", "", "2025-05-05", **subject)))
    assert person(house, "0042").last_encounter == date(2025, 5, 5)
    # The same row again, as every night, doesn't take back what the encounter said; nor that one is open.
    assert house.roster.run(tmp_path / "r.csv")["unchanged"] == 1
    (tmp_path / "r.csv").write_text("mrn,name,last_encounter\n0042,Jane Roe,2011-01-01\n")
    house.roster.run(tmp_path / "r.csv")
    assert person(house, "0042").last_encounter == date(2025, 5, 5)
    house.roster.run(ndjson(tmp_path / "e.ndjson", encounter("e2", "", None, **subject)))
    house.roster.run(tmp_path / "r.csv")
    assert person(house, "0042").last_encounter is None


@pytest.mark.parametrize("csv_first", [True, False])
def test_a_csv_row_and_a_fhir_record_of_one_number_are_one_person(
    house: House, tmp_path: Path, csv_first: bool
) -> None:
    (tmp_path / "r.csv").write_text(
        "mrn,name,born,state,email\n7,Jane Roe,1980-01-01,NC,a@home.example; b@home.example\n"
    )
    fhir = ndjson(tmp_path / "p.ndjson", patient("a", "7", birthDate="1980-01-01", address=[{"state": "VA"}]))
    for path in (tmp_path / "r.csv", fhir) if csv_first else (fhir, tmp_path / "r.csv"):
        house.roster.run(path)
    one = person(house, "7")
    assert one.states == {"NC", "VA"}
    assert one.born == date(1980, 1, 1)
    assert one.emails == ("a@home.example", "b@home.example")
    assert len(one.records) == 2


def test_any_number_of_a_fhir_record_meets_its_csv_row(house: House, tmp_path: Path) -> None:
    """Mail that names her first number is dated by what came under her second one, too."""
    both = {"identifier": [{"type": MR, "value": number} for number in ("7", "8")]}
    house.roster.run(ndjson(tmp_path / "p.ndjson", patient("a", **both), encounter("e1", "a", "2010-01-01")))
    (tmp_path / "r.csv").write_text("mrn,name,last_encounter,discharged\n8,Jane Roe,2024-05-06,2024-05-06\n")
    house.roster.run(tmp_path / "r.csv")
    assert person(house, "7").last_encounter == date(2024, 5, 6)
    # So are encounters that name her by the second number, and rows of a CSV that has both.
    subject = {"subject": {"identifier": {"value": "8"}}}
    house.roster.run(ndjson(tmp_path / "e.ndjson", encounter("e2", "", "2025-05-05", **subject)))
    assert person(house, "7").last_encounter == date(2025, 5, 5)
    (tmp_path / "r.csv").write_text("mrn,name,last_encounter\n9;8,Jane Roe,2026-01-01\n")
    house.roster.run(tmp_path / "r.csv")
    assert person(house, "9") == person(house, "7")
    assert person(house, "7").last_encounter == date(2026, 1, 1)


def test_what_came_under_another_id_of_a_record_counts(house: House, tmp_path: Path) -> None:
    """The encounters came under the Bundle's own address of a patient who was known by her id already."""
    house.roster.run(ndjson(tmp_path / "p.ndjson", patient("a", "1"), encounter("e1", "a", "2010-01-01")))
    elsewhere = {"subject": {"reference": "urn:uuid:b"}}
    house.roster.run(ndjson(tmp_path / "e.ndjson", encounter("e2", "", "2025-05-05", **elsewhere)))
    assert person(house, "1").last_encounter == date(2010, 1, 1)
    entries = [{"fullUrl": "urn:uuid:b", "resource": patient("a", "1")}]
    (tmp_path / "b.json").write_text(json.dumps({"resourceType": "Bundle", "entry": entries}))
    house.roster.run(tmp_path / "b.json")
    assert person(house, "1").last_encounter == date(2025, 5, 5)


def test_a_column_that_is_not_there_says_nothing(house: House, tmp_path: Path) -> None:
    one = tmp_path / "r.csv"
    one.write_text(
        "mrn,name,born,state,phone,previous_names\n7,Jane Roe,1980-01-01,NC;VA,919-555-0101,Jane Doe\n"
    )
    house.roster.run(one)
    one.write_text("mrn,name,last_encounter\n7,Jane Roe,2020-01-01\n")
    house.roster.run(one)
    (record,) = person(house, "7").records
    assert (record.born, record.all_states, record.names) == (date(1980, 1, 1), ("NC", "VA"), ("Jane Doe",))
    one.write_text("mrn,name,born\n7,Jane Roe,\n")
    house.roster.run(one)
    assert person(house, "7").born is None


def test_links_unite_and_separate(house: House, tmp_path: Path) -> None:
    link = {"link": [{"type": "replaced-by", "other": {"reference": "Patient/b"}}]}
    house.roster.run(ndjson(tmp_path / "p.ndjson", patient("a", "1", birthDate="1990-01-01")))
    pk = house.capture(house.arrival(mail(body="about MRN-1")))[0].pk
    other = house.capture(house.arrival(mail(body="about MRN-2")))[0].pk
    merged = ndjson(tmp_path / "m.ndjson", patient("a", "1", birthDate="1990-01-01", **link))
    house.roster.run(merged)
    # The other record comes later; the link waits for it.
    told = ndjson(
        tmp_path / "b.ndjson", patient("b", "2", birthDate="2001-01-01"), encounter("e", "b", "2025-01-01")
    )
    assert house.roster.run(told)["persons"] == 1
    one = person(house, "1")
    assert one == person(house, "2")
    assert one.born == (date(1990, 1, 1), date(2001, 1, 1))
    assert one.last_encounter == date(2025, 1, 1)
    assert set(one.numbers) == {"1", "2"}
    about = house.patients.of_messages([pk, other])
    assert about[pk] == about[other] == (one,)
    house.index()
    assert found(house, "patient:MRN-2") == {pk, other}
    # Taken back by a later import of the record without its link.
    counts = house.roster.run(ndjson(tmp_path / "s.ndjson", patient("a", "1", birthDate="1990-01-01")))
    assert counts["changed"] == 1
    assert person(house, "1") != person(house, "2")
    assert person(house, "1").last_encounter is None
    house.index()
    assert found(house, "patient:MRN-2") == {other}


def test_chains_of_links_come_apart_where_they_are_cut(house: House, tmp_path: Path) -> None:
    def linked(to: str) -> dict[str, Any]:
        return {"link": [{"type": "seealso", "other": {"reference": f"Patient/{to}"}}]}

    house.roster.run(
        ndjson(
            tmp_path / "p.ndjson",
            patient("a", "1", **linked("b")),
            patient("b", "2", **linked("c")),
            patient("c", "3", **linked("d")),
            patient("d", "4"),
        )
    )
    assert {person(house, n).id for n in "1234"} == {person(house, "1").id}
    house.roster.run(ndjson(tmp_path / "p.ndjson", patient("b", "2")))
    assert person(house, "1") == person(house, "2")
    assert person(house, "3") == person(house, "4")
    assert person(house, "1") != person(house, "3")


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("r.csv", "mrn,name\n1,Jane Roe\n2,\n", "line 3, column name"),
        ("r.csv", "mrn,name\n1,Jane Roe\nMRN 1,Jane Doe\n", "line 3: the same patient as in file 2"),
        ("r.csv", "mrn,name,email\n1,Jane Roe,a@b.example;Secret\n", "line 2, column email"),
        ("r.ndjson", '{"resourceType":"Patient","id":"a"}\n{"resourceType":"Patient"\n', "line 2: not JSON"),
        (
            "r.ndjson",
            '{"resourceType":"Patient","id":"a"}\n{"resourceType":"Patient","id":"a"}\n',
            "same patient",
        ),
        ("r.ndjson", '{"resourceType":"Patient","id":"a"}\nSecret\n', "line 2: must be a JSON object"),
        (
            "r.json",
            '{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient"}}]}',
            "entry 1, Patient.id",
        ),
        ("r.json", '{"resourceType":"Bundle","entry":[{"Secret":1}]}', "entry 1: has no resource"),
        ("r.json", '{"resourceType":"Bundle","entry":[', "ends in the middle"),
        ("r.ndjson.gz", "Secret", "damaged"),
        ("r.csv", b"mrn,name\n1,J\xff\n", "UTF-8"),
    ],
)
def test_a_bad_file_changes_nothing(
    house: House, tmp_path: Path, name: str, text: str | bytes, says: str
) -> None:
    folder = tmp_path / "f"
    folder.mkdir()
    (folder / "a.csv").write_text("mrn,name\n9,Ann Good\n")
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(RosterError) as caught:
        house.roster.run(folder)
    assert says in str(caught.value)
    assert str(caught.value).startswith("file 2 of 2, ")
    assert "Secret" not in str(caught.value)
    assert records(house) == 0


def test_what_is_no_roster(tmp_path: Path) -> None:
    with pytest.raises(RosterError, match="not there"):
        files_of(tmp_path / "nothing.csv")
    with pytest.raises(RosterError, match="holds no roster"):
        files_of(tmp_path)


def test_a_dry_run_changes_nothing(house: House, tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("mrn,name\n9,Ann Good\n")
    assert house.roster.run(tmp_path / "r.csv", dry_run=True)["read"] == 1
    assert records(house) == 0


def test_an_interrupted_import_is_resumed(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chunks are durable one by one; the same command goes on, and ends as if nothing had happened."""
    rows = [patient(f"p{n}", str(n)) for n in range(25)]
    link = {"link": [{"type": "seealso", "other": {"reference": "Patient/p0"}}]}
    path = ndjson(
        tmp_path / "p.ndjson", *rows, patient("p25", "25", **link), encounter("e", "p24", "2020-01-01")
    )
    monkeypatch.setattr(importing, "CHUNK", 10)
    stop: list[int] = []

    def tell(what: str, done: int, _: int) -> None:
        if what == "patients":
            stop.append(done)
            if len(stop) == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        house.roster.run(path, tell)
    assert records(house) == 20
    counts = house.roster.run(path)
    assert (counts["unchanged"], counts["added"]) == (20, 6)
    assert records(house) == 26
    assert person(house, "24").last_encounter == date(2020, 1, 1)
    assert person(house, "25") == person(house, "0")


def test_dates_that_move_earlier_are_told(house: House, tmp_path: Path) -> None:
    text = "mrn,name,born,last_encounter,discharged\n"
    path = tmp_path / "r.csv"
    path.write_text(f"{text}77001,Jane Roe,1950-01-01,2020-01-01,2020-01-01\n")
    house.roster.run(path)
    house.capture(house.arrival(mail(body="about MRN-77001")))
    house.index()
    house.follower.run()
    house.runs.run(propose=False)
    path.write_text(f"{text}77001,Jane Roe,1950-01-01,2015-01-01,2015-01-01\n")
    house.roster.run(path)
    assert house.follower.run()["dates"] == {
        "earlier": 1,
        "later": 0,
        "now_known": 0,
        "now_unknown": 0,
        "unchanged": 0,
    }


def test_records_of_an_earlier_version_are_brought_up(house: House) -> None:
    """They had one number and one address each, without kinds, and no names to look for."""
    with house.vault.records.write() as connection:
        sealed = {"mrn": "5", "name": "Jane Roe", "born": "1990-01-01", "died": None, "state": "NC"}
        sealed |= {"email": "jane@home.example", "last_encounter": None, "discharged": None}
        connection.execute(
            patients.insert().values(id="pold", sealed=house.patients.changes._fields.seal("pold", sealed))
        )
        token = house.vault.blind.token("mrn", "MRN-5")
        connection.execute(patient_tokens.insert().values(token=token, patient_id="pold"))
    by_number = house.capture(house.arrival(mail(body="about MRN-5")))[0].pk
    by_name = house.capture(house.arrival(mail(body="patient Jane Roe")))[0].pk
    assert set(house.patients.of_messages([by_number, by_name])) == {by_number}
    house.index()
    house.follower.run()
    assert set(house.patients.of_messages([by_number, by_name])) == {by_number, by_name}
    assert person(house, "5").id == "pold"
    assert house.patients.import_roster(list(person(house, "5").records))["unchanged"] == 1


def test_synthea(house: House, corpora: Path, tmp_path: Path) -> None:
    """Its FHIR patients with its CSV encounters put into FHIR, against its own columns."""
    source = corpora / "synthea-100"
    lines = (source / "patients_fhir.jsonl").read_text("utf-8").splitlines()
    resources = [{"resourceType": "Patient", **json.loads(line)} for line in lines]
    with (source / "csv" / "encounters.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    code = {"inpatient": "IMP", "hospice": "IMP", "snf": "NONAC"}
    meetings = [
        {
            **encounter(row["Id"], row["PATIENT"], row["STOP"]),
            "class": {"code": code.get(row["ENCOUNTERCLASS"], "AMB")},
        }
        for row in rows
    ]
    counts = house.roster.run(bundle(tmp_path / "all.json", *meetings, *resources))
    assert (counts["read"], counts["encounters"], counts["added"]) == (35, len(rows), counts["added"])
    last: dict[str, str] = {}
    for row in rows:
        last[row["PATIENT"]] = max(last.get(row["PATIENT"], ""), row["STOP"][:10])
    for one in resources:
        told = house.review.find(house.officer, Purpose.OPERATIONS, number=one["id"])["items"][0]
        assert told["born"] == one["birthDate"]
        assert told["last_encounter"] == (last.get(one["id"]) or None)
