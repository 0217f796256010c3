"""FHIR R4 Patient and Encounter (hl7.org/fhir/R4), read strictly as far as dates and matching need them.

Other elements are passed over. A fault names the resource and the element, never a value.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

from archiver.classify import normalise_identifier
from retention.errors import RosterError
from retention.roster.csv_file import email_address, phone_number, state_code
from retention.roster.patient import Days, Patient

RECORD_NUMBER: Final = "MR"
INTERNAL: Final = "PI"
"""Codes of HL7 v2 table 0203: a medical record number; an internal one, for want of the first."""
_OTHER_IDS: Final[Mapping[str, str]] = {
    "SS": "ssn",
    "MC": "mbi",
    "MB": "health_plan_id",
    "MA": "health_plan_id",
}
_SYSTEMS: Final[Mapping[str, str]] = {
    "http://hl7.org/fhir/sid/us-ssn": "ssn",
    "urn:oid:2.16.840.1.113883.4.1": "ssn",
    "http://hl7.org/fhir/sid/us-mbi": "mbi",
}
INPATIENT: Final = frozenset({"IMP", "ACUTE", "NONAC", "SS", "OBSENC"})
"""Classes (v3 ActEncounterCode) of a stay, whose end is a discharge."""
_UNDER_WAY: Final = frozenset({"arrived", "triaged", "in-progress", "onleave"})
_NONE: Final = frozenset({"planned", "cancelled", "entered-in-error"})
_OVER: Final = frozenset({"finished", "unknown"})
_LINKS: Final = frozenset({"replaced-by", "replaces", "refer", "seealso"})
_PREVIOUS: Final = frozenset({"old", "maiden"})
_NOT_A_NAME: Final = frozenset({"anonymous", "nickname", "temp"})

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_ID: Final = re.compile(r"[A-Za-z0-9.-]{1,64}")
_DAY: Final = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?", re.ASCII)
_TIME: Final = re.compile(r"(\d{4}-\d{2}-\d{2})T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})", re.ASCII)
_OTHER: Final = re.compile(r"https?://\S+|[A-Z][A-Za-z]*[/?]\S+")
_FIRST_YEAR, _LAST_YEAR = 1800, 2300


@dataclass(frozen=True, slots=True)
class Meeting:
    """What an Encounter tells of its patient, named as in `references`.

    `last` is the latest day it may have lasted to, None where it isn't over (`open_since` is its first day
    then) or never was (`void`). `stay` says that its end is a discharge.
    """

    id: str
    patient: str
    last: date | None
    stay: bool
    open_since: str = ""
    void: bool = False


class Reader:
    """Reads resources. Identifiers of `number_systems` are record numbers, whatever their type."""

    def __init__(self, number_systems: tuple[str, ...] = ()) -> None:
        self._systems = frozenset(number_systems)

    def read(self, resource: Any, where: str, full_url: str = "") -> Patient | Meeting | None:
        """A Patient's record or what an Encounter tells; None for any other resource. Raises RosterError."""
        node = _Node(resource, where)
        kind = node.text("resourceType", 64)
        if kind == "Patient":
            return self._patient(_Node(resource, f"{where}, Patient"), full_url)
        if kind == "Encounter":
            return self._encounter(_Node(resource, f"{where}, Encounter"))
        if not kind:
            raise node.fault("resourceType", "missing")
        return None

    # --- Patient ------------------------------------------------------------------------------

    def _patient(self, node: _Node, full_url: str) -> Patient:
        node.no_modifier()
        own = node.text("id", 64)
        if own and not _ID.fullmatch(own):
            raise node.fault("id", "must be a FHIR id")
        uuid = full_url.removeprefix("urn:uuid:") if full_url.startswith("urn:uuid:") else ""
        fhir = tuple(dict.fromkeys(one for one in (own, uuid) if one))
        if not fhir:
            raise node.fault("id", "missing")
        numbers, ids = self._identifiers(node)
        present, previous = _names(node)
        born = node.days("birthDate")
        died, deceased = _death(node)
        if born and died and _last(died) < _first(born):
            raise node.fault("deceasedDateTime", "must not be before birthDate")
        states = _several(
            state_code(address.text("state", 200))
            for address in node.children("address")
            if address.text("country", 200).upper() in ("", "US", "USA", "UNITED STATES")
        )
        emails, phones = _telecom(node)
        return Patient(
            mrn=numbers[0] if numbers else "",
            name=present[0] if present else previous[0] if previous else "",
            born=born,
            died=died,
            state=states[0] if states else "",
            email=emails[0] if emails else "",
            numbers=numbers[1:],
            names=_several((*present[1:], *previous)),
            states=states[1:],
            emails=emails[1:],
            phones=phones,
            deceased=deceased,
            fhir=fhir,
            links=_links(node, fhir),
            ids=ids,
        )

    def _identifiers(self, node: _Node) -> tuple[tuple[str, ...], tuple[str, ...]]:
        numbers: list[str] = []
        internal: list[str] = []
        ids: list[str] = []
        for one in node.children("identifier"):
            value, system = one.text("value", 200), one.text("system", 500)
            codes = {
                coding.text("code", 100) for kind in one.child("type") for coding in kind.children("coding")
            }
            if not value:
                continue
            if system in self._systems or RECORD_NUMBER in codes:
                numbers.append(value)
            elif INTERNAL in codes:
                internal.append(value)
            kinds = (
                {_SYSTEMS[system]}
                if system in _SYSTEMS
                else {_OTHER_IDS[c] for c in codes if c in _OTHER_IDS}
            )
            ids += [f"{kind}:{normal}" for kind in kinds if (normal := normalise_identifier(kind, value))]
        found = _several(n for n in numbers or internal if normalise_identifier("mrn", n))
        return found, _several(sorted(ids))

    # --- Encounter ----------------------------------------------------------------------------

    def _encounter(self, node: _Node) -> Meeting | None:
        node.no_modifier()
        own = node.text("id", 64)
        if not own:
            raise node.fault("id", "missing")
        status = node.text("status", 64)
        if status not in _UNDER_WAY | _NONE | _OVER:
            raise node.fault("status", "must be a status of R4")
        patient = self._subject(node)
        if not patient:
            return None  # a group's, or nobody's
        codes = {coding.text("code", 100) for coding in node.child("class")}
        stay = not codes.isdisjoint(INPATIENT)
        if status in _NONE:
            return Meeting(own, patient, None, stay, void=True)
        first = last = None
        for period in node.child("period"):
            first, last = period.moment("start"), period.moment("end")
        if status in _OVER and (last or first):
            return Meeting(own, patient, last or first, stay)
        # Under way, or over at a time that nobody tells: the last contact isn't known.
        return Meeting(own, patient, None, stay, open_since=first.isoformat() if first else "-")

    def _subject(self, node: _Node) -> str:
        for subject in node.child("subject"):
            reference = subject.text("reference", 500)
            if reference:
                return self._reference(subject, reference)
            for one in subject.child("identifier"):
                return _by_number(one.text("value", 200))
        return ""

    @staticmethod
    def _reference(node: _Node, reference: str) -> str:
        if reference.startswith("#"):
            raise node.fault("reference", "a contained patient can't be told from others")
        found = reference_of(reference)
        if found is None:
            raise node.fault("reference", "must name a Patient")
        return found


