"""`/holds`: placed at once, previewed, changed by versions, reported, and released by two persons."""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import Query, Response
from pydantic import BaseModel, ConfigDict, Field

from api.hold_paper import hold_paper
from api.http.api_search import ObjectId
from api.http.auth import ActorDep, AppDep
from api.http.paging import Cursor, Limit, page_of
from api.http.router import api_router
from retention.holds.scope import MAX_MESSAGES, MAX_NAMED

router = api_router("holds")

APPLY_SECONDS: Final = 20.0
"""Who places a hold on more mail than can be matched so soon has it in force all the same; a job goes on."""

Names = Annotated[list[Annotated[str, Field(max_length=320)]], Field(max_length=MAX_NAMED)]
Messages = Annotated[list[Annotated[str, Field(max_length=320)]], Field(max_length=MAX_MESSAGES)]


class Criteria(BaseModel):
    """What a hold covers: all criteria and-ed, several custodians, patients or sources or-ed; `messages` are
    held whatever else is asked for. Sources by id or name.

    `after` is the first day covered, `before` the first not covered.
    """

    model_config = ConfigDict(extra="forbid")

    matter: Annotated[str, Field(max_length=200)]
    custodians: Names = []
    patients: Names = []
    sources: Names = []
    query: Annotated[str | None, Field(max_length=10_000)] = None
    after: datetime.date | None = None
    before: datetime.date | None = None
    messages: Messages = []

    def criteria(self) -> dict[str, Any]:
        """The criteria as `Holds` takes them."""
        return {
            "custodians": self.custodians,
            "patients": self.patients,
            "sources": self.sources,
            "query": self.query,
            "after": self.after,
            "before": self.before,
            "message_ids": self.messages,
        }


class NewHold(Criteria):
    """A hold, why it is placed, when it must be looked at again and who is reminded of that by mail."""

    reason: Annotated[str, Field(max_length=2_000)] = ""
    review_on: datetime.date | None = None
    remind: Annotated[str | None, Field(max_length=320)] = None


class Change(BaseModel):
    """Another scope: a kind given takes the place of the hold's own, an empty one clears it; with `add` names
    join the hold's own."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(min_length=1, max_length=2_000)]
    add: bool = False
    custodians: Names | None = None
    patients: Names | None = None
    sources: Names | None = None
    query: Annotated[str | None, Field(max_length=10_000)] = None
    after: datetime.date | Literal[""] | None = None
    before: datetime.date | Literal[""] | None = None
    messages: Messages | None = None

    def criteria(self) -> dict[str, Any]:
        """The kinds given, as `Holds.change` takes them."""
        kinds = {name: getattr(self, name) for name in ("custodians", "patients", "sources", "query")}
        return {**kinds, "after": self.after, "before": self.before, "message_ids": self.messages}


class Reason(BaseModel):
    """Why something is decided."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(max_length=2_000)] = ""


class Approval(Reason):
    """Why, and which version of the scope was looked at: for another one nothing is approved."""

    version: Annotated[int | None, Field(ge=1)] = None


class Review(Reason):
    """When a hold must be looked at again; null takes the date away."""

    review_on: datetime.date | None
    remind: Annotated[str | None, Field(max_length=320)] = None


@router.get("/holds")
def list_holds(app: AppDep, actor: ActorDep, cursor: Cursor = 0, limit: Limit = 100) -> dict[str, Any]:
    """The holds of the matters one may see, newest first."""
    return page_of(lambda count: app.holds.list(actor, count), cursor, limit)


@router.post("/holds", status_code=201)
def create_hold(app: AppDep, actor: ActorDep, body: NewHold) -> dict[str, Any]:
    """Place a hold: in force from `in_force_at`, on old mail and new.

    Where there is much to match it answers with the state `applying`, and a job goes on.
    """
    return app.holds.create(
        actor,
        body.matter,
        reason=body.reason,
        review_on=body.review_on,
        remind=body.remind,
        seconds=APPLY_SECONDS,
        **body.criteria(),
    )


@router.post("/holds/preview")
def preview_hold(app: AppDep, actor: ActorDep, body: Criteria) -> dict[str, Any]:
    """What such a hold would cover now; nothing is kept."""
    return app.holds.preview(actor, body.matter, **body.criteria())


@router.get("/holds/{id}")
def report_hold(app: AppDep, actor: ActorDep, id: ObjectId) -> dict[str, Any]:
    """A hold: criteria, counts, who placed it and how its release stands."""
    return app.holds.report(actor, id)


@router.get("/holds/{id}/report.pdf", response_class=Response)
def paper_report(app: AppDep, actor: ActorDep, id: ObjectId) -> Response:
    """The report as PDF/A, with its notices, and the signed receipt attached."""
    headers = {"Content-Disposition": f'attachment; filename="hold-{id}.pdf"'}
    return Response(hold_paper(app, actor, id), headers=headers, media_type="application/pdf")


@router.post("/holds/{id}/release")
def release_hold(app: AppDep, actor: ActorDep, id: ObjectId, body: Approval | None = None) -> dict[str, Any]:
    """Ask for a release, or approve the one that another person asked for."""
    body = body or Approval()
    return app.holds.release(actor, id, body.reason, body.version)


@router.post("/holds/{id}/change")
def change_hold(app: AppDep, actor: ActorDep, id: ObjectId, body: Change) -> dict[str, Any]:
    """Give a hold another scope: wider at once; narrower by a second person and a cooling-off."""
    return app.holds.change(
        actor, id, reason=body.reason, add=body.add, seconds=APPLY_SECONDS, **body.criteria()
    )


@router.post("/holds/{id}/approve")
def approve_hold(app: AppDep, actor: ActorDep, id: ObjectId, body: Approval | None = None) -> dict[str, Any]:
    """Approve, as a second person, the release or the narrower scope that waits."""
    body = body or Approval()
    return app.holds.approve(actor, id, body.reason, body.version)


@router.post("/holds/{id}/reinstate")
def reinstate_hold(app: AppDep, actor: ActorDep, id: ObjectId, body: Reason | None = None) -> dict[str, Any]:
    """Take back a release, or a narrower scope, that is asked for or cooling off."""
    return app.holds.reinstate(actor, id, body.reason if body else "", APPLY_SECONDS)


@router.post("/holds/{id}/review")
def review_hold(app: AppDep, actor: ActorDep, id: ObjectId, body: Review) -> dict[str, Any]:
    """Say when a hold must be looked at again; past that day it goes on protecting."""
    return app.holds.review(actor, id, review_on=body.review_on, remind=body.remind, reason=body.reason)


@router.get("/holds/{id}/receipt")
def hold_receipt(
    app: AppDep,
    actor: ActorDep,
    id: ObjectId,
    version: Annotated[int | None, Query(ge=1, description="of this version; default: the newest")] = None,
) -> dict[str, Any]:
    """The signed receipt: in force when, on what, by whom, with its proof from the log."""
    return app.holds.receipt(actor, id, version)
