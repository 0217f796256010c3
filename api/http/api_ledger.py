"""`/ledger`: who has seen the logs, and the approval of a gap that a restored backup left."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path

from api.http.auth import ActorDep, AppDep
from api.http.router import api_router

router = api_router("ledger")

GapId = Annotated[str, Path(max_length=40)]


@router.get("/ledger")
def status(app: AppDep, actor: ActorDep) -> dict[str, Any]:
    """Both logs with their keys, how far each witness has cosigned, and what waits for an officer."""
    return app.ledger_gaps.seen(actor)


@router.get("/ledger/gaps/{id}")
def show(app: AppDep, actor: ActorDep, id: GapId) -> dict[str, Any]:
    """An explanation with its reason."""
    return app.ledger_gaps.show(actor, id)


@router.post("/ledger/gaps/{id}/approve")
def approve(app: AppDep, actor: ActorDep, id: GapId) -> dict[str, Any]:
    """Let the logs go on from the restored heads, under new origins; the signed statement comes back."""
    return app.ledger_gaps.approve(actor, id)
