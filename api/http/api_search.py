"""`/search` and `/messages`: the two routes by which content leaves, both through the reading room."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from api import views
from api.http.auth import ActorDep, AppDep, PurposeHeader, stated_purpose
from api.http.router import api_router
from archiver.archive import Opened
from archiver.message.content import WHOLE_UP_TO
from search.access import Action
from search.engine.ports import Sort
from search.reading_room import PAGE_LIMIT

router = api_router("messages")

ObjectId = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]


class SearchRequest(BaseModel):
    """A query and how to page through its answer. `cursor` is the `next` of the page before."""

    model_config = ConfigDict(extra="forbid")

    query: Annotated[str, Field(max_length=10_000)]
    purpose: str | None = None
    limit: Annotated[int, Field(ge=1, le=PAGE_LIMIT)] = 20
    sort: Sort = "newest"
    cursor: Annotated[str | None, Field(max_length=1_000)] = None


@router.post("/search")
def search(
    app: AppDep, actor: ActorDep, body: SearchRequest, x_purpose: PurposeHeader = None
) -> dict[str, Any]:
    """Search. The interpreted form, an exact total and what couldn't be searched come with each page."""
    purpose = stated_purpose(app, actor, Action.SEARCH, body.purpose, x_purpose)
    page = app.room.search(actor, purpose, body.query, limit=body.limit, sort=body.sort, cursor=body.cursor)
    return views.search_page(page)


@router.get("/messages/{id}")
def show_message(
    app: AppDep, actor: ActorDep, id: ObjectId, x_purpose: PurposeHeader = None
) -> dict[str, Any]:
    """A message, or a journal report by its own id: everything but the text."""
    purpose = stated_purpose(app, actor, Action.READ, x_purpose)
    opened = app.room.open(actor, purpose, id)
    return views.object_view(app.vault, opened, id, app.room.scope(actor), app.explainer.verdicts)


@router.get("/messages/{id}/raw", response_class=Response)
def raw_message(app: AppDep, actor: ActorDep, id: ObjectId, x_purpose: PurposeHeader = None) -> Response:
    """The exact bytes that arrived, as an attachment."""
    purpose = stated_purpose(app, actor, Action.READ, x_purpose)
    opened = app.room.open(actor, purpose, id, action="message.raw")
    return raw_response(id, opened)


def raw_response(object_id: str, opened: Opened) -> Response:
    """Bytes of a message as a download, which no browser shows as a page of ours.

    A large one is sent as it is read; should it prove damaged, the connection ends before its length is
    reached, which every client takes for a failed download.
    """
    headers = {"Content-Disposition": f'attachment; filename="{object_id}.eml"'}
    if opened.size <= WHOLE_UP_TO:
        return Response(opened.raw, headers=headers, media_type="message/rfc822")
    headers["Content-Length"] = str(opened.size)
    return StreamingResponse(opened.chunks(), headers=headers, media_type="message/rfc822")
