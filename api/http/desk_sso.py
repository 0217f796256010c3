"""Single sign-on at the desk: to the provider, back from it, and its word that somebody left.

The browser comes back by a foreign page's hand, so that our own cookie, which is `SameSite=Strict`, isn't
sent then: what the sign-in needs lies in a cookie of its own (`Lax`, ten minutes), and the answer is a page
that goes on to the desk by itself, from where the session's cookie is sent.
"""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Path, Request, Response

from api.http import auth, cross_site
from api.http.auth import ActorDep, AppDep
from api.http.forms import CheckedForm, Form
from api.http.pages import page
from api.http.ports import App
from api.sso.flow import LIFE, Begun
from search.actors import Action

router = APIRouter(include_in_schema=False)

Code = Annotated[str, Path(max_length=100)]
_MOST: Final = 4_096


@router.post("/sso/start")
def start(request: Request, app: AppDep) -> Response:
    """Begin a sign-in at the provider."""
    auth.same_site(request, app)
    cross_site.check_form(request, app)
    # Of the way back our own cookie isn't part: which session of this browser's is to end is known now.
    before = app.sessions.id_of(auth.session_secret(request, app))
    return _leave(app, app.sso.begin("sign_in", before, who=auth.address_of(request)))


@router.post("/sign-in/{code}/sso")
def join(request: Request, app: AppDep, code: Code) -> Response:
    """Begin a sign-in that links the provider's person to the user of an invitation, which it spends."""
    auth.same_site(request, app)
    cross_site.check_form(request, app)
    return _leave(app, app.sso.begin("join", code, who=auth.address_of(request)))


@router.post("/sso/step-up")
def step_up(app: AppDep, actor: ActorDep, form: CheckedForm) -> Response:
    """Have the provider ask for everything anew, for this very session."""
    begun = app.sso.begin("step_up", actor.session, who=actor.user_id)
    app.gate.record(actor, Action.SESSION, "success")
    return _leave(app, begun)


@router.get("/sso/return")
def come_back(request: Request, app: AppDep) -> Response:
    """Where the provider sends the browser: begin the session, and go on to the desk."""
    query = {name: value[:_MOST] for name, value in request.query_params.items()}
    signed = app.sso.finish(
        query,
        request.cookies.get(_cookie(app)),
        address=auth.address_of(request),
        agent=auth.agent_of(request),
    )
    then = "/account" if signed.kind == "step_up" else "/"
    answer = page("sso_back.html", then=then)
    answer.headers["Refresh"] = f"0; url={then}"
    auth.set_session(answer, app, signed.secret)
    answer.delete_cookie(_cookie(app), path="/", secure=auth.is_https(app), httponly=True, samesite="lax")
    return answer


@router.post("/sso/logout")
def logged_out(request: Request, app: AppDep, form: Form) -> Response:
    """The provider says that somebody left: their sessions end (OpenID Connect Back-Channel Logout 1.0)."""
    app.sso.logout(form.get("logout_token", ""), auth.address_of(request))
    return Response(status_code=200)


def _leave(app: App, begun: Begun) -> Response:
    # Not by a redirection: our own policy lets no form lead elsewhere (`form-action 'self'`).
    answer = page("sso_go.html", url=begun.url, name=app.sso.name)
    answer.headers["Refresh"] = f"0; url={begun.url}"
    answer.set_cookie(
        _cookie(app),
        begun.cookie,
        max_age=int(LIFE.total_seconds()),
        path="/",
        secure=auth.is_https(app),
        httponly=True,
        samesite="lax",
    )
    return answer


def _cookie(app: App) -> str:
    return "__Host-holdfast-sso" if auth.is_https(app) else "holdfast-sso"
