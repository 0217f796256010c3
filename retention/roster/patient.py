"""A patient's record on the roster: an immutable value, and the plain form in which it is sealed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import date
from typing import Any, Final

Days = date | tuple[date, ...] | None
"""A day; several where it is one of these, unsure which; None where nothing is known."""


@dataclass(frozen=True, slots=True)
class Patient:
    """What the roster knows of a person. All of it is patient information: never log it.

    `mrn` is the number that names the record; it is empty only for a FHIR record that has none, and for
    one of which only encounters are known yet. `born` and `died` are days, or the first and the last one
    that a partial date can mean. `deceased` without `died`: dead, nobody says since when. `state` and
    `states` are postal codes. `fhir` are the ids under which FHIR resources refer to the record, `links`
    those of other records of the same person. `open_encounters` are (id, first day as text) of encounters
    that had not ended when the roster was made: until they end, the last contact isn't known. `ids` are
    other numbers by which mail names a person, as `kind:value` (ssn, mbi, health_plan_id). `emancipated` is
    the day from which a minor was an adult before the law. `met_last` and `met_discharged` are what
    encounters said, beside what a row of a roster says itself: such a row never takes them back. `postal` is
    where a letter reaches her, line by line. `system` names whose record numbers and FHIR ids they are, where
    several systems of an organisation count for themselves: one's number 1001 isn't another one's; it stands
    before each of `fhir` and `links`, as `system|id` (`mrn:system|number`).
    """

    mrn: str
    name: str
    born: Days = None
    died: Days = None
    state: str = ""
    email: str = ""
    last_encounter: date | None = None
    discharged: date | None = None
    numbers: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    deceased: bool = False
    fhir: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    open_encounters: tuple[tuple[str, str], ...] = ()
    ids: tuple[str, ...] = ()
    emancipated: date | None = None
    met_last: date | None = None
    met_discharged: date | None = None
    postal: str = ""
    system: str = ""

    @property
    def all_numbers(self) -> tuple[str, ...]:
        """Every record number, the record's own first."""
        return _distinct((self.mrn, *self.numbers))

    @property
    def all_names(self) -> tuple[str, ...]:
        """Every name, the present one first."""
        return _distinct((self.name, *self.names))

    @property
    def all_emails(self) -> tuple[str, ...]:
        """Every e-mail address."""
        return _distinct((self.email, *self.emails))

    @property
    def all_states(self) -> tuple[str, ...]:
        """Every State."""
        return _distinct((self.state, *self.states))

    @property
    def birthday(self) -> date | None:
        """The date of birth, where it is known to the day."""
        return self.born if isinstance(self.born, date) else None

    def to_json(self) -> dict[str, Any]:
        """The known facts as plain data."""
        found = {}
        for field in fields(self):
            value = _plain(getattr(self, field.name))
            if value or field.name in ("mrn", "name"):
                found[field.name] = value
        return found

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Patient:
        """The inverse of `to_json`; also of what earlier versions sealed."""
        known: dict[str, Any] = {}
        for name, one in value.items():
            if name in _DAYS and one:
                known[name] = tuple(map(date.fromisoformat, one)) if isinstance(one, list) else _day(one)
            elif name == "open_encounters":
                known[name] = tuple((str(a), str(b)) for a, b in one)
            else:
                known[name] = tuple(one) if isinstance(one, list) else one or _EMPTY[name]
        return cls(**known)


_DAYS: Final = frozenset(
    {"born", "died", "last_encounter", "discharged", "emancipated", "met_last", "met_discharged"}
)
_EMPTY: Final[Mapping[str, Any]] = {
    field.name: "" if field.name in ("mrn", "name") else field.default for field in fields(Patient)
}


def _distinct(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for value in values if value))


def _day(text: str) -> date:
    return date.fromisoformat(text)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return value.isoformat() if isinstance(value, date) else value
