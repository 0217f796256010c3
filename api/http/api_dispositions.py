"""`/dispositions`: proposed, approved by a second person, executed, certified."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query

from api.http.api_holds import Reason
from api.http.api_search import ObjectId
from api.http.auth import ActorDep, AppDep
from api.http.paging import Cursor, Limit, page_of
from api.http.router import api_router

router = api_router("dispositions")


@router.get("/dispositions")
def list_dispositions(app: AppDep, actor: ActorDep, cursor: Cursor = 0, limit: Limit = 100) -> dict[str, Any]:
    """The dispositions, newest first."""
    return page_of(lambda count: app.dispositions.list(actor, count), cursor, limit)


@router.get("/dispositions/{id}")
def show_disposition(
    app: AppDep,
    actor: ActorDep,
    id: ObjectId,
    after: Annotated[int | None, Query(ge=-(2**63), lt=2**63)] = None,
    limit: Limit = 100,
) -> dict[str, Any]:
    """A disposition with a page of its items and their rules; `next` is the `after` of the following."""
    shown = app.dispositions.show(actor, id, after, limit)
    # The number is larger than what JSON readers keep exact.
    return {**shown, "next": None if shown["next"] is None else str(shown["next"])}


@router.post("/dispositions/{id}/approve")
def approve_disposition(app: AppDep, actor: ActorDep, id: ObjectId) -> dict[str, Any]:
    """Approve it, as another person than the one who made it."""
    return app.dispositions.approve(actor, id)


@router.post("/dispositions/{id}/reject")
def reject_disposition(
    app: AppDep, actor: ActorDep, id: ObjectId, body: Reason | None = None
) -> dict[str, Any]:
    """Reject it; its messages are proposed anew by a later run."""
    return app.dispositions.reject(actor, id, body.reason if body else "")


@router.post("/dispositions/{id}/execute")
def execute_disposition(app: AppDep, actor: ActorDep, id: ObjectId) -> dict[str, Any]:
    """Destroy the keys of those of its messages that may be disposed of at this moment."""
    return app.dispositions.execute(actor, id)


@router.get("/dispositions/{id}/certificate")
def show_certificate(app: AppDep, actor: ActorDep, id: ObjectId) -> dict[str, Any]:
    """The signed certificate."""
    return app.dispositions.certificate(actor, id)
