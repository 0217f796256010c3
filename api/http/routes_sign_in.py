"""Which audit entry each route of signing in, and of one's own account, leaves: a part of `routes.ROUTES`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from api.http.audited import API, Audited, opened
from search.actors import Action

_ACCOUNT: Final = ("session.use", "session.list")

SIGN_IN: Final[Mapping[tuple[str, str], Audited]] = {
    ("GET", f"/.well-known/oauth-protected-resource{API}"): opened("how a program sends a token"),
    ("GET", "/sign-in"): opened("a page without content"),
    ("GET", "/sign-in/{code}"): opened("a page with one button; the code isn't even looked at"),
    ("POST", "/sign-in/{code}"): Audited(("session.open", "session.use")),
    ("POST", "/sign-out"): Audited(("session.close",), Action.SESSION),
    ("POST", "/passkeys/sign-in/options"): opened("a challenge, which says nothing of anybody"),
    ("POST", "/passkeys/sign-in"): Audited(("session.open",)),
    ("POST", "/passkeys/enrol/options"): Audited(("session.use", "passkey.add"), Action.SESSION),
    ("POST", "/passkeys/enrol"): Audited(("passkey.add",), Action.SESSION),
    ("POST", "/passkeys/step-up/options"): Audited(("session.use",), Action.SESSION),
    ("POST", "/passkeys/step-up"): Audited(("session.verify",), Action.SESSION),
    ("GET", "/account"): Audited(_ACCOUNT, Action.SESSION),
    ("POST", "/account/sessions/{id}/end"): Audited(("session.end",), Action.SESSION),
    ("POST", "/account/sessions/end"): Audited(("session.end",), Action.SESSION),
    ("POST", "/account/sessions/end-all"): Audited(("session.end", "session.close"), Action.SESSION),
    ("POST", "/account/passkeys/{id}/remove"): Audited(("passkey.remove",), Action.SESSION),
    ("POST", "/account/mail"): Audited(("account.mail",), Action.SESSION),
    ("POST", "/account/seen"): Audited(("account.seen",), Action.SESSION),
    ("GET", f"{API}/session"): Audited(("session.use",), Action.SESSION),
    ("DELETE", f"{API}/session"): Audited(("session.close",), Action.SESSION),
    ("GET", f"{API}/sessions"): Audited(("session.list",), Action.SESSION),
    ("POST", f"{API}/sessions/end"): Audited(("session.end",), Action.SESSION),
    ("GET", f"{API}/users/{{id}}/sessions"): Audited(("session.list",), Action.USER_MANAGE),
    ("POST", f"{API}/users/{{id}}/sessions/end"): Audited(("session.end",), Action.USER_MANAGE),
    ("GET", f"{API}/users/{{id}}/passkeys"): Audited(("passkey.list",), Action.USER_MANAGE),
}
