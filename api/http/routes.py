"""Which audit entry each route leaves: the table that the tests hold every route against.

A route that isn't here doesn't start: `create_http_app` refuses it. So nobody adds a door without
saying what it leaves behind (promise 4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from search.access import Action

API: Final = "/api/v1"


@dataclass(frozen=True, slots=True)
class Audited:
    """What a route leaves in the audit log, and the right it asks for.

    `actions` are the names that a call of somebody with the right may leave, whatever its outcome;
    without the right it leaves `needs`, denied. A route with neither is open: `why` says for what.
    """

    actions: tuple[str, ...] = ()
    needs: Action | None = None
    why: str = ""


def _open(why: str) -> Audited:
    return Audited(why=why)


_DESK_ANSWER: Final = "a page without content"
_LISTS: Final = ("user.list", "source.list")
"""What the administrators' home page shows again after a change."""

ROUTES: Final[Mapping[tuple[str, str], Audited]] = {
    ("POST", f"{API}/search"): Audited(("search.query", "search.results"), Action.SEARCH),
    ("GET", f"{API}/messages/{{id}}"): Audited(("message.read",), Action.READ),
    ("GET", f"{API}/messages/{{id}}/raw"): Audited(("message.raw",), Action.READ),
    ("GET", f"{API}/matters"): Audited(("matter.read", "matter.list"), Action.MATTER_READ),
    ("POST", f"{API}/matters"): Audited(("matter.create",), Action.MATTER_MANAGE),
    ("GET", f"{API}/matters/{{id}}"): Audited(("matter.read", "matter.show"), Action.MATTER_READ),
    ("POST", f"{API}/matters/{{id}}/close"): Audited(("matter.close",), Action.MATTER_MANAGE),
    ("POST", f"{API}/matters/{{id}}/members"): Audited(("matter.add_member",), Action.MATTER_MANAGE),
    ("GET", f"{API}/holds"): Audited(("hold.list",), Action.HOLD_READ),
    ("POST", f"{API}/holds"): Audited(("hold.create",), Action.HOLD_MANAGE),
    ("POST", f"{API}/holds/preview"): Audited(("hold.preview",), Action.HOLD_MANAGE),
    ("GET", f"{API}/holds/{{id}}"): Audited(("hold.report",), Action.HOLD_READ),
    ("POST", f"{API}/holds/{{id}}/release"): Audited(("hold.release",), Action.HOLD_MANAGE),
    ("GET", f"{API}/retention/messages/{{id}}"): Audited(("retention.explain",), Action.RETENTION_READ),
    ("GET", f"{API}/retention/schedules"): Audited(("retention.schedules",), Action.RETENTION_READ),
    ("POST", f"{API}/retention/compute"): Audited(("retention.compute",), Action.RETENTION_READ),
    ("GET", f"{API}/dispositions"): Audited(("disposition.list",), Action.DISPOSITION_READ),
    ("GET", f"{API}/dispositions/{{id}}"): Audited(("disposition.show",), Action.DISPOSITION_READ),
    ("POST", f"{API}/dispositions/{{id}}/approve"): Audited(
        ("disposition.approve",), Action.DISPOSITION_DECIDE
    ),
    ("POST", f"{API}/dispositions/{{id}}/reject"): Audited(
        ("disposition.reject",), Action.DISPOSITION_DECIDE
    ),
    ("POST", f"{API}/dispositions/{{id}}/execute"): Audited(
        ("disposition.execute",), Action.DISPOSITION_EXECUTE
    ),
    ("GET", f"{API}/dispositions/{{id}}/certificate"): Audited(
        ("disposition.certificate",), Action.DISPOSITION_READ
    ),
    ("GET", f"{API}/exports"): Audited(("export.list",), Action.EXPORT),
    ("POST", f"{API}/exports"): Audited(("export.create", "export.status"), Action.EXPORT),
    ("GET", f"{API}/exports/{{id}}"): Audited(("export.status",), Action.EXPORT),
    ("GET", f"{API}/exports/{{id}}/download"): Audited(("export.download",), Action.EXPORT),
    ("GET", f"{API}/audit"): Audited(("audit.read",), Action.AUDIT_READ),
    ("GET", f"{API}/audit/{{n}}/proof"): Audited(("audit.proof",), Action.AUDIT_READ),
    ("GET", f"{API}/sources"): Audited(("source.list",), Action.SOURCE_READ),
    ("POST", f"{API}/sources"): Audited(("source.add",), Action.SOURCE_MANAGE),
    ("GET", f"{API}/sources/coverage"): Audited(("source.coverage",), Action.SOURCE_READ),
    ("GET", f"{API}/sources/{{id}}"): Audited(("source.show",), Action.SOURCE_READ),
    ("GET", f"{API}/users"): Audited(("user.list",), Action.USER_MANAGE),
    ("POST", f"{API}/users"): Audited(("user.add",), Action.USER_MANAGE),
    ("POST", f"{API}/users/{{id}}/disable"): Audited(("user.disable",), Action.USER_MANAGE),
    ("POST", f"{API}/users/{{id}}/token"): Audited(("token.issue",), Action.USER_MANAGE),
    ("POST", f"{API}/users/{{id}}/link"): Audited(("link.issue",), Action.USER_MANAGE),
    ("GET", f"{API}/session"): Audited(("session.use",), Action.SESSION),
    ("DELETE", f"{API}/session"): Audited(("session.close",), Action.SESSION),
    ("GET", f"{API}/openapi.json"): _open("describes the API, holds nothing of an archive"),
    ("GET", "/healthz"): _open("says only that the process is up"),
    ("GET", "/readyz"): _open("says only which store fails"),
    ("GET", "/metrics"): _open("counts and sizes, for loopback or with the right to see sources"),
    ("GET", "/sign-in"): _open(_DESK_ANSWER),
    ("GET", "/sign-in/{code}"): _open("a page with one button; the code isn't even looked at"),
    ("POST", "/sign-in/{code}"): Audited(("session.open", "session.use")),
    ("POST", "/sign-out"): Audited(("session.close",), Action.SESSION),
    ("GET", "/"): Audited(
        ("session.use", "source.list", "user.list", "audit.read", "disposition.list"), Action.SESSION
    ),
    ("POST", "/search"): Audited(("search.query", "search.results"), Action.SEARCH),
    ("POST", "/messages/{id}"): Audited(("message.read",), Action.READ),
    ("POST", "/messages/{id}/raw"): Audited(("message.raw",), Action.READ),
    ("POST", "/users"): Audited(("user.add", "link.issue", *_LISTS), Action.USER_MANAGE),
    ("POST", "/users/{id}/link"): Audited(("link.issue", *_LISTS), Action.USER_MANAGE),
    ("POST", "/users/{id}/disable"): Audited(("user.disable",), Action.USER_MANAGE),
    ("GET", "/static/{name}"): _open("the style sheet"),
}
