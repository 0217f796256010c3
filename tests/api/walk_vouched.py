"""The walk's way through tokens and single sign-on."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

import httpx

from api.http.audited import API
from api.http.routes_vouched import VOUCHED
from search.access import NotSignedIn, Role
from tests.api.house import House
from tests.servers.oidc_provider import CLIENT, SECRET, Provider

_PATHS = frozenset(path for _, path in VOUCHED)
_numbers = count(1)


def settings(provider: Provider, home: Path) -> dict[str, object]:
    """The settings of a house whose people may sign in at a provider."""
    secret = home / "client-secret"
    secret.write_text(SECRET)
    return {
        "oidc_issuer": provider.issuer,
        "oidc_client_id": CLIENT,
        "oidc_client_secret": f"file:{secret}",
    }


def is_ours(path: str) -> bool:
    """Whether a route is of tokens or single sign-on."""
    return path in _PATHS


def send(house: House, client: httpx.Client, method: str, path: str) -> httpx.Response:
    """Call a route with what it needs: a token or an identity of its own, made by the operator."""
    client.headers["Sec-Fetch-Site"] = "same-origin"
    address = path.replace("{code}", "hf_" + "A" * 43)
    more: dict[str, Any] = {}
    if path.startswith(f"{API}/users/{{id}}"):
        owner = house.app.accounts.add_user(f"vouched {next(_numbers)}", Role.LEGAL)
        address = address.replace("{id}", owner.id)
        if "{token}" in path:
            address = address.replace("{token}", house.app.accounts.new_token(owner.id)[0].id)
        if "{identity}" in path:
            identity = house.app.sso.link(owner.id, None, f"subject {next(_numbers)}")
            address = address.replace("{identity}", identity.id)
        if method == "POST" and path.endswith("/identities"):
            more["json"] = {"subject": f"subject {next(_numbers)}"}
    elif "{id}" in path:
        address = address.replace("{id}", _own_token(house, client, desk=not path.startswith(API)))
    if method == "POST" and not path.startswith(API):
        more["data"] = {"form_token": client.headers.get("X-Test-Form-Token", "none"), "label": "walked"}
    return client.request(method, address, **more)


def _own_token(house: House, client: httpx.Client, *, desk: bool) -> str:
    """A fresh token of whoever the client is; over the API, the client asks with it from now on."""
    accounts = house.app.accounts
    with_token = client.headers.get("Authorization", "").partition(" ")[2]
    secret = client.cookies.get("holdfast", "") if desk else with_token
    if not secret or "BBBB" in secret:
        return "k" + "a" * 15
    try:
        actor = accounts.authenticate(secret, "api", kind="session" if desk else "api")
    except NotSignedIn:
        return "k" + "a" * 15
    made, fresh = accounts.new_token(actor.user_id)
    if not desk:
        client.headers["Authorization"] = f"Bearer {fresh}"
    return made.id
