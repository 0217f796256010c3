"""FHIR R4 (hl7.org/fhir/R4): Patient here, Encounter and Practitioner beside it, read strictly as far as
dates, matching and timelines need them.

Other elements are passed over. A fault names the resource and the element, never a value.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from archiver.classify import normalise_identifier
from retention.errors import RosterError
from retention.roster.csv_file import postal_lines
from retention.roster.fhir_care import Clinician, Meeting, clinician, meeting, role
from retention.roster.fhir_node import (
    ID,
    TIME,
    Node,
    both_days,
    first_day,
    last_day,
    logical,
    names_of,
    reference_of,
    several,
    telecom_of,
)
from retention.roster.patient import Days, Patient
from retention.roster.states import is_here, state_code

__all__ = ["Clinician", "Meeting", "Reader", "reference_of"]

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
_CARERS: Final[Mapping[str, Callable[[Node, str], Clinician | None]]] = {
    "Practitioner": clinician,
    "PractitionerRole": role,
}
_LINKS: Final = frozenset({"replaced-by", "replaces", "refer", "seealso"})


class Reader:
    """Reads resources. Identifiers of `number_systems` are record numbers, whatever their type; ids and
    record numbers are those of `system`, see `Patient`."""

    def __init__(self, number_systems: tuple[str, ...] = (), system: str = "") -> None:
        self._systems = frozenset(number_systems)
        self._system = system
        self.passed = Counter[str]()
        """How much was passed over: `states` that are none of ours, in addresses that are here."""

    def read(self, resource: Any, where: str, full_url: str = "") -> Patient | Meeting | Clinician | None:
        """A Patient's record, what an Encounter tells, or who cares for patients; None for any other
        resource. Raises RosterError."""
        node = Node(resource, where)
        kind = node.text("resourceType", 64)
        if kind == "Patient":
            return self._patient(Node(resource, f"{where}, Patient"), full_url)
        if kind == "Encounter":
            found = meeting(Node(resource, f"{where}, Encounter"))
            return self._placed(found) if self._system and found is not None else found
        if kind in _CARERS:
            carer = _CARERS[kind](Node(resource, f"{where}, {kind}"), full_url)
            return self._placed_carer(carer) if self._system and carer is not None else carer
        if kind == "Bundle":
            raise RosterError(f"{where}: a Bundle must be a file of its own, ending in .json")
        if not kind:
            raise node.fault("resourceType", "missing")
        return None

    def _placed(self, one: Meeting) -> Meeting:
        by = tuple((self._own_key(key), shown) for key, shown in one.by)
        return replace(one, id=self._own(one.id), patient=self._own(one.patient), by=by)

    def _placed_carer(self, one: Clinician) -> Clinician:
        of = self._own_key(one.of) if one.of else ""
        return replace(one, keys=tuple(map(self._own_key, one.keys)), of=of)

    def _own(self, name: str) -> str:
        """What names a resource, as that of its system."""
        kind = "mrn:" if name.startswith("mrn:") else ""
        return f"{kind}{self._system}|{name.removeprefix(kind)}" if self._system else name

    def _own_key(self, key: str) -> str:
        kind, _, own = key.partition(":")
        return key if kind == "npi" else f"{kind}:{self._system}|{own}"

    def _patient(self, node: Node, full_url: str) -> Patient:
        node.no_modifier()
        own = node.text("id", 64)
        if own and not ID.fullmatch(own):
            raise node.fault("id", "must be a FHIR id")
        uuid = full_url.removeprefix("urn:uuid:") if full_url.startswith("urn:uuid:") else ""
        fhir = tuple(dict.fromkeys(one for one in (own, uuid) if one))
        if not fhir:
            raise node.fault("id", "missing")
        numbers, ids = self._identifiers(node)
        present, previous = names_of(node)
        born = node.days("birthDate")
        died, deceased = _death(node)
        if born and died and last_day(died) < first_day(born):
            raise node.fault("deceasedDateTime", "must not be before birthDate")
        states = several(self._states(node))
        emails, phones = telecom_of(node)
        return Patient(
            mrn=numbers[0] if numbers else "",
            name=present[0] if present else previous[0] if previous else "",
            born=born,
            died=died,
            state=states[0] if states else "",
            email=emails[0] if emails else "",
            numbers=numbers[1:],
            names=several((*present[1:], *previous)),
            states=states[1:],
            emails=emails[1:],
            phones=phones,
            deceased=deceased,
            fhir=tuple(map(self._own, fhir)),
            links=tuple(map(self._own, _links(node, fhir))),
            ids=ids,
            postal=next(filter(None, map(_postal, node.children("address"))), ""),
            system=self._system,
        )

    def _states(self, node: Node) -> Iterable[str]:
        for address in node.children("address"):
            said, country = address.text("state", 200), address.text("country", 200)
            if said and is_here(country):
                code = state_code(said)
                self.passed["states"] += not code
                yield code

    def _identifiers(self, node: Node) -> tuple[tuple[str, ...], tuple[str, ...]]:
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
        found = several(n for n in numbers or internal if normalise_identifier("mrn", n))
        return found, several(sorted(ids))


def _death(node: Node) -> tuple[Days, bool]:
    flag = node.value("deceasedBoolean")
    if flag is not None and not isinstance(flag, bool):
        raise node.fault("deceasedBoolean", "must be true or false")
    text = node.text("deceasedDateTime", 64)
    if not text:
        return None, bool(flag)
    if (time := TIME.fullmatch(text)) is not None:
        local, utc = both_days(node, "deceasedDateTime", text, time.group(1))
        return (local if local == utc else (min(local, utc), max(local, utc))), True
    return node.days("deceasedDateTime"), True


def _links(node: Node, own: tuple[str, ...]) -> tuple[str, ...]:
    found = []
    for link in node.children("link"):
        if link.text("type", 32) not in _LINKS:
            raise link.fault("type", "must be replaced-by, replaces, refer or seealso")
        for other in link.child("other"):
            reference = other.text("reference", 500)
            named = reference_of(reference) if reference else logical(other)
            if named is None:
                raise other.fault("reference", "must name a Patient")
            found.append(named)
    return several(one for one in found if one not in own)


def _postal(address: Node) -> str:
    """An address to which a letter may go; empty for one of before, for bills alone, or that can't be read:
    no roster is refused for it."""
    try:
        if address.text("use", 32) in ("old", "billing"):
            return ""
        parts = [address.text(name, 200) for name in ("city", "state", "postalCode")]
        return postal_lines(address.texts("line", 200), *parts)
    except RosterError:
        return ""
