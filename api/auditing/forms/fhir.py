"""FHIR R4 AuditEvent after IHE's Basic Audit Log Patterns (BALP 1.1): one for each patient concerned.

A query that told of patients is `PatientQuery`, a read `PatientRead`, of none `Query` and `Read`; what the
book of disclosures has is `PrivacyDisclosure.Source`; other entries, and what failed, claim no profile.
Patients are named by keyed tokens unless PHI was asked for and is allowed.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any, Final

from api.auditing.entry import Entry
from api.auditing.forms.about import About
from api.auditing.forms.kinds import Kind, disclosure_of, kind_of, went_well
from archiver.clock import rfc3339

_PROFILES: Final = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."
_DCM: Final = "http://dicom.nema.org/resources/ontology/DCM"
_EVENT: Final = "http://terminology.hl7.org/CodeSystem/audit-event-type"
_REST: Final = "http://hl7.org/fhir/restful-interaction"
_ENTITY: Final = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_ROLE: Final = "http://terminology.hl7.org/CodeSystem/object-role"
_RECIPIENT: Final = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
_REASON: Final = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
_LIFECYCLE: Final = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle"
_SNOMED: Final = "http://snomed.info/sct"
_SOURCE: Final = "http://terminology.hl7.org/CodeSystem/security-source-type"
_OURS: Final = "urn:holdfast:"

PURPOSES: Final = {
    "treatment": ("TREAT", "treatment"),
    "payment": ("HPAYMT", "healthcare payment"),
    "operations": ("HOPERAT", "healthcare operations"),
    "legal": ("HLEGAL", "legal"),
    "patient_request": ("PATRQT", "patient requested"),
    "audit": ("HCOMPL", "health compliance"),
    "public_health": ("PUBHLTH", "public health"),
    "security_incident": ("HSYSADMIN", "health system administration"),
}
"""Our purposes in HL7's words (v3 ActReason, PurposeOfUse)."""
_REST_TYPE: Final = (_EVENT, "rest", "RESTful Operation")
_KINDS: Final[dict[Kind, tuple[tuple[str, str, str], tuple[str, str, str] | None, str]]] = {
    Kind.LOGIN: ((_DCM, "110114", "User Authentication"), (_DCM, "110122", "Login"), "E"),
    Kind.LOGOUT: ((_DCM, "110114", "User Authentication"), (_DCM, "110123", "Logout"), "E"),
    Kind.ACCESS: ((_DCM, "110114", "User Authentication"), (_DCM, "110122", "Login"), "E"),
    Kind.ASK: ((_DCM, "110112", "Query"), (_REST, "search", "search"), "E"),
    Kind.QUERY: (_REST_TYPE, (_REST, "search", "search"), "E"),
    Kind.READ: (_REST_TYPE, (_REST, "read", "read"), "R"),
    Kind.EXPORT: ((_DCM, "110106", "Export"), None, "R"),
    Kind.AUDIT: ((_DCM, "110101", "Audit Log Used"), None, "R"),
    Kind.START: ((_DCM, "110100", "Application Activity"), (_DCM, "110120", "Application Start"), "E"),
    Kind.STOP: ((_DCM, "110100", "Application Activity"), (_DCM, "110121", "Application Stop"), "E"),
    Kind.CREATE: (_REST_TYPE, (_REST, "create", "create"), "C"),
    Kind.UPDATE: (_REST_TYPE, (_REST, "update", "update"), "U"),
    Kind.DELETE: (_REST_TYPE, (_REST, "delete", "delete"), "D"),
    Kind.EXECUTE: (_REST_TYPE, (_REST, "operation", "operation"), "E"),
}
"""Type, subtype and action code of each kind."""
_PROFILED: Final = {Kind.QUERY: "Query", Kind.READ: "Read"}


