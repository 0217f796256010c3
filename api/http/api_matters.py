"""`/matters`: the legal cases that holds belong to."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from api.http.api_search import ObjectId
from api.http.auth import ActorDep, AppDep
from api.http.paging import Cursor, Limit, page_of
from api.http.router import api_router

router = api_router("matters")


class NewMatter(BaseModel):
    """A matter's name, which is sealed."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(max_length=200)]


class NewMember(BaseModel):
    """A person, by id or name."""

    model_config = ConfigDict(extra="forbid")

    user: Annotated[str, Field(min_length=1, max_length=100)]


@router.get("/matters")
def list_matters(app: AppDep, actor: ActorDep, cursor: Cursor = 0, limit: Limit = 100) -> dict[str, Any]:
    """The matters one may see, newest first."""
    return page_of(lambda count: app.matters.list(actor, count), cursor, limit)


@router.post("/matters", status_code=201)
def create_matter(app: AppDep, actor: ActorDep, body: NewMatter) -> dict[str, Any]:
    """Open a matter; whoever opens it is its first member."""
    return app.matters.create(actor, body.name)


@router.get("/matters/{id}")
def show_matter(app: AppDep, actor: ActorDep, id: ObjectId) -> dict[str, Any]:
    """A matter with its members and holds."""
    return app.matters.show(actor, id)


@router.post("/matters/{id}/close")
def close_matter(app: AppDep, actor: ActorDep, id: ObjectId) -> dict[str, Any]:
    """Close a matter whose holds are all released."""
    return app.matters.close(actor, id)


@router.post("/matters/{id}/members")
def add_member(app: AppDep, actor: ActorDep, id: ObjectId, body: NewMember) -> dict[str, Any]:
    """Let a person into a matter."""
    return app.matters.add_member(actor, id, body.user)
