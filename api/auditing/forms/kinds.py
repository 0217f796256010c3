"""What kind of thing an entry is, in the words that all export formats are made from."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from api.auditing.entry import Entry

DISCLOSING: Final = frozenset({"export.download", "request.close", "breach.package", "disclosure.record"})
"""Actions that put a disclosure into the book of disclosures (45 CFR 164.528)."""
_ACT: Final = "y"
"""What the ids of the book's acts begin with."""
# Actions whose last word doesn't say it; the rest follows from the verb.
_NAMED: Final = {
    "session.use": "access",
    "session.open": "login",
    "session.close": "logout",
    "session.end": "logout",
    "search.query": "ask",
    "search.results": "query",
    "message.read": "read",
    "message.raw": "read",
    "message.conversation": "ask",
    "message.similar": "ask",
    "export.download": "export",
    "audit.read": "audit",
    "audit.proof": "audit",
    "archive.start": "start",
    "archive.stop": "stop",
    "archive.init": "start",
    "hold.release": "delete",
    "disposition.execute": "delete",
    "search.unsearchable": "query",
}
_VERBS: Final = {
    "create": ("add", "create", "make", "issue", "ask", "queue", "start", "put", "enrol", "import", "upload"),
    "update": (
        "set", "change", "approve", "confirm", "decide", "mark", "review", "reinstate", "rotate", "accept",
        "acknowledge", "extend", "grant",
    ),
    "delete": (
        "remove", "delete", "retire", "withdraw", "take", "disable", "revoke", "reject", "refuse", "exclude",
        "end", "expire", "destroy", "undo", "unextend", "unwatch", "kill",
    ),
    "read": (
        "read", "list", "show", "report", "status", "explain", "preview", "forecast", "find", "download",
    ),
}  # fmt: skip


class Kind(StrEnum):
    """The kinds, in our words."""

    LOGIN = "login"
    LOGOUT = "logout"
    ACCESS = "access"
    ASK = "ask"
    QUERY = "query"
    READ = "read"
    EXPORT = "export"
    AUDIT = "audit"
    START = "start"
    STOP = "stop"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    EXECUTE = "execute"


def kind_of(entry: Entry) -> Kind:
    """An entry's kind; of what isn't known better: something was executed."""
    if disclosure_of(entry) is not None:
        return Kind.EXPORT
    if (named := _NAMED.get(entry.action)) is not None:
        return Kind(named)
    verb = entry.action.rpartition(".")[2]
    for kind, verbs in _VERBS.items():
        if verb in verbs or any(verb.endswith(f"_{one}") for one in verbs):
            return Kind(kind)
    return Kind.EXECUTE


def disclosure_of(entry: Entry) -> str | None:
    """The id, in the book of disclosures, of what an entry tells to have left; None where nothing did."""
    if entry.action not in DISCLOSING or not went_well(entry):
        return None
    return next((one for one in entry.objects if one.startswith(_ACT)), None)


def went_well(entry: Entry) -> bool:
    """Whether it was done; an answer that is empty was given all the same."""
    return entry.outcome in ("success", "empty", "begun")
