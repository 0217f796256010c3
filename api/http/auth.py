"""Who asks, and for which purpose: bearer tokens for programs, the desk's session cookie for people."""

from __future__ import annotations

import hashlib
import hmac
from typing import Annotated, Final
from urllib.parse import urlsplit

from fastapi import Depends, Header, Request, Response

from api.errors import CrossSite
from api.http.ports import App
from search.access import AccessError, Action, Actor, Purpose, PurposeMissing, read_purpose

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def get_app(request: Request) -> App:
    """The opened archive that this server serves."""
    app: App = request.app.state.holdfast
    return app


AppDep = Annotated[App, Depends(get_app)]


def address_of(request: Request) -> str:
    """The peer's address, for the limit on failed sign-ins; it is written nowhere."""
    return request.client.host if request.client else ""


def signed_in(request: Request, app: AppDep) -> Actor:
    """The actor of a request. Raises NotSignedIn (on record), TooManyAttempts, CrossSite.

    A bearer token is looked at first. The cookie counts only with a proof that the request comes from
    our own pages, when it could change something.
    """
    header = request.headers.get("authorization", "")
    scheme, _, credential = header.partition(" ")
    if header:
        token = credential.strip() if scheme.lower() == "bearer" else ""
        actor = app.accounts.authenticate(token or "-", "api", address=address_of(request))
    else:
        secret = session_secret(request, app)
        if secret and request.method not in _SAFE:
            same_site(request, app)
        kind, client = ("session", "desk") if secret else ("api", "api")
        actor = app.accounts.authenticate(secret, client, kind=kind, address=address_of(request))  # type: ignore[arg-type]
    request.state.actor = actor
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


def same_site(request: Request, app: App) -> None:
    """Refuse a change that a foreign page asks for (CSRF), by the browser's own word. Raises CrossSite.

    `Sec-Fetch-Site` comes with every request to https or loopback; `Origin` serves older browsers.
    """
    fetched = request.headers.get("sec-fetch-site")
    if fetched is not None:
        if fetched == "same-origin":
            return
    else:
        origin = request.headers.get("origin", "")
        own = {_origin(app.settings.url)}
        if app.settings.http_listen.loopback and not is_https(app):
            own.add(f"http://{request.headers.get('host', '')}")
        if origin in own:
            return
    raise CrossSite("this change must come from the desk's own pages; open the desk and try there")


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def form_token(secret: str) -> str:
    """What every form of the desk carries: derived from the session, so it needs no store."""
    return hmac.new(secret.encode(), b"holdfast desk form", hashlib.sha256).hexdigest()


def check_form_token(secret: str, given: str) -> None:
    """Raises CrossSite unless the form is one that this session was given."""
    if not hmac.compare_digest(form_token(secret), given.encode("ascii", "replace").decode()):
        raise CrossSite("this form is from another session; reload the page and try again")


__all__ = ["AccessError", "ActorDep", "AppDep", "PurposeHeader"]
