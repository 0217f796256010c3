"""The desk's pages of retention: the forecast, why a message is here, the schedules, and the policy."""

from __future__ import annotations

import json
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import RedirectResponse

from api.errors import BadInput
from api.http.auth import ActorDep, AppDep
from api.http.desk_page import desk_page
from api.http.forecast_picture import picture
from api.http.forms import CheckedForm
from config.errors import HoldfastError
from retention.law.rules import FEDERAL
from retention.policy.changes import ACCEPT, OPTION, SET
from retention.policy.errors import BadPolicy
from retention.policy.store import OPTIONS
from search.access import Action, Actor

router = APIRouter(include_in_schema=False)

YEARS: Final = (5, 10, 20, 50)
EntryId = Annotated[str, Path(max_length=64, pattern=r"^[a-z0-9]+$")]
State = Annotated[str | None, Query(pattern=r"^([A-Za-z]{2})?$")]


@router.get("/retention")
def forecast_page(
    request: Request, app: AppDep, actor: ActorDep, years: Annotated[int, Query(ge=1, le=50)] = 10
) -> Response:
    """What becomes due and what stays, with a picture; a form asks why a message is here."""
    app.gate.require(actor, Action.RETENTION_READ)
    found = app.forecaster.forecast(years)
    app.gate.record(actor, "retention.forecast", "success", count=found["examined"])
    drawn = picture(found["months"])
    return desk_page(
        request, app, actor, "retention.html", found=found, picture=drawn, choices=YEARS, explained=None
    )


@router.post("/retention/explain")
def explain_page(request: Request, app: AppDep, actor: ActorDep, form: CheckedForm) -> Response:
    """Why a message is here, and until when; its id comes by a form and stays out of addresses."""
    wanted = form.get("id", "").strip()
    try:
        explained: dict[str, Any] | None = app.explainer.explain(actor, wanted)
        fault = ""
    except HoldfastError as error:
        if error.http_status in (401, 403):
            raise
        explained, fault = None, str(error)
    status = 200 if explained else 404
    return desk_page(
        request, app, actor, "explain.html", status, wanted=wanted, explained=explained, fault=fault
    )


# --- schedules -----------------------------------------------------------------------------------


@router.get("/retention/schedules")
def schedules_page(
    request: Request,
    app: AppDep,
    actor: ActorDep,
    state: State = None,
    record_type: Annotated[str, Query(max_length=60)] = "",
) -> Response:
    """The rules of a State in words, and counsel's word on each."""
    return _schedules(request, app, actor, (state or "").upper(), record_type, "")


@router.post("/retention/schedules/confirm")
def confirm_from_desk(request: Request, app: AppDep, actor: ActorDep, form: CheckedForm) -> Response:
    """Record counsel's word on one rule, or on all that are shown."""
    return _word(request, app, actor, form, revoke=False)


@router.post("/retention/schedules/revoke")
def revoke_from_desk(request: Request, app: AppDep, actor: ActorDep, form: CheckedForm) -> Response:
    """Take counsel's word on a rule back."""
    return _word(request, app, actor, form, revoke=True)


def _word(request: Request, app: Any, actor: Actor, form: dict[str, str], *, revoke: bool) -> Response:
    service = app.confirmations
    state, record_type = form.get("state", "").upper(), form.get("record_type", "")
    try:
        if form.get("rule"):
            rules = service.meant(actor, [form["rule"]])
        else:
            rules = service.meant(
                actor,
                state=None if state in ("", FEDERAL) else state,
                federal=state == FEDERAL,
                record_type=record_type or None,
            )
        if revoke:
            service.revoke(actor, rules, reason=form.get("reason", ""))
        else:
            service.confirm(actor, rules, counsel=form.get("counsel", ""), reason=form.get("reason", ""))
    except BadPolicy as error:
        return _schedules(request, app, actor, state, record_type, str(error))
    return RedirectResponse(f"/retention/schedules?state={state}&record_type={record_type}", 303)


def _schedules(
    request: Request, app: Any, actor: Actor, state: str, record_type: str, fault: str
) -> Response:
    app.gate.require(actor, Action.RETENTION_READ)
    schedule = app.schedule
    shown = state or next(iter(app.settings.jurisdictions), "") or FEDERAL
    confirmed = app.explainer.verdicts.policies.current().confirmed
    rules = [
        rule | {"confirmed": rule["rule_id"] in confirmed}
        for rule in schedule.to_json(shown, record_type or None)
    ]
    app.gate.record(actor, "retention.schedules", "success", count=len(rules), reason=shown)
    return desk_page(
        request,
        app,
        actor,
        "schedules.html",
        400 if fault else 200,
        rules=rules,
        state=shown,
        record_type=record_type,
        states=schedule.jurisdictions,
        record_types=sorted({rule.record_type for rule in schedule.rules}),
        total=len(schedule.rules),
        confirmed=len(confirmed),
        fault=fault,
        may=Action.POLICY_MANAGE in app.gate.rights(actor),
    )


