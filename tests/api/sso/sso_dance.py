"""Takes a person through single sign-on as a browser does: our page, the provider's form, and back."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from cryptojwt.jws.jws import JWS

from tests.api.house import House, open_house
from tests.servers.oidc_provider import CLIENT, MULTI_FACTOR, PASSWORDS, SECRET, Provider, foreign_key

OFFICER = "compliance_officer-person"

NAVIGATE = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
OURS = {**NAVIGATE, "Sec-Fetch-Site": "same-origin"}
FOREIGN = {**NAVIGATE, "Sec-Fetch-Site": "cross-site"}
_TOKEN = re.compile(r'name="token" value="([^"]+)"')


class Traveller:
    """One browser: its cookies with us and, apart, with the provider."""

    def __init__(self, house: House, provider: Provider) -> None:
        self.house, self.provider = house, provider
        self.here = house.client()
        self.here.headers["Accept"] = "text/html"
        self.there = httpx.Client(trust_env=False, timeout=30)
        house.clients.append(self.there)

    def leave(self, path: str = "/sso/start", **form: str) -> str:
        """Begin at one of our pages; the address at the provider to which it leads.

        The house's clock is set right first: what the provider says is of now, and we believe nothing that
        is a minute ahead of us, as it would be after many tests on a slow machine.
        """
        self.house.clock.keep_up()
        answer = self.here.post(path, data=form, headers=OURS)
        assert answer.status_code == 200, answer.text
        return answer.headers["refresh"].removeprefix("0; url=")

    def prove(self, url: str, name: str = "ann", second: bool = False) -> str:
        """Sign in at the provider; the address with us to which it leads back."""
        answer = self.there.get(url)
        assert answer.status_code == 200, answer.text
        form = {"token": _TOKEN.search(answer.text)[1], "username": name, "password": PASSWORDS[name]}  # type: ignore[index]
        if second:
            form["code"] = "123456"
        answer = self.there.post(f"{self.provider.issuer}/verify", data=form)
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    def back(self, url: str) -> httpx.Response:
        """Come back to us. The house's clock goes on, as sessions are told apart by when they began."""
        self.house.clock.pass_(milliseconds=1)
        return self.here.get(url, headers=FOREIGN)

    def sign_in(
        self, name: str = "ann", path: str = "/sso/start", second: bool = False, **form: str
    ) -> httpx.Response:
        """All of it."""
        return self.back(self.prove(self.leave(path, **form), name, second))

    def session(self) -> dict[str, object]:
        """Who we say this is."""
        answer = self.here.get("/api/v1/session", headers={"Sec-Fetch-Site": "same-origin"})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


def query_of(url: str) -> dict[str, str]:
    """The parameters of an address."""
    return {name: values[-1] for name, values in parse_qs(urlsplit(url).query).items()}


def opened(
    home: Path, provider: Provider, database_url: str | None = None, **more: object
) -> AbstractContextManager[House]:
    """A house whose people may sign in at the provider, until the block ends."""
    secret = home / "client-secret"
    secret.write_text(f"{SECRET}\n")
    given: dict[str, object] = {
        "oidc_issuer": provider.issuer,
        "oidc_client_id": CLIENT,
        "oidc_client_secret": f"file:{secret}",
        "oidc_step_up_acr": [MULTI_FACTOR],
        **more,
    }
    return open_house(home, database_url, 1, **given)


def register(house: House, provider: Provider, **more: Any) -> None:
    """Make the house known to the provider."""
    provider.register(f"{house.app.settings.url}/sso/return", **more)


def reset(house: House, provider: Provider) -> None:
    """What one test did to them is no other's."""
    provider.twist, provider.amr, provider.pushes = None, None, False
    provider.discovery.clear()
    house.app.attempts.forgive()
    house.app.sso.provider._metadata = None
    register(house, provider)


def subject_of(house: House, provider: Provider, name: str = "ann") -> str:
    """Who somebody is at the provider: learnt from a sign-in that is refused, as an operator learns it."""
    start = house.audit_size()
    Traveller(house, provider).sign_in(name)
    told = house.entries_since(start)[-1]
    assert told["action"] != "session.open", "linked already"
    return str(told["opened"]["subject"])


def linked(house: House, provider: Provider, name: str = "ann", user: str = OFFICER) -> str:
    """The identity by which somebody signs in; linked once for a house."""
    known = house.app.sso.of_user(user)
    if known:
        return known[0].id
    return house.app.sso.link(user, None, subject_of(house, provider, name)).id


def claiming(**claims: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A twist: the token with other claims, worked out when it is given; None takes one out."""

    def twist(told: dict[str, Any]) -> dict[str, Any]:
        given = {k: v() if callable(v) else v for k, v in claims.items()}
        return {k: v for k, v in {**told, **given}.items() if v is not None}

    return twist


def moment(seconds: int) -> Callable[[], int]:
    """A time so long after (or before) whenever it is asked for: a run of all tests takes its time."""
    return lambda: int(time.time()) + seconds


def signed_by_nobody(told: dict[str, Any]) -> str:
    """A twist: `alg: none`."""

    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(told)}."


def signed_by_another(told: dict[str, Any]) -> str:
    """A twist: signed with a key that isn't the provider's."""
    return str(JWS(json.dumps(told), alg="ES256").sign_compact(keys=[foreign_key()]))
