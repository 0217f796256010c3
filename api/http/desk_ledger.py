"""The desk's page of the ledger: who has seen it, and what an officer approves after a restore."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from api.http.api_ledger import GapId
from api.http.auth import ActorDep, AppDep
from api.http.desk_page import desk_page
from api.http.forms import CheckedForm
from search.actors import Action

router = APIRouter(include_in_schema=False)


@router.get("/ledger")
def page(request: Request, app: AppDep, actor: ActorDep) -> Response:
    """How the logs stand, with a button for each explanation that waits."""
    status = app.ledger_gaps.seen(actor)
    waiting = [app.ledger_gaps.show(actor, one["id"]) for one in status["explanations"]]
    decides = Action.LEDGER_DECIDE in app.gate.rights(actor)
    return desk_page(request, app, actor, "ledger.html", ledger=status, waiting=waiting, decides=decides)


@router.post("/ledger/gaps/{id}/approve")
def approve(app: AppDep, actor: ActorDep, id: GapId, form: CheckedForm) -> Response:
    """Approve an explanation."""
    app.ledger_gaps.approve(actor, id)
    return RedirectResponse("/ledger", 303)
