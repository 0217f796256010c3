"""The desk's pages of breaches: all of them, and one with its exposure, four factors, clocks and notices."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from api import views
from api.http.api_breaches import package_response
from api.http.api_requests import pdf_response
from api.http.api_search import ObjectId
from api.http.auth import ActorDep, AppDep
from api.http.desk_page import desk_page
from api.http.desk_requests import day_of_form
from api.http.forms import CheckedForm
from api.http.ports import App
from config.cases import zone_of
from retention.breaches.asked import STORES, Asked
from retention.breaches.breaches import NOTICE_FIELDS, RISKS
from retention.breaches.errors import BadBreach
from retention.breaches.rows import DECISIONS, FACTORS
from retention.breaches.telling import TOLD
from retention.errors import RetentionError
from search.access import Action, Actor
from search.disclosing import CITED, Basis, Recipient
from search.errors import SearchError

router = APIRouter(include_in_schema=False)


@router.get("/breaches")
def breaches(request: Request, app: AppDep, actor: ActorDep) -> Response:
    """Breaches, the most urgent first, and a form for a new one."""
    return _list(request, app, actor)


@router.post("/breaches")
def open_breach(request: Request, app: AppDep, actor: ActorDep, form: CheckedForm) -> Response:
    """Open a breach."""
    try:
        hours = form.get("contract_hours", "").strip()
        if hours and not (hours.isascii() and hours.isdigit() and len(hours) < 5):
            raise BadBreach("the contract's hours are a number")
        moment = moment_of(app, form, "discovered_at")
        made = app.cases.breaches.open(
            actor,
            title=form.get("title", ""),
            what_happened=form.get("what_happened", ""),
            discovered=datetime.fromisoformat(moment) if moment else None,
            held_as=form.get("held_as", "covered_entity"),
            contract_hours=int(hours) if hours else None,
        )
    except RetentionError as error:
        return _list(request, app, actor, form, str(error), error.http_status)
    return RedirectResponse(f"/breaches/{made['id']}", 303)


@router.get("/breaches/{id}")
def show(request: Request, app: AppDep, actor: ActorDep, id: ObjectId) -> Response:
    """One breach."""
    return _page(request, app, actor, id)


@router.post("/breaches/{id}/exposure")
def expose(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Work out what was exposed."""

    def do() -> object:
        asked = Asked.of(
            users=form.get("users", "").replace(",", "\n").split("\n"),
            sessions=form.get("sessions", ""),
            messages=form.get("messages", ""),
            keys=form.get("keys", ""),
            since=moment_of(app, form, "since"),
            until=moment_of(app, form, "until"),
            taken=[one for one in STORES if form.get(f"taken.{one}") == "yes"],
        )
        return app.cases.breaches.expose(actor, id, asked, whole=form.get("whole") == "yes")

    return _done(request, app, actor, id, do)


