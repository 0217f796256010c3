"""Which audit entry each route of access leaves: a part of `routes.ROUTES`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from api.http.audited import API, Audited
from search.actors import Action

_APPROVES: Final = ("approval.approve", "approval.void", "user.role", "grant.add", "grant.revoke")
_LISTS: Final = ("emergency.list",)

ACCESS: Final[Mapping[tuple[str, str], Audited]] = {
    ("GET", f"{API}/grants"): Audited(("grant.list",), Action.GRANT_READ),
    ("POST", f"{API}/grants"): Audited(("grant.ask",), Action.GRANT_MANAGE),
    ("POST", f"{API}/grants/{{id}}/revoke"): Audited(("grant.revoke",), Action.GRANT_MANAGE),
    ("POST", f"{API}/users/{{id}}/role"): Audited(("user.role_ask",), Action.USER_MANAGE),
    ("GET", f"{API}/access/review"): Audited(("access.review",), Action.ACCESS_REVIEW),
    ("POST", f"{API}/access/review"): Audited(("access.review",), Action.ACCESS_REVIEW),
    ("GET", f"{API}/break-glass"): Audited(_LISTS, Action.EMERGENCY_READ),
    ("POST", f"{API}/break-glass"): Audited(("emergency.begin",), Action.EMERGENCY_USE),
    ("POST", f"{API}/break-glass/end"): Audited(("emergency.end",), Action.EMERGENCY_USE),
    ("POST", f"{API}/break-glass/{{id}}/review"): Audited(("emergency.review",), Action.EMERGENCY_REVIEW),
    ("GET", f"{API}/approvals"): Audited(("approval.list",), Action.APPROVAL_READ),
    ("GET", f"{API}/approvals/{{id}}"): Audited(("approval.show",), Action.APPROVAL_READ),
    ("GET", f"{API}/approvals/{{id}}/file"): Audited(("approval.export",), Action.APPROVAL_READ),
    ("POST", f"{API}/approvals/{{id}}/approve"): Audited(_APPROVES, Action.APPROVAL_DECIDE),
    ("POST", f"{API}/approvals/{{id}}/refuse"): Audited(("approval.refuse",), Action.APPROVAL_DECIDE),
    ("GET", "/grants"): Audited(("grant.list",), Action.GRANT_READ),
    ("POST", "/grants"): Audited(("grant.ask", "grant.list"), Action.GRANT_MANAGE),
    ("POST", "/grants/{id}/revoke"): Audited(("grant.revoke", "grant.list"), Action.GRANT_MANAGE),
    ("POST", "/users/{id}/role"): Audited(("user.role_ask",), Action.USER_MANAGE),
    ("GET", "/access-review"): Audited(("access.review",), Action.ACCESS_REVIEW),
    ("POST", "/access-review"): Audited(("access.review",), Action.ACCESS_REVIEW),
    ("GET", "/break-glass"): Audited(_LISTS, Action.EMERGENCY_READ),
    ("POST", "/break-glass"): Audited(("emergency.begin", *_LISTS), Action.EMERGENCY_USE),
    ("POST", "/break-glass/end"): Audited(("emergency.end", *_LISTS), Action.EMERGENCY_USE),
    ("POST", "/break-glass/{id}/review"): Audited(("emergency.review", *_LISTS), Action.EMERGENCY_REVIEW),
    ("GET", "/approvals"): Audited(("approval.list",), Action.APPROVAL_READ),
    ("GET", "/approvals/{id}"): Audited(("approval.show",), Action.APPROVAL_READ),
    ("POST", "/approvals/{id}/options"): Audited(("approval.show", "session.use"), Action.APPROVAL_READ),
    ("POST", "/approvals/{id}/approve"): Audited(
        (*_APPROVES, "approval.show", "passkey.sign"), Action.APPROVAL_DECIDE
    ),
    ("POST", "/approvals/{id}/refuse"): Audited(("approval.refuse", "approval.show"), Action.APPROVAL_DECIDE),
}
