"""`/search` and `/messages`: the two routes by which content leaves, both through the reading room."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from api import views
from api.http.auth import ActorDep, AppDep, PurposeHeader, stated_purpose
from api.http.router import api_router
from archiver.archive import Opened
from archiver.message.content import WHOLE_UP_TO
from search.access import Action
from search.engine.ports import Sort
from search.engine.views import FACETS, Ask, FacetName, Group
from search.reading_room import PAGE_LIMIT

router = api_router("messages")

ObjectId = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
RelatedLimit = Annotated[int, Query(ge=1, le=PAGE_LIMIT, description="how many items at most")]
After = Annotated[
    str | None,
    Query(max_length=64, pattern=r"^[A-Za-z0-9_-]+$", description="the `next` of the page before"),
]


class SearchRequest(BaseModel):
    """A query and how to page through its answer. `cursor` is the `next` of the page before.

    `facets` are counted over the whole result, all of them or those named; `group` gives one line a
    conversation, or one for messages that are nearly alike.
    """

    model_config = ConfigDict(extra="forbid")

    query: Annotated[str, Field(max_length=10_000)]
    purpose: str | None = None
    limit: Annotated[int, Field(ge=1, le=PAGE_LIMIT)] = 20
    sort: Sort = "newest"
    cursor: Annotated[str | None, Field(max_length=1_000)] = None
    facets: bool | Annotated[list[FacetName], Field(max_length=len(FACETS))] = False
    facet_limit: Annotated[int, Field(ge=1, le=100)] = 10
    histogram: bool = False
    group: Group | None = None

    def ask(self) -> Ask:
        """What is asked besides the page."""
        names = (FACETS if self.facets else ()) if isinstance(self.facets, bool) else tuple(self.facets)
        return Ask(tuple(dict.fromkeys(names)), self.facet_limit, self.histogram, self.group)


@router.post("/search")
def search(
    app: AppDep, actor: ActorDep, body: SearchRequest, x_purpose: PurposeHeader = None
) -> dict[str, Any]:
    """Search. The interpreted form, an exact total and what couldn't be searched come with each page."""
    purpose = stated_purpose(app, actor, Action.SEARCH, body.purpose, x_purpose)
    page = app.room.search(
        actor,
        purpose,
        body.query,
        limit=body.limit,
        sort=body.sort,
        cursor=body.cursor,
        ask=body.ask(),
    )
    return views.search_page(page)


@router.get("/messages/{id}")
def show_message(
    app: AppDep, actor: ActorDep, id: ObjectId, x_purpose: PurposeHeader = None
) -> dict[str, Any]:
    """A message, or a journal report by its own id: everything but the text."""
    purpose = stated_purpose(app, actor, Action.READ, x_purpose)
    opened = app.room.open(actor, purpose, id)
    return views.object_view(app.vault, opened, id, app.room.scope(actor), app.explainer.verdicts)


@router.get("/messages/{id}/conversation")
def conversation(
    app: AppDep,
    actor: ActorDep,
    id: ObjectId,
    x_purpose: PurposeHeader = None,
    limit: RelatedLimit = 50,
    after: After = None,
) -> dict[str, Any]:
    """The conversation of a message, oldest first: what references, Exchange's thread or its topic join."""
    purpose = stated_purpose(app, actor, Action.SEARCH, x_purpose)
    return views.related_page(app.room.related(actor, purpose, id, "conversation", limit=limit, after=after))


@router.get("/messages/{id}/similar")
def similar(
    app: AppDep,
    actor: ActorDep,
    id: ObjectId,
    x_purpose: PurposeHeader = None,
    limit: RelatedLimit = 50,
    after: After = None,
) -> dict[str, Any]:
    """Messages whose text is nearly that of a message, itself included, oldest first."""
    purpose = stated_purpose(app, actor, Action.SEARCH, x_purpose)
    return views.related_page(app.room.related(actor, purpose, id, "similar", limit=limit, after=after))


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