def reference_of(reference: str) -> str | None:
    """What a reference names a patient by: a FHIR id, or `mrn:` and a record number; "" for another kind of
    resource, None for what is no reference."""
    if reference.startswith("urn:uuid:"):
        return reference.removeprefix("urn:uuid:")
    head, found, tail = reference.rpartition("Patient/")
    if found and (not head or head.endswith("/")):
        own = tail.split("/")[0]
        return own if _ID.fullmatch(own) else None
    if reference.startswith("Patient?identifier="):
        return _by_number(re.split(r"[=|]", reference)[-1])
    return "" if _OTHER.fullmatch(reference) else None


def _by_number(value: str) -> str:
    number = normalise_identifier("mrn", value)
    return f"mrn:{number}" if number else ""


def _names(node: _Node) -> tuple[tuple[str, ...], tuple[str, ...]]:
    present: list[str] = []
    previous: list[str] = []
    for name in node.children("name"):
        use = name.text("use", 32)
        if use in _NOT_A_NAME:
            continue
        family, given = name.text("family", 200), " ".join(name.texts("given", 200))
        told = f"{family}, {given}" if family and given else name.text("text", 400) or family or given
        if told:
            (previous if use in _PREVIOUS else present).append(told)
    return _several(present), _several(previous)


def _death(node: _Node) -> tuple[Days, bool]:
    flag = node.value("deceasedBoolean")
    if flag is not None and not isinstance(flag, bool):
        raise node.fault("deceasedBoolean", "must be true or false")
    text = node.text("deceasedDateTime", 64)
    if not text:
        return None, bool(flag)
    if (time := _TIME.fullmatch(text)) is not None:
        local, utc = _both_days(node, "deceasedDateTime", text, time.group(1))
        return (local if local == utc else (min(local, utc), max(local, utc))), True
    return node.days("deceasedDateTime"), True


