"""`/corrections`: what people say a message is, where the classifier is wrong."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field

from api.http.api_search import ObjectId
from api.http.auth import ActorDep, AppDep
from api.http.paging import Limit
from api.http.router import api_router
from retention.jobs.learning import learn_soon

router = api_router("corrections")

Number = Annotated[int, Path(ge=1, le=2**62)]


class NewCorrection(BaseModel):
    """What a message really is. No type at all: it is no record."""

    model_config = ConfigDict(
        extra="forbid",
        use_attribute_docstrings=True,
        json_schema_extra={
            "examples": [{"message": "m1", "record_types": ["billing"], "reason": "an invoice, no chart"}]
        },
    )

    message: Annotated[str, Field(min_length=1, max_length=100)]
    record_types: Annotated[list[Annotated[str, Field(max_length=60)]], Field(max_length=60)]
    """As the schedules name them."""
    reason: Annotated[str, Field(min_length=1, max_length=2_000)]
    """Kept sealed."""


class Decision(BaseModel):
    """Why."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(max_length=2_000)] = ""


@router.post("/corrections", status_code=201)
def make(app: AppDep, actor: ActorDep, body: NewCorrection) -> dict[str, Any]:
    """In force at once, or `asked` where it takes a type away: then another person approves."""
    made = app.corrections.make(actor, body.message, body.record_types, body.reason)
    learn_soon(app.vault)
    return made


@router.get("/corrections")
def page(
    app: AppDep,
    actor: ActorDep,
    limit: Limit = 100,
    asked: bool = False,
    before: Annotated[int | None, Query(ge=1)] = None,
) -> dict[str, Any]:
    """Corrections, newest first; `before` is the `n` of the last one seen."""
    found = app.corrections.page(actor, asked=asked, limit=limit, before=before)
    return {"items": found, "next": found[-1]["n"] if len(found) == limit else None}


@router.get("/corrections/messages/{id}")
def show(app: AppDep, actor: ActorDep, id: ObjectId) -> dict[str, Any]:
    """A message's record types, whom they are by, and its corrections."""
    return app.corrections.show(actor, id)


@router.post("/corrections/{n}/approve")
def approve(app: AppDep, actor: ActorDep, n: Number, body: Decision) -> dict[str, Any]:
    """Put a correction in force that another person asked for."""
    done = app.corrections.approve(actor, n, body.reason)
    learn_soon(app.vault)
    return done


@router.post("/corrections/{n}/refuse")
def refuse(app: AppDep, actor: ActorDep, n: Number, body: Decision) -> dict[str, Any]:
    """Refuse or take back a correction that is asked for."""
    return app.corrections.refuse(actor, n, body.reason)
