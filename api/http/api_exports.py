"""`/exports`: productions, downloaded as a ZIP of the folder that the command line writes."""

from __future__ import annotations

from itertools import chain
from typing import Annotated, Any

from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from api.http.api_search import ObjectId
from api.http.auth import ActorDep, AppDep, PurposeHeader, stated_purpose
from api.http.paging import Cursor, Limit, page_of
from api.http.router import api_router
from api.http.zipstream import zip_stream
from search.access import Action
from search.disclosing import Recipient

router = api_router("exports")


class NewExport(BaseModel):
    """What to export: the messages that a matter's holds cover, or those that a query finds."""

    model_config = ConfigDict(extra="forbid")

    matter: Annotated[str | None, Field(max_length=64)] = None
    query: Annotated[str | None, Field(max_length=10_000)] = None
    format: Annotated[str, Field(max_length=20)] = "eml"
    purpose: str | None = None
    recipient: Annotated[str, Field(max_length=320, description="whom it is for (45 CFR 164.528(b)(2))")] = ""
    recipient_address: Annotated[str, Field(max_length=1_000)] = ""
    legal_basis: Annotated[
        str, Field(max_length=40, description="by default what the purpose stands for")
    ] = ""


class ExportFor(BaseModel):
    """Whom an export is for and by which right it goes; what isn't given stays."""

    model_config = ConfigDict(extra="forbid")

    recipient: Annotated[str, Field(max_length=320)] = ""
    recipient_address: Annotated[str, Field(max_length=1_000)] = ""
    legal_basis: Annotated[str, Field(max_length=40)] = ""


@router.get("/exports")
def list_exports(app: AppDep, actor: ActorDep, cursor: Cursor = 0, limit: Limit = 100) -> dict[str, Any]:
    """The exports that one may see, newest first."""
    return page_of(lambda count: app.exports.list(actor, count), cursor, limit)


@router.post("/exports", status_code=201)
def create_export(
    app: AppDep, actor: ActorDep, body: NewExport, x_purpose: PurposeHeader = None
) -> dict[str, Any]:
    """Freeze what is to be exported."""
    purpose = stated_purpose(app, actor, Action.EXPORT, body.purpose, x_purpose)
    return app.exports.create(
        actor,
        purpose,
        matter=body.matter,
        query=body.query,
        format=body.format,
        recipient=Recipient(body.recipient, body.recipient_address),
        basis=body.legal_basis,
    )


@router.get("/exports/{id}")
def show_export(app: AppDep, actor: ActorDep, id: ObjectId) -> dict[str, Any]:
    """An export's state and size."""
    return app.exports.status(actor, id)


@router.post("/exports/{id}/recipient")
def state_recipient(app: AppDep, actor: ActorDep, id: ObjectId, body: ExportFor) -> dict[str, Any]:
    """Say whom an export is for, or by which right it goes."""
    recipient = Recipient(body.recipient, body.recipient_address)
    return app.exports.state(actor, id, recipient=recipient, basis=body.legal_basis)


@router.get("/exports/{id}/download", response_class=StreamingResponse)
def download_export(
    app: AppDep, actor: ActorDep, id: ObjectId, x_purpose: PurposeHeader = None
) -> StreamingResponse:
    """The export as a ZIP, made while it is sent. Cut short, it has no directory and doesn't open.

    `X-Legal-Basis` says what it was written down with; `unstated` is to be stated (`/disclosures`).
    """
    purpose = stated_purpose(app, actor, Action.EXPORT, x_purpose)
    basis = app.exports.basis(actor, purpose, id)
    files = app.exports.stream(actor, purpose, id)
    # The first file is asked for here, so that a refusal is still an answer and not a broken download.
    first = next(files, None)
    return StreamingResponse(
        zip_stream(chain([first] if first else [], files)),
        headers={"Content-Disposition": f'attachment; filename="{id}.zip"', "X-Legal-Basis": str(basis)},
        media_type="application/zip",
    )
