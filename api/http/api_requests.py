"""`/requests`: what patients ask for (45 CFR 164.524, 164.528). Names and reasons travel in bodies, never in
URLs."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from fastapi import Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from api import views
from api.http.api_patients import Mark as PatientMark
from api.http.api_search import ObjectId
from api.http.auth import ActorDep, AppDep
from api.http.paging import Cursor, page_of
from api.http.router import api_router
from retention.patients.whom import Whom

router = api_router("requests")

LetterId = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
Short = Annotated[str, Field(max_length=1_000)]
Long = Annotated[str, Field(max_length=5_000)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Patient(_Strict):
    """The patient as the request names her: an id or number, a name with a birth date, an address."""

    patient: PatientMark = ""
    name: PatientMark = ""
    born: Annotated[str, Field(max_length=10, description="YYYY-MM-DD")] = ""
    address: PatientMark = ""

    @property
    def whom(self) -> Whom:
        """The same as the services take it."""
        return Whom(self.patient, self.name, self.born, self.address)


class NewRequest(_Strict):
    """A request as it came in: who asks, for what, and how it was checked who asks."""

    kind: Literal["access", "accounting"] = "access"
    asker: Literal["patient", "representative"] = "patient"
    name: Annotated[str, Field(min_length=1, max_length=320)]
    address: Short = ""
    email: Annotated[str, Field(max_length=320)] = ""
    relation: Annotated[str, Field(max_length=500, description="by what a representative may act")] = ""
    identity: Annotated[str, Field(max_length=2_000, description="how it was checked who asks")] = ""
    received_on: date | None = None
    wanted: Long = ""
    form: Annotated[str, Field(max_length=500, description="the form and format asked for")] = ""
    patient: Patient = Patient()


class Change(_Strict):
    """More of a request; what isn't given stays."""

    identity: Annotated[str, Field(max_length=2_000)] = ""
    wanted: Long = ""
    form: Annotated[str, Field(max_length=500)] = ""
    address: Short = ""
    email: Annotated[str, Field(max_length=320)] = ""
    fee_cents: Annotated[int | None, Field(ge=0, le=10_000_000)] = None
    fee_for: Annotated[str, Field(max_length=500)] = ""


class Reason(_Strict):
    """Why."""

    reason: Annotated[str, Field(min_length=1, max_length=2_000)]


class SearchFor(_Strict):
    """Whose mail to find; without a patient, whom the request names."""

    patient: Patient = Patient()
    query: Annotated[str, Field(max_length=10_000)] = "*"
    roster: Annotated[bool, Field(description="false for who isn't on it: the query alone finds")] = True


class Marking(_Strict):
    """A mark for messages of the list, or for all that have none."""

    mark: Annotated[str, Field(max_length=40)]
    messages: Annotated[
        list[Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]], Field(max_length=10_000)
    ] = []
    unmarked: bool = False
    query: Annotated[str, Field(max_length=10_000, description="of what has no mark, what matches")] = ""
    reason: Annotated[str, Field(max_length=2_000)] = ""


class Denial(_Strict):
    """Why what the marks withhold is denied, in plain language; who keeps what we don't."""

    statement: Annotated[str, Field(min_length=1, max_length=5_000)]
    elsewhere: Annotated[str, Field(max_length=1_000)] = ""


class Approval(_Strict):
    """The marks that were looked at, by their hash (`items.sha256`)."""

    sha256: Annotated[str | None, Field(pattern=r"^[0-9a-fA-F]{64}$")] = None


class Production(_Strict):
    """How the given messages are produced."""

    format: Annotated[str, Field(max_length=20)] = "eml"


class LetterAsked(_Strict):
    """A letter, with a paragraph of one's own."""

    kind: Literal["acknowledgement", "fulfilment", "denial"]
    words: Long = ""


class AccountAsked(_Strict):
    """The account for a request of that kind; six years back unless said."""

    patient: Patient = Patient()
    since: date | None = None
    until: date | None = None
    roster: Annotated[bool, Field(description="false for who isn't on it")] = True


class Referral(_Strict):
    """A review of a denial that the patient asked for, on a day (today); by whom."""

    reviewer: Annotated[str, Field(min_length=1, max_length=320)]
    asked_on: date | None = None


class Reviewed(_Strict):
    """What the reviewer decided, and why."""

    granted: bool
    reason: Annotated[str, Field(min_length=1, max_length=5_000)]


