"""The desk's pages of access: grants, approvals that a passkey signs, break-glass, the access review."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from api.errors import BadInput
from api.http import auth, cross_site
from api.http.api_search import ObjectId
from api.http.auth import ActorDep, AppDep
from api.http.desk_page import desk_page
from api.http.forms import CheckedForm
from api.http.ports import App
from api.http.step_up import SCRIPTS
from config.errors import HoldfastError
from search.access import AccessError, Action, Actor, Role, StepUpNeeded
from search.cover import SENSITIVE
from search.emergencies import VERDICTS
from search.granting.covering import FIELDS
from search.granting.live import KINDS
from search.policy import GRANTABLE

router = APIRouter(include_in_schema=False)

MOST_ASSERTION: Final = 20_000
PAGES: Final = {
    "disposition.execute": "/dispositions/{}",
    "hold.release": "/holds/{}",
    "policy.change": "/retention/policy",
    "request.deny": "/requests/{}",
    "breach.decide": "/breaches/{}",
    "ledger.approve_gap": "/ledger",
    "grant.add": "/grants",
    "grant.end": "/grants",
}
"""Where to look at what a request is about, by its action."""


# --- grants --------------------------------------------------------------------------------------


@router.get("/grants")
def grants(request: Request, app: AppDep, actor: ActorDep) -> Response:
    """Who may see more or less than their role says."""
    return _grants(request, app, actor)


@router.post("/grants")
def add_grant(request: Request, app: AppDep, actor: ActorDep, form: CheckedForm) -> Response:
    """Ask for one."""
    try:
        app.access.grants.add(
            form.get("user", ""),
            form.get("kind", ""),
            names=form.get("names", "").replace(",", " ").split(),
            cover={name: form.get(name) for name in FIELDS},
            days=_number(form.get("days", "")),
            reason=form.get("reason", ""),
            by=actor,
        )
    except StepUpNeeded:
        raise
    except HoldfastError as error:
        return _grants(request, app, actor, error, form)
    return RedirectResponse("/approvals", 303)


@router.post("/grants/{id}/revoke")
def revoke(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """End one."""
    try:
        found = app.access.grants.revoke(id, reason=form.get("reason", ""), by=actor)
    except StepUpNeeded:
        raise
    except HoldfastError as error:
        return _grants(request, app, actor, error)
    return RedirectResponse("/approvals" if found.get("approval") else "/grants", 303)


def _grants(
    request: Request,
    app: App,
    actor: Actor,
    error: HoldfastError | None = None,
    given: dict[str, str] | None = None,
) -> Response:
    return desk_page(
        request,
        app,
        actor,
        "grants.html",
        error.http_status if error else 200,
        grants=app.access.grants.list(by=actor),
        kinds=KINDS,
        actions=sorted(map(str, GRANTABLE)),
        sensitive=SENSITIVE,
        given=given or {},
        fault=str(error) if error else None,
    )


# --- roles ---------------------------------------------------------------------------------------


@router.post("/users/{id}/role")
def ask_role(app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Ask for another role of a user."""
    found = app.access.appointing.ask(id, form.get("role", ""), reason=form.get("reason", ""), by=actor)
    return RedirectResponse(f"/approvals/{found['approval']}", 303)


# --- approvals -----------------------------------------------------------------------------------


@router.get("/approvals")
def approvals(request: Request, app: AppDep, actor: ActorDep, every: bool = False) -> Response:
    """What waits for a second person, or all there was."""
    found = app.access.approvals.list(actor, every=every)
    return desk_page(request, app, actor, "approvals.html", approvals=found, every=every)


@router.get("/approvals/{id}")
def approval(request: Request, app: AppDep, actor: ActorDep, id: ObjectId) -> Response:
    """One request: exactly what is approved, and its hash."""
    return _approval(request, app, actor, id)


@router.post("/approvals/{id}/options")
def options(request: Request, app: AppDep, actor: ActorDep, id: ObjectId) -> dict[str, Any]:
    """A challenge made of the request's hash, for one's own passkeys."""
    cross_site.check_script(request, app)
    if request.headers.get("authorization") or not auth.session_secret(request, app):
        raise BadInput("an approval is signed at the desk, by a person; a token has no passkey")
    found = app.access.approvals.show(actor, id)
    payload = bytes.fromhex(found["request_hash"])
    return app.passkeys.begin(
        "approve", actor.user_id, session=actor.session, payload=payload, address=actor.network
    )


