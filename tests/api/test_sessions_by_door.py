"""Sessions: seen and ended by their owner and by administrators, at the desk, by API and by command."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import httpx
import pytest

from api.app import initialise
from api.http.routes import API
from search.access import Role
from tests.api.house import House, open_house
from tests.support.authenticator import Authenticator
from tests.support.holdfast import Home

OLGA = "compliance_officer-person"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A fresh archive with a server. What is asked of the database is asked of both in test_accounts.py."""
    with open_house(tmp_path, messages=1) as opened:
        yield opened


def post(client: httpx.Client, path: str, **fields: str) -> httpx.Response:
    return client.post(path, data={"form_token": client.headers["X-Test-Form-Token"], **fields})


def enrol(house: House, client: httpx.Client) -> Authenticator:
    """A passkey for whoever a client is signed in as, by the desk's own routes."""
    device = Authenticator(house.base)
    options = client.post("/passkeys/enrol/options", json={})
    assert options.status_code == 200, options.text
    answer = {"answer": device.create(options.json()), "label": "Phone <b>"}
    assert client.post("/passkeys/enrol", json=answer).json() == {"then": "/account"}
    return device


def test_its_owner_sees_and_ends_sessions_at_the_desk(house: House) -> None:
    here, there = house.sign_in(OLGA), house.sign_in(OLGA)
    page = here.get("/account")
    assert page.status_code == 200
    assert page.text.count("this one") == 1
    assert "127.0.0.1" in page.text
    assert "python-httpx" in page.text
    (other,) = re.findall(r'formaction="/account/sessions/(n\w{15})/end"', page.text)
    assert post(here, f"/account/sessions/{other}/end").status_code == 303
    assert there.get("/").status_code == 401
    assert post(here, f"/account/sessions/{other}/end").status_code == 404
    # Nobody ends another's, known or not.
    legal = house.sign_in("legal-person")
    start = house.audit_size()
    mine = here.get(f"{API}/sessions").json()["items"][0]["id"]
    assert post(legal, f"/account/sessions/{mine}/end").status_code == 404
    assert here.get("/").status_code == 200
    assert house.audit_size() > start
    there = house.sign_in(OLGA)
    assert post(here, "/account/sessions/end").status_code == 303
    assert (there.get("/").status_code, here.get("/").status_code) == (401, 200)
    there = house.sign_in(OLGA)
    answer = post(here, "/account/sessions/end-all")
    assert "You are signed out" in answer.text
    assert answer.headers["clear-site-data"] == '"cache", "cookies", "storage"'
    assert there.get("/").status_code == 401


def test_by_the_api_and_for_administrators(house: House) -> None:
    desk = house.sign_in(OLGA)
    user = house.app.accounts.find(OLGA).id
    (one,) = desk.get(f"{API}/sessions").json()["items"]
    assert (one["current"], one["method"], one["address"]) == (True, "link", "127.0.0.1")
    admin = house.client(Role.ADMINISTRATOR)
    start = house.audit_size()
    assert [s["id"] for s in admin.get(f"{API}/users/{user}/sessions").json()["items"]] == [one["id"]]
    assert admin.post(f"{API}/users/{user}/sessions/end", json={"id": one["id"]}).json() == {"ended": 1}
    assert desk.get(f"{API}/session").status_code == 401
    missing = admin.post(f"{API}/users/{user}/sessions/end", json={"id": one["id"]})
    assert (missing.status_code, missing.json()["code"]) == (404, "no_such_session")
    leaves = house.entries_since(start)
    assert [(e["action"], e["objects"]) for e in leaves[:2]] == [
        ("session.list", [user]),
        ("session.end", [user, one["id"]]),
    ]
    assert house.client(Role.LEGAL).get(f"{API}/users/{user}/sessions").status_code == 403
    # Its owner is told until they say that they know.
    desk = house.sign_in(OLGA)
    page = desk.get("/searches")
    assert "An administrator ended your sessions." in page.text
    assert "administrator-person" in page.text
    assert post(desk, "/account/seen").status_code == 303
    assert "An administrator ended your sessions." not in desk.get("/searches").text
    assert "An administrator ended your sessions." in desk.get("/account").text


def test_disabling_ends_everything_for_everyone_at_once(house: House) -> None:
    desk, api = house.sign_in(OLGA), house.client(Role.COMPLIANCE_OFFICER)
    enrol(house, desk)
    house.app.accounts.disable(OLGA)
    assert desk.get(f"{API}/session").status_code == 401
    assert api.get(f"{API}/session").status_code == 401


