"""The desk's pages of saved searches and alerts, and of what a search could not look into."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from api.errors import BadInput
from api.http import auth
from api.http.api_search import ObjectId
from api.http.auth import ActorDep, AppDep
from api.http.desk_page import desk_page
from api.http.desk_search import asked_of, results_page
from api.http.forms import CheckedForm
from api.http.ports import App
from config.errors import HoldfastError
from search.access import Action, Actor
from search.errors import SearchError

router = APIRouter(include_in_schema=False)

PAGE_SIZE = 20
ALERT_PAGE = 100
FIELDS = ("name", "query", "purpose", "matter", "shared", "role", "mail", "alert")


@router.get("/searches")
def searches(request: Request, app: AppDep, actor: ActorDep) -> Response:
    """One's saved searches, with buttons to run them, and a form for a new one."""
    return _page(request, app, actor)


@router.post("/searches")
def save(request: Request, app: AppDep, actor: ActorDep, form: CheckedForm) -> Response:
    """Keep a search."""
    try:
        app.saved.add(
            actor,
            form.get("name", ""),
            form.get("query", ""),
            purpose=form.get("purpose", ""),
            sort=form.get("sort") or "newest",
            matter=form.get("matter") or None,
            shared=form.get("shared") or "nobody",
            role=form.get("role") or None,
            alert=bool(form.get("alert")),
            mail=form.get("mail") or None,
        )
    except SearchError as error:
        return _page(request, app, actor, error, form)
    return RedirectResponse("/searches", 303)


@router.post("/searches/{id}/run")
def run(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """The first page of what it finds now; further pages are the search page's own."""
    stated = form.get("purpose")
    purpose = auth.stated_purpose(app, actor, Action.SEARCH, stated) if stated else None
    told, saved_for, sort = app.saved.asked(actor, id)
    asked = asked_of({"query": told["query"], "purpose": str(purpose or saved_for), "sort": sort})
    return results_page(request, app, actor, asked, purpose or saved_for)


@router.post("/searches/{id}/change")
def change(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Give it another name, or turn its alert on or off."""
    changes: dict[str, Any] = {}
    if form.get("name"):
        changes["name"] = form["name"]
    if "alert" in form:
        changes["alert"] = form["alert"] == "on"
    try:
        app.saved.change(actor, id, **changes)
    except SearchError as error:
        return _page(request, app, actor, error)
    return RedirectResponse("/searches", 303)


@router.post("/searches/{id}/delete")
def delete(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Take it away."""
    try:
        app.saved.delete(actor, id)
    except SearchError as error:
        return _page(request, app, actor, error)
    return RedirectResponse("/searches", 303)


@router.get("/alerts")
def alerts(request: Request, app: AppDep, actor: ActorDep) -> Response:
    """What one's saved searches found in new mail."""
    return desk_page(request, app, actor, "alerts.html", alerts=app.alerts.list(actor))


@router.get("/alerts/{id}")
def alert(
    request: Request,
    app: AppDep,
    actor: ActorDep,
    id: ObjectId,
    cursor: Annotated[str | None, Query(max_length=64, pattern=r"^[A-Za-z0-9_-]+$")] = None,
) -> Response:
    """The messages of one alert, by id and time, with a form to open each for a purpose."""
    found = app.alerts.show(actor, id, limit=ALERT_PAGE, after=cursor)
    return desk_page(request, app, actor, "alert.html", alert=found)


@router.post("/alerts/{id}/acknowledge")
def acknowledge(app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Take note of all that the page has shown: what was found later stays."""
    app.alerts.acknowledge(actor, id, until=_moment(form.get("until", "")))
    return RedirectResponse("/alerts", 303)


@router.post("/unsearchable")
def unsearchable(request: Request, app: AppDep, actor: ActorDep, form: CheckedForm) -> Response:
    """The messages that a search couldn't look into, and why."""
    purpose = auth.stated_purpose(app, actor, Action.SEARCH, form.get("purpose"))
    asked = {**asked_of(form), "purpose": str(purpose), "cursor": ""}
    found = app.unsearchable.list(
        actor, purpose, asked["query"], limit=PAGE_SIZE, after=form.get("after") or None
    )
    return desk_page(request, app, actor, "unsearchable.html", found=found, asked=asked)


def _moment(text: str) -> datetime:
    """The moment of the page that was looked at."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput("until: the page names no moment; reload it") from None
    if moment.tzinfo is None:
        raise BadInput("until: the page names no moment; reload it")
    return moment


def _page(
    request: Request,
    app: App,
    actor: Actor,
    error: HoldfastError | None = None,
    form: dict[str, str] | None = None,
) -> Response:
    return desk_page(
        request,
        app,
        actor,
        "saved.html",
        error.http_status if error else 200,
        saved=app.saved.list(actor),
        asked=dict.fromkeys(FIELDS, "") | (form or {}),
        fault=str(error) if error else None,
        mails=bool(app.settings.notice_relay),
    )
