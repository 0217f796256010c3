"""Open Cybersecurity Schema Framework, as JSON: `type_uid` is `class_uid * 100 + activity_id`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from api.auditing.entry import Entry
from api.auditing.forms.about import About
from api.auditing.forms.kinds import Kind, kind_of, went_well

SCHEMA: Final = "1.3.0"
OTHER: Final = 99


@dataclass(frozen=True, slots=True)
class EventClass:
    """An event class of the schema."""

    uid: int
    name: str
    category: int
    category_name: str


AUTHENTICATION: Final = EventClass(3002, "Authentication", 3, "Identity & Access Management")
ACCOUNT: Final = EventClass(3001, "Account Change", 3, "Identity & Access Management")
LIFECYCLE: Final = EventClass(6002, "Application Lifecycle", 6, "Application Activity")
API: Final = EventClass(6003, "API Activity", 6, "Application Activity")
DATASTORE: Final = EventClass(6005, "Datastore Activity", 6, "Application Activity")
_NAMES: Final = {
    3001: {1: "Create", 5: "Disable", 6: "Delete", 7: "Attach Policy", 8: "Detach Policy", 99: "Other"},
    3002: {1: "Logon", 2: "Logoff", 99: "Other"},
    6002: {3: "Start", 4: "Stop", 99: "Other"},
    6003: {1: "Create", 2: "Read", 3: "Update", 4: "Delete", 99: "Other"},
    6005: {1: "Read", 4: "Query", 99: "Other"},
}
"""What the activities we use are called, by class."""
_ACCOUNTS: Final = {
    "user.add": 1,
    "user.disable": 5,
    "token.issue": OTHER,
    "link.issue": OTHER,
    "grant.create": 7,
    "grant.approve": 7,
    "grant.revoke": 8,
    "user.role": OTHER,
}


def event(entry: Entry, about: About) -> dict[str, Any]:
    """An entry as an OCSF event."""
    class_, activity = _classed(entry)
    good = went_well(entry)
    user: dict[str, Any] = {"uid": entry.user}
    if entry.user_name:
        user["name"] = entry.user_name
    if entry.role:
        user["groups"] = [{"name": entry.role}]
    actor: dict[str, Any] = {"user": user}
    if entry.session:
        actor["session"] = {"uid": entry.session}
    source: dict[str, Any] = {"name": entry.client or "none"}
    if address := about.network(entry):
        source["ip"] = address
    found: dict[str, Any] = {
        "class_uid": class_.uid,
        "class_name": class_.name,
        "category_uid": class_.category,
        "category_name": class_.category_name,
        "activity_id": activity,
        "activity_name": entry.action if activity == OTHER else _NAMES[class_.uid][activity],
        "type_uid": class_.uid * 100 + activity,
        "type_name": f"{class_.name}: {_NAMES[class_.uid][activity]}",
        "severity_id": 1 if good else 3 if entry.outcome == "denied" else 2,
        "severity": "Informational" if good else "Medium" if entry.outcome == "denied" else "Low",
        "status_id": 1 if good else 2,
        "status": "Success" if good else "Failure",
        "time": entry.at_us // 1_000,
        "metadata": {
            "version": SCHEMA,
            "product": {"name": "Holdfast", "vendor_name": "Holdfast", "version": about.version},
            "uid": f"{about.archive}/{entry.n}",
            "sequence": entry.n,
            "log_name": "audit",
        },
        "actor": actor,
        "src_endpoint": source,
        "dst_endpoint": {"hostname": about.host},
        "unmapped": _unmapped(entry, about),
    }
    if entry.reason:
        found["status_detail"] = entry.reason
    found |= _of_class(class_, entry, about, user)
    return found


def _classed(entry: Entry) -> tuple[EventClass, int]:
    kind = kind_of(entry)
    if kind in (Kind.LOGIN, Kind.ACCESS):
        return AUTHENTICATION, 1
    if kind is Kind.LOGOUT:
        return AUTHENTICATION, 2
    if entry.action in _ACCOUNTS:
        return ACCOUNT, _ACCOUNTS[entry.action]
    if kind in (Kind.START, Kind.STOP):
        return LIFECYCLE, 3 if kind is Kind.START else 4
    if kind in (Kind.QUERY, Kind.ASK):
        return DATASTORE, 4
    if entry.action.startswith(("message.", "export.download")):
        return DATASTORE, 1
    activities = {Kind.CREATE: 1, Kind.READ: 2, Kind.AUDIT: 2, Kind.UPDATE: 3, Kind.DELETE: 4}
    return API, activities.get(kind, OTHER)


def _of_class(class_: EventClass, entry: Entry, about: About, user: dict[str, Any]) -> dict[str, Any]:
    """What a class asks for besides what all have."""
    if class_ is AUTHENTICATION:
        return {"user": user, "service": {"name": "Holdfast", "uid": about.archive}}
    if class_ is ACCOUNT:
        about_whom = next((one for one in entry.objects if one.startswith("u")), "unknown")
        return {"user": {"uid": about_whom}}
    if class_ is LIFECYCLE:
        return {"app": {"name": "Holdfast", "vendor_name": "Holdfast", "version": about.version}}
    if class_ is API:
        found: dict[str, Any] = {"api": {"operation": entry.action, "service": {"name": "Holdfast"}}}
        if entry.objects:
            found["resources"] = [{"uid": one} for one in entry.objects]
        return found
    found = {"database": {"name": "Holdfast", "uid": about.archive, "type_id": 99, "type": "mail archive"}}
    if kind_of(entry) in (Kind.QUERY, Kind.ASK):
        found["query_info"] = {"query_string": about.query(entry)}
    return found


def _unmapped(entry: Entry, about: About) -> dict[str, Any]:
    found: dict[str, Any] = {"outcome": entry.outcome, "leaf_hash": entry.hash}
    for name, value in (
        ("purpose", entry.purpose),
        ("role", entry.role),
        ("objects", list(entry.objects)),
        ("count", entry.count),
        ("patients", [about.patient(one) for one in entry.patients]),
        ("detail", dict(entry.detail) if about.phi and entry.detail else None),
    ):
        if value not in ("", None, []):
            found[name] = value
    return found
