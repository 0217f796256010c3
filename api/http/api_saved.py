"""`/searches` and `/alerts`: searches people keep, and what they found in new mail; and what a search could
not look into."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from api import views
from api.http.api_search import ObjectId
from api.http.auth import ActorDep, AppDep, PurposeHeader, stated_purpose
from api.http.paging import Cursor, Limit, page_of
from api.http.router import api_router
from search.access import Action, Purpose
from search.engine.ports import Sort
from search.keeping.alerts import AT_ONCE
from search.keeping.saved import LONGEST_NAME, LONGEST_QUERY
from search.reading_room import PAGE_LIMIT

router = api_router("searches")

Name = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]
Text = Annotated[str, Field(min_length=1, max_length=LONGEST_QUERY)]
Id = Annotated[str, Field(min_length=1, max_length=64)]
Which = Annotated[str | None, Field(max_length=200)]
Page = Annotated[int, Field(ge=1, le=PAGE_LIMIT)]


class NewSearch(BaseModel):
    """A search to keep. `shared` with nobody, the members of its matter, or everybody of a role. `alert`:
    tell of new mail that it matches; `mail`: also to this address, by a count and a link alone."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    query: Text
    purpose: Purpose
    sort: Sort = "newest"
    matter: Which = None
    shared: Annotated[str, Field(pattern="^(nobody|matter|role)$")] = "nobody"
    role: Annotated[str | None, Field(max_length=40)] = None
    alert: bool = False
    mail: Annotated[str | None, Field(max_length=320)] = None


class SearchChange(BaseModel):
    """What to change; what is absent stays. `null` takes away a matter, role or address."""

    model_config = ConfigDict(extra="forbid")

    name: Name | None = None
    query: Text | None = None
    purpose: Purpose | None = None
    sort: Sort | None = None
    matter: Which = None
    shared: Annotated[str | None, Field(pattern="^(nobody|matter|role)$")] = None
    role: Annotated[str | None, Field(max_length=40)] = None
    alert: bool | None = None
    mail: Annotated[str | None, Field(max_length=320)] = None

    def changes(self) -> dict[str, Any]:
        """What was given."""
        given = self.model_dump(exclude_unset=True)
        return {
            key: one for key, one in given.items() if one is not None or key in ("matter", "role", "mail")
        }


class Run(BaseModel):
    """How to page through the answer; without a purpose it is the one that the search was saved with."""

    model_config = ConfigDict(extra="forbid")

    purpose: str | None = None
    limit: Page = 20
    cursor: Annotated[str | None, Field(max_length=1_000)] = None


class Noted(BaseModel):
    """Which messages to take note of; without, all that were found up to `until`, or until now."""

    model_config = ConfigDict(extra="forbid")

    messages: Annotated[list[Id] | None, Field(max_length=AT_ONCE)] = None
    until: AwareDatetime | None = None


class UnsearchableRequest(BaseModel):
    """A query. `cursor` is the `next` of the page before."""

    model_config = ConfigDict(extra="forbid")

    query: Text
    purpose: str | None = None
    limit: Page = 20
    cursor: Annotated[str | None, Field(max_length=64)] = None


@router.get("/searches")
def list_searches(app: AppDep, actor: ActorDep, cursor: Cursor = 0, limit: Limit = 100) -> dict[str, Any]:
    """One's own saved searches and those shared with one, newest first."""
    return page_of(lambda count: app.saved.list(actor, count), cursor, limit)


@router.post("/searches", status_code=201)
def save(app: AppDep, actor: ActorDep, body: NewSearch) -> dict[str, Any]:
    """Keep a search under a name. Name, query and address are sealed."""
    given = body.model_dump()
    return app.saved.add(actor, given.pop("name"), given.pop("query"), **given)


@router.get("/searches/{id}")
def show(app: AppDep, actor: ActorDep, id: ObjectId) -> dict[str, Any]:
    """One saved search."""
    return app.saved.show(actor, id)


@router.post("/searches/{id}")
def change(app: AppDep, actor: ActorDep, id: ObjectId, body: SearchChange) -> dict[str, Any]:
    """Change one's own saved search; an alert turned on tells of mail captured from then on."""
    return app.saved.change(actor, id, **body.changes())


@router.post("/searches/{id}/delete")
def delete(app: AppDep, actor: ActorDep, id: ObjectId) -> dict[str, Any]:
    """Take one's own saved search away, its alerts with it."""
    app.saved.delete(actor, id)
    return {"id": id, "deleted": True}


@router.post("/searches/{id}/run")
def run(
    app: AppDep, actor: ActorDep, id: ObjectId, body: Run, x_purpose: PurposeHeader = None
) -> dict[str, Any]:
    """Search with it, in one's own scope; the answer is that of `/search`."""
    stated = body.purpose or x_purpose
    purpose = stated_purpose(app, actor, Action.SEARCH, stated) if stated else None
    return views.search_page(app.saved.run(actor, id, purpose, limit=body.limit, cursor=body.cursor))


@router.get("/alerts")
def alerts(app: AppDep, actor: ActorDep) -> dict[str, Any]:
    """One's saved searches that tell of new mail, and how many messages each found that one hasn't noted."""
    return {"items": app.alerts.list(actor), "next": None}


@router.get("/alerts/{id}")
def alert(
    app: AppDep,
    actor: ActorDep,
    id: ObjectId,
    cursor: Annotated[str | None, Query(max_length=64, pattern=r"^[A-Za-z0-9_-]+$")] = None,
    limit: Limit = 100,
    every: Annotated[bool, Query(description="also what was acknowledged")] = False,
) -> dict[str, Any]:
    """What one saved search found: ids of messages, newest first."""
    return app.alerts.show(actor, id, limit=limit, after=cursor, every=every)


@router.post("/alerts/{id}/acknowledge")
def acknowledge(app: AppDep, actor: ActorDep, id: ObjectId, body: Noted) -> dict[str, Any]:
    """Take note of what was found."""
    until: datetime | None = body.until
    return app.alerts.acknowledge(actor, id, messages_=body.messages, until=until)


@router.post("/search/unsearchable")
def unsearchable(
    app: AppDep, actor: ActorDep, body: UnsearchableRequest, x_purpose: PurposeHeader = None
) -> dict[str, Any]:
    """The messages within a query's bounds that couldn't be searched, or not fully, and why."""
    purpose = stated_purpose(app, actor, Action.SEARCH, body.purpose, x_purpose)
    return app.unsearchable.list(actor, purpose, body.query, limit=body.limit, after=body.cursor)
