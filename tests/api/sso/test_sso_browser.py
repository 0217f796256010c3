"""Single sign-on in a real browser: what Chromium makes of our cookies, our policy and the way back."""

from __future__ import annotations

from pathlib import Path

from tests.api.chromium import Browser
from tests.api.house import open_house
from tests.servers.oidc_provider import CLIENT, SECRET, oidc_provider

_FORM = """(() => {
    document.querySelector('#username').value = 'ann';
    document.querySelector('#password').value = 'correct horse';
    document.querySelector('#go').click();
})()"""


def test_a_person_is_invited_signs_in_at_the_provider_and_comes_back(
    tmp_path: Path, browser: Browser
) -> None:
    secret = tmp_path / "client-secret"
    secret.write_text(SECRET)
    with oidc_provider() as provider:
        given = {
            "oidc_issuer": provider.issuer,
            "oidc_client_id": CLIENT,
            "oidc_client_secret": f"file:{secret}",
            "oidc_name": "your clinic account",
        }
        with open_house(tmp_path, messages=1, **given) as house:
            provider.register(f"{house.app.settings.url}/sso/return")
            link = house.app.accounts.link("compliance_officer-person")
            browser.open(link)
            browser.until("document.body?.innerText ?? ''", "Use your clinic account")
            browser.do("document.querySelector('form[action$=\"/sso\"] button').click()")
            _until(browser, "document.querySelector('#username') !== null")
            house.clock.keep_up()  # the provider's clock goes on while a browser draws
            assert browser.read("location.origin") == provider.issuer
            # Nothing of ours is known to the provider: no address that we were at, and no cookie.
            assert browser.read("document.referrer") == ""
            browser.do(_FORM)
            _until(browser, "document.querySelector('#query') !== null")
            assert browser.read("location.pathname") == "/"
            assert browser.read("document.cookie") == ""
            browser.until("document.body?.innerText ?? ''", "compliance officer")
            # Signed out, and in again from the sign-in page: the provider still knows this browser.
            browser.do("document.querySelector('form.who button').click()")
            browser.open(f"{house.base}/sign-in")
            _until(browser, "document.querySelector('form[action=\"/sso/start\"] button') !== null")
            house.clock.keep_up()
            browser.do("document.querySelector('form[action=\"/sso/start\"] button').click()")
            _until(
                browser,
                "document.querySelector('#query') !== null || document.querySelector('#username') !== null",
            )
            if browser.read("document.querySelector('#username') !== null"):
                house.clock.keep_up()
                browser.do(_FORM)
            _until(browser, "document.querySelector('#query') !== null")
            browser.open(f"{house.base}/account/tokens")
            browser.until("document.body?.innerText ?? ''", "Make a token")
            assert [text for text in browser.complaints if text.startswith("error")] == []


def _until(browser: Browser, what: str) -> None:
    browser.until(f"`${{{what}}};`", "true;")
