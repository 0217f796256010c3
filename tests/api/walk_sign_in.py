"""The walk's way through passkeys and one's own account: each call by a person of its own."""

from __future__ import annotations

from itertools import count
from typing import Any

import httpx

from search.access import Role
from tests.api.house import House
from tests.support.authenticator import Authenticator

_ROUTES = ("/passkeys/", "/account")
_numbers = count(1)
_devices: dict[str, Authenticator] = {}


def is_ours(path: str) -> bool:
    """Whether a route is of those that are called here."""
    return path.startswith(_ROUTES) and not path.startswith("/account/tokens")


def person(house: House, path: str, role: Role) -> httpx.Client:
    """A client of somebody new who is signed in, with the passkeys and sessions that a route is about."""
    name = f"walker {next(_numbers)}"
    house.app.accounts.add_user(name, role)
    client = house.sign_in(name)
    if path.startswith("/account/sessions/"):
        client = house.sign_in(name)
    if "step-up" in path or path.endswith("/remove"):
        _devices[name] = _enrol(house, client)
    if path.endswith("/remove"):
        _enrol(house, client)
    client.headers["X-Test-User"] = name
    return client


def call(house: House, client: httpx.Client, path: str) -> tuple[str, dict[str, Any]]:
    """Where a route is called and with what; for nobody's client, with nothing that is right."""
    client.headers["Sec-Fetch-Site"] = "same-origin"
    name = client.headers.get("X-Test-User")
    json = path.startswith("/passkeys/")
    sent: dict[str, Any] = {"json": {"answer": {}}} if json else {"data": {}}
    if path.endswith("/options"):
        sent = {"json": {}}
    address = path.replace("{id}", "n" + "a" * 15)
    if name is None:
        return address, sent
    secret = client.cookies["holdfast"]
    actor = house.app.accounts.authenticate(secret, "desk", kind="session")
    own = house.app.own_account
    if path == "/passkeys/enrol":
        options = own.begin_enrolment(actor)
        sent = {"json": {"answer": Authenticator(house.base).create(options), "label": "one"}}
    elif path == "/passkeys/step-up":
        options = house.app.passkey_sign_in.begin_step_up(actor)
        sent = {"json": {"answer": _devices[name].get(options)}}
    elif path == "/account/passkeys/{id}/remove":
        address = path.replace("{id}", own.passkeys(actor.user_id)[0].id)
    elif path == "/account/sessions/{id}/end":
        found = house.app.sessions.of_user(actor.user_id)
        address = path.replace("{id}", next(one.id for one in found if one.id != actor.session))
    return address, sent


def _enrol(house: House, client: httpx.Client) -> Authenticator:
    secret = client.cookies["holdfast"]
    actor = house.app.accounts.authenticate(secret, "desk", kind="session")
    device = Authenticator(house.base)
    own = house.app.own_account
    fresh = own.enrol(actor, secret, device.create(own.begin_enrolment(actor)), "one")
    client.cookies.clear()
    client.cookies["holdfast"] = fresh
    return device
