"""`/tags` and what people say of messages: tags put on them and notes beside them."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field, model_validator

from api.http.api_search import ObjectId
from api.http.auth import ActorDep, AppDep, PurposeHeader, stated_purpose
from api.http.router import api_router
from search.access import Action
from search.keeping import notes, tags

router = api_router("tags")

MOST: Final = 20_000
"""Messages that one request tags by a query; the command line takes any number."""

Text = Annotated[str, Field(min_length=1, max_length=notes.LONGEST)]


class NewTag(BaseModel):
    """A name for the organisation's list, and when to use it."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=tags.LONGEST_NAME)]
    about: Annotated[str, Field(max_length=tags.LONGEST_ABOUT)] = ""


class Tagging(BaseModel):
    """Messages by id, or all that a query finds now (for a purpose); `on` false takes the tag off them."""

    model_config = ConfigDict(extra="forbid")

    messages: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=64)]] | None,
        Field(min_length=1, max_length=tags.AT_ONCE),
    ] = None
    query: Annotated[str | None, Field(min_length=1, max_length=10_000)] = None
    purpose: str | None = None
    on: bool = True

    @model_validator(mode="after")
    def _one_of(self) -> Tagging:
        if (self.messages is None) == (self.query is None):
            raise ValueError("give either messages or a query")
        return self


class NoteText(BaseModel):
    """What to write beside a message. It is sealed, and ends with the message."""

    model_config = ConfigDict(extra="forbid")

    text: Text


@router.get("/tags")
def list_tags(app: AppDep, actor: ActorDep) -> dict[str, Any]:
    """The organisation's tags, retired ones too."""
    return {"items": app.tags.list(actor), "next": None}


@router.post("/tags", status_code=201)
def create(app: AppDep, actor: ActorDep, body: NewTag) -> dict[str, Any]:
    """Add a tag to the list."""
    return app.tags.create(actor, body.name, body.about)


@router.post("/tags/{id}/retire")
def retire(app: AppDep, actor: ActorDep, id: ObjectId) -> dict[str, Any]:
    """Let a tag be put on no more messages."""
    return app.tags.retire(actor, id)


@router.post("/tags/{id}/put")
def put(
    app: AppDep, actor: ActorDep, id: ObjectId, body: Tagging, x_purpose: PurposeHeader = None
) -> dict[str, Any]:
    """Put a tag on messages or on the result of a query, or take it off. A result over 20,000 is refused."""
    if body.messages is not None:
        return app.tags.put(actor, id, body.messages, on=body.on)
    purpose = stated_purpose(app, actor, Action.SEARCH, body.purpose, x_purpose)
    return app.tags.apply(actor, purpose, id, body.query or "", on=body.on, most=MOST)


@router.get("/messages/{id}/tags")
def tags_of(app: AppDep, actor: ActorDep, id: ObjectId) -> dict[str, Any]:
    """A message's tags, and when each was put on it or taken off."""
    return app.tags.of(actor, id)


@router.get("/messages/{id}/notes")
def notes_of(
    app: AppDep,
    actor: ActorDep,
    id: ObjectId,
    history: Annotated[bool, Query(description="every version, withdrawn notes too")] = False,
    x_purpose: PurposeHeader = None,
) -> dict[str, Any]:
    """A message's notes, oldest first."""
    purpose = stated_purpose(app, actor, Action.NOTE_READ, x_purpose)
    return {"items": app.notes.of(actor, purpose, id, history=history), "next": None}


@router.post("/messages/{id}/notes", status_code=201)
def add_note(app: AppDep, actor: ActorDep, id: ObjectId, body: NoteText) -> dict[str, Any]:
    """Write a note beside a message."""
    return app.notes.add(actor, id, body.text)


@router.post("/messages/{id}/notes/{note}")
def change_note(app: AppDep, actor: ActorDep, id: ObjectId, note: ObjectId, body: NoteText) -> dict[str, Any]:
    """Write another version of one's own note; the earlier ones stay."""
    return app.notes.change(actor, id, note, body.text)


@router.post("/messages/{id}/notes/{note}/withdraw")
def withdraw_note(app: AppDep, actor: ActorDep, id: ObjectId, note: ObjectId) -> dict[str, Any]:
    """Take one's own note back; its history stays."""
    return app.notes.withdraw(actor, id, note)
