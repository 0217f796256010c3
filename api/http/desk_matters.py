"""The desk's pages of matters: who sees them, their holds, a new hold, and what custodians are told."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from api.http.api_holds import APPLY_SECONDS
from api.http.api_search import ObjectId
from api.http.auth import ActorDep, AppDep
from api.http.desk_page import desk_page
from api.http.forms import CheckedForm
from api.http.hold_forms import CRITERIA, criteria_of, filled
from api.http.ports import App
from config.errors import HoldfastError
from retention.errors import RetentionError
from retention.notices import letters
from search.access import Action, Actor
from search.errors import QueryError

router = APIRouter(include_in_schema=False)

PLAN: Final = ("contact", "manager", "subject", "text", "release_subject", "release_text")


@router.get("/matters")
def matters(request: Request, app: AppDep, actor: ActorDep) -> Response:
    """The matters one may see, and a form for a new one."""
    return desk_page(request, app, actor, "matters.html", matters=app.matters.list(actor), fault=None)


@router.post("/matters")
def open_matter(request: Request, app: AppDep, actor: ActorDep, form: CheckedForm) -> Response:
    """Open a matter."""
    try:
        matter = app.matters.create(actor, form.get("name", ""))
    except RetentionError as error:
        found = app.matters.list(actor)
        return desk_page(
            request, app, actor, "matters.html", error.http_status, matters=found, fault=str(error)
        )
    return RedirectResponse(f"/matters/{matter['id']}", 303)


@router.get("/matters/{id}")
def matter(request: Request, app: AppDep, actor: ActorDep, id: ObjectId) -> Response:
    """One matter: members, holds, a form for a hold, what its custodians are told."""
    return matter_page(request, app, actor, id)


@router.post("/matters/{id}/members")
def add_member(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Let a person in."""
    return _done(request, app, actor, id, lambda: app.matters.add_member(actor, id, form.get("user", "")))


@router.post("/matters/{id}/close")
def close(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Close a matter whose holds are all released."""
    return _done(request, app, actor, id, lambda: app.matters.close(actor, id))


@router.post("/matters/{id}/notice")
def notice(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Say what the matter's custodians are told."""
    changes: dict[str, Any] = {name: form[name] for name in PLAN if form.get(name)}
    for name in ("remind_days", "escalate_days"):
        text = form.get(name, "")
        changes[name] = int(text) if text.isascii() and text.isdigit() and len(text) < 5 else None
    return _done(request, app, actor, id, lambda: app.notices.set_plan(actor, id, **changes))


@router.post("/matters/{id}/preview")
def preview(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """What a hold of these criteria would cover, with a button to place it."""
    try:
        found = app.holds.preview(actor, id, **criteria_of(form))
    except (RetentionError, QueryError) as error:
        return matter_page(request, app, actor, id, error, filled(form))
    return desk_page(
        request,
        app,
        actor,
        "hold_preview.html",
        preview=found,
        matter=app.matters.show(actor, id),
        asked=filled(form),
        criteria=criteria_of(form),
    )


@router.post("/matters/{id}/holds")
def place(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Place a hold."""
    if form.get("change"):  # back to the form, with what stands in it
        return matter_page(request, app, actor, id, None, filled(form))
    try:
        hold = app.holds.create(
            actor,
            id,
            reason=form.get("reason", ""),
            review_on=form.get("review_on") or None,
            remind=form.get("remind") or None,
            seconds=APPLY_SECONDS,
            **criteria_of(form),
        )
    except (RetentionError, QueryError) as error:
        return matter_page(request, app, actor, id, error, filled(form))
    return RedirectResponse(f"/holds/{hold['id']}", 303)


def matter_page(
    request: Request,
    app: App,
    actor: Actor,
    matter_id: str,
    error: HoldfastError | None = None,
    asked: dict[str, str] | None = None,
) -> Response:
    """The page of a matter, with what was wrong with a form where something was."""
    found = app.matters.show(actor, matter_id)
    states = {one["id"]: one for one in app.holds.list(actor)}
    return desk_page(
        request,
        app,
        actor,
        "matter.html",
        error.http_status if error else 200,
        matter=found,
        holds=[states.get(one["id"], one) for one in found["holds"]],
        plan=app.notices.plan(actor, matter_id),
        default_text=letters.TEXT,
        manages=Action.HOLD_MANAGE in app.gate.rights(actor) and found["state"] == "open",
        asked=asked or dict.fromkeys(CRITERIA, ""),
        fault=str(error) if error else None,
    )


def _done(request: Request, app: App, actor: Actor, matter_id: str, act: Any) -> Response:
    try:
        act()
    except RetentionError as error:
        return matter_page(request, app, actor, matter_id, error)
    return RedirectResponse(f"/matters/{matter_id}", 303)
