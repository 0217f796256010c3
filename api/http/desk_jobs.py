"""The desk's page of jobs."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from api.http.api_jobs import KindName, looked, queue_job
from api.http.auth import ActorDep, AppDep
from api.http.desk_page import desk_page
from api.http.forms import CheckedForm

router = APIRouter(include_in_schema=False)


@router.get("/jobs")
def page(request: Request, app: AppDep, actor: ActorDep) -> Response:
    """The jobs, with a button to run each now."""
    queue = looked(app, actor)
    jobs, past = queue.overview(), queue.history(limit=30)
    app.gate.record(actor, "job.list", "success", count=len(jobs))
    return desk_page(request, app, actor, "jobs.html", jobs=jobs, past=past)


@router.post("/jobs/{kind}/run")
def run_from_desk(app: AppDep, actor: ActorDep, kind: KindName, form: CheckedForm) -> Response:
    """Queue a job."""
    queue_job(app, actor, kind)
    return RedirectResponse("/jobs", 303)
