"""FHIR R4 AuditEvent after IHE's Basic Audit Log Patterns (BALP 1.1): one for each patient concerned.

A query that told of patients is `PatientQuery`, a read `PatientRead`, of none `Query` and `Read`; other
entries, and what failed, claim no profile.
Patients are named by keyed tokens unless PHI was asked for and is allowed.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any, Final

from api.auditing.entry import NOBODY, Entry
from api.auditing.forms.about import About
from api.auditing.forms.kinds import Kind, kind_of, went_well
from archiver.clock import rfc3339

_PROFILES: Final = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."
_DCM: Final = "http://dicom.nema.org/resources/ontology/DCM"
_EVENT: Final = "http://terminology.hl7.org/CodeSystem/audit-event-type"
_REST: Final = "http://hl7.org/fhir/restful-interaction"
_ENTITY: Final = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_ROLE: Final = "http://terminology.hl7.org/CodeSystem/object-role"
_RECIPIENT: Final = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
_REASON: Final = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
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


def events(entry: Entry, about: About) -> Iterator[dict[str, Any]]:
    """The AuditEvents of an entry: one for each patient whose mail it showed, or just one."""
    if not entry.patients:
        yield _event(entry, about, None, "")
    for number, patient in enumerate(entry.patients):
        yield _event(entry, about, patient, f"-{number + 1}")


def _event(entry: Entry, about: About, patient: str | None, part: str) -> dict[str, Any]:
    kind = kind_of(entry)
    type_, subtype, action = _KINDS[kind]
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
        "agent": _agents(entry, about, kind),
        "source": {
            "site": about.host,
            "observer": _server(about),
            "type": [_coding((_SOURCE, "4", "Application Server"))],
        },
        "entity": _entities(entry, about, kind, patient),
    }
    # Ours says more than HL7's code: which of several things of one kind it was.
    found["subtype"] = [
        *([_coding(subtype)] if subtype else []),
        _coding((f"{_OURS}action", entry.action, entry.action)),
    ]
    if entry.reason:
        found["outcomeDesc"] = entry.reason
    if entry.purpose in PURPOSES:
        found["purposeOfEvent"] = [_purpose(entry.purpose)]
    if kind in (Kind.QUERY, Kind.READ) and went_well(entry) and _claims(found, kind):
        name = {Kind.QUERY: "Query", Kind.READ: "Read"}[kind]
        found["meta"] = {"profile": [f"{_PROFILES}{'Patient' if patient else ''}{name}"]}
    if not found["entity"]:
        del found["entity"]
    return found


def _claims(found: dict[str, Any], kind: Kind) -> bool:
    """Whether the profile's own entity is there: the query, or the data that was read."""
    role = "24" if kind is Kind.QUERY else "4"
    roles = [one["role"]["code"] for one in found["entity"]]
    return roles.count(role) == 1


def _agents(entry: Entry, about: About, kind: Kind) -> list[dict[str, Any]]:
    # A query flows from the client; what is read flows to it (DCM 110153 source, 110152 destination).
    asks = kind in (Kind.QUERY, Kind.ASK)
    client, server = ("110153", "110152") if asks else ("110152", "110153")
    named = {"110153": "Source Role ID", "110152": "Destination Role ID"}
    user: dict[str, Any] = {
        "type": {"coding": [_coding((_RECIPIENT, "IRCP", "information recipient"))]},
        "who": {"identifier": {"system": f"{_OURS}user", "value": entry.user}},
        "requestor": True,
    }
    if entry.user_name:
        user["name"] = entry.user_name
    if entry.role:
        user["role"] = [{"coding": [_coding((f"{_OURS}role", entry.role, entry.role))]}]
    if entry.purpose in PURPOSES:
        user["purposeOfUse"] = [_purpose(entry.purpose)]
    address = about.network(entry)
    network = {"address": address, "type": "2"} if address else {
        "address": f"{_OURS}client:{entry.client or 'none'}", "type": "5"
    }  # fmt: skip
    who: dict[str, Any] = {"identifier": {"system": f"{_OURS}client", "value": entry.client or "none"}}
    if entry.session:
        who = {"identifier": {"system": f"{_OURS}session", "value": entry.session}, "display": entry.client}
    found = [
        {
            "type": {"coding": [_coding((_DCM, client, named[client]))]},
            "who": who,
            "requestor": False,
            "network": network,
        },
        {
            "type": {"coding": [_coding((_DCM, server, named[server]))]},
            "who": _server(about),
            "requestor": entry.user in NOBODY and entry.user == "system",
            "network": {"address": about.url, "type": "5"},
        },
    ]
    if entry.user == "system":
        return found
    return [user, *found]


def _entities(entry: Entry, about: About, kind: Kind, patient: str | None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if patient is not None:
        system = "patient" if about.phi else "patient-token"
        found.append(
            {
                "what": {
                    "type": "Patient",
                    "identifier": {"system": f"{_OURS}{system}", "value": about.patient(patient)},
                },
                "type": _coding((_ENTITY, "1", "Person")),
                "role": _coding((_ROLE, "1", "Patient")),
            }
        )
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
    for one in entry.objects:
        found.append(
            {
                "what": {"identifier": {"system": f"{_OURS}object", "value": one}},
                "type": _coding((_ENTITY, "2", "System Object")),
                "role": _coding((_ROLE, "4", "Domain Resource")),
            }
        )
    return found


def _server(about: About) -> dict[str, Any]:
    return {"identifier": {"system": f"{_OURS}archive", "value": about.archive}, "display": about.host}


def _coding(code: tuple[str, str, str]) -> dict[str, str]:
    return {"system": code[0], "code": code[1], "display": code[2]}


def _purpose(purpose: str) -> dict[str, Any]:
    code, display = PURPOSES[purpose]
    return {"coding": [_coding((_REASON, code, display))]}
