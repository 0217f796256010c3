"""The desk's pages of holds: all of them, one in full, its changes and its end, and who was told."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from api.http.api_holds import APPLY_SECONDS, paper_report
from api.http.api_search import ObjectId
from api.http.auth import ActorDep, AppDep
from api.http.desk_page import desk_page
from api.http.forms import CheckedForm
from api.http.hold_forms import changes_of, form_of
from api.http.ports import App
from config.errors import HoldfastError
from retention.errors import RetentionError
from search.access import Action, Actor
from search.errors import QueryError

router = APIRouter(include_in_schema=False)


@router.get("/holds")
def holds(request: Request, app: AppDep, actor: ActorDep) -> Response:
    """The holds one may see, newest first."""
    return desk_page(request, app, actor, "holds.html", holds=app.holds.list(actor))


@router.get("/holds/{id}")
def hold(request: Request, app: AppDep, actor: ActorDep, id: ObjectId) -> Response:
    """One hold in full; printed, it is its report."""
    return _page(request, app, actor, id)


@router.get("/holds/{id}/receipt")
def receipt(app: AppDep, actor: ActorDep, id: ObjectId) -> Response:
    """The signed receipt of the newest version, as a file."""
    found = app.holds.receipt(actor, id)
    name = f"hold-{found['receipt']['hold']}-{found['receipt']['version']}.json"
    return Response(
        json.dumps(found, indent=1),
        media_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@router.get("/holds/{id}/report.pdf")
def report(app: AppDep, actor: ActorDep, id: ObjectId) -> Response:
    """Its report on paper."""
    return paper_report(app, actor, id)


@router.post("/holds/{id}/change")
def change(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Give it another scope."""
    reason = form.get("reason", "")
    return _done(
        request,
        app,
        actor,
        id,
        lambda: app.holds.change(actor, id, reason=reason, seconds=APPLY_SECONDS, **changes_of(form)),
    )


@router.post("/holds/{id}/release")
def release(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Ask for its release, or approve it."""
    return _done(request, app, actor, id, lambda: app.holds.release(actor, id, *_said(form)))


@router.post("/holds/{id}/approve")
def approve(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Approve what waits for a second person."""
    return _done(request, app, actor, id, lambda: app.holds.approve(actor, id, *_said(form)))


@router.post("/holds/{id}/reinstate")
def reinstate(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Take its release back."""
    reason = form.get("reason", "")
    return _done(request, app, actor, id, lambda: app.holds.reinstate(actor, id, reason, APPLY_SECONDS))


@router.post("/holds/{id}/review")
def review(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Say when it must be looked at again."""
    return _done(
        request,
        app,
        actor,
        id,
        lambda: app.holds.review(
            actor,
            id,
            review_on=form.get("review_on") or None,
            remind=form.get("remind") or None,
            reason=form.get("reason", ""),
        ),
    )


@router.post("/holds/{id}/notices/preview")
def preview(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Whom its notices would go to and what they would say, with a button to send them."""
    try:
        found = app.notices.preview(actor, id)
    except RetentionError as error:
        return _page(request, app, actor, id, error)
    return desk_page(request, app, actor, "notice_preview.html", preview=found)


@router.post("/holds/{id}/notices")
def send(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Begin to tell its custodians."""
    return _done(request, app, actor, id, lambda: app.notices.send(actor, id, APPLY_SECONDS))


@router.get("/notices")
def notices(request: Request, app: AppDep, actor: ActorDep) -> Response:
    """Every custodian who is told of a hold, and who confirmed."""
    return desk_page(
        request, app, actor, "notices.html", notices=app.notices.list(actor), manages=_manages(app, actor)
    )


@router.post("/notices/{id}/resend")
def resend(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Send one custodian's notice again."""
    notice = app.notices.resend(actor, id)
    return RedirectResponse(f"/holds/{notice['hold']}", 303)


# --- inside --------------------------------------------------------------------------------------


def _said(form: dict[str, str]) -> tuple[str, int | None]:
    """Why, and the version of the scope that the page showed."""
    text = form.get("version", "")
    version = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else None
    return form.get("reason", ""), version


def _manages(app: App, actor: Actor) -> bool:
    return Action.HOLD_MANAGE in app.gate.rights(actor)


def _page(
    request: Request, app: App, actor: Actor, hold_id: str, error: HoldfastError | None = None
) -> Response:
    found = app.holds.report(actor, hold_id)
    return desk_page(
        request,
        app,
        actor,
        "hold.html",
        error.http_status if error else 200,
        hold=found,
        notices=app.notices.list(actor, hold=hold_id),
        asked=form_of(found["criteria"]),
        most=max((one["messages"] for one in found["months"]), default=1),
        manages=_manages(app, actor),
        fault=str(error) if error else None,
    )


def _done(request: Request, app: App, actor: Actor, hold_id: str, act: Callable[[], Any]) -> Response:
    try:
        act()
    except (RetentionError, QueryError) as error:
        return _page(request, app, actor, hold_id, error)
    return RedirectResponse(f"/holds/{hold_id}", 303)
