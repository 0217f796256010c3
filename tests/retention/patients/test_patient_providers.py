"""Who cared for whom: from encounters and from mail, told apart, in scope."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from archiver.store.schema import clinician_keys, clinicians, encounter_clinicians, encounters
from retention.patients.providers import Providers
from retention.patients.whom import BadPatient, Whom
from search.access import AccessDenied, Purpose
from tests.retention.patients.rosters import NPI, encounter, ndjson, patient, practitioner, role
from tests.retention.whole_house import House, mail

WHY = Purpose.TREATMENT


def put(house: House, body: str, sender: str, to: str) -> str:
    (one,) = house.capture(house.arrival(mail(body=body, sender=sender, to=to, sent=date(2024, 1, 2))))
    return one.receipt.id


@pytest.fixture
def ward(house: House, tmp_path: Path) -> dict[str, str]:
    """Two patients, three clinicians of whom one is known by role and one by NPI alone, and their mail."""
    house.roster.run(
        ndjson(
            tmp_path / "r.ndjson",
            role("r1", "Practitioner/dr1"),
            practitioner(
                "dr1", "Ruth Okonjo", "ruth@clinic.example", "ROkonjo@Clinic.example", npi="1234567893"
            ),
            practitioner("dr2", "Hamish Calder", "hamish@clinic.example"),
            patient("p1", "1001", telecom=[{"system": "email", "value": "jane@home.example"}]),
            patient("p2", "2002", name="Bob Poe"),
            encounter("e1", "p1", "2023-01-10", "2023-01-20", "PractitionerRole/r1"),
            encounter("e2", "p1", "2023-05-01", "2023-05-01", "Practitioner/dr1", "PractitionerRole/r1"),
            encounter("e3", "p1", "2023-06-01", "2023-06-01", "Practitioner/dr2"),
            encounter("e4", "p2", "2023-06-01", "2023-06-01", f"Practitioner?identifier={NPI}|1234567893"),
            encounter("e5", "p2", "2023-06-02", "2023-06-02", "Practitioner/unknown"),
        )
    )
    found = {
        "wrote": put(house, "MRN-1001 is better", "ruth@clinic.example", "bea@clinic.example"),
        "twice": put(
            house, "MRN-1001 again", "bea@clinic.example", "rokonjo@clinic.example, ruth@clinic.example"
        ),
        "own": put(house, "thank you", "jane@home.example", "bea@clinic.example"),
        "both": put(house, "MRN-1001 and MRN-2002", "ruth@clinic.example", "cy@lab.example"),
        "none": put(house, "lunch", "ruth@clinic.example", "bea@clinic.example"),
    }
    house.index()
    house.follower.run()
    house.index()
    return found


def lines(found: dict[str, Any]) -> dict[str, tuple[Any, ...]]:
    return {
        one["name"] or one["addresses"][0]: (
            one["known_from"],
            one["sent"],
            one["received"],
            one["encounters"],
        )
        for one in found["providers"]
    }


def test_the_providers_of_a_patient(house: House, providers: Providers, ward: dict[str, str]) -> None:
    answer = providers.of_patient(house.officer, WHY, Whom("1001"))
    assert (answer["total"], answer["count"], answer["next"]) == (4, 5, None)
    assert lines(answer) == {
        # Two addresses are one person, who has a message once; so is a person and their role.
        "Okonjo, Ruth": (["encounters", "mail"], 2, 1, 2),
        "bea@clinic.example": (["mail"], 1, 2, 0),
        "jane@home.example": (["mail"], 1, 0, 0),
        "cy@lab.example": (["mail"], 0, 1, 0),
        "Calder, Hamish": (["encounters"], 0, 0, 1),
    }
    by_name = {one["name"]: one for one in answer["providers"]}
    ruth = by_name["Okonjo, Ruth"]
    assert (ruth["npi"], ruth["first_encounter"], ruth["last_encounter"]) == (
        "1234567893",
        "2023-01-10",
        "2023-05-01",
    )
    assert [one["patient"] for one in answer["providers"] if one["addresses"] == ["jane@home.example"]] == [
        True
    ]
    assert [one["messages"] for one in answer["providers"]] == sorted(
        (one["messages"] for one in answer["providers"]), reverse=True
    )
    pages = [providers.of_patient(house.officer, WHY, Whom("1001"), limit=2, offset=at) for at in (0, 2, 4)]
    assert [one["next"] for one in pages] == [2, 4, None]
    assert [one for page in pages for one in page["providers"]] == answer["providers"]
    # Known by encounters alone, by what they show of somebody whom no roster has.
    bob = lines(providers.of_patient(house.officer, WHY, Whom("2002")))
    assert bob["Dr. Display"] == (["encounters"], 0, 0, 1)
    assert bob["Okonjo, Ruth"] == (["encounters", "mail"], 1, 0, 1)


def test_the_patients_of_a_provider(house: House, providers: Providers, ward: dict[str, str]) -> None:
    answer = providers.patients_of(house.officer, WHY, "Ruth@clinic.example")
    assert answer["provider"] == {
        "address": "ruth@clinic.example",
        "names": ["Okonjo, Ruth"],
        "npis": ["1234567893"],
    }
    told = {
        one["name"]: (one["known_from"], one["messages"], one["maybe"], one["encounters"])
        for one in answer["patients"]
    }
    assert told == {
        "Roe, Jane": (["encounters", "mail"], 3, 0, 2),
        "Poe, Bob": (["encounters", "mail"], 1, 0, 1),
    }
    assert (answer["total"], answer["count"]) == (4, 2)
    hamish = providers.patients_of(house.officer, WHY, "hamish@clinic.example")
    assert [(one["name"], one["known_from"]) for one in hamish["patients"]] == [("Roe, Jane", ["encounters"])]
    assert providers.patients_of(house.officer, WHY, "cy@lab.example")["count"] == 2
    assert providers.patients_of(house.officer, WHY, "stranger@x.example")["count"] == 0
    # Not by words of an address, and nothing but an address.
    assert providers.patients_of(house.officer, WHY, "clinic@example.example")["total"] == 0
    for bad in ("ruth", "", "*", 'a@b" OR *'):
        with pytest.raises(BadPatient):
            providers.patients_of(house.officer, WHY, bad)


def test_mail_that_may_be_about_another(house: House, providers: Providers, tmp_path: Path) -> None:
    house.roster.run(ndjson(tmp_path / "r.ndjson", patient("a", "1"), patient("b", "2")))
    put(house, "patient Jane Roe was here", "dr@clinic.example", "bea@clinic.example")
    put(house, "patient Jane Roe, MRN 1, was here", "dr@clinic.example", "bea@clinic.example")
    house.index()
    house.follower.run()
    answer = providers.patients_of(house.officer, WHY, "dr@clinic.example")
    assert [(one["numbers"], one["messages"], one["maybe"]) for one in answer["patients"]] == [
        (["1"], 2, 1),
        (["2"], 1, 1),
    ]


def test_scope(house: House, providers: Providers, ward: dict[str, str], matter: str) -> None:
    legal = Purpose.LEGAL
    nothing = providers.of_patient(house.lawyer, legal, Whom("1001"))
    assert nothing == providers.of_patient(house.lawyer, legal, Whom("4711"))
    assert (nothing["count"], nothing["patients"]) == (0, [])
    for address in ("ruth@clinic.example", "hamish@clinic.example"):
        blank = providers.patients_of(house.lawyer, legal, address)
        assert (blank["count"], blank["total"], blank["provider"]["names"]) == (0, 0, [])
    house.holds.create(house.lawyer, matter, message_ids=[ward["both"]])
    house.index()
    mine = providers.of_patient(house.lawyer, legal, Whom("2002"))
    assert {one["addresses"][0] for one in mine["providers"]} == {"ruth@clinic.example", "cy@lab.example"}
    assert mine["total"] == 1
    jane = lines(providers.of_patient(house.lawyer, legal, Whom("1001")))
    assert jane.keys() == {"Okonjo, Ruth", "cy@lab.example"}
    told = providers.patients_of(house.lawyer, legal, "ruth@clinic.example")
    assert {one["name"]: one["messages"] for one in told["patients"]} == {"Roe, Jane": 1, "Poe, Bob": 1}
    assert {one["born"] for one in told["patients"]} == {None}
    assert providers.of_patient(house.other_lawyer, legal, Whom("1001")) == nothing
    for actor in (house.manager, house.administrator):
        with pytest.raises(AccessDenied):
            providers.patients_of(actor, legal, "ruth@clinic.example")


def test_a_disposed_message_counts_no_more(house: House, providers: Providers, tmp_path: Path) -> None:
    house.roster.run(ndjson(tmp_path / "r.ndjson", patient("p1", "1001")))
    house.old(body="about MRN-1001", sender="dr@clinic.example")
    house.index()
    house.follower.run()
    assert providers.patients_of(house.officer, WHY, "dr@clinic.example")["total"] == 1
    with house.vault.records.read() as connection:
        assert connection.scalar(select(func.count()).select_from(encounters)) == 0


def test_a_second_import_changes_nothing_and_a_change_is_taken_over(
    house: House, providers: Providers, ward: dict[str, str], tmp_path: Path
) -> None:
    def counts() -> list[int]:
        with house.vault.records.read() as connection:
            return [
                int(connection.scalar(select(func.count()).select_from(table)) or 0)
                for table in (encounters, encounter_clinicians, clinician_keys)
            ]

    before = counts()
    moved = practitioner("dr1", "Ruth Okonjo", "new@clinic.example", npi="1234567893")
    other = encounter("e3", "p1", "2023-06-01", "2023-06-01", "Practitioner/dr1")
    house.roster.run(ndjson(tmp_path / "m.ndjson", moved, other))
    assert counts() == [before[0], before[1], before[2] - 1]
    assert providers.patients_of(house.officer, WHY, "new@clinic.example")["patients"][0]["encounters"] == 3
    assert providers.patients_of(house.officer, WHY, "rokonjo@clinic.example")["provider"]["names"] == []
    gone = encounter("e3", "p1", None, None, status="entered-in-error")
    house.roster.run(ndjson(tmp_path / "g.ndjson", gone))
    assert counts()[:2] == [before[0] - 1, before[1] - 1]
    assert "Calder, Hamish" not in lines(providers.of_patient(house.officer, WHY, Whom("1001")))


def test_nothing_of_it_is_readable_at_rest(house: House, providers: Providers, ward: dict[str, str]) -> None:
    """Names, numbers, addresses and days of encounters and clinicians, in any file of the house, and in
    any row of the tables."""
    providers.of_patient(house.officer, WHY, Whom("1001"))
    marks = (
        b"Okonjo",
        b"Calder",
        b"Dr. Display",
        b"ruth@clinic",
        b"1234567893",
        b"2023-05-01",
        b"PractitionerRole",
    )
    with house.vault.records.read() as connection:
        rows = [connection.execute(select(table)).all() for table in (encounters, clinicians, clinician_keys)]
    held = repr(rows).encode()
    assert all(rows)
    files = [path for path in house.vault.settings.home.rglob("*") if path.is_file()]
    assert files
    for mark in marks:
        assert mark not in held
        assert [path.name for path in files if mark in path.read_bytes()] == []
