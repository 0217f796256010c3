"""`/sessions`: one's own sessions, and for administrators those and the passkeys of others."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from api.http.api_search import ObjectId
from api.http.auth import ActorDep, AppDep
from api.http.router import api_router

router = api_router("sessions")


class Ending(BaseModel):
    """Which session is to end; all of them (of one's own: all others) where left out."""

    model_config = ConfigDict(extra="forbid")

    id: Annotated[str | None, Field(pattern=r"^n[a-z2-7]{15}$")] = None


@router.get("/sessions")
def list_sessions(app: AppDep, actor: ActorDep) -> dict[str, Any]:
    """One's own living sessions, newest first."""
    return {"items": [one.to_json() for one in app.sessions.own(actor)], "next": None}


@router.post("/sessions/end")
def end_sessions(app: AppDep, actor: ActorDep, body: Ending | None = None) -> dict[str, Any]:
    """End one session of one's own, or all but the one this was asked with."""
    return {"ended": app.sessions.end_own(actor, body.id if body else None)}


@router.get("/users/{id}/sessions")
def list_sessions_of(app: AppDep, actor: ActorDep, id: ObjectId) -> dict[str, Any]:
    """Somebody's living sessions."""
    return {"items": [one.to_json() for one in app.accounts.sessions_of(id, by=actor)], "next": None}


@router.post("/users/{id}/sessions/end")
def end_sessions_of(app: AppDep, actor: ActorDep, id: ObjectId, body: Ending | None = None) -> dict[str, Any]:
    """End one session of somebody's, or all; they are told."""
    return {"ended": app.accounts.end_sessions_of(id, body.id if body else None, by=actor)}


@router.get("/users/{id}/passkeys")
def list_passkeys_of(app: AppDep, actor: ActorDep, id: ObjectId) -> dict[str, Any]:
    """Somebody's passkeys; what they call them is theirs."""
    return {"items": app.accounts.passkeys_of(id, by=actor), "next": None}
