"""The desk's page of mail by patient: all of it, by episode, and who cared for whom."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request, Response

from api import views
from api.http import auth
from api.http.api_patients import providers
from api.http.auth import ActorDep, AppDep
from api.http.desk_page import desk_page
from api.http.forms import CheckedForm
from api.http.ports import App
from retention.patients.episodes import MARGIN, MOST_MARGIN
from retention.patients.whom import BadPatient, Whom
from retention.refusals import NotThere
from search.access import Action, Actor, Purpose
from search.errors import QueryError

router = APIRouter(include_in_schema=False)

PAGE_SIZE: Final = 20
_FIELDS: Final = ("patient", "name", "born", "address", "provider", "query", "episode", "between", "margin")
_LONGEST: Final = {"query": 10_000, "name": 320, "address": 320, "provider": 320, "patient": 320}
_KINDS: Final = {"mail": "patient.search", "timeline": "patient.timeline", "providers": "patient.providers"}


@router.get("/patients/mail")
def page(request: Request, app: AppDep, actor: ActorDep) -> Response:
    """A form that asks; whoever asks says what for."""
    app.gate.record(actor, Action.SESSION, "success")
    return _page(request, app, actor, {})


@router.post("/patients/mail")
def find(request: Request, app: AppDep, actor: ActorDep, form: CheckedForm) -> Response:
    """A patient's mail, timeline or providers, or a provider's patients."""
    what = form.get("what", "mail")
    what = what if what in _KINDS else "mail"
    purpose = auth.stated_purpose(app, actor, _KINDS[what], form.get("purpose"))
    try:
        return _page(request, app, actor, form, **_answer(app, actor, purpose, what, form))
    except (BadPatient, NotThere, QueryError) as error:
        return _page(request, app, actor, form, status=error.http_status, fault=str(error))


def _answer(app: App, actor: Actor, purpose: Purpose, what: str, form: dict[str, str]) -> dict[str, Any]:
    asked = _asked(form)
    whom = Whom(asked["patient"], asked["name"], asked["born"], asked["address"])
    if what == "timeline":
        found = app.patient_mail.timeline(actor, purpose, whom, margin=_number(asked["margin"], MARGIN))
        return {"timeline": views.readable(found)}
    if what == "providers":
        offset = _number(form.get("offset", ""), 0)
        return {"related": providers(app, actor, purpose, whom, asked["provider"], 100, offset)}
    mail = app.patient_mail.search(
        actor,
        purpose,
        whom,
        query=asked["query"].strip() or "*",
        episode=asked["episode"],
        apart=bool(asked["between"]),
        margin=_number(asked["margin"], MARGIN),
        limit=PAGE_SIZE,
        cursor=form.get("cursor") or None,
    )
    return {
        "results": views.search_page(mail.page),
        "people": views.readable(list(mail.patients)),
        "episode": mail.episode,
    }


def _asked(form: dict[str, str]) -> dict[str, str]:
    return {name: form.get(name, "")[: _LONGEST.get(name, 64)] for name in _FIELDS}


def _number(text: str, usual: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 8 else usual


def _page(
    request: Request, app: App, actor: Actor, form: dict[str, str], status: int = 200, **found: Any
) -> Response:
    shown: dict[str, Any] = {
        "results": None,
        "people": [],
        "episode": None,
        "timeline": None,
        "related": None,
        "fault": None,
        **found,
    }
    asked = {**_asked(form), "purpose": form.get("purpose", ""), "sort": "newest"}
    return desk_page(
        request,
        app,
        actor,
        "patient_mail.html",
        status,
        asked=asked,
        margin=MARGIN,
        most_margin=MOST_MARGIN,
        **shown,
    )
