"""`/exports`: productions, downloaded as a ZIP of the folder that the command line writes."""

from __future__ import annotations

from itertools import chain
from typing import Annotated, Any

from fastapi import Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from api.http.api_search import ObjectId
from api.http.auth import ActorDep, AppDep, PurposeHeader, stated_purpose
from api.http.router import api_router
from api.http.zipstream import zip_stream
from search.access import Action

router = api_router("exports")


class NewExport(BaseModel):
    """What to export: the messages that a matter's holds cover, or those that a query finds."""

    model_config = ConfigDict(extra="forbid")

    matter: Annotated[str | None, Field(max_length=64)] = None
    query: Annotated[str | None, Field(max_length=10_000)] = None
    format: Annotated[str, Field(max_length=20)] = "eml"
    purpose: str | None = None


@router.get("/exports")
def list_exports(
    app: AppDep, actor: ActorDep, limit: Annotated[int, Query(ge=1, le=500)] = 100
) -> dict[str, Any]:
    """The newest exports that one may see."""
    return {"items": app.exports.list(actor, limit), "next": None}


@router.post("/exports", status_code=201)
def create_export(
    app: AppDep, actor: ActorDep, body: NewExport, x_purpose: PurposeHeader = None
) -> dict[str, Any]:
    """Freeze what is to be exported."""
    purpose = stated_purpose(app, actor, Action.EXPORT, body.purpose, x_purpose)
    return app.exports.create(actor, purpose, matter=body.matter, query=body.query, format=body.format)


@router.get("/exports/{id}")
def show_export(app: AppDep, actor: ActorDep, id: ObjectId) -> dict[str, Any]:
    """An export's state and size."""
    return app.exports.status(actor, id)


@router.get("/exports/{id}/download", response_class=StreamingResponse)
def download_export(
    app: AppDep, actor: ActorDep, id: ObjectId, x_purpose: PurposeHeader = None
) -> StreamingResponse:
    """The export as a ZIP, made while it is sent. Cut short, it has no directory and doesn't open."""
    purpose = stated_purpose(app, actor, Action.EXPORT, x_purpose)
    files = app.exports.stream(actor, purpose, id)
    # The first file is asked for here, so that a refusal is still an answer and not a broken download.
    first = next(files, None)
    return StreamingResponse(
        zip_stream(chain([first] if first else [], files)),
        headers={"Content-Disposition": f'attachment; filename="{id}.zip"'},
        media_type="application/zip",
    )
