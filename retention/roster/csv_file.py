"""The roster: who the patients are, read strictly from a CSV of ours or from Synthea's `patients.csv`."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import chain
from types import MappingProxyType
from typing import Final

from archiver.classify import normalise_identifier
from retention.errors import RosterError
from retention.roster.patient import Patient as Patient
from retention.roster.states import state_code

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
_MAX_CELL: Final = 2_000
MAX_LINE: Final = 1 << 20
"""Characters of a row: it is in memory whole, and one of patients has far fewer."""
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_US_DATE: Final = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})", re.ASCII)
_BAD_DATE: Final = {
    False: "must be blank or a date as YYYY-MM-DD; for month/day/year give --us-dates",
    True: "must be blank or a date as MM/DD/YYYY or YYYY-MM-DD",
}
_SYSTEM: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,63}")
_EMAIL: Final = re.compile(r"[^\s@<>,;\"]+@[^\s@<>,;\"]+")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")

MORE_COLUMNS: Final = ("phone", "previous_names", "emancipated", "postal_address")
"""Columns that may be there besides."""
_OURS: Final = (*ROSTER_COLUMNS, *MORE_COLUMNS)
_SEVERAL: Final = ";"
_LINE_END: Final = re.compile(r"\r?\n")
"""Between several values of a cell: record numbers, addresses, telephone numbers, previous names, States."""


@dataclass(frozen=True, slots=True)
class Row:
    """A patient of a roster, where the row stands, and which fields the roster speaks of at all.

    A column that isn't there says nothing: what is known from elsewhere stays. A blank cell says that it
    isn't known.
    """

    patient: Patient
    given: frozenset[str]
    line: int


@dataclass(frozen=True, slots=True)
class Form:
    """What somebody says of a roster. `columns` are a CSV's names for ours (`{"born": "DOB"}`); where there
    are any, columns of other names are passed over. `us_dates` reads its 2/28/1970 as month, day, year.
    `system` says whose record numbers and FHIR ids they are, see `Patient`."""

    columns: Mapping[str, str] = field(default_factory=dict)
    us_dates: bool = False
    system: str = ""

    def __post_init__(self) -> None:
        if self.system and not _SYSTEM.fullmatch(self.system):
            raise RosterError("a system is named by up to 64 letters, digits, dots and dashes")
        if not self.columns.keys() <= set(_OURS):
            raise RosterError(f"a column must be told as OURS=YOURS, where ours is one of {', '.join(_OURS)}")


AS_IS: Final = Form()
"""Our columns, ISO dates, and one system for all."""


def read_roster(text: str) -> list[Patient]:
    """Read a whole roster CSV with a header line, in the file's order; see `read_rows`.

    Raises RosterError too for a record number that is there twice, in whatever spelling.
    """
    rows = list(read_rows(text.removeprefix("\ufeff").splitlines(keepends=True)))
    seen: dict[str, int] = {}
    for row in rows:
        first = seen.setdefault(normalise_identifier("mrn", row.patient.mrn), row.line)
        if first != row.line:
            raise RosterError(f"line {row.line}, column mrn: same as on line {first}")
    return [row.patient for row in rows]


def read_rows(lines: Iterable[str], form: Form = AS_IS) -> Iterator[Row]:
    """Read the lines of a roster CSV with a header line, row by row; commas, semicolons or tabs divide it.

    The columns are ours (`mrn` and `name` needed, the others optional; several values of a cell with `;`
    or line ends between them) or those of Synthea's `patients.csv` (its further columns are ignored). Raises
    RosterError naming line and column for an unknown column or a bad value.
    """
    bounded = _Bounded(lines)
    rows = iter(bounded)
    first = next(rows, "")
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(chain([first], rows), delimiter=delimiter, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        columns, read, given = _reader_for(header, form)
        number_column = "Id" if read is _from_synthea else "mrn"
        for cells in reader:
            bounded.left = MAX_LINE
            if not cells:
                continue
            line = reader.line_num
            if len(cells) != len(header):
                raise RosterError(f"line {line}: {len(cells)} cells where the header has {len(header)}")
            patient = read(_Row(line, dict(zip(columns, cells, strict=True)), form.us_dates))
            if not normalise_identifier("mrn", patient.mrn):
                raise RosterError(
                    f"line {line}, column {number_column}: a record number needs letters or digits"
                )
            yield Row(replace(patient, system=form.system) if form.system else patient, given, line)
    except csv.Error as error:
        raise RosterError(f"line {reader.line_num}: not CSV ({error})") from None


class _Bounded:
    """Lines, so long as a row (of several, where a cell has line ends in it) stays within `MAX_LINE`."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._line = 0
        self.left = MAX_LINE

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self._line += 1
            self.left -= len(line)
            if self.left < 0:
                raise RosterError(f"line {self._line}: a row is longer than {MAX_LINE:,} characters")
            yield line


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    cells: Mapping[str, str]
    us_dates: bool

    def fault(self, column: str, what: str) -> RosterError:
        return RosterError(f"line {self.line}, column {column}: {what}")

    def text(self, column: str) -> str:
        return self._sound(column, self.cells.get(column, "").strip())

    def _sound(self, column: str, value: str) -> str:
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
        american = _US_DATE.fullmatch(value)
        try:
            if american is not None and self.us_dates:
                day = date(int(american[3]), int(american[1]), int(american[2]))
            elif _DATE.fullmatch(value):
                day = date.fromisoformat(value)
            else:
                raise ValueError
        except ValueError:
            raise self.fault(column, _BAD_DATE[self.us_dates]) from None
        if not 1800 <= day.year <= 2300:
            raise self.fault(column, "must be a date from 1800 to 2300")
        return day

    def several(self, column: str, what: str, good: Callable[[str], str]) -> tuple[str, ...]:
        """The values of a cell; `good` gives each in its one form, `""` for a bad one."""
        # A spreadsheet has them on lines of their own.
        cell = self._sound(column, _LINE_END.sub(_SEVERAL, self.cells.get(column, "").strip()))
        values = [value.strip() for value in cell.split(_SEVERAL) if value.strip()]
        found = tuple(dict.fromkeys(good(value) for value in values))
        if not all(found):
            raise self.fault(column, what)
        return found


