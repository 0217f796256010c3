"""`/notices`: what custodians are told of holds, and whether they confirmed it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from api.http.api_holds import APPLY_SECONDS
from api.http.api_search import ObjectId
from api.http.auth import ActorDep, AppDep
from api.http.paging import Cursor, Limit, page_of
from api.http.router import api_router

router = api_router("notices")

Which = Annotated[str | None, Query(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
Address = Annotated[str | None, Field(max_length=320)]
Line = Annotated[str | None, Field(max_length=200)]
Text = Annotated[str | None, Field(max_length=20_000)]


class Plan(BaseModel):
    """What to change of a matter's notices; what is absent stays. The texts have `{link}`, `{contact}` and
    `{hold}` filled in, the release's `{told}` and `{others}` too."""

    model_config = ConfigDict(extra="forbid")

    contact: Address = None
    manager: Address = None
    remind_days: Annotated[int | None, Field(ge=1, le=90)] = None
    escalate_days: Annotated[int | None, Field(ge=1, le=365)] = None
    subject: Line = None
    text: Text = None
    release_subject: Line = None
    release_text: Text = None


@router.get("/notices")
def list_notices(
    app: AppDep,
    actor: ActorDep,
    matter: Which = None,
    hold: Which = None,
    cursor: Cursor = 0,
    limit: Limit = 100,
) -> dict[str, Any]:
    """The notices of the holds one may see, or of one matter or hold, by id."""
    return page_of(lambda _: app.notices.list(actor, matter, hold), cursor, limit)


@router.post("/notices/{id}/resend")
def resend_notice(app: AppDep, actor: ActorDep, id: ObjectId) -> dict[str, Any]:
    """Send one custodian's notice again."""
    return app.notices.resend(actor, id)


@router.get("/matters/{id}/notice")
def show_plan(app: AppDep, actor: ActorDep, id: ObjectId) -> dict[str, Any]:
    """What a matter's custodians are told, and how often."""
    return app.notices.plan(actor, id)


@router.post("/matters/{id}/notice")
def set_plan(app: AppDep, actor: ActorDep, id: ObjectId, body: Plan) -> dict[str, Any]:
    """Change what is given of it."""
    return app.notices.set_plan(actor, id, **body.model_dump())


@router.get("/holds/{id}/notices/preview")
def preview_notices(app: AppDep, actor: ActorDep, id: ObjectId) -> dict[str, Any]:
    """Whom a hold's notices would go to, and what they would say."""
    return app.notices.preview(actor, id)


@router.post("/holds/{id}/notices")
def send_notices(app: AppDep, actor: ActorDep, id: ObjectId) -> dict[str, Any]:
    """Begin to tell a hold's custodians; the mails go out within a minute."""
    return {"items": app.notices.send(actor, id, APPLY_SECONDS)}
