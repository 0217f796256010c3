"""The desk's pages for privacy officers: what the audit log answers, and its reviews."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError

from api.auditing.watched import BadWatch
from api.errors import BadInput
from api.http.api_auditing import AskedReport, Kind, Name, reported, tabled
from api.http.api_search import ObjectId
from api.http.auth import ActorDep, AppDep
from api.http.desk_page import desk_page
from api.http.forms import CheckedForm
from api.http.ports import App
from archiver.errors import NotFound
from retention.refusals import WrongState
from search.access import Action, Actor

router = APIRouter(include_in_schema=False)


@router.get("/audit")
def page(request: Request, app: AppDep, actor: ActorDep) -> Response:
    """What can be asked, and which reviews are due."""
    return _page(request, app, actor)


@router.post("/audit/summary")
def summary(request: Request, app: AppDep, actor: ActorDep, form: CheckedForm) -> Response:
    """Who did what, how often."""
    return _report(request, app, actor, "summary", form)


@router.post("/audit/user")
def of_user(request: Request, app: AppDep, actor: ActorDep, form: CheckedForm) -> Response:
    """One user's period."""
    return _report(request, app, actor, "user", form)


@router.post("/audit/patient")
def of_patient(request: Request, app: AppDep, actor: ActorDep, form: CheckedForm) -> Response:
    """One patient's readers, or what was disclosed of her."""
    return _report(
        request, app, actor, "disclosures" if form.get("what") == "disclosures" else "patient", form
    )


@router.post("/audit/sign-ins")
def sign_ins(request: Request, app: AppDep, actor: ActorDep, form: CheckedForm) -> Response:
    """Sign-ins that failed."""
    return _report(request, app, actor, "sign_ins", form)


@router.get("/audit/unusual")
def unusual(request: Request, app: AppDep, actor: ActorDep) -> Response:
    """What was unusual in the last seven days."""
    return _report(request, app, actor, "unusual", {})


@router.post("/audit/unusual")
def unusual_in(request: Request, app: AppDep, actor: ActorDep, form: CheckedForm) -> Response:
    """What was unusual in a period."""
    return _report(request, app, actor, "unusual", form)


@router.get("/audit/reviews")
def reviews(request: Request, app: AppDep, actor: ActorDep) -> Response:
    """Every period and who signed it."""
    return desk_page(request, app, actor, "audit_reviews.html", reviews=app.auditing.reviews.periods(actor))


@router.get("/audit/reviews/{period}")
def review(request: Request, app: AppDep, actor: ActorDep, period: Name) -> Response:
    """A period, with what happened in it and a place to sign."""
    return _review(request, app, actor, period)


@router.post("/audit/reviews/{period}/sign")
def sign(request: Request, app: AppDep, actor: ActorDep, period: Name, form: CheckedForm) -> Response:
    """Sign it."""
    try:
        app.auditing.reviews.sign(actor, period, form.get("note", ""))
    except WrongState as error:
        return _review(request, app, actor, period, str(error))
    return RedirectResponse(f"/audit/reviews/{period}", 303)


@router.get("/audit/watched")
def watched(request: Request, app: AppDep, actor: ActorDep) -> Response:
    """Patients whose readers are watched."""
    return _watched(request, app, actor)


@router.post("/audit/watched")
def watch(request: Request, app: AppDep, actor: ActorDep, form: CheckedForm) -> Response:
    """Watch another one's."""
    try:
        app.auditing.watched.add(
            actor,
            form.get("kind", ""),
            form.get("patient", ""),
            user=form.get("user", ""),
            reason=form.get("reason", ""),
        )
    except (BadWatch, NotFound) as error:
        return _watched(request, app, actor, str(error))
    return RedirectResponse("/audit/watched", 303)


@router.post("/audit/watched/{id}/end")
def unwatch(app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Watch them no more."""
    app.auditing.watched.end(actor, id, form.get("reason", ""))
    return RedirectResponse("/audit/watched", 303)


# --- inside -----------------------------------------------------------------------------------------------


def _report(request: Request, app: App, actor: Actor, kind: Kind, form: dict[str, str]) -> Response:
    given = {name: form[name] for name in ("user", "patient", "month", "until") if form.get(name, "").strip()}
    if form.get("from", "").strip():
        given["since"] = form["from"]
    if form.get("after", "").isdigit():
        given["after"] = form["after"]
    try:
        asked = AskedReport.model_validate(given)
        if form.get("format") == "csv":
            return tabled(app, actor, kind, asked)
        found = reported(app, actor, kind, asked)
    except (BadInput, NotFound) as error:
        return _page(request, app, actor, given, str(error))
    except ValidationError:
        return _page(request, app, actor, {}, "that is too long, or not of its form")
    return desk_page(request, app, actor, "audit_report.html", kind=kind, found=found, given=given)


def _page(
    request: Request, app: App, actor: Actor, given: dict[str, str] | None = None, fault: str | None = None
) -> Response:
    # The list of reviews is itself a look at the log, permitted and on record.
    periods = app.auditing.reviews.periods(actor)
    due = [one for one in periods if one["state"] in ("due", "overdue")]
    shown: dict[str, Any] = {
        "given": given or {},
        "fault": fault,
        "due": due,
        "sinks": app.auditing.forwarder.state(),
    }
    return desk_page(request, app, actor, "audit.html", 400 if fault else 200, **shown)


def _review(request: Request, app: App, actor: Actor, period: str, fault: str | None = None) -> Response:
    found = app.auditing.reviews.show(actor, period)
    may_sign = Action.AUDIT_REVIEW in app.gate.rights(actor)
    status = 409 if fault else 200
    return desk_page(
        request, app, actor, "audit_review.html", status, found=found, fault=fault, may_sign=may_sign
    )


def _watched(request: Request, app: App, actor: Actor, fault: str | None = None) -> Response:
    found = app.auditing.watched.list(actor)
    status = 400 if fault else 200
    return desk_page(request, app, actor, "audit_watched.html", status, watched=found, fault=fault)