@router.post("/breaches/{id}/patients")
def patients(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Who was exposed."""
    found = app.cases.papers.patients(actor, id, after=form.get("after", "")[:64])
    return desk_page(request, app, actor, "breach_patients.html", id=id, page=views.readable(found))


@router.post("/breaches/{id}/assessment")
def assess(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Answer the four factors."""
    factors = {
        name: {"answer": form[f"answer.{name}"], "risk": form.get(f"risk.{name}", "")}
        for name in FACTORS
        if form.get(f"answer.{name}", "").strip()
    }
    return _done(request, app, actor, id, lambda: app.cases.breaches.assess(actor, id, factors))


@router.post("/breaches/{id}/decision")
def decide(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Decide."""
    decision, reason = form.get("decision", ""), form.get("reason", "")
    return _done(request, app, actor, id, lambda: app.cases.breaches.decide(actor, id, decision, reason))


@router.post("/breaches/{id}/confirm")
def confirm(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Confirm, or open it again."""
    agree, reason = form.get("agree") == "yes", form.get("reason", "")
    return _done(request, app, actor, id, lambda: app.cases.breaches.confirm(actor, id, agree, reason))


@router.post("/breaches/{id}/delay")
def delay(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Delay the notices as law enforcement asks."""

    def do() -> object:
        until = day_of_form(form, "until")
        if until is None:
            raise BadBreach("say until which day")
        return app.cases.breaches.delay(
            actor,
            id,
            until=until,
            written=form.get("written") == "yes",
            official=form.get("official", ""),
            statement=form.get("statement", ""),
        )

    return _done(request, app, actor, id, do)


@router.post("/breaches/{id}/told")
def told(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Note who was told."""

    def do() -> object:
        day = day_of_form(form, "on")
        if day is None:
            raise BadBreach("say on which day")
        return app.cases.breaches.told(actor, id, form.get("who", ""), day, form.get("how", ""))

    return _done(request, app, actor, id, do)


@router.post("/breaches/{id}/notice")
def word(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Say what the notice is to say."""
    fields = {name: form.get(name, "") for name in NOTICE_FIELDS}
    return _done(request, app, actor, id, lambda: app.cases.papers.word(actor, id, fields))


@router.get("/breaches/{id}/notice.pdf")
def notice_pdf(app: AppDep, actor: ActorDep, id: ObjectId) -> Response:
    """The draft of the notice on paper."""
    return pdf_response(f"notice-{id}", app.cases.papers.notice_pdf(actor, id))


@router.post("/breaches/{id}/package")
def package(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """The package of evidence as a ZIP."""
    recipient = Recipient(form.get("recipient", ""), form.get("address", ""))
    try:
        return package_response(app, actor, id, recipient, form.get("basis", "") or "operations")
    except (RetentionError, SearchError) as error:
        return _page(request, app, actor, id, str(error), error.http_status)


@router.post("/breaches/{id}/close")
def close(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Close it."""
    return _done(request, app, actor, id, lambda: app.cases.breaches.close(actor, id))


def moment_of(app: App, form: dict[str, str], name: str) -> str:
    """A time of a form, which browsers send without a zone: there it is the organisation's. RFC 3339, or
    empty.

    Raises BadBreach.
    """
    value = form.get(name, "").strip()
    if not value:
        return ""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise BadBreach("a time is written like 2026-03-01T14:30") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone_of(app.settings.time_zone))
    return moment.astimezone(UTC).isoformat()


def _done(request: Request, app: App, actor: Actor, breach_id: str, do: Callable[[], object]) -> Response:
    try:
        do()
    except (RetentionError, SearchError) as error:
        return _page(request, app, actor, breach_id, str(error), error.http_status)
    return RedirectResponse(f"/breaches/{breach_id}", 303)


def _list(
    request: Request,
    app: App,
    actor: Actor,
    form: dict[str, str] | None = None,
    fault: str | None = None,
    status: int = 200,
) -> Response:
    return desk_page(
        request,
        app,
        actor,
        "breaches.html",
        status,
        breaches=views.readable(app.cases.breaches.list(actor)),
        given=form or {},
        fault=fault,
        hours=app.settings.breach_contract_hours,
        year=app.cases.breach_rows.today().year,
        zone=app.settings.time_zone,
        works=Action.BREACH_WORK in app.gate.rights(actor),
    )


def _page(
    request: Request, app: App, actor: Actor, breach_id: str, fault: str | None = None, status: int = 200
) -> Response:
    rights = app.gate.rights(actor)
    return desk_page(
        request,
        app,
        actor,
        "breach.html",
        status,
        breach=views.readable(app.cases.breaches.show(actor, breach_id)),
        notice=views.readable(app.cases.papers.notice(actor, breach_id)),
        fault=fault,
        stores=STORES,
        risks=RISKS,
        decisions=DECISIONS,
        told_kinds=TOLD,
        bases=[one for one in CITED if one is not Basis.UNSTATED],
        zone=app.settings.time_zone,
        works=Action.BREACH_WORK in rights,
        decides=Action.BREACH_DECIDE in rights,
    )
