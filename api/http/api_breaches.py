"""`/breaches`: what was exposed, to whom, what it means, and who must be told by when (45 CFR
164.400-414)."""

from __future__ import annotations

from datetime import date, datetime
from itertools import chain
from typing import Annotated, Any, Literal

from fastapi import Query, Response
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from api import views
from api.http.api_requests import pdf_response
from api.http.api_search import ObjectId
from api.http.auth import ActorDep, AppDep
from api.http.ports import App
from api.http.router import api_router
from api.http.zipstream import zip_stream
from retention.breaches.asked import Asked
from search.access import Actor
from search.disclosing import Recipient

router = api_router("breaches")

Words = Annotated[str, Field(max_length=10_000)]
Ids = Annotated[list[Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]], Field(max_length=1_000)]
Names = Annotated[list[Annotated[str, Field(min_length=1, max_length=320)]], Field(max_length=1_000)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewBreach(_Strict):
    """A breach as it was discovered."""

    title: Annotated[str, Field(min_length=1, max_length=200)]
    what_happened: Annotated[str, Field(min_length=1, max_length=10_000)]
    discovered_at: AwareDatetime | None = None
    held_as: Literal["covered_entity", "business_associate"] = "covered_entity"
    contract_hours: Annotated[int | None, Field(ge=0, le=1_440)] = None


class ExposureAsked(_Strict):
    """Of those given all must hold; `keys` are epochs or messages whose data key was lost, `taken` stores
    that left as they lay."""

    users: Names = []
    sessions: Annotated[Ids, Field(description="ids of sessions or of API tokens")] = []
    since: datetime | None = None
    until: datetime | None = None
    messages: Ids = []
    keys: Ids = []
    taken: Ids = []
    whole: Annotated[bool, Field(description="read the whole audit log, trust no derived table")] = False

    @property
    def asked(self) -> Asked:
        """The same as the services take it."""
        given = self.model_dump(exclude={"since", "until", "whole"})
        times = {name: value.isoformat() for name in ("since", "until") if (value := getattr(self, name))}
        return Asked.of(**given, **times)


class Factor(_Strict):
    """The answer to one of the four factors."""

    answer: Annotated[str, Field(min_length=1, max_length=10_000)]
    risk: Literal["low", "medium", "high"]


class Assessment(_Strict):
    """Answers by factor; what isn't given stays."""

    nature: Factor | None = None
    who: Factor | None = None
    acquired: Factor | None = None
    mitigated: Factor | None = None


class Decision(_Strict):
    """What it is, and why."""

    decision: Literal["breach", "low_probability", "exception"]
    reason: Annotated[str, Field(min_length=1, max_length=10_000)]


class Confirmation(_Strict):
    """Whether another person agrees; if not, why."""

    agree: bool = True
    reason: Words = ""


class Delay(_Strict):
    """A law-enforcement official's statement (164.412)."""

    until: date
    written: bool
    official: Annotated[str, Field(min_length=1, max_length=320)]
    statement: Annotated[str, Field(min_length=1, max_length=10_000)]


class Notified(_Strict):
    """Who was told, when and how."""

    who: Literal["individuals", "media", "hhs", "covered_entity"]
    on: date
    how: Annotated[str, Field(min_length=1, max_length=10_000)]


class NoticeWords(_Strict):
    """What the notice says (164.404(c)(1)); what isn't given stays."""

    what_happened: Words = ""
    information: Words = ""
    protect: Words = ""
    doing: Words = ""
    contact: Words = ""


class PackageAsked(_Strict):
    """Whom the package is for, and by which right it goes."""

    recipient: Annotated[str, Field(max_length=320)] = ""
    recipient_address: Annotated[str, Field(max_length=1_000)] = ""
    legal_basis: Annotated[str, Field(max_length=40)] = "operations"


@router.get("/breaches")
def list_breaches(app: AppDep, actor: ActorDep) -> dict[str, Any]:
    """Breaches; `next` is the last day of the first notice that nobody was given yet."""
    return {"items": views.readable(app.cases.breaches.list(actor)), "next": None}


@router.post("/breaches", status_code=201)
def open_breach(app: AppDep, actor: ActorDep, body: NewBreach) -> dict[str, Any]:
    """Open a breach; its clocks run from the discovery."""
    given = body.model_dump(exclude={"discovered_at"})
    return app.cases.breaches.open(actor, discovered=body.discovered_at, **given)


@router.get("/breaches/{id}")
def show_breach(app: AppDep, actor: ActorDep, id: ObjectId) -> dict[str, Any]:
    """A breach with exposure, factors, decision, clocks and notices."""
    return app.cases.breaches.show(actor, id)


@router.post("/breaches/{id}/exposure")
def expose(app: AppDep, actor: ActorDep, id: ObjectId, body: ExposureAsked) -> dict[str, Any]:
    """Work out what was exposed."""
    return app.cases.breaches.expose(actor, id, body.asked, whole=body.whole)


@router.get("/breaches/{id}/patients")
def exposed_patients(
    app: AppDep,
    actor: ActorDep,
    id: ObjectId,
    after: Annotated[str, Query(max_length=64)] = "",
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> dict[str, Any]:
    """Who was exposed."""
    return dict(views.readable(app.cases.papers.patients(actor, id, after=after, limit=limit)))


@router.post("/breaches/{id}/assessment")
def assess(app: AppDep, actor: ActorDep, id: ObjectId, body: Assessment) -> dict[str, Any]:
    """Answer factors of 164.402(2)."""
    return app.cases.breaches.assess(actor, id, body.model_dump(exclude_none=True))


@router.post("/breaches/{id}/decision")
def decide(app: AppDep, actor: ActorDep, id: ObjectId, body: Decision) -> dict[str, Any]:
    """Decide, as the first of two persons."""
    return app.cases.breaches.decide(actor, id, body.decision, body.reason)


@router.post("/breaches/{id}/confirm")
def confirm(app: AppDep, actor: ActorDep, id: ObjectId, body: Confirmation) -> dict[str, Any]:
    """Confirm a decision, or open it again, as another person."""
    return app.cases.breaches.confirm(actor, id, body.agree, body.reason)


@router.post("/breaches/{id}/delay")
def delay(app: AppDep, actor: ActorDep, id: ObjectId, body: Delay) -> dict[str, Any]:
    """Delay the notices as law enforcement asks."""
    return app.cases.breaches.delay(actor, id, **body.model_dump())


@router.post("/breaches/{id}/told")
def told(app: AppDep, actor: ActorDep, id: ObjectId, body: Notified) -> dict[str, Any]:
    """Note who was told."""
    return app.cases.breaches.told(actor, id, body.who, body.on, body.how)


@router.get("/breaches/{id}/notice")
def notice(app: AppDep, actor: ActorDep, id: ObjectId) -> dict[str, Any]:
    """The draft of the notice to individuals, and what it lacks."""
    return app.cases.papers.notice(actor, id)


@router.post("/breaches/{id}/notice")
def word_notice(app: AppDep, actor: ActorDep, id: ObjectId, body: NoticeWords) -> dict[str, Any]:
    """Say what the notice is to say."""
    return app.cases.papers.word(actor, id, body.model_dump())


@router.get("/breaches/{id}/notice.pdf", response_class=Response)
def notice_pdf(app: AppDep, actor: ActorDep, id: ObjectId) -> Response:
    """The draft as PDF/A."""
    return pdf_response(f"notice-{id}", app.cases.papers.notice_pdf(actor, id))


@router.post("/breaches/{id}/package", response_class=StreamingResponse)
def package(app: AppDep, actor: ActorDep, id: ObjectId, body: PackageAsked) -> StreamingResponse:
    """The breach, its patients and a proof of every entry it rests on, as a ZIP made while it is sent."""
    recipient = Recipient(body.recipient, body.recipient_address)
    return package_response(app, actor, id, recipient, body.legal_basis)


@router.post("/breaches/{id}/close")
def close_breach(app: AppDep, actor: ActorDep, id: ObjectId) -> dict[str, Any]:
    """Close a breach of which everybody was told, or that is none."""
    return app.cases.breaches.close(actor, id)


def package_response(
    app: App, actor: Actor, breach_id: str, recipient: Recipient, basis: str
) -> StreamingResponse:
    """A package as a download."""
    files = app.cases.papers.package(actor, breach_id, recipient=recipient, basis=basis)
    # The first file is asked for here, so that a refusal is still an answer and not a broken download.
    first = next(files, None)
    return StreamingResponse(
        zip_stream(chain([first] if first else [], files)),
        headers={"Content-Disposition": f'attachment; filename="breach-{breach_id}.zip"'},
        media_type="application/zip",
    )
