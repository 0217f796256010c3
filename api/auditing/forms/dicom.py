"""DICOM audit messages (PS3.15 A.5), as IHE's ATNA (ITI-20) sends them by syslog: `csd-code` attributes."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Final
from xml.etree.ElementTree import Element, SubElement, tostring

from api.auditing.entry import Entry
from api.auditing.forms.about import About
from api.auditing.forms.fhir import PURPOSES
from api.auditing.forms.kinds import Kind, kind_of, went_well
from archiver.clock import rfc3339

MSGID: Final = "DICOM+RFC3881"
AT_ONCE: Final = 100
"""Patients and objects of one message; a message of more is several, so that receivers' limits hold."""
_CODES: Final[dict[Kind, tuple[str, str, str]]] = {
    Kind.LOGIN: ("110114", "User Authentication", "E"),
    Kind.LOGOUT: ("110114", "User Authentication", "E"),
    Kind.ACCESS: ("110114", "User Authentication", "E"),
    Kind.ASK: ("110112", "Query", "E"),
    Kind.QUERY: ("110112", "Query", "E"),
    Kind.READ: ("110110", "Patient Record", "R"),
    Kind.EXPORT: ("110106", "Export", "R"),
    Kind.AUDIT: ("110101", "Audit Log Used", "R"),
    Kind.START: ("110100", "Application Activity", "E"),
    Kind.STOP: ("110100", "Application Activity", "E"),
    Kind.CREATE: ("110110", "Patient Record", "C"),
    Kind.UPDATE: ("110110", "Patient Record", "U"),
    Kind.DELETE: ("110110", "Patient Record", "D"),
    Kind.EXECUTE: ("110100", "Application Activity", "E"),
}
_TYPES: Final = {
    Kind.LOGIN: ("110122", "Login"),
    Kind.LOGOUT: ("110123", "Logout"),
    Kind.START: ("110120", "Application Start"),
    Kind.STOP: ("110121", "Application Stop"),
}
_CONTROL: Final = dict.fromkeys((*range(9), 11, 12, *range(14, 32)), "�")
"""Characters that XML 1.0 can't hold."""


def messages(entry: Entry, about: About) -> Iterator[str]:
    """The audit messages of an entry, each an XML document without a declaration."""
    kind = kind_of(entry)
    patients = list(entry.patients)
    objects = [] if kind in (Kind.QUERY, Kind.ASK) else list(entry.objects)
    while True:
        yield _message(entry, about, kind, patients[:AT_ONCE], objects[:AT_ONCE])
        patients, objects = patients[AT_ONCE:], objects[AT_ONCE:]
        if not patients and not objects:
            return


def _message(entry: Entry, about: About, kind: Kind, patients: list[str], objects: list[str]) -> str:
    code, meaning, action = _CODES[kind]
    root = Element("AuditMessage")
    event = SubElement(
        root,
        "EventIdentification",
        EventActionCode=action,
        EventDateTime=rfc3339(entry.at),
        EventOutcomeIndicator="0" if went_well(entry) else "4" if entry.outcome == "denied" else "8",
    )
    _code(event, "EventID", code, "DCM", meaning)
    if kind in _TYPES:
        _code(event, "EventTypeCode", _TYPES[kind][0], "DCM", _TYPES[kind][1])
    _code(event, "EventTypeCode", entry.action, "99HOLDFAST", entry.action)
    if entry.reason:
        SubElement(event, "EventOutcomeDescription").text = _clean(entry.reason)
    if entry.purpose in PURPOSES:
        _code(
            event,
            "PurposeOfUse",
            PURPOSES[entry.purpose][0],
            "2.16.840.1.113883.5.8",
            PURPOSES[entry.purpose][1],
        )
    _participants(root, entry, about, kind)
    source = SubElement(root, "AuditSourceIdentification", AuditSourceID=about.archive)
    source.set("AuditEnterpriseSiteID", _clean(about.host))
    _code(source, "AuditSourceTypeCode", "4", "DCM", "Application Server")
    for patient in patients:
        one = _object(root, about.patient(patient), "1", "1")
        _code(one, "ParticipantObjectIDTypeCode", "2", "RFC-3881", "Patient Number")
        SubElement(one, "ParticipantObjectName").text = about.patient(patient)
    if kind in (Kind.QUERY, Kind.ASK):
        one = _object(root, about.archive, "2", "24")
        _code(one, "ParticipantObjectIDTypeCode", "10", "RFC-3881", "Search Criteria")
        SubElement(one, "ParticipantObjectQuery").text = _base64(about.query(entry))
        _details(one, entry)
    for number, name in enumerate(objects):
        one = _object(root, name, "2", "3")
        _code(one, "ParticipantObjectIDTypeCode", "9", "RFC-3881", "Report Number")
        SubElement(one, "ParticipantObjectName").text = name
        if number == 0:
            _details(one, entry)
    return tostring(root, encoding="unicode")


def _participants(root: Element, entry: Entry, about: About, kind: Kind) -> None:
    user = SubElement(
        root,
        "ActiveParticipant",
        UserID=entry.user,
        UserIsRequestor="true" if entry.user != "system" else "false",
        NetworkAccessPointID=about.network(entry) or entry.client or "none",
        NetworkAccessPointTypeCode="2" if about.network(entry) else "1",
    )
    if entry.session:
        user.set("AlternativeUserID", entry.session)
    if entry.user_name:
        user.set("UserName", _clean(entry.user_name))
    asks = kind in (Kind.QUERY, Kind.ASK)
    side = ("110153", "Source Role ID") if asks else ("110152", "Destination Role ID")
    _code(user, "RoleIDCode", side[0], "DCM", side[1])
    if entry.role:
        _code(user, "RoleIDCode", entry.role, "99HOLDFAST", entry.role)
    server = SubElement(
        root,
        "ActiveParticipant",
        UserID=about.url,
        UserIsRequestor="true" if entry.user == "system" else "false",
        NetworkAccessPointID=about.host,
        NetworkAccessPointTypeCode="1",
    )
    other = ("110152", "Destination Role ID") if asks else ("110153", "Source Role ID")
    _code(server, "RoleIDCode", other[0], "DCM", other[1])


def _object(root: Element, name: str, type_: str, role: str) -> Element:
    return SubElement(
        root,
        "ParticipantObjectIdentification",
        ParticipantObjectID=name,
        ParticipantObjectTypeCode=type_,
        ParticipantObjectTypeCodeRole=role,
    )


def _details(one: Element, entry: Entry) -> None:
    for name, value in (("log-index", str(entry.n)), ("leaf-hash", entry.hash)):
        SubElement(one, "ParticipantObjectDetail", type=name, value=_base64(value))


def _code(parent: Element, name: str, code: str, system: str, meaning: str) -> None:
    SubElement(parent, name, {"csd-code": code, "codeSystemName": system, "originalText": meaning})


def _base64(text: str) -> str:
    return base64.b64encode(text.encode("utf-8", "replace")).decode()


def _clean(text: str) -> str:
    return text.translate(_CONTROL)
