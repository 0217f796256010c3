"""Access as people meet it at the desk: an approval that a passkey signs, break-glass, grants, the review."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.cli import main
from search.access import Role
from search.approving import offline
from tests.api.chromium import Browser
from tests.api.house import House, open_house
from tests.api.sign_in.test_passkey_browser import CLICK, OLGA, enrol

WHY = "the auditor asked for it"


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with open_house(tmp_path_factory.mktemp("access"), messages=2, passkeys="required") as opened:
        yield opened


def picture(browser: Browser, name: str) -> None:
    """Keep a picture of the page where somebody wants to look at it."""
    if folder := os.environ.get("DESK_PICTURES"):
        shot = browser.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        (Path(folder) / f"{name}.png").write_bytes(base64.b64decode(shot["data"]))


def test_an_approval_is_signed_in_the_browser_and_checked_by_a_stranger(
    strict: House, browser: Browser, tmp_path: Path
) -> None:
    app = strict.app
    browser.authenticator()
    enrol(strict, browser, OLGA)
    asked = app.access.grants.add(
        "legal-person", "add", cover={"custodians": "ann@clinic.example"}, reason=WHY
    )
    browser.open(f"{strict.base}/approvals")
    assert "Give a grant" in browser.text()
    picture(browser, "approvals")
    browser.open(f"{strict.base}/approvals/{asked['approval']}")
    assert app.access.approvals.load(asked["approval"]).request_hash.hex() in browser.text()
    picture(browser, "approval")
    browser.do(CLICK)
    assert "used" in browser.text()
    (found,) = [one for one in app.access.grants.list() if one["id"] == asked["id"]]
    assert found["state"] == "granted"
    officer = app.accounts.authenticate(strict.tokens[Role.COMPLIANCE_OFFICER], "cli")
    document = app.access.approvals.export(officer, asked["approval"])
    checked = offline.check(json.dumps(document).encode())
    assert checked.signed
    assert checked.origin == strict.base
    assert checked.request["params"]["cover"] == {"custodians": ["ann@clinic.example"]}
    file = tmp_path / "approval.json"
    file.write_text(json.dumps(document))
    assert main(["approval", "verify", str(file), "--signed"]) == 0
    file.write_text(json.dumps({**document, "assertion": None}))
    assert main(["approval", "verify", str(file), "--signed"]) == 2
    # The page of a hold leads whoever has a passkey to where it signs.
    app.accounts.add_user("Otto", Role.COMPLIANCE_OFFICER)
    otto = app.accounts.authenticate(app.accounts.token("Otto"), "cli")
    matter = app.matters.create(otto, "Doe v. Clinic")["id"]
    hold = app.holds.create(otto, matter, custodians=["ann@clinic.example"])["id"]
    app.holds.release(otto, hold, WHY)
    browser.open(f"{strict.base}/holds/{hold}")
    browser.do(
        'document.querySelector(\'button[formaction$="/approve"], form[action$="/approve"] button\').click()'
    )
    assert browser.read("location.pathname").startswith("/approvals/")
    browser.do(CLICK)
    assert "used" in browser.text()
    assert app.holds.report(otto, hold)["state"] == "cooling"
    # The token of somebody who has a passkey no longer does what asks for one.
    again = app.access.grants.add("legal-person", "add", reason=WHY)
    with strict.client(Role.COMPLIANCE_OFFICER) as client:
        answer = client.post(f"/api/v1/approvals/{again['approval']}/approve")
        assert (answer.status_code, answer.json()["code"]) == (403, "step_up_needed")
    browser.open(f"{strict.base}/grants")
    assert "ann@clinic.example" in browser.text()
    picture(browser, "grants")


def test_break_glass_is_told_on_every_page(strict: House, browser: Browser) -> None:
    app = strict.app
    browser.authenticator()
    enrol(strict, browser, "records_manager-person")
    browser.open(f"{strict.base}/break-glass")
    picture(browser, "break-glass")
    browser.read("document.querySelector('#reason').value = 'an unconscious patient'")
    browser.do("document.querySelector('form[action=\"/break-glass\"] button').click()")
    assert "It can’t be said whose mail" in browser.text(), "refused: whose mail isn't said"
    browser.read("document.querySelector('#custodians').value = 'ann@clinic.example'")
    browser.do("document.querySelector('form[action=\"/break-glass\"] button').click()")
    assert browser.read("location.pathname") == "/"
    assert "The glass is broken until" in browser.text()
    browser.read("document.querySelector('#query').value = 'zebrafinch'")
    browser.read("document.querySelector('#purpose').value = 'treatment'")
    browser.do("document.querySelector('form.search button.main').click()")
    assert "2 messages" in browser.text()
    assert "The glass is broken until" in browser.text()
    picture(browser, "emergency")
    (entry,) = [one for one in strict.entries_since(0) if one["action"] == "search.results"][-1:]
    assert entry["reason"] == "emergency"
    browser.do("document.querySelector('.alarm button').click()")
    assert "The glass is broken" not in browser.text()
    privacy = app.accounts.authenticate(strict.tokens[Role.PRIVACY_OFFICER], "cli")
    (one,) = app.access.emergencies.list(privacy)
    app.access.emergencies.review(privacy, one["id"], "justified", "looked at what was opened")
    assert app.access.emergencies.counts()["unreviewed"] == 0


def test_the_privacy_officer_signs_off_who_sees_what(strict: House, browser: Browser) -> None:
    browser.authenticator()
    enrol(strict, browser, "privacy_officer-person")
    browser.open(f"{strict.base}/access-review")
    assert "It was never signed off" in browser.text()
    picture(browser, "access-review")
    browser.do("document.querySelector('form[action=\"/access-review\"] button').click()")
    assert "nothing changed since" in browser.text()


def test_a_role_is_changed_by_two(strict: House, browser: Browser) -> None:
    app = strict.app
    browser.authenticator()
    enrol(strict, browser, "administrator-person")
    user = app.accounts.add_user("Rita", Role.LEGAL)
    browser.open(f"{strict.base}/")
    picture(browser, "users")
    browser.read(
        f"document.querySelector('form[action$=\"{user.id}/role\"] select').value = 'records_manager'"
    )
    browser.do(f"document.querySelector('form[action$=\"{user.id}/role\"] button').click()")
    assert "waits for a second person" in browser.text()
    assert app.accounts.find(user.id).role is Role.LEGAL
    (asked,) = [one for one in app.access.approvals.list(_privacy(strict)) if one["action"] == "user.role"]
    app.access.approvals.approve(_privacy(strict), asked["id"])
    assert app.accounts.find(user.id).role is Role.RECORDS_MANAGER
    # Nor can an administrator make somebody who sees mail, and be that person.
    browser.open(f"{strict.base}/")
    browser.read("document.querySelector('form[action=\"/users\"] #name').value = 'Mallory'")
    browser.read("document.querySelector('form[action=\"/users\"] select').value = 'compliance_officer'")
    browser.do("document.querySelector('form[action=\"/users\"] button').click()")
    token = app.accounts.token("Mallory")
    with strict.client(token) as mallory:
        body = {"query": "zebrafinch", "purpose": "operations"}
        answer = mallory.post("/api/v1/search", json=body)
        assert answer.status_code == 403
        assert "approve your role" in answer.json()["detail"]
        (asked,) = [one for one in app.access.approvals.list(_privacy(strict)) if one["action"] == "user.add"]
        app.access.approvals.approve(_privacy(strict), asked["id"])
        assert mallory.post("/api/v1/search", json=body).json()["total"] == 2


def _privacy(strict: House):  # type: ignore[no-untyped-def]
    """A privacy officer without a passkey."""
    names = {user.name for user in strict.app.accounts.list()}
    if "Pia" not in names:
        strict.app.accounts.add_user("Pia", Role.PRIVACY_OFFICER)
    token = strict.app.accounts.token(strict.app.accounts.find("Pia").id)
    return strict.app.accounts.authenticate(token, "cli")
