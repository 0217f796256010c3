"""What goes out of a breach, below `/breaches`: letters to patients, what the media and HHS are told, and the
log of a year (45 CFR 164.404(d), 164.406, 164.408)."""

from __future__ import annotations

from itertools import chain
from typing import Annotated, Any

from fastapi import Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from api import views
from api.http.api_disclosures import csv_response
from api.http.api_requests import pdf_response
from api.http.api_search import ObjectId
from api.http.auth import ActorDep, AppDep
from api.http.ports import App
from api.http.router import api_router
from api.http.zipstream import zip_stream
from search.access import Actor

router = api_router("breaches")

Text = Annotated[str, Field(max_length=4_000)]
Year = Annotated[int, Query(ge=1996, le=9_000)]
State = Annotated[
    str, Query(pattern=r"^([A-Z]{2})?$", description="of the media; empty: the substitute notice")
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class OnePatient(_Strict):
    """A patient of the breach, by the id of the roster."""

    patient: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class Answers(_Strict):
    """Answers to the form of HHS, by the names of its fields; an empty one takes the answer back."""

    answers: Annotated[dict[str, Text | Annotated[list[Text], Field(max_length=20)]], Field(max_length=60)]


@router.post("/breaches/{id}/letters", response_class=StreamingResponse)
def make_letters(app: AppDep, actor: ActorDep, id: ObjectId) -> StreamingResponse:
    """A letter to each patient with the list of recipients, as a ZIP made while it is sent."""
    return letters_response(app, actor, id)


@router.post("/breaches/{id}/letter")
def show_letter(app: AppDep, actor: ActorDep, id: ObjectId, body: OnePatient) -> dict[str, Any]:
    """The last letter that was made for a patient, as it was made."""
    return app.cases.breach_letters.kept(actor, id, body.patient)


@router.post("/breaches/{id}/letter/pdf", response_class=Response)
def letter_paper(app: AppDep, actor: ActorDep, id: ObjectId, body: OnePatient) -> Response:
    """The same as PDF/A."""
    return pdf_response(f"letter-{id}", app.cases.breach_letters.kept_pdf(actor, id, body.patient))


@router.get("/breaches/{id}/public")
def public_notices(app: AppDep, actor: ActorDep, id: ObjectId) -> dict[str, Any]:
    """What the media of each State are told where more than 500 of its residents are concerned, and the
    substitute notice."""
    return app.cases.breach_letters.public(actor, id)


@router.get("/breaches/{id}/public.pdf", response_class=Response)
def public_paper(app: AppDep, actor: ActorDep, id: ObjectId, state: State = "") -> Response:
    """One of them as PDF/A."""
    return pdf_response(f"notice-{id}", app.cases.breach_letters.public_pdf(actor, id, state))


@router.get("/breaches/{id}/hhs")
def hhs_form(app: AppDep, actor: ActorDep, id: ObjectId) -> dict[str, Any]:
    """What the portal of HHS asks, what is known of it, and what is lacking."""
    return dict(views.readable(app.cases.reports.form(actor, id).to_json()))


@router.post("/breaches/{id}/hhs")
def answer_hhs(app: AppDep, actor: ActorDep, id: ObjectId, body: Answers) -> dict[str, Any]:
    """Answer questions of the form."""
    return dict(views.readable(app.cases.reports.answer(actor, id, body.answers).to_json()))


@router.get("/breaches/{id}/hhs.csv", response_class=Response)
def hhs_csv(app: AppDep, actor: ActorDep, id: ObjectId) -> Response:
    """The form as a table."""
    return csv_response(app.cases.reports.form(actor, id).as_csv(), f"hhs-{id}")


@router.get("/breaches/{id}/hhs.pdf", response_class=Response)
def hhs_pdf(app: AppDep, actor: ActorDep, id: ObjectId) -> Response:
    """The form as PDF/A."""
    return pdf_response(f"hhs-{id}", app.cases.reports.pdf(actor, id))


@router.get("/breach-log")
def breach_log(app: AppDep, actor: ActorDep, year: Year) -> dict[str, Any]:
    """The breaches of a calendar year of fewer than 500 people (164.408(c))."""
    found = app.cases.reports.log(actor, year)
    return dict(views.readable({name: one for name, one in found.items() if name != "csv"}))


@router.get("/breach-log.csv", response_class=Response)
def breach_log_csv(app: AppDep, actor: ActorDep, year: Year) -> Response:
    """The same as a table, with every answer of each form."""
    return csv_response(app.cases.reports.log(actor, year)["csv"], f"breaches-{year}")


def letters_response(app: App, actor: Actor, breach_id: str) -> StreamingResponse:
    """The letters as a download."""
    files = app.cases.breach_letters.make(actor, breach_id)
    # The first file is asked for here, so that a refusal is still an answer and not a broken download.
    first = next(files, None)
    return StreamingResponse(
        zip_stream(chain([first] if first else [], files)),
        headers={"Content-Disposition": f'attachment; filename="letters-{breach_id}.zip"'},
        media_type="application/zip",
    )