def _telecom(node: _Node) -> tuple[tuple[str, ...], tuple[str, ...]]:
    emails, phones = [], []
    for one in node.children("telecom"):
        system, value = one.text("system", 32), one.text("value", 320)
        if system == "email" or value.startswith("mailto:"):
            emails.append(email_address(value.removeprefix("mailto:")))
        elif system in ("phone", "sms", "fax"):
            phones.append(phone_number(value))
    return _several(emails), _several(phones)


def _links(node: _Node, own: tuple[str, ...]) -> tuple[str, ...]:
    found = []
    for link in node.children("link"):
        if link.text("type", 32) not in _LINKS:
            raise link.fault("type", "must be replaced-by, replaces, refer or seealso")
        for other in link.child("other"):
            reference = other.text("reference", 500)
            named = reference_of(reference) if reference else ""
            if named is None:
                raise other.fault("reference", "must name a Patient")
            found.append(named)
    return _several(one for one in found if one not in own)


def _several(values: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for value in values if value))


def _first(days: date | tuple[date, ...]) -> date:
    return days[0] if isinstance(days, tuple) else days


def _last(days: date | tuple[date, ...]) -> date:
    return days[-1] if isinstance(days, tuple) else days


def _both_days(node: _Node, name: str, text: str, day: str) -> tuple[date, date]:
    """The day at the place of the event, and in UTC."""
    try:
        whole = text if re.search(r":\d{2}:\d{2}", text) else re.sub(r"(T\d{2}:\d{2})", r"\1:00", text)
        moment = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", whole))
        return date.fromisoformat(day), moment.astimezone(UTC).date()
    except (ValueError, OverflowError):
        raise node.fault(name, "must be a FHIR dateTime") from None


class _Node:
    """An object of a resource, and where it stands."""

    def __init__(self, value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise RosterError(f"{where}: must be a JSON object")
        self._value: dict[str, Any] = value
        self._where = where

    def fault(self, name: str, what: str) -> RosterError:
        return RosterError(f"{self._where}.{name}: {what}")

    def value(self, name: str) -> Any:
        return self._value.get(name)

    def no_modifier(self) -> None:
        """FHIR forbids to use what a modifier extension may turn into its opposite."""
        if self._value.get("modifierExtension"):
            raise self.fault("modifierExtension", "not understood; leave this resource out")

    def text(self, name: str, most: int) -> str:
        value = self._value.get(name)
        if value is None:
            return ""
        if not isinstance(value, str) or len(value) > most or _CONTROL.search(value):
            raise self.fault(name, f"must be text of at most {most} characters, without control characters")
        return value.strip()

    def texts(self, name: str, most: int) -> list[str]:
        values = self._value.get(name) or []
        if not isinstance(values, list):
            raise self.fault(name, "must be an array")
        return [text for value in values if (text := _Node({name: value}, self._where).text(name, most))]

    def child(self, name: str) -> Iterator[_Node]:
        """The object of this name, if it is there."""
        if self._value.get(name) is not None:
            yield _Node(self._value[name], f"{self._where}.{name}")

    def children(self, name: str) -> Iterator[_Node]:
        """The objects of an array."""
        values = self._value.get(name) or []
        if not isinstance(values, list):
            raise self.fault(name, "must be an array")
        for number, value in enumerate(values):
            yield _Node(value, f"{self._where}.{name}[{number}]")

    def days(self, name: str) -> Days:
        """A date that may be partial: then the first and the last day it can mean."""
        text = self.text(name, 64)
        if not text:
            return None
        match = _DAY.fullmatch(text)
        try:
            if match is None:
                raise ValueError
            year, month, day = (int(part) if part else 0 for part in match.groups())
            if not _FIRST_YEAR <= year <= _LAST_YEAR:
                raise self.fault(name, f"must be a date from {_FIRST_YEAR} to {_LAST_YEAR}")
            if day:
                return date(year, month, day)
            if month:
                return date(year, month, 1), date(year, month, monthrange(year, month)[1])
            return date(year, 1, 1), date(year, 12, 31)
        except (ValueError, IndexError):
            raise self.fault(name, "must be a date as YYYY, YYYY-MM or YYYY-MM-DD") from None

    def moment(self, name: str) -> date | None:
        """The latest day that a dateTime can mean, at the place of the event or in UTC."""
        text = self.text(name, 64)
        if (time := _TIME.fullmatch(text)) is not None:
            found = max(_both_days(self, name, text, time.group(1)))
            if not _FIRST_YEAR <= found.year <= _LAST_YEAR:
                raise self.fault(name, f"must be a date from {_FIRST_YEAR} to {_LAST_YEAR}")
            return found
        days = self.days(name)
        return _last(days) if days is not None else None