# --- policy --------------------------------------------------------------------------------------


@router.get("/retention/policy")
def policy_page(request: Request, app: AppDep, actor: ActorDep) -> Response:
    """The policy in force, what is asked for, and the forms to change it."""
    return _policy(request, app, actor, "")


@router.post("/retention/policy/preview")
def preview_from_desk(request: Request, app: AppDep, actor: ActorDep, form: CheckedForm) -> Response:
    """Work out what a change would do; nothing is changed."""
    try:
        found = app.previews.ask(actor, _change(form))
    except HoldfastError as error:
        if error.http_status in (401, 403):
            raise
        return _policy(request, app, actor, str(error))
    return RedirectResponse(f"/retention/policy/previews/{found['id']}", 303)


@router.get("/retention/policy/previews/{id}")
def preview_page(request: Request, app: AppDep, actor: ActorDep, id: EntryId) -> Response:
    """What a change would do, and the button that makes it."""
    found = app.previews.show(actor, id)
    return desk_page(
        request,
        app,
        actor,
        "preview.html",
        preview=found,
        change=json.dumps(found["change"]),
        may=Action.POLICY_MANAGE in app.gate.rights(actor),
    )


@router.post("/retention/policy/change")
def enact_from_desk(request: Request, app: AppDep, actor: ActorDep, form: CheckedForm) -> Response:
    """Make the change that a preview showed."""
    preview = form.get("preview", "")
    try:
        change = json.loads(form.get("change", "{}"))
        if not isinstance(change, dict):
            raise BadInput("the form can't be read")
        app.decisions.enact(actor, change, preview=preview, reason=form.get("reason", ""))
    except ValueError:
        raise BadInput("the form can't be read") from None
    except HoldfastError as error:
        if error.http_status in (401, 403) and error.code != "second_person_needed":
            raise
        return _policy(request, app, actor, str(error))
    return RedirectResponse("/retention/policy", 303)


@router.post("/retention/policy/entries/{id}/refuse")
def refuse_from_desk(
    request: Request, app: AppDep, actor: ActorDep, id: EntryId, form: CheckedForm
) -> Response:
    """Turn down, or withdraw, what was asked for."""
    try:
        app.decisions.refuse(actor, id, form.get("reason", ""))
    except BadPolicy as error:
        return _policy(request, app, actor, str(error))
    return RedirectResponse("/retention/policy", 303)


def _policy(request: Request, app: Any, actor: Actor, fault: str) -> Response:
    policy = app.decisions.state(actor)
    entries = app.decisions.list(actor, everything=True)
    return desk_page(
        request,
        app,
        actor,
        "policy.html",
        400 if fault else 200,
        policy=policy,
        asked=[one for one in entries if one["state"] in ("asked", "ending")],
        standing=[one for one in entries if one["state"] in ("in_force", "ending")],
        ended=[one for one in entries if one["state"] in ("ended", "refused")][:50],
        options=OPTIONS,
        states=app.schedule.jurisdictions[1:],
        providers=app.schedule.provider_types,
        record_types=sorted({rule.record_type for rule in app.schedule.rules}),
        fault=fault,
        may=Action.POLICY_MANAGE in app.gate.rights(actor),
    )


def _change(form: dict[str, str]) -> dict[str, Any]:
    """The change that a form describes. Raises BadPolicy for a number that is none."""
    do = form.get("do", "")
    if do == SET:
        value, kind = form.get("value", "").strip(), form.get("kind", "")
        says: dict[str, Any] = {
            "scope": {name: form.get(name, "") for name in ("record_type", "state", "provider", "unit")}
        }
        if kind in ("years", "plus_years"):
            if not value.isascii() or not value.isdigit() or len(value) > 3:
                raise BadPolicy("years: must be a whole number")
            says[kind] = int(value)
        else:
            says[kind] = value if kind == "not_before" else True
        return {"do": SET, "says": says}
    if do == OPTION:
        return {"do": OPTION, "option": form.get("option", ""), "on": form.get("on") == "yes"}
    if do == ACCEPT:
        return {"do": ACCEPT, "what": form.get("what", "")}
    return {"do": do, "id": form.get("id", "")}
