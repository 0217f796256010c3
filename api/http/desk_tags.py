"""The desk's pages of tags and notes: the organisation's list, and what is said of one message."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from api.http import auth
from api.http.api_search import ObjectId
from api.http.auth import ActorDep, AppDep
from api.http.desk_page import desk_page
from api.http.desk_search import asked_of
from api.http.forms import CheckedForm
from api.http.ports import App
from config.errors import HoldfastError
from search.access import Action, Actor, Purpose
from search.keeping.errors import KeepingError

router = APIRouter(include_in_schema=False)


@router.get("/tags")
def tags(request: Request, app: AppDep, actor: ActorDep) -> Response:
    """The organisation's tags, with a form for a new one where the role keeps the list."""
    return _list(request, app, actor)


@router.post("/tags")
def create(request: Request, app: AppDep, actor: ActorDep, form: CheckedForm) -> Response:
    """Add a tag."""
    try:
        app.tags.create(actor, form.get("name", ""), form.get("about", ""))
    except KeepingError as error:
        return _list(request, app, actor, error)
    return RedirectResponse("/tags", 303)


@router.post("/tags/{id}/retire")
def retire(app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Let a tag be put on no more messages."""
    app.tags.retire(actor, id)
    return RedirectResponse("/tags", 303)


@router.post("/messages/{id}/beside")
def beside(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """A message's tags and notes with all their history."""
    return _beside(request, app, actor, id, form)


@router.post("/messages/{id}/tags")
def put(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Put a tag on a message or take it off."""
    return _said(
        request,
        app,
        actor,
        id,
        form,
        lambda: app.tags.put(actor, form.get("tag", ""), [id], on=form.get("do") != "take"),
    )


@router.post("/messages/{id}/notes")
def add(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Write a note."""
    return _said(request, app, actor, id, form, lambda: app.notes.add(actor, id, form.get("text", "")))


@router.post("/messages/{id}/notes/{note}")
def change(
    request: Request, app: AppDep, actor: ActorDep, id: ObjectId, note: ObjectId, form: CheckedForm
) -> Response:
    """Write another version of one's own note, or take it back."""
    if form.get("do") == "withdraw":
        return _said(request, app, actor, id, form, lambda: app.notes.withdraw(actor, id, note))
    text = form.get("text", "")
    return _said(request, app, actor, id, form, lambda: app.notes.change(actor, id, note, text))


def beside_of(
    app: App, actor: Actor, purpose: Purpose, message_id: str, *, history: bool = False
) -> dict[str, Any] | None:
    """What the pages show of a message's tags and notes; None for a role that sees none."""
    may = app.gate.rights(actor)
    if Action.NOTE_READ not in may or Action.TAG_READ not in may:
        return None
    said = app.tags.of(actor, message_id)
    notes = app.notes.of(actor, purpose, message_id, history=history)
    usable = [one["name"] for one in app.tags.list(actor) if one["retired_at"] is None]
    return {
        "tags": said["tags"],
        "tag_history": said["history"],
        "notes": notes,
        "usable": [name for name in usable if name not in said["tags"]],
        "puts": Action.TAG_PUT in may,
        "writes": Action.NOTE_WRITE in may,
    }


def _said(
    request: Request, app: App, actor: Actor, message_id: str, form: dict[str, str], act: Any
) -> Response:
    # Before anything is written: the page that follows shows content.
    auth.stated_purpose(app, actor, Action.NOTE_READ, form.get("purpose"))
    try:
        act()
    except KeepingError as error:
        return _beside(request, app, actor, message_id, form, error)
    return _beside(request, app, actor, message_id, form)


def _beside(
    request: Request,
    app: App,
    actor: Actor,
    message_id: str,
    form: dict[str, str],
    error: HoldfastError | None = None,
) -> Response:
    purpose = auth.stated_purpose(app, actor, Action.NOTE_READ, form.get("purpose"))
    app.gate.require(actor, Action.NOTE_READ, purpose)
    asked = {**asked_of(form), "purpose": str(purpose)}
    return desk_page(
        request,
        app,
        actor,
        "beside.html",
        error.http_status if error else 200,
        message_id=message_id,
        beside=beside_of(app, actor, purpose, message_id, history=True),
        asked=asked,
        fault=str(error) if error else None,
    )


def _list(request: Request, app: App, actor: Actor, error: HoldfastError | None = None) -> Response:
    return desk_page(
        request,
        app,
        actor,
        "tags.html",
        error.http_status if error else 200,
        tags=app.tags.list(actor),
        manages=Action.TAG_MANAGE in app.gate.rights(actor),
        fault=str(error) if error else None,
    )
