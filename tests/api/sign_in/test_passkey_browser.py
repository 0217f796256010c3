"""Passkeys as people use them: real Chromium with a virtual authenticator, against the real server."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from webauthn import verify_registration_response
from webauthn.helpers import parse_attestation_object
from webauthn.helpers.structs import AttestationFormat

from api.passkeys.attesting import Models
from api.passkeys.relying_party import relying_party
from api.passkeys.verifying import verify_enrolment
from tests.api.chromium import Browser
from tests.api.house import House, open_house
from tests.support.authenticator import unb64
from tests.support.maker import Maker

OLGA = "compliance_officer-person"
VIRTUAL = "01020304-0506-0708-0102-030405060708"
"""The model of Chromium's virtual authenticators."""
CLICK = "document.querySelector('form[data-passkey] button').click()"
SAID = "document.querySelector('form[data-passkey] .said').textContent"


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house in which passkeys are required, as they are unless somebody says otherwise."""
    with open_house(tmp_path_factory.mktemp("strict"), messages=2, passkeys="required") as opened:
        yield opened


def enrol(house: House, browser: Browser, name: str) -> None:
    """Follow an enrolment link to a whole session."""
    browser.open(house.app.accounts.link(name))
    browser.do("document.querySelector('form button.main').click()")
    assert browser.read("location.pathname") == "/account"
    browser.do(CLICK)
    assert "Your passkeys" in browser.text()


def last(house: House) -> tuple[str, str, str]:
    leaf = house.entries_since(house.audit_size() - 1)[0]
    return leaf["action"], leaf["outcome"], leaf["reason"]


def test_a_person_enrols_signs_in_steps_up_and_adds_a_second(strict: House, browser: Browser) -> None:
    device = browser.authenticator()
    browser.open(strict.app.accounts.link(OLGA))
    assert "Set up your passkey" in browser.text()
    browser.do("document.querySelector('form button.main').click()")
    # Until there is a passkey, the session can do nothing else.
    browser.open(f"{strict.base}/")
    assert "passkey_needed" in browser.text()
    browser.open(f"{strict.base}/account")
    assert "Search" not in browser.text()
    browser.do(CLICK)
    assert "You have one passkey. Add a second one" in browser.text()
    assert browser.read("document.cookie") == ""

    browser.do("document.querySelector('form.who button').click()")
    assert "You are signed out" in browser.text()
    browser.open(f"{strict.base}/sign-in")
    browser.do(CLICK)
    assert browser.read("location.pathname") == "/"
    assert last(strict)[0] in ("session.use", "search.query")
    browser.read("document.querySelector('#query').value = 'zebrafinch'")
    browser.read("document.querySelector('#purpose').value = 'operations'")
    browser.do("document.querySelector('form.search button.main').click()")
    assert "2 messages" in browser.text()

    # What changes the account asks for the passkey anew, and does what was asked afterwards.
    strict.clock.pass_(minutes=6)
    browser.open(f"{strict.base}/account")
    assert "First show one that you have" in browser.text()
    browser.read("document.querySelector('#mail').value = 'olga@clinic.example'")
    browser.do("document.querySelector('form[action=\"/account/mail\"] button').click()")
    assert "Show your passkey" in browser.text()
    assert browser.read("location.href") == f"{strict.base}/account/mail"
    before = browser.call("Network.getCookies", urls=[strict.base])["cookies"][0]["value"]
    browser.do(CLICK)
    assert browser.read("location.pathname") == "/account"
    assert browser.read("document.querySelector('#mail').value") == "olga@clinic.example"
    assert browser.call("Network.getCookies", urls=[strict.base])["cookies"][0]["value"] != before

    # The same device isn't a second passkey; another one is.
    browser.read("document.querySelector('#label').value = 'again'")
    browser.read(CLICK)
    browser.until(SAID, "has a passkey for your account already")
    browser.call("WebAuthn.removeVirtualAuthenticator", authenticatorId=device)
    browser.authenticator("usb")
    browser.read("document.querySelector('#label').value = 'Key in the safe'")
    browser.do(CLICK)
    assert "Key in the safe" in browser.text()
    assert "Add a second one" not in browser.text()
    assert browser.read("document.querySelectorAll('button[formaction$=\"/remove\"]').length") == 2
    # A page has no script but by its own nonce, and nothing was blocked that should be there.
    blocked = [text for text in browser.complaints if "Content Security Policy" in text]
    assert blocked == []
    browser.read(
        "const s = document.createElement('script');"
        "s.textContent = 'window.evil = 1'; document.body.append(s);"
    )
    assert browser.read("window.evil") is None


def test_what_the_policy_asks_a_passkey_for_is_done_after_it(strict: House, browser: Browser) -> None:
    browser.authenticator()
    enrol(strict, browser, "administrator-person")
    strict.clock.pass_(minutes=6)
    browser.open(f"{strict.base}/")
    assert "Add a user" in browser.text()  # looking needs no fresh passkey
    browser.read("document.querySelector('#name').value = 'Nora <b>'")
    browser.read("document.querySelector('#role').value = 'administrator'")
    browser.do("document.querySelector('form[action=\"/users\"] button').click()")
    assert "Show your passkey" in browser.text()
    assert "Nora <b>" not in [user.name for user in strict.app.accounts.list()]
    browser.do(CLICK)
    assert browser.read("location.href") == f"{strict.base}/users"
    assert "Link for Nora <b>" in browser.text()
    assert "Nora <b>" in [user.name for user in strict.app.accounts.list()]
    # And a link for somebody who has a passkey takes another administrator.
    user = strict.app.accounts.find("administrator-person").id
    browser.do(f"document.querySelector('button[formaction=\"/users/{user}/link\"]').click()")
    assert "second_administrator_needed" in browser.text()
    assert last(strict)[:2] == ("link.ask", "success")


def test_refusals_in_the_browser(strict: House, browser: Browser) -> None:
    device = browser.authenticator()
    enrol(strict, browser, "legal-person")
    browser.do("document.querySelector('form.who button').click()")
    browser.open(f"{strict.base}/sign-in")

    # Nobody was verified: the authenticator doesn't answer at all.
    browser.call("WebAuthn.setUserVerified", authenticatorId=device, isUserVerified=False)
    browser.read(CLICK)
    browser.until(SAID, "No passkey was shown in time")
    browser.call("WebAuthn.setUserVerified", authenticatorId=device, isUserVerified=True)

    # One answer, sent twice.
    statuses = browser.wait(
        """(async () => {
          const answer = await get(await post("/passkeys/sign-in/options", {}));
          const send = () => fetch("/passkeys/sign-in", {method: "POST", body: JSON.stringify({answer}),
            headers: {"Content-Type": "application/json", Accept: "application/json"}});
          return [(await send()).status, (await send()).status];
        })()"""
    )
    assert statuses == [200, 403]
    assert last(strict) == ("session.open", "failed", "challenge")
    browser.open(f"{strict.base}/")
    browser.do("document.querySelector('form.who button').click()")

    # An answer made on another origin of the same host, and brought here.
    client = strict.client()
    client.headers.update({"Sec-Fetch-Site": "same-origin", "Accept": "application/json"})
    options = client.post("/passkeys/sign-in/options", json={}).json()
    script = (Path("api/http/static/passkey.js")).read_text()
    with elsewhere() as other:
        browser.open(other)
        browser.read(script)
        answer = browser.wait(f"get({json.dumps(options)})")
    refused = client.post("/passkeys/sign-in", json={"answer": answer})
    assert (refused.status_code, refused.json()["code"]) == (403, "passkey_refused")
    assert last(strict) == ("session.open", "failed", "assertion")

    # A copy of the key, whose counter is behind.
    found = browser.call("WebAuthn.getCredentials", authenticatorId=device)["credentials"]
    (copied,) = found
    assert copied["signCount"] >= 3
    browser.call("WebAuthn.clearCredentials", authenticatorId=device)
    browser.call("WebAuthn.addCredential", authenticatorId=device, credential={**copied, "signCount": 0})
    browser.open(f"{strict.base}/sign-in")
    browser.read(CLICK)
    browser.until(SAID, "was not accepted")
    assert last(strict) == ("session.open", "failed", "cloned")


def test_where_listed_security_keys_are_asked_for_chromium_conveys_their_makers_word(
    tmp_path: Path, browser: Browser
) -> None:
    """As far as a virtual authenticator goes: its certificate names no model, so that it is never let in.

    What of a good one is taken is in test_passkey_hardware.py.
    """
    maker = tmp_path / "makers.pem"
    maker.write_bytes(Maker().root)
    more = {"passkey_models": VIRTUAL, "passkey_makers": str(maker)}
    with open_house(tmp_path, messages=1, passkeys="hardware", **more) as house:
        browser.authenticator("usb")
        browser.open(house.app.accounts.link(OLGA))
        assert "security key" in browser.text()
        browser.do("document.querySelector('form button.main').click()")
        browser.read(CLICK)
        browser.until(SAID, "This archive takes security keys of certain models alone")
        assert last(house) == ("passkey.add", "failed", "not_hardware")
        # The browser did ask the key for its maker's word, and passed it on with the model's number.
        made = browser.wait(
            "(async () => { const asked = await post('/passkeys/enrol/options', {});"
            " return [asked.challenge, await create(asked)]; })()"
        )
        challenge, answer = unb64(made[0]), made[1]
        found = parse_attestation_object(unb64(answer["response"]["attestationObject"]))
        assert found.fmt == AttestationFormat.PACKED
        assert found.att_stmt.x5c
        (certificate,) = (x509.load_der_x509_certificate(one) for one in found.att_stmt.x5c)
        # Were even its own certificate trusted as a root: py_webauthn is content, we are not.
        pem = certificate.public_bytes(Encoding.PEM)
        party = relying_party(house.app.settings)
        trusted = Models(frozenset({VIRTUAL}), (pem,))
        verified = verify_registration_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=list(party.origins),
            require_user_verification=True,
            pem_root_certs_bytes_by_fmt=trusted.by_format,
        )
        assert verified.aaguid == VIRTUAL
        assert trusted.model_of(verified) == ""
        assert verify_enrolment(answer, challenge, party, trusted).model == ""


class _Plain(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>elsewhere</title><p>elsewhere")

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def elsewhere() -> Iterator[str]:
    """A page of another server on this host."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Plain)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://localhost:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
