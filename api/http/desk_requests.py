"""The desk's pages of patients' requests: all of them, one with its clock and letters, and its messages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from itertools import chain
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse

from api import views
from api.http.api_requests import LetterId, pdf_response
from api.http.api_search import ObjectId
from api.http.auth import ActorDep, AppDep
from api.http.desk_page import desk_page
from api.http.forms import CheckedForm
from api.http.ports import App
from api.http.zipstream import zip_stream
from retention.cases.clock import ACT_DAYS
from retention.errors import RetentionError
from retention.patients.whom import Whom
from retention.requests.errors import BadCase, NotReady
from retention.requests.letters import BY_HAND
from retention.requests.marks import SAID, Mark
from search.access import Action, Actor, Purpose
from search.errors import SearchError

router = APIRouter(include_in_schema=False)

PAGE_SIZE: Final = 40
"""Each message is a field of the form, which takes 50."""
_WHOM: Final = ("patient", "patient_name", "born", "patient_address")


@router.get("/requests")
def requests(request: Request, app: AppDep, actor: ActorDep, state: str = "open") -> Response:
    """Requests, the most urgent first, and a form for a new one."""
    return _list(request, app, actor, state)


@router.post("/requests")
def open_request(request: Request, app: AppDep, actor: ActorDep, form: CheckedForm) -> Response:
    """Open a request."""
    try:
        made = app.cases.requests.open(
            actor,
            asker=form.get("asker", "patient"),
            name=form.get("name", ""),
            address=form.get("address", ""),
            email=form.get("email", ""),
            relation=form.get("relation", ""),
            identity=form.get("identity", ""),
            received=day_of_form(form, "received_on"),
            kind=form.get("kind", "access"),
            wanted=form.get("wanted", ""),
            form=form.get("form", ""),
            whom=whom_of(form),
        )
    except (RetentionError, SearchError) as error:
        return _list(request, app, actor, "open", form, str(error), error.http_status)
    return RedirectResponse(f"/requests/{made['id']}", 303)


@router.get("/requests/{id}")
def show(request: Request, app: AppDep, actor: ActorDep, id: ObjectId) -> Response:
    """One request with its clock, marks, denial and letters."""
    return _page(request, app, actor, id)


@router.post("/requests/{id}/items")
def items(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """A page of its messages, to be marked."""
    return _items(request, app, actor, id, form)


@router.post("/requests/{id}/marks")
def mark(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Mark the messages that were ticked, or all without a mark."""
    chosen = [name.removeprefix("m.") for name in form if name.startswith("m.")]
    everything = form.get("unmarked") == "yes"
    try:
        app.cases.review.mark(
            actor,
            id,
            form.get("mark", ""),
            [] if everything else chosen,
            unmarked=everything,
            query=form.get("query", "") if everything else "",
            reason=form.get("reason", ""),
        )
    except (RetentionError, SearchError) as error:
        return _items(request, app, actor, id, form, str(error), error.http_status)
    return _items(request, app, actor, id, form)