def email_address(value: str) -> str:
    """An e-mail address as written; `""` for what is none."""
    return value if _EMAIL.fullmatch(value) else ""


def phone_number(value: str) -> str:
    """A telephone number as written; `""` for what has too few or too many figures."""
    return value if 7 <= sum(char.isdigit() for char in value) <= 20 else ""


def _record_number(value: str) -> str:
    return value if normalise_identifier("mrn", value) else ""


_Read = Callable[["_Row"], Patient]


def _reader_for(header: list[str], form: Form) -> tuple[list[str], _Read, frozenset[str]]:
    """The columns as a row is read by them, what reads it, and the fields that it speaks of."""
    if set(_SYNTHEA) <= set(header) and not form.columns:
        _once(header)
        said = {"mrn", "name", "born", "died", "state", "names", "deceased"}
        return header, _from_synthea, frozenset(said | ({"postal"} if "ADDRESS" in header else set()))
    ours = {name: name for name in _OURS} | {_plain(theirs): name for name, theirs in form.columns.items()}
    named = [ours.get(_plain(name), "") for name in header]
    _once([name for name in named if name])
    for position, name in enumerate(named, start=1):
        if not name and not form.columns:
            # The name isn't repeated: without a header line it is a patient's data.
            raise RosterError(
                f"line 1, column {position}: unknown column; the first line must name columns among"
                f" {', '.join(_OURS)}; where yours are called otherwise, say so: --column mrn=NAME"
            )
    for name in (*_REQUIRED, *form.columns):
        if name not in named:
            why = "no column has the name that was told" if name in form.columns else "missing; it is needed"
            raise RosterError(f"line 1, column {name}: {why}")
    fields = (_FIELDS.get(name, (name,)) for name in named if name)
    return named, _from_ours, frozenset(chain.from_iterable(fields))


def _once(names: list[str]) -> None:
    if len(names) != len(set(names)):
        raise RosterError("line 1: a column is there twice")


def _plain(name: str) -> str:
    return "_".join(name.casefold().split())


_FIELDS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "mrn": ("mrn", "numbers"),
        "died": ("died", "deceased"),
        "state": ("state", "states"),
        "email": ("email", "emails"),
        "phone": ("phones",),
        "previous_names": ("names",),
        "postal_address": ("postal",),
    }
)
"""The fields of a patient that a column speaks of, where they aren't called as it is."""


def _from_ours(row: _Row) -> Patient:
    born = row.date("born")
    died = row.date("died")
    if born is not None and died is not None and died < born:
        raise row.fault("died", "must not be before born")
    emancipated = row.date("emancipated")
    if born is not None and emancipated is not None and emancipated < born:
        raise row.fault("emancipated", "must not be before born")
    row.needed("mrn")
    numbers = row.several("mrn", "a record number needs letters or digits", _record_number)
    states = row.several("state", "must be blank, a State's postal code or its name", state_code)
    emails = row.several("email", "must be blank or an address", email_address)
    if not numbers:
        raise row.fault("mrn", "must not be blank")
    return Patient(
        mrn=numbers[0],
        name=row.needed("name"),
        born=born,
        died=died,
        state=states[0] if states else "",
        email=emails[0] if emails else "",
        last_encounter=row.date("last_encounter"),
        discharged=row.date("discharged"),
        numbers=numbers[1:],
        names=row.several("previous_names", "must be blank or names", str),
        states=states[1:],
        emails=emails[1:],
        phones=row.several("phone", "must be blank or a telephone number", phone_number),
        emancipated=emancipated,
        postal="\n".join(row.several("postal_address", "must be blank or an address", str)),
    )


def _from_synthea(row: _Row) -> Patient:
    given = [name for name in (row.text("FIRST"), row.text("MIDDLE")) if name]
    family, maiden = row.text("LAST"), row.text("MAIDEN")
    states = row.several("STATE", "must be blank, a State's postal code or its name", state_code)
    return Patient(
        mrn=row.needed("Id"),
        name=" ".join((*given, family)) if given else row.needed("LAST"),
        born=row.date("BIRTHDATE"),
        died=row.date("DEATHDATE"),
        state=states[0] if states else "",
        names=(" ".join((*given, maiden)),) if maiden and given else (),
        postal=postal_lines([row.text("ADDRESS")], row.text("CITY"), row.text("STATE"), row.text("ZIP")),
    )


def postal_lines(street: Iterable[str], city: str, state: str, code: str) -> str:
    """A postal address as its lines; empty without a street."""
    lines = [one for one in street if one]
    place = ", ".join(filter(None, (city, " ".join(filter(None, (state_code(state) or state, code))))))
    return "\n".join(filter(None, (*lines, place))) if lines else ""
