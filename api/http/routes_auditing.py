"""What the routes around the audit log leave in it (see `api.http.routes`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from api.http.audited import API, Audited
from search.actors import Action

_READ: Final = Audited(("audit.read",), Action.AUDIT_READ)
_SIGN: Final = Audited(("audit.review", "audit.read"), Action.AUDIT_REVIEW)
_WATCHED: Final = Audited(("audit.watched",), Action.AUDIT_READ)
_WATCH: Final = Audited(("audit.watch", "audit.watched"), Action.AUDIT_REVIEW)
_UNWATCH: Final = Audited(("audit.unwatch", "audit.watched"), Action.AUDIT_REVIEW)
_EXPIRIES: Final = Audited(("audit.expiries",), Action.AUDIT_READ)

AUDITING: Final[Mapping[tuple[str, str], Audited]] = {
    ("POST", f"{API}/audit/reports/{{kind}}"): _READ,
    ("GET", f"{API}/audit/export"): _READ,
    ("GET", f"{API}/audit/reviews"): _READ,
    ("GET", f"{API}/audit/reviews/{{period}}"): _READ,
    ("POST", f"{API}/audit/reviews/{{period}}/sign"): _SIGN,
    ("GET", f"{API}/audit/watched"): _WATCHED,
    ("POST", f"{API}/audit/watched"): _WATCH,
    ("POST", f"{API}/audit/watched/{{id}}/end"): _UNWATCH,
    ("GET", f"{API}/audit/expiries"): _EXPIRIES,
    ("POST", f"{API}/audit/expiries"): Audited(("audit.expiry_ask",), Action.AUDIT_EXPIRE),
    ("POST", f"{API}/audit/expiries/{{id}}/approve"): Audited(("audit.expiry_approve",), Action.AUDIT_EXPIRE),
    ("POST", f"{API}/audit/expiries/{{id}}/refuse"): Audited(("audit.expiry_refuse",), Action.AUDIT_EXPIRE),
    ("GET", f"{API}/audit/sinks"): Audited(("audit.sinks",), Action.AUDIT_READ),
    ("GET", "/audit"): _READ,
    ("POST", "/audit/summary"): _READ,
    ("POST", "/audit/user"): _READ,
    ("POST", "/audit/patient"): _READ,
    ("POST", "/audit/sign-ins"): _READ,
    ("GET", "/audit/unusual"): _READ,
    ("POST", "/audit/unusual"): _READ,
    ("GET", "/audit/reviews"): _READ,
    ("GET", "/audit/reviews/{period}"): _READ,
    ("POST", "/audit/reviews/{period}/sign"): _SIGN,
    ("GET", "/audit/watched"): _WATCHED,
    ("POST", "/audit/watched"): _WATCH,
    ("POST", "/audit/watched/{id}/end"): _UNWATCH,
}
