"""Single sign-on in a real browser: what Chromium makes of our cookies, our policy and the way back."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.api.chromium import Browser, chromium, find_chromium
from tests.api.house import open_house
from tests.servers.oidc_provider import CLIENT, SECRET, oidc_provider

COMMAND = find_chromium()
_FORM = """(() => {
    document.querySelector('#username').value = 'ann';
    document.querySelector('#password').value = 'correct horse';
    document.querySelector('#go').click();
})()"""


@pytest.mark.skipif(COMMAND is None, reason="no `chromium` on this machine; apt install chromium")
def test_a_person_is_invited_signs_in_at_the_provider_and_comes_back(tmp_path: Path) -> None:
    assert COMMAND is not None
    secret = tmp_path / "client-secret"
    secret.write_text(SECRET)
    with oidc_provider() as provider:
        given = {
            "oidc_issuer": provider.issuer,
            "oidc_client_id": CLIENT,
            "oidc_client_secret": f"file:{secret}",
            "oidc_name": "your clinic account",
        }
        with (
            open_house(tmp_path, messages=1, **given) as house,
            chromium(tmp_path / "profile", COMMAND) as page,
        ):
            provider.register(f"{house.app.settings.url}/sso/return")
            link = house.app.accounts.link("compliance_officer-person")
            page.open(link)
            page.until("document.body?.innerText ?? ''", "Use your clinic account")
            page.do("document.querySelector('form[action$=\"/sso\"] button').click()")
            _until(page, "document.querySelector('#username') !== null")
            assert page.read("location.origin") == provider.issuer
            # Nothing of ours is known to the provider: no address that we were at, and no cookie.
            assert page.read("document.referrer") == ""
            page.do(_FORM)
            _until(page, "document.querySelector('#query') !== null")
            assert page.read("location.pathname") == "/"
            assert page.read("document.cookie") == ""
            page.until("document.body?.innerText ?? ''", "compliance officer")
            # Signed out, and in again from the sign-in page: the provider still knows this browser.
            page.do("document.querySelector('form.who button').click()")
            page.open(f"{house.base}/sign-in")
            _until(page, "document.querySelector('form[action=\"/sso/start\"] button') !== null")
            page.do("document.querySelector('form[action=\"/sso/start\"] button').click()")
            _until(
                page,
                "document.querySelector('#query') !== null || document.querySelector('#username') !== null",
            )
            if page.read("document.querySelector('#username') !== null"):
                page.do(_FORM)
            _until(page, "document.querySelector('#query') !== null")
            page.open(f"{house.base}/account/tokens")
            page.until("document.body?.innerText ?? ''", "Make a token")
            assert [text for text in page.complaints if text.startswith("error")] == []


def _until(page: Browser, what: str) -> None:
    deadline = time.monotonic() + 20
    while not page.read(what):
        assert time.monotonic() < deadline, what
        time.sleep(0.05)
