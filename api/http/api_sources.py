"""`/sources`: where mail comes from, with the reconciliation of each."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from api import views
from api.http.auth import ActorDep, AppDep
from api.http.paging import MAX_START, Cursor, Limit
from api.http.router import api_router
from archiver.capture.journal.guards import DEFAULT_TLS, guards_detail, guards_shown
from archiver.capture.smtp.ports import TlsPolicy
from archiver.capture.smtp.tls import pin_of
from archiver.errors import AlreadyThere, CaptureError, NotFound
from search.access import Action

router = api_router("sources")


_FEED: JsonDict = {
    "kind": "journal",
    "name": "exchange online",
    "networks": ["192.0.2.0/24"],
    "client_certs": ["5f" * 32],
    "tls": "required",
    "plain": False,
}


class NewSource(BaseModel):
    """A journal feed. Mailboxes and imports are added at the command line, beside their secrets and files."""

    model_config = ConfigDict(
        extra="forbid", use_attribute_docstrings=True, json_schema_extra={"examples": [_FEED]}
    )

    kind: Literal["journal"]
    name: Annotated[str, Field(min_length=1, max_length=200)]
    networks: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=100)] = []
    """Only these peers may send to it."""
    client_certs: Annotated[list[Annotated[str, Field(max_length=20_000)]], Field(max_length=20)] = []
    """Only peers with one of these: the SHA-256 of its key (SPKI) in hex, or the certificate in PEM."""
    tls: TlsPolicy = DEFAULT_TLS
    """`required`: for every peer; `implicit`: from the first byte; the default: but not from this machine."""
    plain: bool = False
    """It sends plain copies: a journal report from it is just a message."""


@router.get("/sources")
def list_sources(app: AppDep, actor: ActorDep, limit: Limit = 100, cursor: Cursor = 0) -> dict[str, Any]:
    """The sources, oldest first: received, stored, duplicates, refused, last seen, open gaps."""
    app.gate.require(actor, Action.SOURCE_READ)
    found = app.vault.sources.page(cursor, limit + 1)
    more = len(found) > limit and cursor + limit <= MAX_START
    found = found[:limit]
    app.gate.record(actor, "source.list", "success" if found else "empty", count=len(found))
    return {"items": views.source_views(app.watch, found), "next": cursor + limit if more else None}


@router.get("/sources/coverage")
def source_coverage(
    app: AppDep, actor: ActorDep, day: date | None = None, limit: Limit = 100, cursor: Cursor = 0
) -> dict[str, Any]:
    """The coverage report of a day (UTC), or the newest: the archive's sums, and a page of its sources."""
    app.gate.require(actor, Action.SOURCE_READ)
    app.gate.record(
        actor, "source.coverage", "success", detail={"day": day.isoformat() if day is not None else None}
    )
    try:
        report = app.watch.reports.get(day, limit=limit, offset=cursor)
    except NotFound:
        if day is not None:
            raise
        report = {"day": None, "complete": None, "items": [], "next": None}
    return {**report, "days": app.watch.reports.days()}


@router.get("/sources/{id}")
def show_source(
    app: AppDep,
    actor: ActorDep,
    id: Annotated[str, Path(max_length=64)],
    limit: Limit = 100,
    cursor: Annotated[int | None, Query(ge=1, description="the `next` of the page before")] = None,
) -> dict[str, Any]:
    """One source: its gaps, its heartbeat, and a page of what it refused, newest first."""
    app.gate.require(actor, Action.SOURCE_READ)
    app.gate.record(actor, "source.show", "success", objects=(id,))
    source = app.vault.sources.get(id)
    return views.source_detail(app.watch, app.vault.sources, source, limit, cursor)


@router.post("/sources", status_code=201)
def add_source(app: AppDep, actor: ActorDep, body: NewSource) -> dict[str, Any]:
    """Add a journal feed; mail for it must be sent to the `address` in the answer."""
    app.gate.require(actor, Action.SOURCE_MANAGE)
    pins = [pin_of(text) for text in body.client_certs]
    detail = guards_detail(pins, tls=body.tls, plain=body.plain)
    told = {"networks": body.networks, **guards_shown(detail)}
    try:
        with app.vault.records.write() as connection:
            source = app.vault.sources.add(body.kind, body.name, body.networks, detail, connection=connection)
            app.vault.audit.record_in(
                connection,
                app.gate.event(actor, "source.add", "success", objects=(source.id,), detail=told),
            )
    except AlreadyThere:  # two asked for the name at the same moment
        raise CaptureError("a source of this name exists; choose another name or use that one") from None
    return views.source_view(source)
