"""`/units`: the organisation's units, and whose law their mail is under."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from api.http.api_search import ObjectId
from api.http.auth import ActorDep, AppDep
from api.http.ports import App
from api.http.router import api_router
from retention.jobs.queue import queue_of

router = api_router("units")

Members = Annotated[list[Annotated[str, Field(max_length=320)]], Field(max_length=100_000)]
States = Annotated[list[Annotated[str, Field(min_length=2, max_length=2)]], Field(max_length=60)]
Provider = Annotated[str, Field(max_length=60)]


class NewUnit(BaseModel):
    """Who belongs to a unit (domains, addresses), and which law it is under."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(max_length=200)]
    domains: Members = []
    addresses: Members = []
    states: States = []
    provider: Provider = ""


class ChangedUnit(BaseModel):
    """What is to be said anew of a unit; what isn't given stays."""

    model_config = ConfigDict(extra="forbid")

    domains: Members | None = None
    addresses: Members | None = None
    states: States | None = None
    provider: Provider | None = None


@router.get("/units")
def list_units(app: AppDep, actor: ActorDep) -> dict[str, Any]:
    """Every unit by name, the retired ones too."""
    return {"items": app.units.list(actor), "next": None}


@router.post("/units", status_code=201)
def add_unit(app: AppDep, actor: ActorDep, body: NewUnit) -> dict[str, Any]:
    """Make a unit. No earlier date counts until it is computed anew."""
    return redated(app, app.units.add(actor, **body.model_dump()))


@router.get("/units/{id}")
def show_unit(app: AppDep, actor: ActorDep, id: ObjectId) -> dict[str, Any]:
    """A unit with all that was ever said of it."""
    return app.units.show(actor, id)


@router.post("/units/{id}")
def set_unit(app: AppDep, actor: ActorDep, id: ObjectId, body: ChangedUnit) -> dict[str, Any]:
    """Say other things of a unit; mail captured until now keeps what was said before, too."""
    return redated(app, app.units.set(actor, id, **body.model_dump()))


@router.post("/units/{id}/remove")
def remove_unit(app: AppDep, actor: ActorDep, id: ObjectId) -> dict[str, Any]:
    """Retire a unit; mail captured until now keeps its law."""
    return redated(app, app.units.remove(actor, id))


def redated(app: App, unit: dict[str, Any]) -> dict[str, Any]:
    """Have every date computed anew, by a job."""
    queue_of(app.vault).enqueue("retention.recompute")
    return unit
