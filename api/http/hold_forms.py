"""The criteria of a hold as a form has them: names one a line, the rest as it is typed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

LISTS: Final = {
    "custodians": "custodians",
    "patients": "patients",
    "sources": "sources",
    "messages": "message_ids",
}
"""Fields with a name a line, and the kinds of criteria they give."""
TEXTS: Final = ("query", "after", "before")
CRITERIA: Final = (*LISTS, *TEXTS, "reason", "review_on", "remind")
"""Every field of the form."""


def filled(form: Mapping[str, str]) -> dict[str, str]:
    """The fields as they were filled in, to show them again."""
    return {name: form.get(name, "") for name in CRITERIA}


def criteria_of(form: Mapping[str, str]) -> dict[str, Any]:
    """The criteria as `Holds.create` takes them."""
    found: dict[str, Any] = {kind: _names(form.get(name, "")) for name, kind in LISTS.items()}
    return found | {name: form.get(name, "").strip() or None for name in TEXTS}


def changes_of(form: Mapping[str, str]) -> dict[str, Any]:
    """All kinds of criteria as `Holds.change` takes them: what stands empty is cleared."""
    return {name: value if value is not None else "" for name, value in criteria_of(form).items()}


def form_of(criteria: Mapping[str, Any]) -> dict[str, str]:
    """The form's fields for the criteria of a hold."""
    found = {name: "\n".join(criteria[kind]) for name, kind in LISTS.items()}
    return found | {name: criteria[name] or "" for name in TEXTS}


def _names(text: str) -> list[str]:
    return [name for line in text.splitlines() if (name := line.strip().rstrip(",;"))]
