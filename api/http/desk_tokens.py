"""The desk's page of one's own API tokens: make one, see what they may, end them."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from api.accounts import MAX_TOKEN_DAYS
from api.errors import AccountError
from api.http.api_search import ObjectId
from api.http.auth import ActorDep, AppDep
from api.http.desk_page import desk_page
from api.http.forms import CheckedForm
from api.http.ports import App
from api.tokens import MadeFor
from search.actors import Actor

router = APIRouter(include_in_schema=False, prefix="/account/tokens")


@router.get("")
def tokens(request: Request, app: AppDep, actor: ActorDep) -> Response:
    """One's tokens, and a form for another."""
    return _page(request, app, actor)


@router.post("")
def make(request: Request, app: AppDep, actor: ActorDep, form: CheckedForm) -> Response:
    """Make a token and show its secret, once."""
    days = form.get("days", "").strip()
    if days and not (days.isascii() and days.isdigit()):
        raise AccountError(f"a token may live 1 to {MAX_TOKEN_DAYS} days")
    actions = sorted(name.removeprefix("scope.") for name in form if name.startswith("scope."))
    made_for = MadeFor(
        label=form.get("label", ""),
        actions=actions or None,
        custodians=form.get("custodians", "").split(),
        matters=form.get("matters", "").split(),
    )
    _, secret = app.accounts.new_token(actor.user_id, int(days) if days else None, made_for, by=actor)
    return _page(request, app, actor, secret)


@router.post("/{id}/rotate")
def rotate(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Give a token another secret and show it, once."""
    _, secret = app.accounts.tokens.rotate(id, by=actor)
    return _page(request, app, actor, secret)


@router.post("/{id}/revoke")
def revoke(app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """End a token of one's own."""
    app.accounts.tokens.revoke(id, by=actor, own=True)
    return RedirectResponse("/account/tokens", 303)


def _page(request: Request, app: App, actor: Actor, secret: str | None = None) -> Response:
    return desk_page(
        request,
        app,
        actor,
        "tokens.html",
        tokens=app.accounts.tokens.own(actor),
        scopes=sorted(str(action) for action in app.gate.rights(actor)),
        days=app.settings.token_days,
        most_days=MAX_TOKEN_DAYS,
        secret=secret,
    )
