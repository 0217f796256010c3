"""ArcSight's Common Event Format, version 0: one line, with what could end a field or a line escaped."""

from __future__ import annotations

import json
from typing import Final

from api.auditing.entry import Entry
from api.auditing.forms.about import About

_SEVERITY: Final = {"denied": 7, "failed": 5}
_NAMES: Final = {
    "cs1": "purpose",
    "cs2": "role",
    "cs3": "session",
    "cs4": "objects",
    "cs5": "patients",
    "cs6": "leafHash",
    "cn1": "logIndex",
}
MOST: Final = 50
"""Objects and patients named in a line; their counts are of all."""


def line(entry: Entry, about: About) -> str:
    """An entry as a CEF line, without a line end."""
    head = ("Holdfast", "Holdfast", about.version, entry.action, entry.action.replace(".", " "))
    fields: dict[str, str] = {
        "rt": str(entry.at_us // 1_000),
        "externalId": f"{about.archive}/{entry.n}",
        "dvchost": about.host,
        "suid": entry.user,
        "suser": entry.user_name,
        "act": entry.action,
        "outcome": entry.outcome,
        "reason": entry.reason,
        "app": entry.client,
        "src": about.network(entry),
        "cnt": "" if entry.count is None else str(entry.count),
        "cs1": entry.purpose,
        "cs2": entry.role,
        "cs3": entry.session,
        "cs4": " ".join(entry.objects[:MOST]),
        "cs5": " ".join(about.patient(one) for one in entry.patients[:MOST]),
        "cs6": entry.hash,
        "cn1": str(entry.n),
        "cn2": str(len(entry.patients)) if entry.patients else "",
    }
    if about.phi and entry.detail:
        fields["msg"] = json.dumps(entry.detail, sort_keys=True)
    given = {name: value for name, value in fields.items() if value}
    labels = {f"{name}Label": label for name, label in _NAMES.items() if name in given}
    if "cn2" in given:
        labels["cn2Label"] = "patientCount"
    extension = " ".join(f"{name}={_value(value)}" for name, value in (given | labels).items())
    severity = _SEVERITY.get(entry.outcome, 3)
    return f"CEF:0|{'|'.join(_header(one) for one in head)}|{severity}|{extension}"


def _header(text: str) -> str:
    return _one_line(text.replace("\\", "\\\\").replace("|", "\\|"), " ")


def _value(text: str) -> str:
    text = text.replace("\\", "\\\\").replace("=", "\\=")
    return _one_line(text.replace("\r\n", "\n").replace("\n", "\\n").replace("\r", "\\r"), " ")


def _one_line(text: str, instead: str) -> str:
    """Without anything that some reader takes for a line's end or a terminal's command."""
    text = "".join(c if c.isprintable() or c == " " else instead for c in text)
    return text.encode("utf-8", "replace").decode()