def events(entry: Entry, about: About) -> Iterator[dict[str, Any]]:
    """The AuditEvents of an entry: one for each patient whose mail it showed, or just one.

    Where several objects were seen of several patients, the first event names the objects: which of them are
    about whom an entry doesn't say, and an export of thousands for hundreds would be millions of lines.
    """
    patients: tuple[str | None, ...] = entry.patients or (None,)
    for number, patient in enumerate(patients):
        part = f"-{number + 1}" if patient is not None else ""
        yield _event(entry, about, patient, part, named=number == 0 or len(entry.objects) == 1)


def _event(entry: Entry, about: About, patient: str | None, part: str, *, named: bool) -> dict[str, Any]:
    kind = kind_of(entry)
    type_, subtype, action = _KINDS[kind]
    act = disclosure_of(entry)
    found: dict[str, Any] = {
        "resourceType": "AuditEvent",
        "id": f"{about.archive[:16]}-{entry.n}{part}",
        "extension": [
            {"url": f"{_OURS}audit:index", "valueString": str(entry.n)},
            {"url": f"{_OURS}audit:leaf-hash", "valueString": entry.hash},
        ],
        "type": _coding(type_),
        "action": action,
        "recorded": rfc3339(entry.at),
        "outcome": "0" if went_well(entry) else "4" if entry.outcome == "denied" else "8",
        "agent": _agents(entry, about, kind) if act is None else _parties(entry, about, act),
        "source": {
            "site": about.host,
            "observer": _server(about),
            "type": [_coding((_SOURCE, "4", "Application Server"))],
        },
        "entity": _entities(entry, about, kind, patient, named=named)
        if act is None
        else _disclosed(entry, about, act, patient),
    }
    # Ours says more than HL7's code: which of several things of one kind it was.
    found["subtype"] = [
        *([_coding(subtype)] if subtype else []),
        *([_coding((_LIFECYCLE, "disclose", "Disclose Record Lifecycle Event"))] if act else []),
        _coding((f"{_OURS}action", entry.action, entry.action)),
    ]
    if entry.reason:
        found["outcomeDesc"] = entry.reason
    if entry.purpose in PURPOSES:
        found["purposeOfEvent"] = [_purpose(entry.purpose)]
    if kind in _PROFILED and went_well(entry) and _claims(found, kind):
        found["meta"] = {"profile": [f"{_PROFILES}{'Patient' if patient else ''}{_PROFILED[kind]}"]}
    elif act is not None and patient is not None:
        found["meta"] = {"profile": [f"{_PROFILES}PrivacyDisclosure.Source"]}
    if not found["entity"]:
        del found["entity"]
    return found


def _claims(found: dict[str, Any], kind: Kind) -> bool:
    """Whether the profile's own entity is there: the query, or the data that was read."""
    role = "24" if kind is Kind.QUERY else "4"
    roles = [one["role"]["code"] for one in found["entity"]]
    return roles.count(role) == 1


def _agents(entry: Entry, about: About, kind: Kind) -> list[dict[str, Any]]:
    # A query flows from the client; what is read flows to it.
    asks = kind in (Kind.QUERY, Kind.ASK)
    who: dict[str, Any] = {"identifier": {"system": f"{_OURS}client", "value": entry.client or "none"}}
    if entry.session:
        who = {"identifier": {"system": f"{_OURS}session", "value": entry.session}, "display": entry.client}
    found = [
        _side(who, _network(entry, about), source=asks),
        _side(_server(about), _ours(about), source=not asks, requestor=entry.user == "system"),
    ]
    if entry.user == "system":
        return found
    return [_user(entry, (_RECIPIENT, "IRCP", "information recipient")), *found]


def _parties(entry: Entry, about: About, act: str) -> list[dict[str, Any]]:
    """Who discloses, who gets it, and who let it leave. The recipient is named as the book of disclosures has
    them; the network is the one by which it left the archive."""
    who: dict[str, Any] = {"identifier": {"system": f"{_OURS}disclosure", "value": act}}
    name = (entry.detail or {}).get("recipient")
    if about.phi and isinstance(name, str) and name:
        who["display"] = name
    keeper = _user(entry, (_SNOMED, "159541003", "Record keeping/library clerk"))
    basis = (entry.detail or {}).get("legal_basis")
    if about.phi and isinstance(basis, str) and basis:
        keeper["policy"] = [f"{_OURS}legal-basis:{basis}"]
    return [
        keeper,
        _side(_server(about), _ours(about), source=True),
        _side(who, _network(entry, about), source=False),
    ]


