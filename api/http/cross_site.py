"""Whether a request comes from the desk's own pages: the browser's own word, before any cookie counts.

`Sec-Fetch-Site`, `-Mode` and `-Dest` come with every request to https or loopback (OWASP ASVS 5.0, 3.5.1,
3.5.3 and 3.5.8); `Origin` serves older browsers. A refusal is on record, as the limits on failures allow.
"""

from __future__ import annotations

from typing import Final

from fastapi import Request

from api.errors import CrossSite, TooManyAttempts
from api.http.ports import App
from api.passkeys.relying_party import origin_of
from api.whence import plain, whence
from archiver.ledger.audit import AuditEvent

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_FORM: Final = ("navigate", "document")
_SCRIPT: Final = frozenset({"same-origin", "cors"})


def check(request: Request, app: App) -> None:
    """Raise CrossSite, on record, for a request with our cookie that a foreign page made.

    One that could change something must come from our own origin: by a form of a page (`navigate` to a
    `document`) or by its script. One that only looks may also come from the address bar, and never as a part
    of another page: a frame, a picture, a script.
    """
    headers = request.headers
    site, mode, dest = (headers.get(f"sec-fetch-{name}") for name in ("site", "mode", "dest"))
    if request.method in SAFE:
        if site is None or site in ("same-origin", "none"):
            good = dest in (None, "document", "empty")
        else:
            good = (mode, dest) == _FORM
    elif site is not None:
        good = site == "same-origin" and (
            (mode in (None, "navigate") and dest in (None, "document"))
            or (mode in _SCRIPT and dest == "empty")
        )
    else:
        good = headers.get("origin", "") in _own(request, app)
    if not good:
        refuse(request, app, "cross_site")


def check_form(request: Request, app: App) -> None:
    """Raise CrossSite unless a form was sent as forms are: by going to another page, not by a script."""
    mode = request.headers.get("sec-fetch-mode")
    if mode not in (None, "navigate"):
        refuse(request, app, "fetch_mode")


def check_script(request: Request, app: App) -> None:
    """Raise CrossSite unless our own script asks: `fetch` of this origin, with JSON."""
    headers = request.headers
    if headers.get("sec-fetch-mode") == "navigate":
        refuse(request, app, "fetch_mode")
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        refuse(request, app, "content_type")


def refuse(request: Request, app: App, reason: str) -> None:
    """Record a refusal and raise CrossSite. The page that asked is nowhere: its address may say anything."""
    address = plain(request.client.host) if request.client else ""
    try:
        count = app.attempts.failed(address)
    except TooManyAttempts:
        count = 0
    if count:
        app.vault.audit.record(
            AuditEvent(
                action="session.use",
                outcome="denied",
                user_id="anonymous",
                client="desk",
                count=count,
                reason=reason,
                detail=whence(address),
            )
        )
    raise CrossSite("this change must come from the desk's own pages; open the desk and try there")


def _own(request: Request, app: App) -> set[str]:
    own = {origin_of(app.settings.url)}
    if app.settings.http_listen.loopback and not app.settings.url.startswith("https:"):
        own.add(f"http://{request.headers.get('host', '')}")
    return own
