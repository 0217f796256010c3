"""The walk's way through access: grants, approvals, break-glass, the review, and a change of role."""

from __future__ import annotations

from itertools import count
from typing import Any

import httpx

from api.http.routes import API
from search.access import Action, Actor, Role
from search.policy import roles_with
from tests.api.house import House

KINDS = ("grants", "approvals", "break-glass", "access", "access-review")
WHY = "the auditor asked for it"
_numbers = count(1)


def is_ours(path: str) -> bool:
    """Whether a route is called by this module."""
    return path.removeprefix(API).split("/")[1] in KINDS or path.endswith("/users/{id}/role")


def is_apart(path: str, role: Role) -> bool:
    """Whether a route is called by somebody new: whoever breaks the glass can do nothing else for a time."""
    needs = Action.EMERGENCY_REVIEW if path.endswith("/review") else Action.EMERGENCY_USE
    return "/break-glass" in path and role in roles_with(needs)


def person(house: House, path: str, role: Role) -> httpx.Client:
    """A client of somebody new; where they are to end a break-glass, it is on."""
    name = f"rescuer {next(_numbers)}"
    user = house.app.accounts.add_user(name, role)
    desk = not path.startswith(API)
    client = house.sign_in(name) if desk else house.client(house.app.accounts.token(user.id))
    client.headers["X-Test-User"] = name
    if path.endswith("/end"):
        _begin(house, Actor(user.id, name, role, "desk"))
    return client


def send(house: House, client: httpx.Client, method: str, path: str) -> httpx.Response:
    """Call a route rightly."""
    app = house.app
    api = path.startswith(API)
    address, what = path, path.removeprefix(API)
    body: dict[str, Any] = {}
    if what == "/grants":
        body = {"user": _user(house), "kind": "add", "reason": WHY}
    elif what == "/grants/{id}/revoke":
        grant = app.access.grants.add(_user(house), "add", reason=WHY)
        address, body = path.replace("{id}", grant["id"]), {"reason": WHY}
    elif what == "/users/{id}/role":
        address, body = path.replace("{id}", _user(house)), {"role": "records_manager"}
    elif what in ("/access/review", "/access-review"):
        body = {"sha256": app.access.review._report()["sha256"], "remark": "as agreed"}
    elif what == "/break-glass":
        body = {"reason": "an unconscious patient", "everything": True if api else "yes"}
    elif what == "/break-glass/{id}/review":
        address = path.replace("{id}", _over(house))
        body = {"verdict": "justified", "text": "looked at it all"}
    elif what.startswith("/approvals/{id}"):
        grant = app.access.grants.add(_user(house), "add", reason=WHY)
        address = path.replace("{id}", grant["approval"])
        body = {"reason": "no need"} if what.endswith("/refuse") else {}
    if method == "GET":
        return client.get(address)
    if api:
        return client.post(address, json=body)
    if what.endswith("/options"):
        fetched = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}
        return client.post(address, json={}, headers={**fetched, "Accept": "application/json"})
    form = {**body, "form_token": client.headers.get("X-Test-Form-Token", "none")}
    return client.post(address, data=form)


def _user(house: House) -> str:
    return house.app.accounts.add_user(f"somebody {next(_numbers)}", Role.LEGAL).id


def _over(house: House) -> str:
    """A break-glass of somebody else's that is over."""
    who = Actor(_user(house), "x", Role.LEGAL, "desk")
    found = _begin(house, who)
    house.app.access.emergencies.end(who)
    return found


def _begin(house: House, who: Actor) -> str:
    begun = house.app.access.emergencies.begin(who, reason="an unconscious patient", everything=True)
    return str(begun["id"])
