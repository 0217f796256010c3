"""FHIR R4 (hl7.org/fhir/R4): Patient here, Encounter and Practitioner beside it, read strictly as far as
dates, matching and timelines need them.

Other elements are passed over. A fault names the resource and the element, never a value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from archiver.classify import normalise_identifier
from retention.errors import RosterError
from retention.roster.csv_file import postal_lines, state_code
from retention.roster.fhir_care import Clinician, Meeting, clinician, meeting, role
from retention.roster.fhir_node import (
    ID,
    TIME,
    Node,
    both_days,
    first_day,
    last_day,
    names_of,
    reference_of,
    several,
    telecom_of,
)
from retention.roster.patient import Days, Patient

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
_LINKS: Final = frozenset({"replaced-by", "replaces", "refer", "seealso"})


class Reader:
    """Reads resources. Identifiers of `number_systems` are record numbers, whatever their type."""

    def __init__(self, number_systems: tuple[str, ...] = ()) -> None:
        self._systems = frozenset(number_systems)

    def read(self, resource: Any, where: str, full_url: str = "") -> Patient | Meeting | Clinician | None:
        """A Patient's record, what an Encounter tells, or who cares for patients; None for any other
        resource. Raises RosterError."""
        node = Node(resource, where)
        kind = node.text("resourceType", 64)
        if kind == "Patient":
            return self._patient(Node(resource, f"{where}, Patient"), full_url)
        if kind == "Encounter":
            return meeting(Node(resource, f"{where}, Encounter"))
        if kind == "Practitioner":
            return clinician(Node(resource, f"{where}, Practitioner"), full_url)
        if kind == "PractitionerRole":
            return role(Node(resource, f"{where}, PractitionerRole"), full_url)
        if not kind:
            raise node.fault("resourceType", "missing")
        return None

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
        states = several(
            state_code(address.text("state", 200))
            for address in node.children("address")
            if address.text("country", 200).upper() in ("", "US", "USA", "UNITED STATES")
        )
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
            fhir=fhir,
            links=_links(node, fhir),
            ids=ids,
            postal=next(filter(None, map(_postal, node.children("address"))), ""),
        )

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
            named = reference_of(reference) if reference else ""
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
