"""FHIR R4 Encounter, Practitioner and PractitionerRole: when a patient was seen, and by whom."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from archiver.classify.checks import digits
from retention.roster.fhir_node import ID, Node, logical, names_of, reference_of, several, telecom_of

INPATIENT: Final = frozenset({"IMP", "ACUTE", "NONAC", "SS", "OBSENC"})
"""Classes (v3 ActEncounterCode) of a stay, whose end is a discharge."""
_UNDER_WAY: Final = frozenset({"arrived", "triaged", "in-progress", "onleave"})
_NONE: Final = frozenset({"planned", "cancelled", "entered-in-error"})
_OVER: Final = frozenset({"finished", "unknown"})
_NPI_SYSTEM: Final = "http://hl7.org/fhir/sid/us-npi"
_BY_NPI: Final = "Practitioner?identifier="


@dataclass(frozen=True, slots=True)
class Meeting:
    """What an Encounter tells of its patient, named as in `references`.

    `last` is the latest day it may have lasted to, None where it isn't over (`open_since` is its first day
    then) or never was (`void`). `stay` says that its end is a discharge. `first` is the earliest day it may
    have begun, `kind` its class; `by` are those who took part: (what names them, as they are shown).
    """

    id: str
    patient: str
    last: date | None
    stay: bool
    open_since: str = ""
    void: bool = False
    first: date | None = None
    kind: str = ""
    by: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Clinician:
    """Who cares for patients. `keys` are what encounters name them by, the record's own first: `id:` and a
    FHIR id, `npi:` and a number, `role:` and the id of a role. A role is of somebody: then `of` says whose,
    and nothing else is known here."""

    keys: tuple[str, ...]
    name: str = ""
    emails: tuple[str, ...] = ()
    npi: str = ""
    of: str = ""


def meeting(node: Node) -> Meeting | None:
    """What an Encounter tells; None for a group's, or nobody's."""
    node.no_modifier()
    own = node.text("id", 64)
    if not own:
        raise node.fault("id", "missing")
    status = node.text("status", 64)
    if status not in _UNDER_WAY | _NONE | _OVER:
        raise node.fault("status", "must be a status of R4")
    patient = _subject(node)
    if not patient:
        return None
    codes = {coding.text("code", 100) for coding in node.child("class")}
    stay = not codes.isdisjoint(INPATIENT)
    if status in _NONE:
        return Meeting(own, patient, None, stay, void=True)
    begun = ended = None
    for period in node.child("period"):
        begun, ended = period.moments("start"), period.moments("end")
    told = begun or ended
    one = Meeting(
        own,
        patient,
        None,
        stay,
        first=told[0] if told else None,
        kind=next(iter(codes), ""),
        by=_taking_part(node),
    )
    # A visit is over on the day it began. How long a stay lasted can't be told, nor what "unknown" may go on.
    over = ended or (begun if status == "finished" and not stay else None)
    if status in _OVER and over:
        return replace(one, last=over[1])
    # Under way, or over at a time that nobody tells: the last contact isn't known.
    return replace(one, open_since=begun[1].isoformat() if begun else "-")


def clinician(node: Node, full_url: str) -> Clinician:
    """A Practitioner."""
    node.no_modifier()
    ids = _ids(node, full_url)
    numbers = [
        one.text("value", 200)
        for one in node.children("identifier")
        if one.text("system", 500) == _NPI_SYSTEM
    ]
    npi = next(iter(several(map(digits, numbers))), "")
    present, previous = names_of(node)
    return Clinician(
        keys=several((*(f"id:{one}" for one in ids), f"npi:{npi}" if npi else "")),
        name=next(iter((*present, *previous)), ""),
        emails=telecom_of(node)[0],
        npi=npi,
    )


def role(node: Node, full_url: str) -> Clinician | None:
    """A PractitionerRole; None where it says of nobody in particular."""
    node.no_modifier()
    ids = _ids(node, full_url)
    for one in node.child("practitioner"):
        of = clinician_of(one.text("reference", 500))
        if of:
            return Clinician(keys=tuple(f"role:{own}" for own in ids), of=of)
    return None


def clinician_of(reference: str) -> str:
    """What a reference names somebody by, as in `Clinician.keys`; "" for another kind of resource."""
    if reference.startswith("urn:uuid:"):
        return f"id:{reference.removeprefix('urn:uuid:')}"
    for kind, key in (("PractitionerRole/", "role"), ("Practitioner/", "id")):
        head, found, tail = reference.rpartition(kind)
        own = tail.split("/")[0]
        if found and (not head or head.endswith("/")) and ID.fullmatch(own):
            return f"{key}:{own}"
    if reference.startswith(_BY_NPI):
        system, _, value = reference.removeprefix(_BY_NPI).rpartition("|")
        return f"npi:{digits(value)}" if system in ("", _NPI_SYSTEM) and digits(value) else ""
    return ""


def _taking_part(node: Node) -> tuple[tuple[str, str], ...]:
    found: dict[str, str] = {}
    for one in node.children("participant"):
        for individual in one.child("individual"):
            key = clinician_of(individual.text("reference", 500))
            for identifier in individual.child("identifier"):
                number = digits(identifier.text("value", 200))
                if not key and identifier.text("system", 500) == _NPI_SYSTEM and number:
                    key = f"npi:{number}"
            if key:
                found.setdefault(key, individual.text("display", 400))
    return tuple(found.items())


def _ids(node: Node, full_url: str) -> tuple[str, ...]:
    own = node.text("id", 64)
    if own and not ID.fullmatch(own):
        raise node.fault("id", "must be a FHIR id")
    uuid = full_url.removeprefix("urn:uuid:") if full_url.startswith("urn:uuid:") else ""
    ids = several((own, uuid))
    if not ids:
        raise node.fault("id", "missing")
    return ids


def _subject(node: Node) -> str:
    for subject in node.child("subject"):
        reference = subject.text("reference", 500)
        return _reference(subject, reference) if reference else logical(subject)
    return ""


def _reference(node: Node, reference: str) -> str:
    if reference.startswith("#"):
        raise node.fault("reference", "a contained patient can't be told from others")
    found = reference_of(reference)
    if found is None:
        raise node.fault("reference", "must name a Patient")
    return found
