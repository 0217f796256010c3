"""The web desk: thin pages over the same services as the API. Queries and ids of content never stand in a
URL that a browser keeps: everything that asks for content is a form sent by POST.
"""

from __future__ import annotations

from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import RedirectResponse

from api import views
from api.audit_reading import AuditReading
from api.errors import NoSuchRoute
from api.http import auth
from api.http.api_search import ObjectId, raw_response
from api.http.auth import ActorDep, AppDep
from api.http.desk_corrections import record_types
from api.http.desk_page import desk_page
from api.http.desk_search import asked_of
from api.http.desk_tags import beside_of
from api.http.forms import CheckedForm
from api.http.pages import STATIC, page
from api.http.ports import App
from api.http.step_up import SCRIPTS
from archiver.message.extract.policy import body_only
from search.access import Action, Actor, Role

router = APIRouter(include_in_schema=False)

MOST_SOURCES: Final = 500
SHOWN_TEXT: Final = 512 * 2**10
_ASSETS: Final = {
    "desk.css": "text/css; charset=utf-8",
    "mark.svg": "image/svg+xml",
    "passkey.js": "text/javascript; charset=utf-8",
}

Code = Annotated[str, Path(max_length=100)]


# --- sign-in -------------------------------------------------------------------------------------


@router.get("/sign-in")
def sign_in_start(app: AppDep) -> Response:
    """Sign in with a passkey; and what to do without one."""
    return page("sign_in_start.html", scripts=SCRIPTS, passkeys=app.settings.passkeys, sso=app.sso.shown)


@router.get("/sign-in/{code}")
def sign_in_page(app: AppDep, code: Code) -> Response:
    """One button: mail scanners open links, so opening one must not spend it."""
    here = f"/sign-in/{quote(code, safe='')}"
    return page("sign_in.html", passkeys=app.settings.passkeys, sso=app.sso.shown, own=here)


@router.post("/sign-in/{code}")
def sign_in(request: Request, app: AppDep, code: Code) -> Response:
    """Spend the link and begin a session, which leads to the page on which a passkey is made."""
    auth.same_site(request, app)
    actor, secret = app.accounts.redeem(
        code,
        "desk",
        previous=auth.session_secret(request, app),
        address=auth.address_of(request),
        agent=auth.agent_of(request),
    )
    answer = RedirectResponse("/account" if app.sessions.enrol_only(actor) else "/", 303)
    auth.set_session(answer, app, secret)
    return answer


@router.post("/sign-out")
def sign_out(request: Request, app: AppDep, actor: ActorDep, form: CheckedForm) -> Response:
    """End the session on the server."""
    app.accounts.sign_out(actor, auth.session_secret(request, app) or "")
    answer = page("signed_out.html")
    auth.clear_session(answer, app)
    return answer


# --- pages ---------------------------------------------------------------------------------------


@router.get("/")
def home(request: Request, app: AppDep) -> Response:
    """What the role can do: search, or the lists of those who see no mail."""
    if not auth.session_secret(request, app):
        return RedirectResponse("/sign-in", 303)
    actor = auth.signed_in(request, app)
    app.gate.record(actor, Action.SESSION, "success")
    return _home(request, app, actor)


@router.post("/messages/{id}")
def show(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """One message: who really sent and got it, its text as plain text, how long it stays."""
    asked = asked_of(form)
    purpose = auth.stated_purpose(app, actor, Action.READ, asked["purpose"])
    opened = app.room.open(actor, purpose, id)
    message = views.object_view(app.vault, opened, id, app.room.scope(actor), app.explainer.verdicts)
    text, cut = "", False
    if message["kind"] == "message":
        text = views.readable(opened.parsed(text_limit=SHOWN_TEXT, extract=body_only(SHOWN_TEXT)).body_text)
        cut = len(text) >= SHOWN_TEXT
    beside = beside_of(app, actor, purpose, id) if message["kind"] == "message" else None
    types = record_types(app) if Action.CORRECTION_MAKE in app.gate.rights(actor) else ()
    return desk_page(
        request,
        app,
        actor,
        "message.html",
        asked=asked,
        message=message,
        text=text,
        cut=cut,
        types=types,
        beside=beside,
        message_id=id,
        fault=None,
    )


@router.post("/messages/{id}/raw")
def download(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """The exact bytes."""
    purpose = auth.stated_purpose(app, actor, Action.READ, form.get("purpose"))
    return raw_response(id, app.room.open(actor, purpose, id, action="message.raw"))


@router.post("/users")
def add_user(request: Request, app: AppDep, actor: ActorDep, form: CheckedForm) -> Response:
    """Add a user and show the link by which they sign in, once."""
    user = app.accounts.add_user(form.get("name", ""), form.get("role", ""), by=actor)
    link = app.accounts.link(user.id, by=actor)
    return _home(request, app, actor, link={"name": user.name, "url": link})


@router.post("/users/{id}/link")
def new_link(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Show a new sign-in link, once."""
    link = app.accounts.link(id, by=actor)
    return _home(request, app, actor, link={"name": form.get("name", ""), "url": link})


@router.post("/users/{id}/disable")
def disable(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Disable a user."""
    app.accounts.disable(id, by=actor)
    return RedirectResponse("/", 303)


@router.get("/static/{name}")
def static(name: Annotated[str, Path(max_length=40)]) -> Response:
    """The few files that the pages refer to."""
    if name not in _ASSETS:
        raise NoSuchRoute("there is no such file")
    return Response((STATIC / name).read_bytes(), media_type=_ASSETS[name])


# --- inside --------------------------------------------------------------------------------------


def _home(request: Request, app: App, actor: Actor, link: dict[str, str] | None = None) -> Response:
    may = app.gate.rights(actor)
    if Action.SEARCH in may:
        asked = asked_of({})
        return desk_page(request, app, actor, "search.html", asked=asked, results=None, fault=None, bars=())
    shown: dict[str, Any] = {"sources": None, "users": None, "entries": None, "dispositions": None}
    shown["sources_more"] = False
    if Action.USER_MANAGE in may:
        shown["users"] = [user.to_json() for user in app.accounts.list(by=actor)]
    if Action.SOURCE_READ in may:
        found = app.vault.sources.page(0, MOST_SOURCES + 1)
        shown["sources_more"] = len(found) > MOST_SOURCES
        found = found[:MOST_SOURCES]
        app.gate.record(actor, "source.list", "success" if found else "empty", count=len(found))
        shown["sources"] = views.source_views(app.watch, found)
    if Action.AUDIT_READ in may:
        shown["entries"] = AuditReading(app.vault, app.gate).page(actor, limit=50, order="newest")
    if Action.DISPOSITION_READ in may:
        shown["dispositions"] = app.dispositions.list(actor)
    return desk_page(request, app, actor, "home.html", link=link, roles=[str(role) for role in Role], **shown)