def test_a_session_that_was_planted_is_worth_nothing_after_the_sign_in(house: House) -> None:
    """Fixation: who knew the secret before a sign-in, or a step-up, knows nothing after it."""
    victim = house.sign_in(OLGA)
    device = enrol(house, victim)
    planted = victim.cookies["holdfast"]
    options = victim.post("/passkeys/sign-in/options", json={}).json()
    answer = {"answer": device.get(options)}
    assert victim.post("/passkeys/sign-in", json=answer).json() == {"then": "/"}
    assert victim.cookies["holdfast"] != planted
    thief = house.client()
    thief.cookies["holdfast"] = planted
    assert thief.get(f"{API}/session").status_code == 401
    known = victim.cookies["holdfast"]
    options = victim.post("/passkeys/step-up/options", json={}).json()
    assert victim.post("/passkeys/step-up", json={"answer": device.get(options)}).status_code == 200
    thief.cookies["holdfast"] = known
    assert thief.get(f"{API}/session").status_code == 401
    assert victim.get(f"{API}/session").status_code == 200
    # One that an attacker made up is not taken over either.
    fresh = house.client()
    fresh.headers.update({"Sec-Fetch-Site": "same-origin", "Accept": "text/html"})
    fresh.cookies["holdfast"] = made_up = "hf_" + "A" * 43
    code = house.app.accounts.link("legal-person").rpartition("/")[2]
    assert fresh.post(f"/sign-in/{code}").status_code == 303
    given = [cookie.value for cookie in fresh.cookies.jar if cookie.value != made_up]
    assert len(given) == 1
    thief.cookies["holdfast"] = made_up
    assert thief.get(f"{API}/session").status_code == 401


def test_a_page_asks_for_the_passkey_and_offers_the_form_again(house: House) -> None:
    desk = house.sign_in(OLGA)
    device = enrol(house, desk)
    assert "Phone &lt;b&gt;" in desk.get("/account").text
    house.clock.pass_(minutes=5, seconds=1)
    page = post(desk, "/account/mail", mail='o"lga@clinic.example')
    assert (page.status_code, "Show your passkey" in page.text) == (403, True)
    assert 'action="/account/mail"' in page.text
    assert 'name="mail" value="o&#34;lga@clinic.example"' in page.text
    assert page.text.count('name="form_token"') == 2
    refused = desk.post(
        "/account/mail",
        data={"form_token": desk.headers["X-Test-Form-Token"]},
        headers={"Accept": "application/json"},
    )
    assert (refused.status_code, refused.json()["code"]) == (403, "step_up_needed")
    options = desk.post("/passkeys/step-up/options", json={}).json()
    assert desk.post("/passkeys/step-up", json={"answer": device.get(options)}).status_code == 200
    (token,) = set(re.findall(r'name="form_token" value="(\w{64})"', page.text))
    answer = desk.post("/account/mail", data={"form_token": token, "mail": "olga@clinic.example"})
    assert answer.status_code == 303
    assert 'value="olga@clinic.example"' in unescape(desk.get("/account").text)


def test_a_token_has_no_passkey(house: House) -> None:
    client = house.client(Role.COMPLIANCE_OFFICER)
    for path in ("/passkeys/enrol/options", "/passkeys/step-up/options"):
        assert client.post(path, json={}).status_code == 422
    assert client.get("/account").status_code == 422


def test_behind_https_everything_of_a_session_is_bound_to_the_host(tmp_path: Path) -> None:
    with open_house(tmp_path, messages=1, public_url="https://archive.clinic.example") as house:
        client = house.client()
        client.headers.update({"Sec-Fetch-Site": "same-origin"})
        options = client.post("/passkeys/sign-in/options", json={})
        assert options.json()["rpId"] == "archive.clinic.example"
        assert options.json()["userVerification"] == "required"
        assert options.json()["allowCredentials"] == []
        foreign = Authenticator("https://archive.clinic.example.evil.example", rp_id="archive.clinic.example")
        foreign.user_handle = b"u"
        answer = client.post("/passkeys/sign-in", json={"answer": foreign.get(options.json())})
        assert (answer.status_code, answer.json()["code"]) == (403, "passkey_refused")


def test_the_operator_sees_and_ends_them_by_command(tmp_path: Path) -> None:
    home = Home(tmp_path, extra={"HOLDFAST_PASSKEYS": "optional"})
    initialise(home.settings)
    home.ok("users", "add", "Olga", "--role", "compliance", "--mail", "olga@clinic.example")
    with home.app() as app:
        code = app.accounts.link("Olga").rpartition("/")[2]
        app.accounts.redeem(code, "desk", address="192.0.2.1", agent="Firefox")
    (one,) = home.ok("users", "sessions", "Olga", "--json").lines
    assert (one["address"], one["agent"]) == ("192.0.2.1", "Firefox")
    assert home.run("users", "end-sessions", "Olga", "--session", "n" + "a" * 15).code == 4
    assert home.ok("users", "end-sessions", "Olga", "--json").document == {"ended": 1}
    assert home.run("users", "sessions", "nobody").code == 4
    assert b"no passkey" in home.run("users", "passkeys", "Olga").out
    assert home.run("users", "remove-passkey", "Olga", "knothing").code == 4