@router.get("/requests")
def list_requests(
    app: AppDep,
    actor: ActorDep,
    state: Annotated[Literal["open", "closed", "all"], Query()] = "open",
    cursor: Cursor = 0,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> dict[str, Any]:
    """Requests, the most urgent first; `urgency` is in_time, soon, overdue or closed."""
    chosen = None if state == "all" else state
    return page_of(lambda count: views.readable(app.cases.requests.list(actor, chosen, count)), cursor, limit)


@router.post("/requests", status_code=201)
def open_request(app: AppDep, actor: ActorDep, body: NewRequest) -> dict[str, Any]:
    """Open a request; its acknowledgement is written at once."""
    given = body.model_dump(exclude={"patient", "received_on"})
    return app.cases.requests.open(actor, received=body.received_on, whom=body.patient.whom, **given)


@router.get("/requests/{id}")
def show_request(app: AppDep, actor: ActorDep, id: ObjectId) -> dict[str, Any]:
    """A request with its clock, marks, denial, letters, and what left for it."""
    return app.cases.requests.show(actor, id)


@router.post("/requests/{id}")
def change_request(app: AppDep, actor: ActorDep, id: ObjectId, body: Change) -> dict[str, Any]:
    """Say more of a request: how it was checked who asks, the form asked for, a fee."""
    return app.cases.requests.change(actor, id, **body.model_dump())


@router.post("/requests/{id}/extend")
def extend_request(app: AppDep, actor: ActorDep, id: ObjectId, body: Reason) -> dict[str, Any]:
    """Extend the time once, by 30 days; the written statement of it is made."""
    return app.cases.requests.extend(actor, id, body.reason)


@router.post("/requests/{id}/search")
def search_for_request(app: AppDep, actor: ActorDep, id: ObjectId, body: SearchFor) -> dict[str, Any]:
    """Find the patient's mail and put it on the request's list."""
    return app.cases.finding.search(actor, id, body.patient.whom, body.query, roster=body.roster)


@router.get("/requests/{id}/items")
def request_items(
    app: AppDep,
    actor: ActorDep,
    id: ObjectId,
    mark: Annotated[str | None, Query(max_length=40)] = None,
    after: Annotated[int | None, Query(ge=-(2**62), le=2**62)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
) -> dict[str, Any]:
    """A page of the list, with what reviewers said; `next` is the `after` of the following one."""
    return dict(views.readable(app.cases.review.items(actor, id, mark=mark, after=after, limit=limit)))


@router.post("/requests/{id}/marks")
def mark_items(app: AppDep, actor: ActorDep, id: ObjectId, body: Marking) -> dict[str, Any]:
    """Mark messages: given, or why not."""
    return app.cases.review.mark(
        actor, id, body.mark, body.messages, unmarked=body.unmarked, query=body.query, reason=body.reason
    )


@router.post("/requests/{id}/deny")
def deny_request(app: AppDep, actor: ActorDep, id: ObjectId, body: Denial) -> dict[str, Any]:
    """Ask that what is withheld be denied."""
    return app.cases.review.deny(actor, id, body.statement, body.elsewhere)


@router.post("/requests/{id}/approve")
def approve_denial(app: AppDep, actor: ActorDep, id: ObjectId, body: Approval) -> dict[str, Any]:
    """Approve a denial, as another person."""
    return app.cases.review.approve(actor, id, body.sha256)


@router.post("/requests/{id}/produce")
def produce_request(app: AppDep, actor: ActorDep, id: ObjectId, body: Production) -> dict[str, Any]:
    """Freeze what is given as an export; download it as any other."""
    return app.cases.review.produce(actor, id, body.format)


@router.post("/requests/{id}/account")
def account_for_request(app: AppDep, actor: ActorDep, id: ObjectId, body: AccountAsked) -> dict[str, Any]:
    """Make the account of disclosures that a request asks for."""
    found = app.cases.review.account(
        actor, id, body.patient.whom, since=body.since, until=body.until, roster=body.roster
    )
    return dict(views.readable(found))


@router.post("/requests/{id}/letters", status_code=201)
def write_letter(app: AppDep, actor: ActorDep, id: ObjectId, body: LetterAsked) -> dict[str, Any]:
    """Write a letter."""
    return app.cases.letters.make(actor, id, body.kind, body.words)


@router.get("/requests/{id}/letters/{letter}")
def read_letter(app: AppDep, actor: ActorDep, id: ObjectId, letter: LetterId) -> dict[str, Any]:
    """A letter as text."""
    return app.cases.letters.read(actor, id, letter)


@router.get("/requests/{id}/letters/{letter}/pdf", response_class=Response)
def letter_pdf(app: AppDep, actor: ActorDep, id: ObjectId, letter: LetterId) -> Response:
    """A letter as PDF/A."""
    return pdf_response(f"letter-{letter}", app.cases.letters.pdf(actor, id, letter))


@router.post("/requests/{id}/close")
def close_request(app: AppDep, actor: ActorDep, id: ObjectId) -> dict[str, Any]:
    """Close a request that was answered."""
    return app.cases.requests.close(actor, id)


@router.post("/requests/{id}/withdraw")
def withdraw_request(app: AppDep, actor: ActorDep, id: ObjectId, body: Reason) -> dict[str, Any]:
    """Close a request that its requester took back."""
    return app.cases.requests.withdraw(actor, id, body.reason)


@router.post("/requests/{id}/appeal")
def refer_denial(app: AppDep, actor: ActorDep, id: ObjectId, body: Referral) -> dict[str, Any]:
    """The patient asked for a review of the denial: by whom; the letter that says so is written."""
    return app.cases.appeals.refer(actor, id, body.reviewer, body.asked_on)


@router.post("/requests/{id}/appealed")
def denial_reviewed(app: AppDep, actor: ActorDep, id: ObjectId, body: Reviewed) -> dict[str, Any]:
    """What the review decided; where it was granted and the request closed, `follow_up` is the new one."""
    return app.cases.appeals.decided(actor, id, body.granted, body.reason)


def pdf_response(name: str, data: bytes) -> Response:
    """A document as a download; the name has ids only."""
    headers = {"Content-Disposition": f'attachment; filename="{name}.pdf"'}
    return Response(data, headers=headers, media_type="application/pdf")
