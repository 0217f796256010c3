"""`/disclosures`: what left the archive, and the account a patient may ask for (45 CFR 164.528)."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from fastapi import Query, Response
from pydantic import BaseModel, ConfigDict, Field

from api import views
from api.http.api_requests import Patient, pdf_response
from api.http.api_search import ObjectId
from api.http.auth import ActorDep, AppDep
from api.http.paging import Cursor, page_of
from api.http.ports import App
from api.http.router import api_router
from config.cases import zone_of
from retention.disclosures import paper
from search.access import Actor
from search.disclosing import Recipient

router = api_router("disclosures")

BasisName = Annotated[str, Field(max_length=40, description="see docs/patient-requests.md for the list")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class AccountAsked(_Strict):
    """Whose account, and of which days; six years back from today unless said."""

    patient: Patient
    since: date | None = None
    until: date | None = None


class Statement(_Strict):
    """By which right something left, and who got it; what isn't given stays."""

    legal_basis: BasisName = ""
    recipient: Annotated[str, Field(max_length=320)] = ""
    recipient_address: Annotated[str, Field(max_length=1_000)] = ""
    note: Annotated[str, Field(max_length=2_000)] = ""


class ByHand(_Strict):
    """What left on another way than an export: a call, a print, a screen shown."""

    patient: Patient
    legal_basis: BasisName
    recipient: Annotated[str, Field(min_length=1, max_length=320)]
    recipient_address: Annotated[str, Field(max_length=1_000)] = ""
    what: Annotated[str, Field(min_length=1, max_length=500)]
    messages: Annotated[int, Field(ge=0, le=1_000_000)] = 0


class NewSuspension(_Strict):
    """An agency's statement that telling the patient would impede it (164.528(a)(2))."""

    patient: Patient
    legal_basis: BasisName
    until: date
    written: bool
    agency: Annotated[str, Field(max_length=320)] = ""
    statement: Annotated[str, Field(min_length=1, max_length=5_000)]


@router.get("/disclosures")
def list_disclosures(
    app: AppDep,
    actor: ActorDep,
    unstated: Annotated[bool, Query(description="only those without a legal basis")] = False,
    cursor: Cursor = 0,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> dict[str, Any]:
    """What left, newest first."""
    listed = app.cases.disclosures.list
    return page_of(lambda count: views.readable(listed(actor, unstated=unstated, limit=count)), cursor, limit)


@router.post("/disclosures", status_code=201)
def record_disclosure(app: AppDep, actor: ActorDep, body: ByHand) -> dict[str, Any]:
    """Write a disclosure down that was no export."""
    return app.cases.disclosures.record(
        actor,
        body.patient.whom,
        basis=body.legal_basis,
        recipient=Recipient(body.recipient, body.recipient_address),
        what=body.what,
        messages=body.messages,
    )


@router.post("/disclosures/account")
def account(app: AppDep, actor: ActorDep, body: AccountAsked) -> dict[str, Any]:
    """The account for one patient; `for_staff` isn't for her."""
    return dict(views.readable(account_of(app, actor, body)))


@router.post("/disclosures/account/csv", response_class=Response)
def account_csv(app: AppDep, actor: ActorDep, body: AccountAsked) -> Response:
    """The account's lines as CSV."""
    return csv_response(paper.as_csv(account_of(app, actor, body)))


@router.post("/disclosures/account/pdf", response_class=Response)
def account_pdf(app: AppDep, actor: ActorDep, body: AccountAsked) -> Response:
    """The account as PDF/A."""
    return account_paper(app, account_of(app, actor, body))


@router.post("/disclosures/{id}/statement")
def state_disclosure(app: AppDep, actor: ActorDep, id: ObjectId, body: Statement) -> dict[str, Any]:
    """Say by which right something left, or who got it."""
    return app.cases.disclosures.state(
        actor,
        id,
        basis=body.legal_basis,
        recipient=Recipient(body.recipient, body.recipient_address),
        note=body.note,
    )


@router.get("/suspensions")
def list_suspensions(app: AppDep, actor: ActorDep) -> dict[str, Any]:
    """Every suspension, over or not."""
    return {"items": views.readable(app.cases.disclosures.suspended(actor)), "next": None}


@router.post("/suspensions", status_code=201)
def suspend(app: AppDep, actor: ActorDep, body: NewSuspension) -> dict[str, Any]:
    """Leave what an agency got out of a patient's accounts until a day."""
    return app.cases.disclosures.suspend(
        actor,
        body.patient.whom,
        basis=body.legal_basis,
        until=body.until,
        written=body.written,
        agency=body.agency,
        statement=body.statement,
    )


@router.post("/suspensions/{id}/end", status_code=204)
def resume(app: AppDep, actor: ActorDep, id: ObjectId) -> None:
    """End a suspension before its day."""
    app.cases.disclosures.resume(actor, id)


def account_of(app: App, actor: Actor, body: AccountAsked) -> dict[str, Any]:
    """The account that a body asks for."""
    return app.cases.disclosures.account(actor, body.patient.whom, since=body.since, until=body.until)


def account_paper(app: App, found: dict[str, Any]) -> Response:
    """An account as a document to download."""
    settings = app.settings
    made = app.vault.clock.now().astimezone(zone_of(settings.time_zone))
    data = paper.pdf(app.vault.archive_id, found, settings.organisation, settings.privacy_contact, made)
    return pdf_response(f"account-{found['patient']['id']}", data)


def csv_response(text: str, name: str = "disclosures") -> Response:
    """A table as a download; the name has ids only."""
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return Response(text.encode("utf-8", "replace"), headers=headers, media_type="text/csv; charset=utf-8")
