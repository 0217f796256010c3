"""`/users` and `/session`: accounts, their tokens and links, and who is asking."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, Field

from api.accounts import MAX_NAME
from api.http import auth
from api.http.api_search import ObjectId
from api.http.api_tokens import NewToken
from api.http.auth import ActorDep, AppDep
from api.http.router import api_router

router = api_router("users")


class NewUser(BaseModel):
    """A person or a program, by name and role."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME)]
    role: Annotated[str, Field(max_length=40)]
    mail: Annotated[str | None, Field(max_length=254, description="where they are told")] = None


@router.get("/users")
def list_users(app: AppDep, actor: ActorDep) -> dict[str, Any]:
    """Every user, the disabled ones too."""
    return {"items": [user.to_json() for user in app.accounts.list(by=actor)], "next": None}


@router.post("/users", status_code=201)
def add_user(app: AppDep, actor: ActorDep, body: NewUser) -> dict[str, Any]:
    """Add a user, who has no credential yet."""
    return app.accounts.add_user(body.name, body.role, mail=body.mail, by=actor).to_json()


@router.post("/users/{id}/disable")
def disable_user(app: AppDep, actor: ActorDep, id: ObjectId) -> dict[str, Any]:
    """Disable a user and end every session and token of theirs at once."""
    return app.accounts.disable(id, by=actor).to_json()


@router.post("/users/{id}/token", status_code=201)
def make_token(app: AppDep, actor: ActorDep, id: ObjectId, body: NewToken | None = None) -> dict[str, Any]:
    """Make an API token, shown this once."""
    asked = body or NewToken()
    made, secret = app.accounts.new_token(id, asked.days, asked.made_for(), by=actor)
    return {**made.to_json(), "user": id, "token": secret}


@router.post("/users/{id}/link", status_code=201)
def make_link(app: AppDep, actor: ActorDep, id: ObjectId) -> dict[str, Any]:
    """Make a link by which a passkey is added: single use, good for a quarter of an hour.

    For somebody who has a passkey it takes two administrators: the first is answered
    `second_administrator_needed`, the second, within the hour, gets the link.
    """
    return {"user": id, "link": app.accounts.link(id, by=actor)}


@router.get("/session")
def show_session(app: AppDep, actor: ActorDep) -> dict[str, Any]:
    """Who is asking, and what the role allows."""
    app.gate.record(actor, "session.use", "success")
    return {
        "user": {"id": actor.user_id, "name": actor.name},
        "role": str(actor.role),
        "client": actor.client,
        "may": sorted(str(action) for action in app.gate.rights(actor)),
    }


@router.delete("/session", status_code=204, response_class=Response)
def end_session(request: Request, app: AppDep, actor: ActorDep) -> Response:
    """Sign out: the session, or the token this was asked with, ends on the server."""
    header = request.headers.get("authorization", "")
    secret = header.partition(" ")[2].strip() if header else auth.session_secret(request, app)
    app.accounts.sign_out(actor, secret or "")
    answer = Response(status_code=204)
    if not header:
        auth.clear_session(answer, app)
    return answer
