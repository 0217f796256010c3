"""Takes a person through single sign-on as a browser does: our page, the provider's form, and back."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import httpx

from tests.api.house import House
from tests.servers.oidc_provider import PASSWORDS, Provider

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
        """Begin at one of our pages; the address at the provider to which it leads."""
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
