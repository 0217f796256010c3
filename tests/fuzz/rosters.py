"""Fuzzing of rosters as files: whatever is in them, they are read or refused by our own error, which says
where and never what."""

# ruff: noqa: E501
# Bytes as programs write them.

from __future__ import annotations

import gzip
import json
import tempfile
from pathlib import Path

from archiver.seal.blind import BlindIndex
from retention.errors import RosterError
from retention.roster.csv_file import Row
from retention.roster.fhir import Clinician, Meeting, Reader
from retention.roster.patient import Patient
from retention.roster.reading import How, files_of, read
from retention.roster.tokens import links_of, tokens_of

SECRET = "Quaggafield"
"""Stands in every value of the seeds, and in no fault."""
_BLIND = BlindIndex(bytes(32))
_HOW = How(Reader(("https://clinic.example/numbers",)))
_FOLDER = tempfile.TemporaryDirectory(prefix="holdfast-roster-")


def csv_roster(data: bytes) -> None:
    """A CSV, ours or Synthea's."""
    _read_as("r.csv", data)


def fhir_roster(data: bytes) -> None:
    """A FHIR document, the same bytes as ndjson, and a file that only its first line tells apart."""
    for name in ("r.json", "r.ndjson", "r"):
        _read_as(name, data)


def packed_roster(data: bytes) -> None:
    """Damaged gzip, and damage within it."""
    for name in ("r.csv.gz", "r.json.gz", "r.ndjson.gz"):
        _read_as(name, data)


def _read_as(name: str, data: bytes) -> None:
    path = Path(_FOLDER.name) / name
    path.write_bytes(data)
    first = _items(path)
    assert first == _items(path)
    for item in first if isinstance(first, list) else ():
        if isinstance(item, Meeting):
            assert item.id
            assert item.patient
            continue
        if isinstance(item, Clinician):
            assert item.keys
            continue
        patient = item.patient if isinstance(item, Row) else item
        kept = json.loads(json.dumps(patient.to_json(), ensure_ascii=False).encode("utf-8"))
        assert Patient.from_json(kept) == patient
        assert tokens_of(_BLIND, patient)
        links_of(_BLIND, patient)


def _items(path: Path) -> list[Row | Patient | Meeting | Clinician] | str:
    """What is read, or the fault."""
    try:
        return [item for file in files_of(path) for item in read(file, _HOW)]
    except RosterError as error:
        said = str(error)
        assert SECRET.casefold() not in said.casefold()
        assert said.isprintable()
        assert len(said) < 400
        return said


def seeds() -> list[bytes]:
    """Rosters with all that is read of them, whole and packed."""
    person = {
        "resourceType": "Patient",
        "id": "p1",
        "identifier": [
            {"type": {"coding": [{"code": "MR"}]}, "value": f"{SECRET}-1"},
            {"system": "https://clinic.example/numbers", "value": f"{SECRET}-2"},
            {"system": "http://hl7.org/fhir/sid/us-ssn", "value": "123-45-6789"},
        ],
        "name": [
            {"use": "official", "family": SECRET, "given": ["Zeb", SECRET]},
            {"use": "maiden", "text": SECRET},
        ],
        "birthDate": "1970-05",
        "deceasedDateTime": "2020-02-29T23:30:00-05:00",
        "address": [{"state": "NC", "line": [SECRET]}],
        "telecom": [
            {"system": "email", "value": f"{SECRET}@home.example"},
            {"system": "phone", "value": "919-555-0101"},
        ],
        "link": [{"type": "seealso", "other": {"reference": "Patient/p2"}}],
    }
    visit = {
        "resourceType": "Encounter",
        "id": SECRET,
        "status": "finished",
        "class": {"code": "IMP"},
        "subject": {"reference": "urn:uuid:00000000-0000-4000-8000-000000000001", "display": SECRET},
        "period": {"start": "2019-03-04T10:00:00.123456789Z", "end": "2019-03"},
    }
    by_number = {**visit, "status": "in-progress", "subject": {"identifier": {"value": f"{SECRET}-1"}}}
    bundle = {
        "resourceType": "Bundle",
        "entry": [
            {"fullUrl": "urn:uuid:00000000-0000-4000-8000-000000000001", "resource": person},
            *({"resource": one} for one in (visit, by_number)),
        ],
    }
    rows = (
        "mrn,name,born,died,state,email,last_encounter,discharged,phone,previous_names\r\n"
        f'{SECRET}-1;2,"{SECRET}, Zeb",1970-01-02,,NC;VA,{SECRET}@x.example,2020-01-01,,919-555-0101,Zeb {SECRET}\r\n'
        f'3,"Zeb ""Z"" {SECRET}",,2021-02-28,Virginia,,,,,\r\n'
    )
    synthea = f"Id,BIRTHDATE,DEATHDATE,FIRST,MIDDLE,LAST,MAIDEN,STATE,CITY\n{SECRET},1970-01-02,,Zeb,,{SECRET},Roe,Texas,{SECRET}\n"
    plain = [
        json.dumps(bundle, indent=1).encode(),
        json.dumps(person).encode(),
        "\n".join(map(json.dumps, (person, visit, by_number))).encode(),
        b"\xef\xbb\xbf" + rows.encode(),
        synthea.encode(),
    ]
    return [*plain, *(gzip.compress(one, mtime=0) for one in plain)]
