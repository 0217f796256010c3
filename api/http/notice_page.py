"""The one page for people without an account: a custodian confirms a notice by the link in it.

The link is a capability of 128 bits. Opening it shows a button and does nothing, as mail scanners open links;
only pressing the button confirms. The page says nothing of the case, the hold or the person.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from api.http import auth
from api.http.auth import AppDep
from api.http.pages import page
from archiver.ledger.audit import AuditEvent

router = APIRouter(include_in_schema=False)

Secret = Annotated[str, Path(max_length=100)]


@router.get("/notices/{secret}")
def ask(secret: Secret) -> Response:
    """A page with one button; the link isn't even looked at."""
    return page("notice.html")


@router.post("/notices/{secret}")
def confirm(request: Request, app: AppDep, secret: Secret) -> Response:
    """Confirm the notice of this link. Raises CrossSite, TooManyAttempts."""
    auth.same_site(request, app)
    app.vault.standing.require_open()
    done = app.notices.acknowledge(secret)
    if done is None:
        count = app.attempts.failed(auth.address_of(request))
        app.vault.audit.record(
            AuditEvent(
                action="notice.acknowledge",
                outcome="failed",
                user_id="anonymous",
                client="notice",
                count=count,
                reason="unknown",
            )
        )
        return page("notice_done.html", 404, state="unknown")
    return page("notice_done.html", state=done)
