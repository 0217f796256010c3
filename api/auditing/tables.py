"""Reports as tables for a spreadsheet: every entry that a report rests on, page after page, a row each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from api.auditing.forms.plain import cells, csv_line

MOST: Final = 500
"""Rows that a report is asked for at once; each time is a look of its own, and on record."""
_ENTRIES: Final = (
    "n", "at", "user", "user_name", "role", "action", "outcome", "reason", "purpose", "client", "session",
    "query", "count", "objects", "asked_in",
)  # fmt: skip
_TABLES: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "summary": ("items", ("user", "user_name", "action", "outcome", "count")),
    "user": ("entries", _ENTRIES),
    "sign_ins": ("entries", _ENTRIES),
    "patient": (
        "looks",
        (
            "n", "at", "user", "user_name", "role", "action", "outcome", "purpose", "client", "session",
            "query", "count", "messages", "asked_in",
        ),
    ),
    "disclosures": (
        "items",
        (
            "at", "recipient", "recipient_address", "what", "messages", "purpose", "legal_basis", "citation",
            "kind", "about", "by", "id", "patient", "said_at",
        ),
    ),
    "unusual": (
        "items",
        ("day", "rule", "user", "user_name", "patient", "record", "count", "why", "entries"),
    ),
}  # fmt: skip
"""Where a report has its rows, and their columns; new ones come last."""

Ask = Callable[[int | None], Mapping[str, Any]]
"""Asks for the page of a report after an entry, of at most `MOST` rows."""


def table(kind: str, ask: Ask) -> Iterator[str]:
    """A report's rows as CSV (RFC 4180) with a head line. What refuses the report raises before this returns,
    and before the first row is given out."""
    first = ask(None)
    return _lines(kind, first, ask)


def _lines(kind: str, page: Mapping[str, Any], ask: Ask) -> Iterator[str]:
    where, columns = _TABLES[kind]
    yield csv_line(columns)
    while True:
        for row in page[where]:
            yield csv_line(cells(row, columns))
        if page.get("next") is None:
            return
        page = ask(page["next"])
