"""The desk's page of disclosures: what left without a basis, one patient's account, and suspensions."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from api import views
from api.http.api_disclosures import account_paper, csv_response
from api.http.api_search import ObjectId
from api.http.auth import ActorDep, AppDep
from api.http.desk_page import desk_page
from api.http.desk_requests import day_of_form, whom_of
from api.http.forms import CheckedForm
from api.http.ports import App
from retention.disclosures import paper
from retention.disclosures.errors import BadDisclosure
from retention.errors import RetentionError
from search.access import Action, Actor
from search.disclosing import CITED, SUSPENDABLE, Basis, Recipient
from search.errors import SearchError

router = APIRouter(include_in_schema=False)


@router.get("/disclosures")
def page(request: Request, app: AppDep, actor: ActorDep) -> Response:
    """What left and nobody has given a basis, the newest, and a form that asks for an account."""
    return _page(request, app, actor, {})


@router.post("/disclosures")
def account(request: Request, app: AppDep, actor: ActorDep, form: CheckedForm) -> Response:
    """One patient's account, on the page, on paper or as a table."""
    try:
        found = app.cases.disclosures.account(
            actor, whom_of(form), since=day_of_form(form, "since"), until=day_of_form(form, "until")
        )
    except (RetentionError, SearchError) as error:
        return _page(request, app, actor, form, fault=str(error), status=error.http_status)
    what = form.get("what", "")
    if what == "pdf":
        return account_paper(app, found)
    if what == "csv":
        return csv_response(paper.as_csv(found))
    return _page(request, app, actor, form, account=views.readable(found))


@router.post("/disclosures/record")
def record(request: Request, app: AppDep, actor: ActorDep, form: CheckedForm) -> Response:
    """Write down what left on another way than an export."""
    try:
        app.cases.disclosures.record(
            actor,
            whom_of(form),
            basis=form.get("basis", ""),
            recipient=Recipient(form.get("recipient", ""), form.get("address", "")),
            what=form.get("description", ""),
        )
    except (RetentionError, SearchError) as error:
        return _page(request, app, actor, form, fault=str(error), status=error.http_status)
    return _page(request, app, actor, {})


@router.post("/disclosures/{id}/statement")
def state(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Say by which right something left, or who got it."""
    try:
        app.cases.disclosures.state(
            actor,
            id,
            basis=form.get("basis", ""),
            recipient=Recipient(form.get("recipient", ""), form.get("address", "")),
            note=form.get("note", ""),
        )
    except (RetentionError, SearchError) as error:
        return _page(request, app, actor, form, fault=str(error), status=error.http_status)
    return _page(request, app, actor, {})


@router.post("/suspensions")
def suspend(request: Request, app: AppDep, actor: ActorDep, form: CheckedForm) -> Response:
    """Leave what an agency got out of a patient's accounts until a day."""
    try:
        until = day_of_form(form, "until")
        if until is None:
            raise BadDisclosure("say until which day")
        app.cases.disclosures.suspend(
            actor,
            whom_of(form),
            basis=form.get("basis", ""),
            until=until,
            written=form.get("written") == "yes",
            agency=form.get("agency", ""),
            statement=form.get("statement", ""),
        )
    except (RetentionError, SearchError) as error:
        return _page(request, app, actor, form, fault=str(error), status=error.http_status)
    return _page(request, app, actor, {})


@router.post("/suspensions/{id}/end")
def resume(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """End a suspension before its day."""
    try:
        app.cases.disclosures.resume(actor, id)
    except RetentionError as error:
        return _page(request, app, actor, form, fault=str(error), status=error.http_status)
    return _page(request, app, actor, {})


def _page(
    request: Request,
    app: App,
    actor: Actor,
    form: dict[str, str],
    *,
    account: dict[str, Any] | None = None,
    fault: str | None = None,
    status: int = 200,
) -> Response:
    given = ("patient", "patient_name", "born", "patient_address", "since", "until")
    return desk_page(
        request,
        app,
        actor,
        "disclosures.html",
        status,
        unstated=views.readable(app.cases.disclosures.list(actor, unstated=True, limit=50)),
        newest=views.readable(app.cases.disclosures.list(actor, limit=25)),
        suspensions=views.readable(app.cases.disclosures.suspended(actor)),
        account=account,
        bases=[one for one in CITED if one is not Basis.UNSTATED],
        suspendable=sorted(SUSPENDABLE),
        given={name: form.get(name, "") for name in given},
        fault=fault,
        manages=Action.DISCLOSURE_MANAGE in app.gate.rights(actor),
    )
