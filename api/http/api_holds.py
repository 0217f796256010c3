"""`/holds`: placed at once, previewed, reported, and released by two persons."""

from __future__ import annotations

import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from api.http.api_search import ObjectId
from api.http.auth import ActorDep, AppDep
from api.http.paging import Cursor, Limit, page_of
from api.http.router import api_router

router = api_router("holds")

Names = Annotated[list[Annotated[str, Field(max_length=320)]], Field(max_length=10_000)]


class Criteria(BaseModel):
    """What a hold covers: all criteria and-ed, several custodians or patients or-ed; `messages` on top.

    `after` is the first day covered, `before` the first not covered.
    """

    model_config = ConfigDict(extra="forbid")

    matter: Annotated[str, Field(max_length=200)]
    custodians: Names = []
    patients: Names = []
    query: Annotated[str | None, Field(max_length=10_000)] = None
    after: datetime.date | None = None
    before: datetime.date | None = None
    messages: Names = []

    def criteria(self) -> dict[str, Any]:
        """The criteria as `Holds` takes them."""
        return {
            "custodians": self.custodians,
            "patients": self.patients,
            "query": self.query,
            "after": self.after,
            "before": self.before,
            "message_ids": self.messages,
        }


class NewHold(Criteria):
    """A hold and why it is placed."""

    reason: Annotated[str, Field(max_length=2_000)] = ""


class Reason(BaseModel):
    """Why something is decided."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(max_length=2_000)] = ""


@router.get("/holds")
def list_holds(app: AppDep, actor: ActorDep, cursor: Cursor = 0, limit: Limit = 100) -> dict[str, Any]:
    """The holds of the matters one may see, newest first."""
    return page_of(lambda count: app.holds.list(actor, count), cursor, limit)


@router.post("/holds", status_code=201)
def create_hold(app: AppDep, actor: ActorDep, body: NewHold) -> dict[str, Any]:
    """Place a hold: in force from `in_force_at`, on old mail and new."""
    return app.holds.create(actor, body.matter, reason=body.reason, **body.criteria())


@router.post("/holds/preview")
def preview_hold(app: AppDep, actor: ActorDep, body: Criteria) -> dict[str, Any]:
    """What such a hold would cover now; nothing is kept."""
    return app.holds.preview(actor, body.matter, **body.criteria())


@router.get("/holds/{id}")
def report_hold(app: AppDep, actor: ActorDep, id: ObjectId) -> dict[str, Any]:
    """A hold: criteria, counts, who placed it and how its release stands."""
    return app.holds.report(actor, id)


@router.post("/holds/{id}/release")
def release_hold(app: AppDep, actor: ActorDep, id: ObjectId, body: Reason | None = None) -> dict[str, Any]:
    """Ask for a release, or approve the one that another person asked for."""
    return app.holds.release(actor, id, body.reason if body else "")
