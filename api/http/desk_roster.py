"""The desk's page of patients: who is on the roster, and mail of which nobody knows whose it is."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from api.http.api_roster import FOLLOW
from api.http.auth import ActorDep, AppDep, stated_purpose
from api.http.desk_page import desk_page
from api.http.forms import CheckedForm
from api.http.ports import App
from retention.jobs.queue import queue_of
from retention.roster.reviewing import BadDecision
from search.access import Action, Actor

router = APIRouter(include_in_schema=False)

_MARKS = ("number", "name", "address", "phone")


@router.get("/patients")
def page(request: Request, app: AppDep, actor: ActorDep) -> Response:
    """How large the roster is, and forms that ask; whoever asks says what for."""
    app.gate.require(actor, Action.RETENTION_READ)
    return _page(request, app, actor, {})


@router.post("/patients")
def find(request: Request, app: AppDep, actor: ActorDep, form: CheckedForm) -> Response:
    """Patients by a mark."""
    purpose = stated_purpose(app, actor, Action.ROSTER_READ, form.get("purpose"))
    asked = {name: form.get(name, "")[:320] for name in _MARKS}
    try:
        found = app.review.find(actor, purpose, **asked, after=form.get("after", "")[:64], limit=50)
    except BadDecision as error:
        return _page(request, app, actor, form, status=400, fault=str(error))
    return _page(request, app, actor, form, patients=found)


@router.post("/patients/ambiguous")
def ambiguous(request: Request, app: AppDep, actor: ActorDep, form: CheckedForm) -> Response:
    """Mail that may be about one of several patients."""
    purpose = stated_purpose(app, actor, Action.ROSTER_READ, form.get("purpose"))
    found = app.review.ambiguous(actor, purpose, form.get("after", "")[:64], 20)
    return _page(request, app, actor, form, matches=found)


@router.post("/patients/decisions")
def decisions(request: Request, app: AppDep, actor: ActorDep, form: CheckedForm) -> Response:
    """What people decided on such mail, newest first."""
    purpose = stated_purpose(app, actor, Action.ROSTER_READ, form.get("purpose"))
    found = app.review.decisions.page(actor, purpose, after=form.get("after", "")[:64], limit=50)
    return _page(request, app, actor, form, decisions=found)


@router.post("/patients/decide")
def decide(request: Request, app: AppDep, actor: ActorDep, form: CheckedForm) -> Response:
    """Say whom a message is about."""
    chosen = [name.removeprefix("about.") for name in form if name.startswith("about.")]
    try:
        app.review.decide(
            actor, form.get("message", ""), chosen, form.get("reason", "")[:2_000], none="none" in form
        )
    except BadDecision as error:
        return _done(request, app, actor, form, fault=str(error))
    queue_of(app.vault).enqueue(FOLLOW)
    return _done(request, app, actor, form)


@router.post("/patients/undo")
def undo(request: Request, app: AppDep, actor: ActorDep, form: CheckedForm) -> Response:
    """Take a decision back."""
    app.review.undo(actor, form.get("message", ""), form.get("reason", "")[:2_000])
    queue_of(app.vault).enqueue(FOLLOW)
    return _done(request, app, actor, form, undone=True)


def _done(
    request: Request,
    app: App,
    actor: Actor,
    form: dict[str, str],
    *,
    undone: bool = False,
    fault: str | None = None,
) -> Response:
    told = {"message": form.get("message", "")[:64], "undone": undone, "fault": fault}
    return desk_page(
        request,
        app,
        actor,
        "decided.html",
        400 if fault else 200,
        done=told,
        asked={"purpose": form.get("purpose", "")},
    )


def _page(
    request: Request, app: App, actor: Actor, form: dict[str, str], status: int = 200, **found: Any
) -> Response:
    asked = {name: form.get(name, "") for name in (*_MARKS, "purpose")}
    shown: dict[str, Any] = {"patients": None, "matches": None, "decisions": None, "fault": None, **found}
    counts = app.review.status(actor)
    rights = app.gate.rights(actor)
    shown |= {"may_read": Action.READ in rights, "may_decide": Action.ROSTER_DECIDE in rights}
    return desk_page(request, app, actor, "patients.html", status, asked=asked, status_of=counts, **shown)
