"""The desk's page of corrections: what people say messages are, and what waits for a second person."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from api.http.api_corrections import Number
from api.http.api_search import ObjectId
from api.http.auth import ActorDep, AppDep
from api.http.desk_page import desk_page
from api.http.forms import CheckedForm
from api.http.ports import App
from archiver.classify.records import CORRESPONDENCE, NOT_A_RECORD, classified_types
from retention.jobs.learning import learn_soon

router = APIRouter(include_in_schema=False)
MOST: Final = 200
"""How many of each are on the page."""


def record_types(app: App) -> list[str]:
    """Every record type that a message can be said to be of: the classifier's, and the schedules' others."""
    return sorted(
        {*app.schedule.record_type_names.values(), *classified_types()} - {CORRESPONDENCE, NOT_A_RECORD}
    )


@router.get("/corrections")
def page(request: Request, app: AppDep, actor: ActorDep) -> Response:
    """What waits, with buttons to decide on it, and the newest corrections."""
    waiting = app.corrections.page(actor, asked=True, limit=MOST)
    found = app.corrections.page(actor, limit=MOST)
    return desk_page(request, app, actor, "corrections.html", waiting=waiting, corrections=found, most=MOST)


@router.post("/corrections/{id}")
def make(app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Say what a message really is."""
    types = [name.removeprefix("type.") for name in form if name.startswith("type.")]
    app.corrections.make(actor, id, types, form.get("reason", ""))
    learn_soon(app.vault)
    return RedirectResponse("/corrections", 303)


@router.post("/corrections/{n}/approve")
def approve(app: AppDep, actor: ActorDep, n: Number, form: CheckedForm) -> Response:
    """Approve what another person asked for."""
    app.corrections.approve(actor, n, form.get("reason", ""))
    learn_soon(app.vault)
    return RedirectResponse("/corrections", 303)


@router.post("/corrections/{n}/refuse")
def refuse(app: AppDep, actor: ActorDep, n: Number, form: CheckedForm) -> Response:
    """Refuse it, or take it back."""
    app.corrections.refuse(actor, n, form.get("reason", ""))
    return RedirectResponse("/corrections", 303)