@router.post("/approvals/{id}/approve")
def approve(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Approve it, by the passkey where the approver has one."""
    try:
        signed = _signed(app, actor, id, form.get("assertion", ""))
        if signed is not None:
            # Whoever signs has just shown their passkey: they aren't asked for it twice.
            actor = replace(actor, verified_us=signed.at_us)
        app.access.approvals.approve(actor, id, signed)
    except StepUpNeeded:
        raise
    except HoldfastError as error:
        return _approval(request, app, actor, id, error)
    return RedirectResponse(f"/approvals/{id}", 303)


@router.post("/approvals/{id}/refuse")
def refuse(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Refuse it."""
    try:
        app.access.approvals.refuse(actor, id, form.get("reason", ""))
    except StepUpNeeded:
        raise
    except HoldfastError as error:
        return _approval(request, app, actor, id, error)
    return RedirectResponse(f"/approvals/{id}", 303)


def _signed(app: App, actor: Actor, approval_id: str, text: str) -> Any:
    """The passkey's assertion over the request's hash; None where the form brought none."""
    if not text:
        return None
    if len(text) > MOST_ASSERTION:
        raise BadInput("the passkey's answer is too long")
    try:
        answer = json.loads(text)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise BadInput("the passkey's answer can't be read")
    payload = bytes.fromhex(app.access.approvals.show(actor, approval_id)["request_hash"])
    return app.passkeys.finish(
        "approve",
        answer,
        user_id=actor.user_id,
        session=actor.session,
        payload=payload,
        address=actor.network,
    )


def _approval(
    request: Request, app: App, actor: Actor, approval_id: str, error: HoldfastError | None = None
) -> Response:
    if isinstance(error, AccessError) and error.http_status == 404:
        raise error
    found = app.access.approvals.show(actor, approval_id)
    return desk_page(
        request,
        app,
        actor,
        "approval.html",
        error.http_status if error else 200,
        scripts=SCRIPTS,
        approval=found,
        page=PAGES.get(found["action"], "").format(found["about"]),
        params=json.dumps(found["params"], indent=1, ensure_ascii=False, sort_keys=True),
        signs=bool(app.own_account.passkeys(actor.user_id)),
        mine=found["requester"] == actor.user_id,
        fault=str(error) if error else None,
    )


# --- break-glass ---------------------------------------------------------------------------------


@router.get("/break-glass")
def break_glass(request: Request, app: AppDep, actor: ActorDep) -> Response:
    """Break the glass, or review who did."""
    return _break_glass(request, app, actor)


@router.post("/break-glass")
def begin(request: Request, app: AppDep, actor: ActorDep, form: CheckedForm) -> Response:
    """Break the glass."""
    try:
        app.access.emergencies.begin(
            actor,
            reason=form.get("reason", ""),
            cover={name: form.get(name) for name in ("patients", "custodians", "sent_from", "sent_before")},
            everything=form.get("everything") == "yes",
            minutes=_number(form.get("minutes", "")),
        )
    except StepUpNeeded:
        raise
    except HoldfastError as error:
        return _break_glass(request, app, actor, error, form)
    return RedirectResponse("/", 303)


@router.post("/break-glass/end")
def end(request: Request, app: AppDep, actor: ActorDep, form: CheckedForm) -> Response:
    """End it."""
    try:
        app.access.emergencies.end(actor)
    except StepUpNeeded:
        raise
    except HoldfastError as error:
        return _break_glass(request, app, actor, error)
    return RedirectResponse("/", 303)


@router.post("/break-glass/{id}/review")
def review(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Say whether one was justified."""
    try:
        app.access.emergencies.review(actor, id, form.get("verdict", ""), form.get("text", ""))
    except StepUpNeeded:
        raise
    except HoldfastError as error:
        return _break_glass(request, app, actor, error)
    return RedirectResponse("/break-glass", 303)


def _break_glass(
    request: Request,
    app: App,
    actor: Actor,
    error: HoldfastError | None = None,
    given: dict[str, str] | None = None,
) -> Response:
    may = app.gate.rights(actor)
    return desk_page(
        request,
        app,
        actor,
        "break_glass.html",
        error.http_status if error else 200,
        emergencies=app.access.emergencies.list(actor),
        begins=Action.EMERGENCY_USE in may and not actor.emergency,
        reviews=Action.EMERGENCY_REVIEW in may,
        verdicts=VERDICTS,
        minutes=app.settings.break_glass_minutes,
        given=given or {},
        fault=str(error) if error else None,
    )


# --- the access review ---------------------------------------------------------------------------


@router.get("/access-review")
def access_review(request: Request, app: AppDep, actor: ActorDep) -> Response:
    """Who can see what."""
    return _review(request, app, actor)


@router.post("/access-review")
def sign(request: Request, app: AppDep, actor: ActorDep, form: CheckedForm) -> Response:
    """Sign it off."""
    try:
        app.access.review.sign(actor, form.get("sha256", ""), form.get("remark", ""))
    except StepUpNeeded:
        raise
    except HoldfastError as error:
        return _review(request, app, actor, error)
    return RedirectResponse("/access-review", 303)


def _review(request: Request, app: App, actor: Actor, error: HoldfastError | None = None) -> Response:
    return desk_page(
        request,
        app,
        actor,
        "access_review.html",
        error.http_status if error else 200,
        report=app.access.review.report(actor),
        roles=[str(role) for role in Role],
        fault=str(error) if error else None,
    )


def _number(text: str) -> int | None:
    text = text.strip()
    if not text:
        return None
    return int(text) if text.isascii() and text.isdigit() and len(text) < 5 else 0
