"""The desk's pages of units: whose mail, and whose law."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from api.http.api_search import ObjectId
from api.http.api_units import redated
from api.http.auth import ActorDep, AppDep
from api.http.desk_page import desk_page
from api.http.forms import CheckedForm
from api.http.ports import App
from retention.refusals import NameTaken
from retention.units.units import BadUnit, provider_types
from search.access import Action, Actor

router = APIRouter(include_in_schema=False)


@router.get("/units")
def page(request: Request, app: AppDep, actor: ActorDep) -> Response:
    """The units, and a form for another one."""
    return _list(request, app, actor)


@router.post("/units")
def add(request: Request, app: AppDep, actor: ActorDep, form: CheckedForm) -> Response:
    """Make a unit."""
    try:
        redated(app, app.units.add(actor, form.get("name", ""), **_facts(form)))
    except (BadUnit, NameTaken) as error:
        return _list(request, app, actor, form, str(error))
    return RedirectResponse("/units", 303)


@router.get("/units/{id}")
def show(request: Request, app: AppDep, actor: ActorDep, id: ObjectId) -> Response:
    """One unit, with all that was said of it."""
    return _one(request, app, actor, id)


@router.post("/units/{id}")
def change(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Say other things of a unit."""
    try:
        redated(app, app.units.set(actor, id, **_facts(form)))
    except BadUnit as error:
        return _one(request, app, actor, id, str(error))
    return RedirectResponse(f"/units/{id}", 303)


@router.post("/units/{id}/remove")
def remove(app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Retire a unit."""
    redated(app, app.units.remove(actor, id))
    return RedirectResponse("/units", 303)


def _facts(form: dict[str, str]) -> dict[str, Any]:
    return {
        "domains": form.get("domains", "").replace(",", " ").split(),
        "addresses": form.get("addresses", "").replace(",", " ").split(),
        "states": form.get("states", "").replace(",", " ").split(),
        "provider": form.get("provider", ""),
    }


def _list(
    request: Request, app: App, actor: Actor, form: dict[str, str] | None = None, fault: str | None = None
) -> Response:
    return desk_page(
        request,
        app,
        actor,
        "units.html",
        400 if fault else 200,
        units=app.units.list(actor),
        given=form or {},
        fault=fault,
        **_choices(app, actor),
    )


def _one(request: Request, app: App, actor: Actor, unit_id: str, fault: str | None = None) -> Response:
    unit = app.units.show(actor, unit_id)
    status = 400 if fault else 200
    return desk_page(request, app, actor, "unit.html", status, unit=unit, fault=fault, **_choices(app, actor))


def _choices(app: App, actor: Actor) -> dict[str, Any]:
    return {
        "providers": provider_types(app.schedule),
        "may_change": Action.UNIT_MANAGE in app.gate.rights(actor),
    }
