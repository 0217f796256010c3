"""Where somebody signed in from: sealed in the log, shown to whoever reads it, and nowhere else."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import httpx
import pytest

from api.attempts import BURST
from api.http.audited import API
from api.token_uses import note_first_uses
from api.whence import plain
from search.access import Role
from tests.api.house import House, open_house
from tests.support.authenticator import Authenticator

AFAR, AGENT = "203.0.113.77", "okapi/7"
WHO = "legal-person"


@pytest.mark.parametrize(
    ("given", "known"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("::FFFF:C000:207%eth0", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::1"),
        ("testclient", "testclient"),
        ("", ""),
    ],
)
def test_one_peer_has_one_address(given: str, known: str) -> None:
    assert plain(given) == known


def test_behind_a_proxy_of_both_kinds_ipv4_peers_are_told_apart(tmp_path: Path) -> None:
    with open_house(tmp_path, messages=1) as house:
        for n in range(BURST + 1):
            told = {"X-Forwarded-For": f"::ffff:203.0.113.{n}"}
            assert house.client("hf_x").get(f"{API}/session", headers=told).status_code == 401
        assert house.entries_since(house.audit_size() - 1)[0]["opened"]["network"] == "203.0.113.10"


def _afar(house: House, token: str | None = None) -> httpx.Client:
    """Somebody behind a proxy on loopback, which says where they are."""
    client = house.client(token)
    client.headers.update({"X-Forwarded-For": AFAR, "User-Agent": AGENT, "Sec-Fetch-Site": "same-origin"})
    return client


def _signed_in(house: House) -> httpx.Client:
    client = _afar(house)
    code = house.app.accounts.link(WHO).rpartition("/")[2]
    assert client.post(f"/sign-in/{code}").status_code == 303
    return client


def test_an_address_is_sealed_in_the_log_and_stands_nowhere_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with open_house(tmp_path, messages=1) as house, caplog.at_level(logging.DEBUG):
        start = house.audit_size()
        assert _afar(house, "hf_" + "A" * 43).get(f"{API}/session").status_code == 401
        assert _afar(house).post("/sign-in/hf_nothing").status_code == 401
        assert _afar(house).post("/passkeys/sign-in", json={"answer": {}}).status_code == 403
        proof = {"Authorization": "DPoP hf_x", "DPoP": "x"}
        assert _afar(house).get(f"{API}/session", headers=proof).status_code == 401
        assert _afar(house).get("/sso/return?code=c&state=s").status_code == 403
        client = _signed_in(house)
        foreign = {"Sec-Fetch-Site": "cross-site"}
        assert client.post("/passkeys/step-up/options", json={}, headers=foreign).status_code == 403
        device = Authenticator(house.base)
        options = client.post("/passkeys/enrol/options", json={}).json()
        answer = {"answer": device.create(options), "label": "Phone"}
        assert client.post("/passkeys/enrol", json=answer).status_code == 200
        options = client.post("/passkeys/step-up/options", json={}).json()
        assert client.post("/passkeys/step-up", json={"answer": device.get(options)}).status_code == 200
        options = client.post("/passkeys/sign-in/options", json={}).json()
        assert client.post("/passkeys/sign-in", json={"answer": device.get(options)}).status_code == 200
        token = house.app.accounts.token("records_manager-person")
        assert _afar(house, token).get(f"{API}/session").status_code == 200
        note_first_uses(house.app.vault)

        entries = house.entries_since(start)
        wanted = {
            ("session.use", "failed"),
            ("session.use", "denied"),
            ("session.open", "failed"),
            ("session.open", "success"),
            ("session.verify", "success"),
            ("passkey.add", "success"),
            ("token.first_use", "success"),
        }
        seen = {
            (entry["action"], entry["outcome"]) for entry in entries if entry["opened"].get("network") == AFAR
        }
        assert seen == wanted
        # Of everything that failed or was refused, and of every session that began.
        for entry in entries:
            begun = entry["action"] == "session.open"
            if begun or entry["outcome"] in ("failed", "denied"):
                assert entry["opened"].get("network") == AFAR, entry
            if begun and entry["outcome"] == "success":
                assert entry["opened"]["agent"] == AGENT
            leaf = {name: value for name, value in entry.items() if name != "opened"}
            assert AFAR not in json.dumps(leaf)

        # Whoever reads the log sees it; others' systems only where sealed things may leave.
        officer = house.client(Role.PRIVACY_OFFICER)
        report = officer.post(f"{API}/audit/reports/sign_ins").json()
        assert {entry["detail"].get("network") for entry in report["entries"]} == {AFAR}
        listed = officer.get(f"{API}/audit", params={"order": "newest"}).json()["items"]
        assert any(entry["detail"].get("network") == AFAR for entry in listed)
        desk = house.sign_in("privacy_officer-person")
        form = {"form_token": desk.headers["X-Test-Form-Token"]}
        assert f"<bdi>{AFAR}</bdi>" in desk.post("/audit/sign-ins", data=form).text
        for form_, mark in (("cef", f" src={AFAR} "), ("ocsf", f'"ip": "{AFAR}"'), ("fhir", AFAR)):
            asked = {"format": form_}
            assert AFAR not in officer.get(f"{API}/audit/export", params=asked).text
            with_phi = officer.get(f"{API}/audit/export", params={**asked, "phi": "true"})
            assert mark.replace(" ", "") in with_phi.text.replace(" ", ""), form_

        assert AFAR not in house.client().get("/metrics").text
        ours = [one.getMessage() for one in caplog.records if one.name.startswith(("holdfast", "uvicorn"))]
        assert ours
        assert not any(AFAR in line for line in ours)
        for path in house.app.settings.home.rglob("*"):
            if path.is_file():
                assert AFAR.encode() not in path.read_bytes(), path
