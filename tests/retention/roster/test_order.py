"""In whatever order mail and rosters come, whatever was said meanwhile: dates are what the last facts say."""

from __future__ import annotations

import tempfile
from datetime import date
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from archiver.store.schema import messages
from config.settings import load
from retention.roster.changes import FHIR_FIELDS, Change, Met
from retention.roster.patient import Patient
from tests.retention.whole_house import House, mail, open_house

CLINICAL = "Assessment and plan: hypertension, diabetes. Prescribed lisinopril 10 mg, vital signs stable."
BODIES = (
    "about MRN-1001",
    "patient Jane Roe",
    "Jane Roe 1970-01-02",
    f"{CLINICAL} Jane Doe",
    "write to jane@home.example",
    "patient Jane Roe, MRN-2002",
)
_days = st.sampled_from([None, date(1970, 1, 2), date(1999, 9, 9), date(2015, 5, 5)])
_seen = st.sampled_from([None, date(2006, 1, 1), date(2020, 2, 29)])


@st.composite
def records(draw: st.DrawFn) -> Patient:
    """A version of one of four records: two of a CSV, two of FHIR that may be linked."""
    which = draw(st.integers(0, 3))
    known: dict[str, Any] = {
        "name": draw(st.sampled_from(["Jane Roe", "Doe, Jane", "Bob Poe"])),
        "born": draw(_days),
        "state": draw(st.sampled_from(["", "NC", "TX"])),
        "email": draw(st.sampled_from(["", "jane@home.example"])),
        "names": draw(st.sampled_from([(), ("Jane Roe",)])),
    }
    if which < 2:
        seen = draw(_seen)
        return Patient(("MRN-1001", "MRN-2002")[which], last_encounter=seen, discharged=seen, **known)
    own, other = ("a", "b") if which == 2 else ("b", "a")
    links = draw(st.sampled_from([(), (other,)]))
    return Patient(draw(st.sampled_from(["", "MRN-1001"])), fhir=(own,), links=links, **known)


_steps = st.lists(
    st.one_of(records(), st.sampled_from(BODIES), st.just("index"), st.just("follow")), max_size=14
)


def apply(house: House, record: Patient, met: Met | None = None) -> None:
    with house.vault.records.write() as connection:
        change = Change(record, FHIR_FIELDS, met) if record.fhir else Change(record)
        house.patients.changes.apply(connection, [change])


def dates(house: House, letters: dict[str, int]) -> dict[str, tuple[date | None, bool]]:
    """What the database has for each letter, everything done that is to be done."""
    for _ in range(2):
        house.index()
        house.follower.run()
    house.runs.refresh()
    with house.vault.records.read() as connection:
        rows = connection.execute(select(messages.c.pk, messages.c.disposal_date, messages.c.permanent))
        found = {row.pk: (row.disposal_date, bool(row.permanent)) for row in rows}
    return {body: found[pk] for body, pk in letters.items()}


@settings(max_examples=14, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_steps)
def test_only_the_last_facts_count(steps: list[Any]) -> None:
    last: dict[str, Patient] = {}
    raw = {body: mail(body=body) for body in BODIES}
    with tempfile.TemporaryDirectory() as base:
        with opened(Path(base) / "winding") as house:
            letters: dict[str, int] = {}
            for step in steps:
                if isinstance(step, Patient):
                    apply(house, step)
                    last[step.fhir[0] if step.fhir else step.mrn] = step
                elif step == "index":
                    house.index()
                elif step == "follow":
                    house.follower.run()
                    house.runs.refresh()
                elif step not in letters:
                    letters[step] = house.capture(house.arrival(raw[step]))[0].pk
            winding = dates(house, letters)
        with opened(Path(base) / "straight") as house:
            for record in last.values():
                apply(house, record)
            letters = {body: house.capture(house.arrival(raw[body]))[0].pk for body in winding}
            assert dates(house, letters) == winding


def opened(base: Path) -> Any:
    """An archive of its own on SQLite; the other database is served by the tests beside this one."""
    given_ = {
        "home": base / "home",
        "database_url": f"sqlite:///{base / 'home' / 'records.db'}",
        "root_key": f"file:{base / 'keys' / 'root.key'}",
        "provider_type": "physician",
        "jurisdictions": ["NY"],
    }
    return open_house(load(given_, environ={}))
