"""`/sources`: where mail comes from, with the reconciliation of each."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import IntegrityError

from api import views
from api.http.auth import ActorDep, AppDep
from api.http.router import api_router
from archiver.errors import CaptureError
from search.access import Action

router = api_router("sources")


class NewSource(BaseModel):
    """A journal feed. Mailboxes and imports are added at the command line, beside their secrets and files."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["journal"]
    name: Annotated[str, Field(min_length=1, max_length=200)]
    networks: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=100)] = []


@router.get("/sources")
def list_sources(app: AppDep, actor: ActorDep) -> dict[str, Any]:
    """Every source: received, stored, duplicates, refused, last seen."""
    app.gate.require(actor, Action.SOURCE_READ)
    found = app.vault.sources.all()
    app.gate.record(actor, "source.list", "success" if found else "empty", count=len(found))
    return {"items": [views.source_view(source) for source in found], "next": None}


@router.post("/sources", status_code=201)
def add_source(app: AppDep, actor: ActorDep, body: NewSource) -> dict[str, Any]:
    """Add a journal feed; mail for it must be sent to the `address` in the answer."""
    app.gate.require(actor, Action.SOURCE_MANAGE)
    try:
        with app.vault.records.write() as connection:
            source = app.vault.sources.add(body.kind, body.name, body.networks, connection=connection)
            app.vault.audit.record_in(
                connection,
                app.gate.event(
                    actor, "source.add", "success", objects=(source.id,), detail={"networks": body.networks}
                ),
            )
    except IntegrityError:  # two asked for the name at the same moment
        raise CaptureError("a source of this name exists; choose another name or use that one") from None
    return views.source_view(source)
