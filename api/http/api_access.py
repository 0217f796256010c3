"""`/grants`, `/break-glass`, `/approvals`, `/access/review` and the change of a role."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.http.api_search import ObjectId
from api.http.auth import ActorDep, AppDep
from api.http.router import api_router

router = api_router("access")

Text = Annotated[str, Field(max_length=2_000)]
Names = Annotated[list[Annotated[str, Field(max_length=320)]], Field(max_length=1_000)]


class Covered(BaseModel):
    """Mail by whose it is, what it is about, when it was sent: all that is named must be true of it."""

    model_config = ConfigDict(extra="forbid")

    custodians: Names = []
    matters: Names = []
    patients: Names = []
    units: Names = []
    sources: Names = []
    record_types: Names = []
    sent_from: date | None = None
    sent_before: date | None = None

    def named(self) -> dict[str, Any]:
        """As the services read it."""
        return {name: str(v) if isinstance(v, date) else v for name, v in self.model_dump().items()}


class NewGrant(BaseModel):
    """A grant: `limit` what somebody sees, `add` actions on what is covered, or `release` sensitive mail."""

    model_config = ConfigDict(extra="forbid")

    user: Annotated[str, Field(max_length=100)]
    kind: Literal["limit", "add", "release"]
    names: Names = []
    cover: Covered = Covered()
    days: Annotated[int, Field(ge=1, le=366)] | None = None
    reason: Text


class Reason(BaseModel):
    """Why; it is kept, sealed."""

    model_config = ConfigDict(extra="forbid")

    reason: Text = ""


class NewRole(Reason):
    """Another role."""

    role: Annotated[str, Field(max_length=40)]


class NewEmergency(Reason):
    """What the emergency is, and whose mail is needed; `everything` where that can't be said."""

    cover: Covered = Covered()
    everything: bool = False
    minutes: Annotated[int, Field(ge=1, le=60)] | None = None


class Verdict(BaseModel):
    """What a reviewer found."""

    model_config = ConfigDict(extra="forbid")

    verdict: Literal["justified", "unjustified"]
    text: Text


class Signing(BaseModel):
    """The hash of the report that was looked at."""

    model_config = ConfigDict(extra="forbid")

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    remark: Text = ""


@router.get("/grants")
def list_grants(
    app: AppDep,
    actor: ActorDep,
    user: Annotated[str | None, Field(max_length=100)] = None,
    every: bool = False,
) -> dict[str, Any]:
    """The grants in force and asked for; `every`: those that ended too."""
    return {"items": app.access.grants.list(user=user, every=every, by=actor), "next": None}


@router.post("/grants", status_code=201)
def add_grant(app: AppDep, actor: ActorDep, body: NewGrant) -> dict[str, Any]:
    """Ask for a grant; it counts once another person has approved `approval`."""
    return app.access.grants.add(
        body.user,
        body.kind,
        names=body.names,
        cover=body.cover.named(),
        days=body.days,
        reason=body.reason,
        by=actor,
    )


@router.post("/grants/{id}/revoke")
def revoke_grant(app: AppDep, actor: ActorDep, id: ObjectId, body: Reason) -> dict[str, Any]:
    """End a grant at once; of a limit, ask another person."""
    return app.access.grants.revoke(id, reason=body.reason, by=actor)


@router.post("/users/{id}/role", status_code=202)
def ask_role(app: AppDep, actor: ActorDep, id: ObjectId, body: NewRole) -> dict[str, Any]:
    """Ask for another role of a user; it counts once another person has approved `approval`."""
    return app.access.appointing.ask(id, body.role, reason=body.reason, by=actor)


@router.get("/access/review")
def review(app: AppDep, actor: ActorDep) -> dict[str, Any]:
    """Who can see what, by which grant, until when, and when they last did."""
    return app.access.review.report(actor)


@router.post("/access/review", status_code=201)
def sign_review(app: AppDep, actor: ActorDep, body: Signing) -> dict[str, Any]:
    """Sign off the report of this hash, if it is still so."""
    return app.access.review.sign(actor, body.sha256, body.remark)


@router.get("/break-glass")
def list_emergencies(app: AppDep, actor: ActorDep) -> dict[str, Any]:
    """Those one may review, or one's own."""
    return {"items": app.access.emergencies.list(actor), "next": None}


@router.post("/break-glass", status_code=201)
def begin_emergency(app: AppDep, actor: ActorDep, body: NewEmergency) -> dict[str, Any]:
    """Break the glass: read, and nothing else, for an hour at most; the privacy officers are told at once."""
    return app.access.emergencies.begin(
        actor,
        reason=body.reason,
        cover=body.cover.named(),
        everything=body.everything,
        minutes=body.minutes,
    )


@router.post("/break-glass/end")
def end_emergency(app: AppDep, actor: ActorDep) -> dict[str, Any]:
    """End one's own before its time."""
    return app.access.emergencies.end(actor)


@router.post("/break-glass/{id}/review")
def review_emergency(app: AppDep, actor: ActorDep, id: ObjectId, body: Verdict) -> dict[str, Any]:
    """Say, as another person, whether it was justified."""
    return app.access.emergencies.review(actor, id, body.verdict, body.text)


@router.get("/approvals")
def list_approvals(app: AppDep, actor: ActorDep, every: bool = False) -> dict[str, Any]:
    """What waits for a second person and concerns you; `every`: what was decided too, the newest thousand."""
    return {"items": app.access.approvals.list(actor, every=every), "next": None}


@router.get("/approvals/{id}")
def show_approval(app: AppDep, actor: ActorDep, id: ObjectId) -> dict[str, Any]:
    """One request with its hash, and what became of it."""
    return app.access.approvals.show(actor, id)


@router.get("/approvals/{id}/file")
def export_approval(app: AppDep, actor: ActorDep, id: ObjectId) -> dict[str, Any]:
    """The file that a stranger checks (`holdfast approval verify`)."""
    return app.access.approvals.export(actor, id)


@router.post("/approvals/{id}/approve")
def approve(app: AppDep, actor: ActorDep, id: ObjectId) -> dict[str, Any]:
    """Approve what another person asked for; who has a passkey signs it at the desk instead."""
    return app.access.approvals.approve(actor, id)


@router.post("/approvals/{id}/refuse")
def refuse(app: AppDep, actor: ActorDep, id: ObjectId, body: Reason) -> dict[str, Any]:
    """Refuse it; the asker takes their own back by it."""
    return app.access.approvals.refuse(actor, id, body.reason)
