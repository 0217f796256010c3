"""Who asks, and for which purpose: bearer tokens for programs, the desk's session cookie for people."""

from __future__ import annotations

import hashlib
import hmac
from typing import Annotated, Final

from fastapi import Depends, Header, Request, Response

from api.dpop import DpopError, DpopNonceNeeded
from api.http import cross_site
from api.http.ports import App
from api.http.routes import API
from api.whence import plain
from search.access import AccessError, PurposeMissing, read_purpose
from search.actors import Action, Actor, Purpose

ENROLLING: Final = frozenset(
    {"/account", "/passkeys/enrol/options", "/passkeys/enrol", "/sign-out", f"{API}/session"}
)
"""The routes of a session that can do nothing but enrol a passkey, and look at itself."""


def get_app(request: Request) -> App:
    """The opened archive that this server serves."""
    app: App = request.app.state.holdfast
    return app


AppDep = Annotated[App, Depends(get_app)]


def address_of(request: Request) -> str:
    """The peer's address: for limits and circumstances, and kept sealed (`api.whence`), never in a log."""
    return plain(request.client.host) if request.client else ""


def signed_in(request: Request, app: AppDep) -> Actor:
    """The actor of a request. Raises NotSignedIn (on record), TooManyAttempts, CrossSite, PasskeyNeeded.

    A bearer token is looked at first. The cookie counts only with the browser's word that no foreign page
    makes this request: see `api.http.cross_site`.
    """
    header = request.headers.get("authorization", "")
    scheme, _, credential = header.partition(" ")
    if header:
        actor = _by_token(request, app, scheme.lower(), credential.strip())
    else:
        secret = session_secret(request, app)
        if secret:
            cross_site.check(request, app)
        actor = app.accounts.authenticate(
            secret,
            "desk" if secret else "api",
            kind="session" if secret else "api",
            address=address_of(request),
            enrolling=getattr(request.scope.get("route"), "path", "") in ENROLLING,
        )
    actor = app.access.present(actor)
    request.state.actor = actor
    return actor


def _by_token(request: Request, app: App, scheme: str, token: str) -> Actor:
    """The actor of a token: of a bearer's, or of one that comes with a proof of its key (RFC 9449)."""
    address = address_of(request)
    if scheme != "dpop":
        return app.accounts.authenticate((token if scheme == "bearer" else "") or "-", "api", address=address)
    try:
        proof = app.dpop.verify(request.headers.getlist("dpop"), request.method, request.url.path, token)
        actor = app.accounts.authenticate(token or "-", "api", address=address, jkt=proof.jkt)
        app.dpop.spend(proof)
    except DpopNonceNeeded:
        raise  # no failure: whoever begins has none yet
    except DpopError as refusal:
        app.accounts.failed("api", f"dpop_{refusal.reason}", address)
        raise
    return actor


ActorDep = Annotated[Actor, Depends(signed_in)]
PurposeHeader = Annotated[str | None, Header(alias="X-Purpose", description="purpose of use")]


def stated_purpose(app: App, actor: Actor, action: Action | str, *stated: str | None) -> Purpose:
    """The first purpose stated. Raises PurposeMissing, on record, when there is none or it isn't known."""
    text = next((value for value in stated if value), None)
    try:
        return read_purpose(text)
    except PurposeMissing:
        app.gate.record(actor, action, "denied", reason="bad_purpose" if text else "no_purpose")
        raise


# --- the desk's cookie ---------------------------------------------------------------------------


def is_https(app: App) -> bool:
    """True when people reach the desk by https, by our own certificate or a proxy's."""
    return app.settings.url.startswith("https:")


def cookie_name(app: App) -> str:
    """`__Host-` binds the cookie to this very host and to https; browsers refuse it on plain http."""
    return "__Host-holdfast" if is_https(app) else "holdfast"


def session_secret(request: Request, app: App) -> str | None:
    """The session's secret as the browser sent it."""
    return request.cookies.get(cookie_name(app))


def set_session(response: Response, app: App, secret: str) -> None:
    """Give the browser its session."""
    response.set_cookie(
        cookie_name(app),
        secret,
        max_age=app.settings.session_hours * 3_600,
        path="/",
        secure=is_https(app),
        httponly=True,
        samesite="strict",
    )


def clear_session(response: Response, app: App) -> None:
    """Take it back, with everything the browser may have kept of our pages."""
    response.delete_cookie(cookie_name(app), path="/", secure=is_https(app), httponly=True, samesite="strict")
    response.headers["Clear-Site-Data"] = '"cache", "cookies", "storage"'


same_site = cross_site.check
"""Refuse a change that a foreign page asks for (CSRF). Raises CrossSite."""


def agent_of(request: Request) -> str:
    """What the browser says of itself, for its owner's list of sessions."""
    return request.headers.get("user-agent", "")


def form_token(app: App, actor: Actor) -> str:
    """What every form of the desk carries: of the session, whatever its secret is by now."""
    key = app.vault.keyring.branch_key("sign-in")
    return hmac.new(key, f"form/{actor.session}".encode(), hashlib.sha256).hexdigest()


def check_form_token(request: Request, app: App, actor: Actor, given: str) -> None:
    """Raises CrossSite, on record, unless the form is one that this session was given."""
    right = form_token(app, actor)
    if not actor.session or not hmac.compare_digest(right, given.encode("ascii", "replace").decode()):
        cross_site.refuse(request, app, "form_token")


__all__ = ["AccessError", "ActorDep", "AppDep", "PurposeHeader"]
