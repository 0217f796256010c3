"""`/jobs`: what the archive does by itself."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Query

from api.errors import NoSuchRoute
from api.http.auth import ActorDep, AppDep
from api.http.paging import Limit
from api.http.ports import App
from api.http.router import api_router
from retention.jobs.kinds import kinds_of
from retention.jobs.queue import JobQueue, queue_of
from search.access import Action, Actor

router = api_router("jobs")

KindName = Annotated[str, Path(max_length=60)]


@router.get("/jobs")
def list_jobs(app: AppDep, actor: ActorDep) -> dict[str, Any]:
    """Every kind of job: its schedule, when it is next due, how far it is, and what the last one counted."""
    found = looked(app, actor).overview()
    app.gate.record(actor, "job.list", "success", count=len(found))
    return {"items": found, "next": None}


@router.get("/jobs/history")
def history(
    app: AppDep,
    actor: ActorDep,
    limit: Limit = 50,
    kind: Annotated[str | None, Query(max_length=60)] = None,
    before: Annotated[int | None, Query(ge=1)] = None,
) -> dict[str, Any]:
    """Jobs, newest first; `before` is the `n` of the last one seen."""
    found = looked(app, actor).history(kind, limit=limit, before=before)
    app.gate.record(actor, "job.list", "success" if found else "empty", count=len(found))
    return {"items": found, "next": found[-1]["n"] if len(found) == limit else None}


@router.post("/jobs/{kind}/run", status_code=202)
def run(app: AppDep, actor: ActorDep, kind: KindName) -> dict[str, Any]:
    """Have a job run now; a running server begins it within seconds."""
    queue_job(app, actor, kind)
    return {"kind": kind, "state": "queued"}


def looked(app: App, actor: Actor) -> JobQueue:
    """The jobs, for somebody who may see them. Raises AccessDenied."""
    app.gate.require(actor, Action.JOB_READ)
    return queue_of(app.vault)


def queue_job(app: App, actor: Actor, kind: str) -> None:
    """Queue a job for somebody who may. Raises NoSuchRoute, AccessDenied."""
    app.gate.require(actor, Action.JOB_RUN)
    if kind not in kinds_of(app.settings):
        app.gate.record(actor, "job.run", "failed", reason="unknown_kind")
        raise NoSuchRoute("there is no such kind of job; GET /api/v1/jobs lists them")
    queue_of(app.vault).enqueue(kind, at_once=True)
    app.gate.record(actor, "job.run", "success", reason=kind)
