"""`/retention` and what is below it: counsel's word, and what is added to the law."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from api.http.api_search import ObjectId
from api.http.auth import ActorDep, AppDep
from api.http.paging import Cursor, Limit, page_of
from api.http.router import api_router

router = api_router("retention policy")

Words = Annotated[str, Field(max_length=2_000)]


class Confirming(BaseModel):
    """Rules, chosen in exactly one way (by id, State, federal, all), and counsel's word on them.

    With `revoke` the word is taken back; then no counsel is named.
    """

    model_config = ConfigDict(extra="forbid")

    rules: Annotated[list[Annotated[str, Field(max_length=120)]], Field(max_length=1_000)] = []
    state: Annotated[str | None, Field(pattern=r"^[A-Za-z]{2}$")] = None
    record_type: Annotated[str | None, Field(max_length=60)] = None
    federal: bool = False
    all: bool = False
    counsel: Words = ""
    reason: Words
    revoke: bool = False


class Scope(BaseModel):
    """Which messages a term is for; what isn't said doesn't narrow it."""

    model_config = ConfigDict(extra="forbid")

    record_type: Annotated[str | None, Field(max_length=60)] = None
    state: Annotated[str | None, Field(pattern=r"^[A-Za-z]{2}$")] = None
    provider: Annotated[str | None, Field(max_length=60)] = None
    unit: Annotated[str | None, Field(max_length=200)] = None


class Term(BaseModel):
    """An own term: exactly one of the values beside the scope."""

    model_config = ConfigDict(extra="forbid")

    scope: Scope = Scope()
    years: int | None = None
    plus_years: int | None = None
    not_before: Annotated[str | None, Field(max_length=10)] = None
    recommendations: bool = False
    permanent: bool = False


class PolicyChange(BaseModel):
    """A change of policy: `set` a term (`says`, `replaces`), `remove` one (`id`), turn an `option` (`on`),
    `accept` the `settings` or the `schedules` (`what`), or `approve` what another person asked for (`id`)."""

    model_config = ConfigDict(extra="forbid")

    do: Annotated[str, Field(max_length=20)]
    says: Term | None = None
    replaces: Annotated[str | None, Field(max_length=64)] = None
    id: Annotated[str | None, Field(max_length=64)] = None
    option: Annotated[str | None, Field(max_length=60)] = None
    on: bool | None = None
    what: Annotated[str | None, Field(max_length=20)] = None

    def document(self) -> dict[str, Any]:
        """The change as the services take it."""
        return self.model_dump(exclude_none=True)


class Enacted(BaseModel):
    """A change, the caller's own preview of it, and why."""

    model_config = ConfigDict(extra="forbid")

    change: PolicyChange
    preview: Annotated[str, Field(max_length=64)]
    reason: Words = ""


class Refusal(BaseModel):
    """Why something asked for is turned down or withdrawn."""

    model_config = ConfigDict(extra="forbid")

    reason: Words


@router.get("/retention/confirmations")
def list_confirmations(
    app: AppDep,
    actor: ActorDep,
    cursor: Cursor = 0,
    limit: Limit = 100,
    rule: Annotated[str | None, Query(max_length=120)] = None,
) -> dict[str, Any]:
    """Counsel's confirmations, newest first: who, when, over which data, and whether they stand."""
    return page_of(lambda count: app.confirmations.list(actor, count, rule), cursor, limit)


@router.post("/retention/confirmations")
def confirm_rules(app: AppDep, actor: ActorDep, body: Confirming) -> dict[str, Any]:
    """Record counsel's word on rules, or take it back: then what they keep stays from this moment on."""
    service = app.confirmations
    rules = service.meant(
        actor,
        body.rules,
        state=body.state,
        record_type=body.record_type,
        federal=body.federal,
        everything=body.all,
    )
    if body.revoke:
        return service.revoke(actor, rules, reason=body.reason)
    return service.confirm(actor, rules, counsel=body.counsel, reason=body.reason)


@router.get("/retention")
@router.get("/retention/policy")
def show_policy(app: AppDep, actor: ActorDep) -> dict[str, Any]:
    """The policy in force, and what counts although the settings say it no more."""
    return app.decisions.state(actor)


@router.get("/retention/policy/entries")
def list_entries(
    app: AppDep, actor: ActorDep, cursor: Cursor = 0, limit: Limit = 100, ended: bool = False
) -> dict[str, Any]:
    """Own terms and options, in force and asked for; with `ended` all there ever were."""
    return page_of(lambda count: app.decisions.list(actor, count, everything=ended), cursor, limit)


@router.post("/retention/policy/previews", status_code=201)
def preview_change(app: AppDep, actor: ActorDep, body: PolicyChange) -> dict[str, Any]:
    """What a change would do to every message's date; a large archive's is worked out in the background."""
    return app.previews.ask(actor, body.document())


@router.get("/retention/policy/previews/{id}")
def show_preview(app: AppDep, actor: ActorDep, id: ObjectId) -> dict[str, Any]:
    """A preview: its progress, and its result once it is done."""
    return app.previews.show(actor, id)


@router.post("/retention/policy/changes")
def enact_change(app: AppDep, actor: ActorDep, body: Enacted) -> dict[str, Any]:
    """Make a change that was previewed: at once where it lengthens, else it is asked for, or approved."""
    return app.decisions.enact(actor, body.change.document(), preview=body.preview, reason=body.reason)


@router.post("/retention/policy/entries/{id}/refuse")
def refuse_entry(app: AppDep, actor: ActorDep, id: ObjectId, body: Refusal) -> dict[str, Any]:
    """Turn down, or withdraw, what was asked for."""
    return app.decisions.refuse(actor, id, body.reason)
