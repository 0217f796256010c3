"""How the walks over all routes and verbs call those around the audit log."""

from __future__ import annotations

from typing import Any, Protocol
from zoneinfo import ZoneInfo

from api.app import App, open_app
from api.auditing.period import around
from api.http.audited import API
from search.access import Actor, Role
from tests.api.house import House, StillClock
from tests.support.holdfast import Home


class HasHouse(Protocol):
    """What is needed of the walk's stage."""

    house: House


AUDIT_CALLS: dict[tuple[str, str], Any] = {
    ("POST", f"{API}/audit/reports/{{kind}}"): lambda _: {"json": {"user": "legal-person"}},
    ("POST", f"{API}/audit/watched"): lambda _: {"json": {"patient": "MRN-1"}},
    ("POST", f"{API}/audit/expiries"): lambda _: {"json": {"reason": "walk"}},
    ("POST", "/audit/summary"): lambda _: {"data": {}},
    ("POST", "/audit/user"): lambda _: {"data": {"user": "legal-person"}},
    ("POST", "/audit/patient"): lambda _: {"data": {"patient": "MRN-1"}},
    ("POST", "/audit/sign-ins"): lambda _: {"data": {}},
    ("POST", "/audit/unusual"): lambda _: {"data": {}},
    ("POST", "/audit/reviews/{period}/sign"): lambda _: {"data": {"note": "walked"}},
    ("POST", "/audit/watched"): lambda _: {"data": {"patient": "MRN-2", "kind": "vip"}},
}


def prepare(house: House) -> None:
    """Let there be something that happened weeks ago, which waits for a review."""
    house.clock.pass_(days=-70)
    house.app.operator_event("walk.step")
    house.clock.pass_(days=70)
    house.app.auditing.projection.follow()
    house.app.accounts.add_user("deputy", Role.PRIVACY_OFFICER)


def audit_address(stage: HasHouse, path: str) -> str | None:
    """The address of a route around the audit log; None for another route."""
    app = stage.house.app
    if "/audit/reports/" in path:
        return path.replace("{kind}", "user")
    if "{period}" in path:
        return path.replace("{period}", _unsigned(stage))
    if "/audit/watched/" in path:
        deputy = app.accounts.find("deputy")
        who = Actor(deputy.id, deputy.name, deputy.role, "api")
        return path.replace("{id}", app.auditing.watched.add(who, "vip", "MRN-1")["id"])
    if "/audit/expiries/" in path:
        return path.replace("{id}", "ynothing")
    return None


def _unsigned(stage: HasHouse) -> str:
    periods = stage.house.app.auditing.reviews._all()
    return str(next(one["period"] for one in reversed(periods) if one["state"] != "signed"))


def nothing_yet(method: str, path: str) -> bool:
    """Whether a call can only be refused: no detail of so young an archive is past its term."""
    return method == "POST" and "/audit/expiries" in path


# --- the command line ---------------------------------------------------------------------------------


def long_ago(home: Home) -> str:
    """Let the log begin with an entry that is past its term; the name of its week."""
    clock = StillClock()
    clock.pass_(days=-11 * 366)
    app = open_app(home.settings, clock)
    try:
        app.operator_event("walk.step")
        return around(ZoneInfo("UTC"), clock.now(), "weekly").name
    finally:
        app.close()


def audit_ids(app: App) -> dict[str, str]:
    """A watched patient, and a request of another privacy officer's to end old details."""
    user = app.accounts.add_user("deputy", Role.PRIVACY_OFFICER)
    deputy = Actor(user.id, user.name, user.role, "cli")
    return {
        "watched": app.auditing.watched.add(deputy, "vip", "MRN-7077")["id"],
        "expiry": app.auditing.expiries.ask(deputy, "walk")["id"],
    }
