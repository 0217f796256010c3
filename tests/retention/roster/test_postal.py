"""Where a letter reaches a patient, as rosters say it."""

from __future__ import annotations

from typing import Any

import pytest

from retention.roster.csv_file import RosterError, read_roster
from retention.roster.fhir import Reader
from retention.roster.patient import Patient

ELM = {"line": ["1 Elm Street", "Apt 2"], "city": "Raleigh", "state": "NC", "postalCode": "27601"}
LINES = "1 Elm Street\nApt 2\nRaleigh, NC 27601"


def test_our_csv_and_synthea() -> None:
    (one,) = read_roster('mrn,name,postal_address\n7,Jane Roe,"1 Elm Street; Apt 2; Raleigh, NC 27601"\n')
    assert one.postal == LINES
    assert Patient.from_json(one.to_json()) == one
    for end in ("\n", "\r\n", "\n\n"):
        cell = end.join(LINES.split("\n"))
        assert read_roster(f'mrn,name,postal_address\n7,Jane Roe,"{cell}"\n')[0].postal == LINES
    with pytest.raises(RosterError, match="postal_address"):
        read_roster('mrn,name,postal_address\n7,Jane Roe,"1 Elm\x1b Street"\n')
    head = "Id,BIRTHDATE,DEATHDATE,FIRST,LAST,STATE,ADDRESS,CITY,ZIP\n"
    (one,) = read_roster(f"{head}a1,1980-01-01,,Jane,Roe,North Carolina,1 Elm Street,Raleigh,27601\n")
    assert one.postal == "1 Elm Street\nRaleigh, NC 27601"
    (one,) = read_roster(f"{head}a1,1980-01-01,,Jane,Roe,North Carolina,,Raleigh,27601\n")
    assert one.postal == "", "a place without a street reaches nobody"


@pytest.mark.parametrize(
    ("addresses", "found"),
    [
        ([ELM], LINES),
        ([{**ELM, "use": "old"}, {**ELM, "line": ["5 Oak Street"]}], "5 Oak Street\nRaleigh, NC 27601"),
        ([{**ELM, "use": "billing"}], ""),
        ([{"state": "NC"}], ""),
        ([{**ELM, "line": ["x" * 900]}], ""),  # no roster is refused for it
        ([{**ELM, "line": "1 Elm Street"}], ""),
    ],
)
def test_fhir(addresses: list[dict[str, Any]], found: str) -> None:
    resource = {"resourceType": "Patient", "id": "a1", "name": [{"family": "Roe"}], "address": addresses}
    one = Reader(()).read(resource, "line 1")
    assert isinstance(one, Patient)
    assert one.postal == found
