"""What the desk's script asks: options for the authenticator, and what it answered, as JSON by POST.

No route here takes a user's name, and none says whether somebody exists.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from api.errors import BadInput
from api.http import auth, cross_site
from api.http.auth import ActorDep, AppDep
from api.http.ports import App
from api.own_account import MOST_LABEL
from search.actors import Action

router = APIRouter(include_in_schema=False, prefix="/passkeys")


class Answer(BaseModel):
    """What `navigator.credentials` gave, in the form of WebAuthn's own JSON, and a new passkey's name."""

    model_config = ConfigDict(extra="forbid")

    answer: dict[str, Any]
    label: Annotated[str, Field(max_length=MOST_LABEL)] = ""


@router.post("/sign-in/options")
def sign_in_options(request: Request, app: AppDep) -> dict[str, Any]:
    """A challenge for whatever passkey of ours the browser has."""
    auth.same_site(request, app)
    cross_site.check_script(request, app)
    return app.passkey_sign_in.begin(auth.address_of(request))


@router.post("/sign-in")
def sign_in(request: Request, app: AppDep, body: Answer) -> Response:
    """Begin a session; the one that the browser had before ends."""
    auth.same_site(request, app)
    cross_site.check_script(request, app)
    _, secret = app.passkey_sign_in.sign_in(
        body.answer,
        previous=auth.session_secret(request, app),
        address=auth.address_of(request),
        agent=auth.agent_of(request),
    )
    return _renewed(app, secret)


@router.post("/enrol/options")
def enrol_options(request: Request, app: AppDep, actor: ActorDep) -> dict[str, Any]:
    """What a new passkey is to be."""
    _secret(request, app)
    options = app.own_account.begin_enrolment(actor)
    app.gate.record(actor, Action.SESSION, "success")
    return options


@router.post("/enrol")
def enrol(request: Request, app: AppDep, actor: ActorDep, body: Answer) -> Response:
    """Keep a new passkey; the session is a whole one from then on."""
    secret = _secret(request, app)
    return _renewed(app, app.own_account.enrol(actor, secret, body.answer, body.label), "/account")


@router.post("/step-up/options")
def step_up_options(request: Request, app: AppDep, actor: ActorDep) -> dict[str, Any]:
    """A challenge for one's own passkeys, and this session alone."""
    _secret(request, app)
    options = app.passkey_sign_in.begin_step_up(actor)
    app.gate.record(actor, Action.SESSION, "success")
    return options


@router.post("/step-up")
def step_up(request: Request, app: AppDep, actor: ActorDep, body: Answer) -> Response:
    """Take a fresh assertion; the session goes on with a new secret."""
    secret = _secret(request, app)
    return _renewed(app, app.passkey_sign_in.step_up(actor, secret, body.answer))


def _secret(request: Request, app: App) -> str:
    """The session's secret. A program's token has no passkey: it can't come here."""
    cross_site.check_script(request, app)
    secret = auth.session_secret(request, app)
    if request.headers.get("authorization") or not secret:
        raise BadInput("passkeys are made and shown at the desk, by a person; a token has none")
    return secret


def _renewed(app: App, secret: str, then: str = "/") -> Response:
    answer = JSONResponse({"then": then})
    auth.set_session(answer, app, secret)
    return answer
