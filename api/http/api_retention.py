"""`/retention`: why a message stays as long as it does, the rules, and the pure clock."""

from __future__ import annotations

import datetime
from typing import Annotated, Any

from fastapi import Body, Depends, Query, Request

from api.http.api_search import ObjectId
from api.http.auth import ActorDep, AppDep
from api.http.router import api_router
from config.errors import HoldfastError
from retention.clock.clock import compute
from retention.clock.facts import read_facts
from search.access import Action

router = api_router("retention")


@router.get("/retention/messages/{id}")
def explain_message(app: AppDep, actor: ActorDep, id: ObjectId) -> dict[str, Any]:
    """A message's disposal date with every rule that was considered."""
    return app.explainer.explain(actor, id)


@router.get("/retention/schedules")
def list_schedules(
    app: AppDep,
    actor: ActorDep,
    state: Annotated[str | None, Query(pattern=r"^[A-Za-z]{2}$")] = None,
    record_type: Annotated[str | None, Query(max_length=60)] = None,
    provider_type: Annotated[str | None, Query(max_length=60)] = None,
    after: Annotated[str | None, Query(max_length=120)] = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 500,
) -> dict[str, Any]:
    """The rules of one State or of all, with counsel's word; `next` is the `after` of the following page."""
    app.gate.require(actor, Action.RETENTION_READ)
    confirmed = app.explainer.verdicts.policies.current().confirmed
    rules = [
        rule | {"confirmed": rule["rule_id"] in confirmed}
        for rule in app.schedule.to_json(state, record_type, provider_type)
    ]
    start = next((n for n, rule in enumerate(rules, 1) if rule["rule_id"] == after), 0) if after else 0
    shown = rules[start : start + limit]
    app.gate.record(actor, "retention.schedules", "success", count=len(shown), reason=(state or "").upper())
    more = start + limit < len(rules)
    return {"items": shown, "next": shown[-1]["rule_id"] if more else None}


@router.get("/retention/simulate")
def simulate_day(app: AppDep, actor: ActorDep, on: datetime.date) -> dict[str, Any]:
    """What a retention run would find on a day; nothing is changed."""
    app.gate.require(actor, Action.RETENTION_READ)
    found = app.runs.simulate(on)
    app.gate.record(actor, "retention.simulate", "success", count=found["examined"])
    return found


@router.get("/retention/forecast")
def forecast_years(
    app: AppDep, actor: ActorDep, years: Annotated[int, Query(ge=1, le=50)] = 10
) -> dict[str, Any]:
    """What becomes due month by month, and what stays for which reason."""
    app.gate.require(actor, Action.RETENTION_READ)
    found = app.forecaster.forecast(years)
    app.gate.record(actor, "retention.forecast", "success", count=found["examined"])
    return found


async def _as_written(request: Request) -> bytes:
    return await request.body()


@router.post("/retention/compute")
def compute_retention(
    app: AppDep,
    actor: ActorDep,
    facts: Annotated[dict[str, Any] | list[dict[str, Any]], Body()],
    written: Annotated[bytes, Depends(_as_written)],
) -> dict[str, Any]:
    """Facts in, disposal date out, with the organisation's own default where no law names a period; nothing
    of it is kept. A field given twice is refused."""
    del facts  # told to OpenAPI; as it was read, the last of two of one name has won already
    app.gate.require(actor, Action.RETENTION_READ)
    try:
        default = app.explainer.verdicts.policies.current().default_years
        answer = compute(read_facts(written, app.schedule), app.schedule, default_years=default)
    except HoldfastError as error:
        app.gate.record(actor, "retention.compute", "failed", reason=error.code)
        raise
    app.gate.record(actor, "retention.compute", "success")
    return answer.to_json()