@router.post("/requests/{id}/change")
def change(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Say how it was checked who asks, or what it costs."""

    def do() -> object:
        fee = form.get("fee", "").strip().removeprefix("$")
        cents = None
        if fee:
            whole, _, part = fee.partition(".")
            if (
                not whole.isdecimal()
                or (part and not (part.isdecimal() and len(part) <= 2))
                or len(whole) > 6
            ):
                raise BadCase("a fee is written like 6.50")
            cents = int(whole) * 100 + int((part + "00")[:2])
        return app.cases.requests.change(
            actor,
            id,
            identity=form.get("identity", ""),
            address=form.get("address", ""),
            fee_cents=cents,
            fee_for=form.get("fee_for", ""),
        )

    return _done(request, app, actor, id, do)


@router.post("/requests/{id}/extend")
def extend(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Extend its time, once."""
    reason = form.get("reason", "")
    return _done(request, app, actor, id, lambda: app.cases.requests.extend(actor, id, reason))


@router.post("/requests/{id}/search")
def search(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Find the patient's mail."""
    query, roster = form.get("query", "").strip() or "*", form.get("off_roster") != "yes"
    search = app.cases.finding.search
    return _done(request, app, actor, id, lambda: search(actor, id, whom_of(form), query, roster=roster))


@router.post("/requests/{id}/deny")
def deny(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Ask for a denial."""
    statement, elsewhere = form.get("statement", ""), form.get("elsewhere", "")
    return _done(request, app, actor, id, lambda: app.cases.review.deny(actor, id, statement, elsewhere))


@router.post("/requests/{id}/approve")
def approve(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Approve a denial, as another person."""
    sha256 = form.get("sha256", "")
    return _done(request, app, actor, id, lambda: app.cases.review.approve(actor, id, sha256))


@router.post("/requests/{id}/produce")
def produce(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Freeze what is given."""
    return _done(request, app, actor, id, lambda: app.cases.review.produce(actor, id))


@router.post("/requests/{id}/download")
def download(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """What is given, as a ZIP made while it is sent."""
    export = app.cases.requests.show(actor, id)["export"]
    if export is None:
        return _page(request, app, actor, id, "produce the messages first", NotReady.http_status)
    files = app.exports.stream(actor, Purpose.PATIENT_REQUEST, export)
    # The first file is asked for here, so that a refusal is still an answer and not a broken download.
    first = next(files, None)
    return StreamingResponse(
        zip_stream(chain([first] if first else [], files)),
        headers={"Content-Disposition": f'attachment; filename="{export}.zip"'},
        media_type="application/zip",
    )


@router.post("/requests/{id}/account")
def account(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Make the account of disclosures that it asks for."""

    def do() -> object:
        return app.cases.review.account(
            actor,
            id,
            whom_of(form),
            since=day_of_form(form, "since"),
            until=day_of_form(form, "until"),
            roster=form.get("off_roster") != "yes",
        )

    return _done(request, app, actor, id, do)


@router.post("/requests/{id}/letters")
def letter(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Write a letter."""
    kind, words = form.get("kind", ""), form.get("words", "")
    return _done(request, app, actor, id, lambda: app.cases.letters.make(actor, id, kind, words))


@router.get("/requests/{id}/letters/{letter}")
def letter_pdf(app: AppDep, actor: ActorDep, id: ObjectId, letter: LetterId) -> Response:
    """A letter on paper."""
    return pdf_response(f"letter-{letter}", app.cases.letters.pdf(actor, id, letter))


@router.post("/requests/{id}/withdraw")
def withdraw(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Close it: who asked took it back."""
    reason = form.get("reason", "")
    return _done(request, app, actor, id, lambda: app.cases.requests.withdraw(actor, id, reason))


@router.post("/requests/{id}/appeal")
def appeal(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """The patient asked for a review of the denial."""

    def do() -> object:
        return app.cases.appeals.refer(actor, id, form.get("reviewer", ""), day_of_form(form, "asked_on"))

    return _done(request, app, actor, id, do)


@router.post("/requests/{id}/appealed")
def appealed(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """What the review decided; a new request that follows from it is shown."""
    try:
        found = app.cases.appeals.decided(
            actor, id, form.get("decision") == "granted", form.get("reason", "")
        )
    except (RetentionError, SearchError) as error:
        return _page(request, app, actor, id, str(error), error.http_status)
    return RedirectResponse(f"/requests/{found['follow_up'] or id}", 303)


@router.post("/requests/{id}/close")
def close(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Close it."""
    return _done(request, app, actor, id, lambda: app.cases.requests.close(actor, id))


# --- shared with the other pages of cases ---------------------------------------------------------


def whom_of(form: dict[str, str]) -> Whom:
    """The patient whom a form names."""
    return Whom(*(form.get(name, "")[:320] for name in _WHOM))


def day_of_form(form: dict[str, str], name: str) -> date | None:
    """A day of a form; None where none is given. Raises BadCase."""
    value = form.get(name, "").strip()
    try:
        return date.fromisoformat(value) if value else None
    except ValueError:
        raise BadCase("a day is written like 2026-03-01") from None


def _done(request: Request, app: App, actor: Actor, request_id: str, do: Callable[[], object]) -> Response:
    try:
        do()
    except (RetentionError, SearchError) as error:
        return _page(request, app, actor, request_id, str(error), error.http_status)
    return RedirectResponse(f"/requests/{request_id}", 303)


def _list(
    request: Request,
    app: App,
    actor: Actor,
    state: str,
    form: dict[str, str] | None = None,
    fault: str | None = None,
    status: int = 200,
) -> Response:
    chosen = state if state in ("open", "closed", "all") else "open"
    found = app.cases.requests.list(actor, None if chosen == "all" else chosen)
    return desk_page(
        request,
        app,
        actor,
        "requests.html",
        status,
        requests=views.readable(found),
        state=chosen,
        given=form or {},
        fault=fault,
        days=ACT_DAYS,
        works=Action.REQUEST_WORK in app.gate.rights(actor),
    )


def _page(
    request: Request, app: App, actor: Actor, request_id: str, fault: str | None = None, status: int = 200
) -> Response:
    rights = app.gate.rights(actor)
    return desk_page(
        request,
        app,
        actor,
        "request.html",
        status,
        case=views.readable(app.cases.requests.show(actor, request_id)),
        fault=fault,
        said=SAID,
        kinds=BY_HAND,
        contact=app.settings.privacy_contact,
        works=Action.REQUEST_WORK in rights,
        decides=Action.REQUEST_DECIDE in rights,
    )


def _items(
    request: Request,
    app: App,
    actor: Actor,
    request_id: str,
    form: dict[str, str],
    fault: str | None = None,
    status: int = 200,
) -> Response:
    shown: Any = form.get("show") or None
    shown = shown if shown == "unmarked" or shown in tuple(Mark) else None
    text = form.get("after", "")
    # Mail of before 1970 has negative keys.
    digits = text.removeprefix("-")
    after = int(text) if digits.isascii() and digits.isdigit() and len(digits) < 19 else None
    found = app.cases.review.items(actor, request_id, mark=shown, after=after, limit=PAGE_SIZE)
    return desk_page(
        request,
        app,
        actor,
        "request_items.html",
        status,
        id=request_id,
        page=views.readable(found),
        shown=shown or "",
        marks=SAID,
        given={name: form.get(name, "") for name in ("mark", "reason", "after")},
        fault=fault,
    )
