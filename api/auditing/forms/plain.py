"""Entries as they are shown here: JSON documents, and rows for a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from api import views
from api.auditing.entry import Entry
from api.auditing.forms.about import About

COLUMNS: Final = (
    "n",
    "at",
    "action",
    "outcome",
    "user",
    "role",
    "purpose",
    "client",
    "user_name",
    "objects",
    "count",
    "reason",
    "detail",
    "session",
    "hash",
    "patients",
)
"""The members of a document, and the columns of a row; new ones come last."""


def document(entry: Entry, about: About) -> dict[str, Any]:
    """An entry as `audit list` has it, with its hash and patients; without PHI the detail is left out."""
    found = entry.to_json()
    if not about.phi:
        found["detail"] = {}
    found |= {"hash": entry.hash, "patients": [about.patient(one) for one in entry.patients]}
    readable: dict[str, Any] = views.readable(found)
    return readable


def row(entry: Entry, about: About) -> list[str]:
    """The same as cells of a spreadsheet, in the order of `COLUMNS`."""
    return cells(document(entry, about), COLUMNS)


def cells(found: Mapping[str, Any], columns: Iterable[str]) -> list[str]:
    """Members of a document as cells of a spreadsheet."""
    return [_cell(found[name]) for name in columns]


def csv_line(found: Iterable[str]) -> str:
    """Cells as a line of CSV, with its end."""
    text = io.StringIO()
    csv.writer(text).writerow(found)
    return text.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, (list, dict)) else str(value)
    # A spreadsheet would run what begins like a formula.
    return "'" + text if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