def _user(entry: Entry, type_: tuple[str, str, str]) -> dict[str, Any]:
    user: dict[str, Any] = {
        "type": {"coding": [_coding(type_)]},
        "who": {"identifier": {"system": f"{_OURS}user", "value": entry.user}},
        "requestor": True,
    }
    if entry.user_name:
        user["name"] = entry.user_name
    if entry.role:
        user["role"] = [{"coding": [_coding((f"{_OURS}role", entry.role, entry.role))]}]
    if entry.purpose in PURPOSES:
        user["purposeOfUse"] = [_purpose(entry.purpose)]
    return user


def _side(
    who: dict[str, Any], network: dict[str, str], *, source: bool, requestor: bool = False
) -> dict[str, Any]:
    code = ("110153", "Source Role ID") if source else ("110152", "Destination Role ID")
    return {
        "type": {"coding": [_coding((_DCM, *code))]},
        "who": who,
        "requestor": requestor,
        "network": network,
    }


def _network(entry: Entry, about: About) -> dict[str, str]:
    address = about.network(entry)
    if address:
        return {"address": address, "type": "2"}
    return {"address": f"{_OURS}client:{entry.client or 'none'}", "type": "5"}


def _ours(about: About) -> dict[str, str]:
    return {"address": about.url, "type": "5"}


def _patient(about: About, patient: str | None) -> list[dict[str, Any]]:
    if patient is None:
        return []
    system = "patient" if about.phi else "patient-token"
    return [
        {
            "what": {
                "type": "Patient",
                "identifier": {"system": f"{_OURS}{system}", "value": about.patient(patient)},
            },
            "type": _coding((_ENTITY, "1", "Person")),
            "role": _coding((_ROLE, "1", "Patient")),
        }
    ]


def _disclosed(entry: Entry, about: About, act: str, patient: str | None) -> list[dict[str, Any]]:
    """The patient, and what was disclosed as a whole: the messages of one disclosure are of many patients."""
    disclosed = _object(act, ("3", "Report"))
    if entry.count is not None:
        disclosed["detail"] = [{"type": "count", "valueString": str(entry.count)}]
    others = [one for one in entry.objects if one != act and not one.startswith("m")]
    return [*_patient(about, patient), disclosed, *(_object(one, ("3", "Report")) for one in others)]


def _object(name: str, role: tuple[str, str]) -> dict[str, Any]:
    return {
        "what": {"identifier": {"system": f"{_OURS}object", "value": name}},
        "type": _coding((_ENTITY, "2", "System Object")),
        "role": _coding((_ROLE, *role)),
    }


def _entities(
    entry: Entry, about: About, kind: Kind, patient: str | None, *, named: bool
) -> list[dict[str, Any]]:
    found = _patient(about, patient)
    if kind in (Kind.QUERY, Kind.ASK):
        query = base64.b64encode(about.query(entry).encode("utf-8", "replace")).decode()
        found.append(
            {
                "type": _coding((_ENTITY, "2", "System Object")),
                "role": _coding((_ROLE, "24", "Query")),
                "query": query,
            }
        )
        return found
    if named:
        found += [_object(one, ("4", "Domain Resource")) for one in entry.objects]
    return found


def _server(about: About) -> dict[str, Any]:
    return {"identifier": {"system": f"{_OURS}archive", "value": about.archive}, "display": about.host}


def _coding(code: tuple[str, str, str]) -> dict[str, str]:
    return {"system": code[0], "code": code[1], "display": code[2]}


def _purpose(purpose: str) -> dict[str, Any]:
    code, display = PURPOSES[purpose]
    return {"coding": [_coding((_REASON, code, display))]}
