"""`/roster`: patients, and mail that may be about one of several. Names and numbers never stand in a URL."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from api.http.api_search import ObjectId
from api.http.auth import ActorDep, AppDep, PurposeHeader, stated_purpose
from api.http.router import api_router
from retention.jobs.queue import queue_of

router = api_router("roster")

FOLLOW = "roster.follow"
"""The job that dates mail anew whose facts changed."""

Text = Annotated[str, Field(max_length=320)]
After = Annotated[str, Query(max_length=64, description="the `next` of the page before")]


class Asked(BaseModel):
    """Marks of a patient, all of which must be right; none at all lists everybody."""

    model_config = ConfigDict(extra="forbid")

    number: Text = ""
    address: Text = ""
    name: Text = ""
    phone: Text = ""
    after: Annotated[str, Field(max_length=64)] = ""
    limit: Annotated[int, Field(ge=1, le=500)] = 100
    purpose: Annotated[str | None, Field(max_length=40)] = None


class Decision(BaseModel):
    """Whom a message is about: ids or record numbers of patients, or `none` of those it may be about."""

    model_config = ConfigDict(extra="forbid")

    message: Annotated[str, Field(max_length=64)]
    about: Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=100)] = []
    none: bool = False
    reason: Annotated[str, Field(min_length=1, max_length=2_000)]


class Undone(BaseModel):
    """A message whose decision is taken back, and why."""

    model_config = ConfigDict(extra="forbid")

    message: Annotated[str, Field(max_length=64)]
    reason: Annotated[str, Field(max_length=2_000)] = ""


@router.get("/roster")
def roster_status(app: AppDep, actor: ActorDep) -> dict[str, Any]:
    """How large the roster is, and what is still to be done."""
    return app.review.status(actor)


@router.post("/roster/search")
def find_patients(app: AppDep, actor: ActorDep, body: Asked, purpose: PurposeHeader = None) -> dict[str, Any]:
    """Patients by record number, address, name or telephone number."""
    stated = stated_purpose(app, actor, "roster.list", body.purpose, purpose)
    asked = body.model_dump(exclude={"purpose"})
    return app.review.find(actor, stated, **asked)


@router.get("/roster/patients/{id}")
def show_patient(app: AppDep, actor: ActorDep, id: ObjectId, purpose: PurposeHeader = None) -> dict[str, Any]:
    """A patient with every record, and how much mail is matched."""
    return app.review.show(actor, stated_purpose(app, actor, "roster.show", purpose), id)


@router.get("/roster/ambiguous")
def ambiguous_matches(
    app: AppDep,
    actor: ActorDep,
    purpose: PurposeHeader = None,
    after: After = "",
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> dict[str, Any]:
    """Messages that may be about one of several patients. Each keeps the longest term of all."""
    return app.review.ambiguous(actor, stated_purpose(app, actor, "roster.ambiguous", purpose), after, limit)


@router.get("/roster/decisions")
def match_decisions(
    app: AppDep,
    actor: ActorDep,
    purpose: PurposeHeader = None,
    message: Annotated[str, Query(max_length=64, description="only those on this message")] = "",
    after: After = "",
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> dict[str, Any]:
    """Who decided what about which match, when and why, newest first; what was taken back is listed too."""
    stated = stated_purpose(app, actor, "roster.decisions", purpose)
    return app.review.decisions.page(actor, stated, message=message, after=after, limit=limit)


@router.post("/roster/decisions", status_code=201)
def decide(app: AppDep, actor: ActorDep, body: Decision) -> dict[str, Any]:
    """Say whom a message is about; its date is computed anew within seconds."""
    found = app.review.decide(actor, body.message, body.about, body.reason, none=body.none)
    queue_of(app.vault).enqueue(FOLLOW)
    return found


@router.post("/roster/decisions/undo")
def undo(app: AppDep, actor: ActorDep, body: Undone) -> dict[str, Any]:
    """Take a decision back."""
    found = app.review.undo(actor, body.message, body.reason)
    queue_of(app.vault).enqueue(FOLLOW)
    return found
