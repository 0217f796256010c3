"""The desk's page of what goes out of a breach: letters, what media and HHS are told, the log of a year."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from api import views
from api.http.api_breach_papers import State, Year, letters_response
from api.http.api_disclosures import csv_response
from api.http.api_requests import pdf_response
from api.http.api_search import ObjectId
from api.http.auth import ActorDep, AppDep
from api.http.desk_page import desk_page
from api.http.forms import CheckedForm
from api.http.ports import App
from retention.breaches.hhs import FIELDS, Answer
from retention.errors import RetentionError
from search.access import Action, Actor

router = APIRouter(include_in_schema=False)


@router.get("/breaches/{id}/papers")
def papers(request: Request, app: AppDep, actor: ActorDep, id: ObjectId) -> Response:
    """What goes out of a breach."""
    return _page(request, app, actor, id)


@router.post("/breaches/{id}/letters")
def letters(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """A letter to each patient, as a ZIP."""
    try:
        return letters_response(app, actor, id)
    except RetentionError as error:
        return _page(request, app, actor, id, str(error), error.http_status)


@router.post("/breaches/{id}/letter")
def letter(app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """The last letter that was made for a patient, on paper."""
    return pdf_response(f"letter-{id}", app.cases.breach_letters.kept_pdf(actor, id, form.get("patient", "")))


@router.get("/breaches/{id}/public.pdf")
def public_paper(app: AppDep, actor: ActorDep, id: ObjectId, state: State = "") -> Response:
    """What the media of a State are told, or the substitute notice, on paper."""
    return pdf_response(f"notice-{id}", app.cases.breach_letters.public_pdf(actor, id, state))


@router.post("/breaches/{id}/hhs")
def answer(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Answer questions of the form of HHS; a form has those of one section."""
    answers: dict[str, Answer] = {}
    for field in FIELDS:
        if field.section != form.get("section"):
            continue
        if field.many:
            answers[field.name] = [
                one for number, one in enumerate(field.choices) if form.get(f"{field.name}.{number}") == "yes"
            ]
        else:
            answers[field.name] = form.get(field.name, "")
    try:
        app.cases.reports.answer(actor, id, answers)
    except RetentionError as error:
        return _page(request, app, actor, id, str(error), error.http_status)
    return RedirectResponse(f"/breaches/{id}/papers", 303)


@router.get("/breaches/{id}/hhs.csv")
def hhs_csv(app: AppDep, actor: ActorDep, id: ObjectId) -> Response:
    """The form as a table."""
    return csv_response(app.cases.reports.form(actor, id).as_csv(), f"hhs-{id}")


@router.get("/breaches/{id}/hhs.pdf")
def hhs_pdf(app: AppDep, actor: ActorDep, id: ObjectId) -> Response:
    """The form on paper."""
    return pdf_response(f"hhs-{id}", app.cases.reports.pdf(actor, id))


@router.get("/breach-log")
def log(request: Request, app: AppDep, actor: ActorDep, year: Year) -> Response:
    """The breaches of a year of fewer than 500 people."""
    found = app.cases.reports.log(actor, year)
    return desk_page(request, app, actor, "breach_log.html", log=views.readable(found))


@router.get("/breach-log.csv")
def log_csv(app: AppDep, actor: ActorDep, year: Year) -> Response:
    """The same as a table."""
    return csv_response(app.cases.reports.log(actor, year)["csv"], f"breaches-{year}")


def _page(
    request: Request, app: App, actor: Actor, breach_id: str, fault: str | None = None, status: int = 200
) -> Response:
    form = views.readable(app.cases.reports.form(actor, breach_id).to_json())
    sections: dict[str, list[object]] = {}
    for one in form["fields"]:
        sections.setdefault(one["section"], []).append(one)
    return desk_page(
        request,
        app,
        actor,
        "breach_papers.html",
        status,
        breach=views.readable(app.cases.breaches.show(actor, breach_id)),
        public=views.readable(app.cases.breach_letters.public(actor, breach_id)),
        sections=sections,
        missing=form["missing"],
        fault=fault,
        works=Action.BREACH_WORK in app.gate.rights(actor),
    )
