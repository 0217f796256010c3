"""The roster: who the patients are, read strictly from a CSV of ours or from Synthea's `patients.csv`."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Final

from retention.errors import RosterError

ROSTER_COLUMNS: Final = (
    "mrn",
    "name",
    "born",
    "died",
    "state",
    "email",
    "last_encounter",
    "discharged",
)
_REQUIRED: Final = ("mrn", "name")
_SYNTHEA: Final = ("Id", "BIRTHDATE", "DEATHDATE", "FIRST", "LAST", "STATE")
_MAX_CELL: Final = 320
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_EMAIL: Final = re.compile(r"[^\s@<>,;\"]+@[^\s@<>,;\"]+")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")

_STATES: Final = MappingProxyType(
    {
        "Alabama": "AL",
        "Alaska": "AK",
        "Arizona": "AZ",
        "Arkansas": "AR",
        "California": "CA",
        "Colorado": "CO",
        "Connecticut": "CT",
        "Delaware": "DE",
        "District of Columbia": "DC",
        "Florida": "FL",
        "Georgia": "GA",
        "Guam": "GU",
        "Hawaii": "HI",
        "Idaho": "ID",
        "Illinois": "IL",
        "Indiana": "IN",
        "Iowa": "IA",
        "Kansas": "KS",
        "Kentucky": "KY",
        "Louisiana": "LA",
        "Maine": "ME",
        "Maryland": "MD",
        "Massachusetts": "MA",
        "Michigan": "MI",
        "Minnesota": "MN",
        "Mississippi": "MS",
        "Missouri": "MO",
        "Montana": "MT",
        "Nebraska": "NE",
        "Nevada": "NV",
        "New Hampshire": "NH",
        "New Jersey": "NJ",
        "New Mexico": "NM",
        "New York": "NY",
        "North Carolina": "NC",
        "North Dakota": "ND",
        "Ohio": "OH",
        "Oklahoma": "OK",
        "Oregon": "OR",
        "Pennsylvania": "PA",
        "Puerto Rico": "PR",
        "Rhode Island": "RI",
        "South Carolina": "SC",
        "South Dakota": "SD",
        "Tennessee": "TN",
        "Texas": "TX",
        "Utah": "UT",
        "Vermont": "VT",
        "Virgin Islands": "VI",
        "American Samoa": "AS",
        "Northern Mariana Islands": "MP",
        "Virginia": "VA",
        "Washington": "WA",
        "West Virginia": "WV",
        "Wisconsin": "WI",
        "Wyoming": "WY",
    }
)
_CODES: Final = frozenset(_STATES.values())


@dataclass(frozen=True, slots=True)
class Patient:
    """A person of the roster. `mrn` is the record number; an unknown date is None, an unknown text empty.

    `state` is a postal code. All of it is patient information: never log it.
    """

    mrn: str
    name: str
    born: date | None = None
    died: date | None = None
    state: str = ""
    email: str = ""
    last_encounter: date | None = None
    discharged: date | None = None


def read_roster(text: str) -> list[Patient]:
    """Read a roster CSV with a header line, in the file's order.

    The columns are ours (`mrn` and `name` needed, the others optional) or those of Synthea's
    `patients.csv` (its further columns are ignored). Raises RosterError naming line and column for an
    unknown column, a bad value or a record number that is there twice.
    """
    reader = csv.reader(text.removeprefix("\ufeff").splitlines(keepends=True), strict=True)
    patients: list[Patient] = []
    lines: dict[str, int] = {}
    try:
        header = [name.strip() for name in next(reader, [])]
        read = _reader_for(header)
        for cells in reader:
            if not cells:
                continue
            line = reader.line_num
            if len(cells) != len(header):
                raise RosterError(f"line {line}: {len(cells)} cells where the header has {len(header)}")
            patient = read(_Row(line, dict(zip(header, cells, strict=True))))
            if patient.mrn in lines:
                raise RosterError(f"line {line}, column {header[0]}: same as on line {lines[patient.mrn]}")
            lines[patient.mrn] = line
            patients.append(patient)
    except csv.Error as error:
        raise RosterError(f"line {reader.line_num}: not CSV ({error})") from None
    return patients


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    cells: Mapping[str, str]

    def fault(self, column: str, what: str) -> RosterError:
        return RosterError(f"line {self.line}, column {column}: {what}")

    def text(self, column: str) -> str:
        value = self.cells.get(column, "").strip()
        if len(value) > _MAX_CELL or _CONTROL.search(value):
            raise self.fault(column, f"must be at most {_MAX_CELL} characters, without control characters")
        return value

    def needed(self, column: str) -> str:
        value = self.text(column)
        if not value:
            raise self.fault(column, "must not be blank")
        return value

    def date(self, column: str) -> date | None:
        value = self.text(column)
        if not value:
            return None
        try:
            if not _DATE.fullmatch(value):
                raise ValueError
            day = date.fromisoformat(value)
        except ValueError:
            raise self.fault(column, "must be blank or a date as YYYY-MM-DD") from None
        if not 1800 <= day.year <= 2300:
            raise self.fault(column, "must be a date from 1800 to 2300")
        return day

    def state(self, column: str) -> str:
        value = self.text(column)
        code = _STATES.get(value, value.upper())
        if code and code not in _CODES:
            raise self.fault(column, "must be blank, a State's postal code or its name")
        return code

    def email(self, column: str) -> str:
        value = self.text(column)
        if value and not _EMAIL.fullmatch(value):
            raise self.fault(column, "must be blank or one address")
        return value


def _reader_for(header: list[str]) -> Callable[[_Row], Patient]:
    twice = {name for name in header if header.count(name) > 1}
    if twice:
        raise RosterError("line 1: a column is there twice")
    if set(_SYNTHEA) <= set(header):
        return _from_synthea
    for position, name in enumerate(header, start=1):
        if name not in ROSTER_COLUMNS:
            # The name isn't repeated: without a header line it is a patient's data.
            raise RosterError(
                f"line 1, column {position}: unknown column; the first line must name columns among "
                f"{', '.join(ROSTER_COLUMNS)}"
            )
    for name in _REQUIRED:
        if name not in header:
            raise RosterError(f"line 1, column {name}: missing; it is needed")
    return _from_ours


def _from_ours(row: _Row) -> Patient:
    born = row.date("born")
    died = row.date("died")
    if born is not None and died is not None and died < born:
        raise row.fault("died", "must not be before born")
    return Patient(
        mrn=row.needed("mrn"),
        name=row.needed("name"),
        born=born,
        died=died,
        state=row.state("state"),
        email=row.email("email"),
        last_encounter=row.date("last_encounter"),
        discharged=row.date("discharged"),
    )


def _from_synthea(row: _Row) -> Patient:
    names = (row.text("FIRST"), row.text("MIDDLE"), row.text("LAST"))
    return Patient(
        mrn=row.needed("Id"),
        name=" ".join(name for name in names if name) or row.needed("LAST"),
        born=row.date("BIRTHDATE"),
        died=row.date("DEATHDATE"),
        state=row.state("STATE"),
    )
