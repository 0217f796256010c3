"""The desk's page of one's own account: passkeys, sessions, and what was done to it."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import RedirectResponse

from api.errors import BadInput
from api.http import auth
from api.http.api_search import ObjectId
from api.http.auth import ActorDep, AppDep
from api.http.desk_page import desk_page
from api.http.forms import CheckedForm
from api.http.pages import page
from api.http.step_up import SCRIPTS
from archiver.clock import to_us
from search.actors import Action
from search.policy import STEP_UP_LIFE

router = APIRouter(include_in_schema=False)

Own = Annotated[str, Path(pattern=r"^n[a-z2-7]{15}$")]


@router.get("/account")
def account(request: Request, app: AppDep, actor: ActorDep) -> Response:
    """One's passkeys, sessions and notices; of a session that can only enrol, just that."""
    if not actor.session:
        raise BadInput("this page is of a person's session; programs use /api/v1/sessions")
    app.gate.record(actor, Action.SESSION, "success")
    hardware = app.settings.passkeys == "hardware"
    if app.sessions.enrol_only(actor):
        return desk_page(request, app, actor, "enrol.html", scripts=SCRIPTS, bare=True, hardware=hardware)
    seen = actor.verified_us
    life = STEP_UP_LIFE // timedelta(microseconds=1)
    return desk_page(
        request,
        app,
        actor,
        "account.html",
        scripts=SCRIPTS,
        hardware=hardware,
        passkeys=app.own_account.passkeys(actor.user_id),
        sessions=app.sessions.own(actor),
        notices=app.own_account.notices(actor.user_id),
        mail=app.own_account.mail(actor.user_id),
        fresh=seen is not None and to_us(app.vault.clock.now()) - seen <= life,
        idle=app.settings.session_idle_minutes,
        hours=app.settings.session_hours,
    )


@router.post("/account/sessions/{id}/end")
def end_session(app: AppDep, actor: ActorDep, id: Own, form: CheckedForm) -> Response:
    """End one session of one's own."""
    app.sessions.end_own(actor, id)
    return RedirectResponse("/account", 303)


@router.post("/account/sessions/end")
def end_others(app: AppDep, actor: ActorDep, form: CheckedForm) -> Response:
    """End all sessions of one's own but this one."""
    app.sessions.end_own(actor)
    return RedirectResponse("/account", 303)


@router.post("/account/sessions/end-all")
def end_all(request: Request, app: AppDep, actor: ActorDep, form: CheckedForm) -> Response:
    """End all sessions of one's own, and sign out."""
    app.sessions.end_own(actor)
    app.accounts.sign_out(actor, auth.session_secret(request, app) or "")
    answer = page("signed_out.html")
    auth.clear_session(answer, app)
    return answer


@router.post("/account/passkeys/{id}/remove")
def remove_passkey(app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Take a passkey out of use."""
    app.own_account.remove(actor, id)
    return RedirectResponse("/account", 303)


@router.post("/account/mail")
def set_mail(app: AppDep, actor: ActorDep, form: CheckedForm) -> Response:
    """Say where notices of one's account go."""
    app.own_account.set_mail(actor, form.get("mail", ""))
    return RedirectResponse("/account", 303)


@router.post("/account/seen")
def seen(app: AppDep, actor: ActorDep, form: CheckedForm) -> Response:
    """Take note of what was done to one's account."""
    app.own_account.seen(actor)
    return RedirectResponse("/account", 303)
