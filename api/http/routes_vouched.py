"""Which audit entry the routes of tokens and single sign-on leave; a part of `ROUTES`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from api.http.audited import API, Audited, opened
from search.actors import Action

VOUCHED: Final[Mapping[tuple[str, str], Audited]] = {
    ("GET", f"{API}/users/{{id}}/tokens"): Audited(("token.list",), Action.USER_MANAGE),
    ("POST", f"{API}/users/{{id}}/tokens/{{token}}/revoke"): Audited(("token.revoke",), Action.USER_MANAGE),
    ("GET", f"{API}/users/{{id}}/identities"): Audited(("identity.list",), Action.USER_MANAGE),
    ("POST", f"{API}/users/{{id}}/identities"): Audited(("identity.link", "link.ask"), Action.USER_MANAGE),
    ("POST", f"{API}/users/{{id}}/identities/{{identity}}/unlink"): Audited(
        ("identity.unlink",), Action.USER_MANAGE
    ),
    ("GET", f"{API}/session/tokens"): Audited(("token.list",), Action.SESSION),
    ("POST", f"{API}/session/tokens/{{id}}/rotate"): Audited(("token.rotate",), Action.SESSION),
    ("POST", f"{API}/session/tokens/{{id}}/revoke"): Audited(("token.revoke",), Action.SESSION),
    ("GET", "/account/tokens"): Audited(("token.list",), Action.SESSION),
    ("POST", "/account/tokens"): Audited(("token.issue", "token.list"), Action.SESSION),
    ("POST", "/account/tokens/{id}/revoke"): Audited(("token.revoke",), Action.SESSION),
    ("POST", "/account/tokens/{id}/rotate"): Audited(("token.rotate", "token.list"), Action.SESSION),
    ("POST", "/sso/start"): opened("the way to the sign-in provider; nothing is asked of the archive"),
    ("POST", "/sign-in/{code}/sso"): opened("the same; the code is looked at when the browser comes back"),
    ("GET", "/sso/return"): Audited(("session.open", "session.use", "identity.link")),
    ("POST", "/sso/step-up"): Audited(("session.use",), Action.SESSION),
    ("POST", "/sso/logout"): Audited(("session.end", "session.use")),
}
