"""`/dispositions` and `/extensions`: proposed, reviewed, approved by a second person, executed, certified."""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from api import views
from api.http.api_holds import Reason
from api.http.api_search import ObjectId
from api.http.auth import ActorDep, AppDep, PurposeHeader, stated_purpose
from api.http.paging import Cursor, Limit, page_of
from api.http.router import api_router
from retention.disposition import paper
from search.access import Action

router = api_router("dispositions")

EXECUTE_SECONDS: Final = 20.0
"""A longer execution is gone on with by a job; who asked looks again."""

MessageId = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
Ids = Annotated[list[Annotated[str, Field(max_length=64)]], Field(min_length=1, max_length=1_000)]
Why = Annotated[str, Field(min_length=3, max_length=2_000)]


class Approval(BaseModel):
    """The list that was looked at, by its hash, as `list_sha256` of the disposition says it."""

    model_config = ConfigDict(extra="forbid")

    list_sha256: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$")]


class Exclusion(BaseModel):
    """Messages to be taken off a list, and why."""

    model_config = ConfigDict(extra="forbid")

    messages: Ids
    reason: Why


class Draw(BaseModel):
    """How many messages to draw; with a seed the same ones again."""

    model_config = ConfigDict(extra="forbid")

    size: Annotated[int, Field(ge=1, le=1_000)]
    seed: Annotated[str | None, Field(max_length=64)] = None


class Mark(BaseModel):
    """What a reviewer says of a sampled message: whether it may go, and why."""

    model_config = ConfigDict(extra="forbid")

    good: bool
    note: Annotated[str, Field(max_length=2_000)] = ""


class Extension(Exclusion):
    """Messages to be kept longer: through a day, or for so many years from today."""

    until: datetime.date | None = None
    years: Annotated[int | None, Field(ge=1, le=200)] = None


class End(BaseModel):
    """Why a term is to end before its day."""

    model_config = ConfigDict(extra="forbid")

    reason: Why


@router.get("/dispositions")
def list_dispositions(
    app: AppDep,
    actor: ActorDep,
    cursor: Cursor = 0,
    limit: Limit = 100,
    state: Literal["proposed", "approved", "rejected", "executed"] | None = None,
) -> dict[str, Any]:
    """The dispositions, newest first."""
    return page_of(lambda count: app.dispositions.list(actor, count, state), cursor, limit)


@router.get("/dispositions/{id}")
def show_disposition(
    app: AppDep,
    actor: ActorDep,
    id: ObjectId,
    after: Annotated[int | None, Query(ge=-(2**63), lt=2**63)] = None,
    limit: Limit = 100,
) -> dict[str, Any]:
    """A disposition with sums, sample, exclusions and a page of items; `next` is the following `after`."""
    shown = app.dispositions.show(actor, id, after, limit)
    # The number is larger than what JSON readers keep exact.
    return {**shown, "next": None if shown["next"] is None else str(shown["next"])}


@router.post("/dispositions/{id}/exclude")
def exclude_messages(app: AppDep, actor: ActorDep, id: ObjectId, body: Exclusion) -> dict[str, Any]:
    """Take messages off the list; an approval is void then."""
    return app.dispositions.exclude(actor, id, body.messages, body.reason)


@router.post("/dispositions/{id}/sample")
def draw_sample(app: AppDep, actor: ActorDep, id: ObjectId, body: Draw) -> dict[str, Any]:
    """Draw a sample of the list, to be looked at."""
    return app.samples.draw(actor, id, body.size, body.seed)


@router.get("/dispositions/{id}/sample/{message}")
def open_sampled(
    app: AppDep, actor: ActorDep, id: ObjectId, message: MessageId, x_purpose: PurposeHeader = None
) -> dict[str, Any]:
    """A sampled message: everything but its text, which `/messages/{id}/raw` has."""
    purpose = stated_purpose(app, actor, Action.READ, x_purpose)
    opened = app.samples.open(actor, purpose, id, message)
    return views.object_view(app.vault, opened, message, app.room.scope(actor), app.explainer.verdicts)


@router.post("/dispositions/{id}/sample/{message}")
def mark_sampled(
    app: AppDep, actor: ActorDep, id: ObjectId, message: MessageId, body: Mark
) -> dict[str, Any]:
    """Say whether a sampled message, which one opened, may go."""
    return app.samples.mark(actor, id, message, good=body.good, note=body.note)


@router.post("/dispositions/{id}/approve")
def approve_disposition(app: AppDep, actor: ActorDep, id: ObjectId, body: Approval) -> dict[str, Any]:
    """Approve exactly the list with this hash, as another person than who made or changed it."""
    return app.dispositions.approve(actor, id, body.list_sha256)


@router.post("/dispositions/{id}/reject")
def reject_disposition(
    app: AppDep, actor: ActorDep, id: ObjectId, body: Reason | None = None
) -> dict[str, Any]:
    """Reject it; its messages are proposed anew by a later run."""
    return app.dispositions.reject(actor, id, body.reason if body else "")


@router.post("/dispositions/{id}/execute")
def execute_disposition(app: AppDep, actor: ActorDep, id: ObjectId) -> dict[str, Any]:
    """Destroy the keys of those of its messages that may be disposed of at this moment.

    A long one answers with `executing` true, and a job goes on.
    """
    return app.dispositions.execute(actor, id, seconds=EXECUTE_SECONDS)


@router.get("/dispositions/{id}/certificate")
def show_certificate(app: AppDep, actor: ActorDep, id: ObjectId) -> dict[str, Any]:
    """The signed certificate, its items, and the proof that the log has it."""
    return app.dispositions.certificate(actor, id)


@router.get("/dispositions/{id}/certificate.pdf", response_class=Response)
def paper_certificate(app: AppDep, actor: ActorDep, id: ObjectId) -> Response:
    """The certificate as PDF/A, with the signed note, the items and the proof attached."""
    return pdf_response(id, paper.pdf(app.dispositions.certificate(actor, id)))


def pdf_response(disposition_id: str, data: bytes) -> Response:
    """A certificate as a download."""
    headers = {"Content-Disposition": f'attachment; filename="certificate-{disposition_id}.pdf"'}
    return Response(data, headers=headers, media_type="application/pdf")


@router.get("/extensions")
def list_extensions(
    app: AppDep,
    actor: ActorDep,
    cursor: Cursor = 0,
    limit: Limit = 100,
    message: Annotated[str | None, Query(max_length=64)] = None,
) -> dict[str, Any]:
    """Messages with a term of their own, newest first."""
    return page_of(lambda count: app.extensions.list(actor, message, count), cursor, limit)


@router.post("/extensions", status_code=201)
def extend_messages(app: AppDep, actor: ActorDep, body: Extension) -> dict[str, Any]:
    """Keep messages longer than the schedules ask."""
    made = app.extensions.extend(actor, body.messages, until=body.until, years=body.years, reason=body.reason)
    return {"items": made, "next": None}


@router.post("/extensions/{id}/end")
def end_extension(app: AppDep, actor: ActorDep, id: ObjectId, body: End) -> dict[str, Any]:
    """Ask for a term's end before its day, or approve what another person asked for."""
    return app.extensions.end(actor, id, body.reason)
