"""Tokens that are bound to a key (RFC 9449): every check of section 4.3, by a client written from the RFC."""

from __future__ import annotations

import base64
import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey, OKPKey

from api.tokens import MadeFor
from search.access import NotSignedIn, Role, StepUpNeeded
from tests.api.house import House, open_house
from tests.support.authenticator import Authenticator
from tests.support.dpop import DpopClient

API = "/api/v1"
OFFICER = "compliance_officer-person"
SEARCH = {"query": "zebrafinch", "purpose": "operations"}


def _bound(house: House, key: ECKey | OKPKey, base: str | None = None, **more: Any) -> DpopClient:
    made_for = MadeFor("signed", key=key.as_dict(private=False), **more)
    _, secret = house.app.accounts.new_token(OFFICER, None, made_for)
    return _signing(house, secret, key, base)


def _signing(house: House, token: str, key: ECKey | OKPKey, base: str | None = None) -> DpopClient:
    """Sends to where the house listens; signs for `base`, as a client behind a proxy does.

    By the house's clock, which stands still: a proof is good for a minute, and a module's tests take longer.
    """
    client = DpopClient(house.base, token, key)
    client.now = lambda: house.clock.now().timestamp()
    client.base = base or house.base
    if base:
        client.client.headers["Host"] = base.partition("//")[2]
    house.clients.append(client.client)
    return client


@pytest.mark.parametrize("kind", ["EC", "OKP"])
def test_a_signed_request_is_served(served: House, kind: str) -> None:
    key: Any = ECKey.generate_key("P-256") if kind == "EC" else OKPKey.generate_key("Ed25519")
    client = _bound(served, key)
    first = client.client.get(
        f"{API}/session",
        headers={"Authorization": f"DPoP {client.token}", "DPoP": client.proof("GET", f"{API}/session")},
    )
    # Whoever begins is given our nonce; that is no failed sign-in, and is on nobody's record.
    assert (first.status_code, first.json()["code"]) == (401, "use_dpop_nonce")
    assert first.headers["www-authenticate"].startswith('DPoP realm="holdfast", error="use_dpop_nonce"')
    start = served.audit_size()
    assert client.send("GET", f"{API}/session").status_code == 200
    assert client.send("POST", f"{API}/search", json=SEARCH).status_code == 200
    # What is asked in the query isn't signed (RFC 9449, 4.2: htu is without it).
    assert client.send("GET", f"{API}/session/tokens?x=1", proof=client.proof("GET", f"{API}/session/tokens"))
    assert next(entry["outcome"] for entry in served.entries_since(start)) == "success"


def test_the_token_alone_is_worth_nothing(served: House) -> None:
    client = _bound(served, ECKey.generate_key("P-256"))
    start = served.audit_size()
    stolen = served.client(client.token)
    assert stolen.get(f"{API}/session").status_code == 401
    told = served.entries_since(start)[-1]
    assert (told["outcome"], told["reason"]) == ("failed", "proof_missing")
    # With a key of the thief's own it is worth nothing either.
    thief = _signing(served, client.token, ECKey.generate_key("P-256"))
    assert thief.send("GET", f"{API}/session").status_code == 401
    assert served.entries_since(start)[-1]["reason"] == "wrong_key"
    # And a bearer token doesn't become a bound one by signing.
    bearer = _signing(served, served.tokens[Role.LEGAL], ECKey.generate_key("P-256"))
    assert bearer.send("GET", f"{API}/session").status_code == 401
    assert served.entries_since(start)[-1]["reason"] == "unbound"
    assert client.send("GET", f"{API}/session").status_code == 200


BAD: dict[str, dict[str, Any]] = {
    "bad_htm": {"htm": "POST"},
    "bad_htu": {"htu": "https://evil.example/api/v1/session"},
    "bad_ath": {"ath": "A" * 43},
    "bad_iat": {"iat": "NOW-120"},
    "bad_type": {"header_typ": "JWT"},
    "bad_jti": {"jti": ""},
    "bad_algorithm": {"header_alg": "none"},
    "bad_key": {"header_jwk": {"kty": "oct", "k": "c2VjcmV0"}},
}


@pytest.mark.parametrize("reason", sorted(BAD))
def test_a_proof_of_something_else_is_refused(served: House, reason: str) -> None:
    client = _bound(served, ECKey.generate_key("P-256"))
    assert client.send("GET", f"{API}/session").status_code == 200
    path = f"{API}/session"
    if reason == "bad_algorithm":
        proof = _unsigned(client.proof("GET", path))
    else:
        proof = client.proof("GET", path, **_meant(served, BAD[reason]))
    start = served.audit_size()
    answer = client.send("GET", path, proof=proof)
    assert (answer.status_code, answer.json()["code"]) == (401, "dpop_refused")
    assert 'error="invalid_dpop_proof"' in answer.headers["www-authenticate"]
    assert served.entries_since(start)[-1]["reason"] == f"dpop_{reason}"


@pytest.mark.parametrize(
    "changes",
    [
        {"iat": "NOW+7200"},
        {"iat": None},
        {"iat": "now"},
        {"iat": float("nan")},
        {"jti": None},
        {"jti": "j" * 201},
        {"jti": 7},
        {"ath": None},
        {"htu": None},
        {"htu": "BASE/api/v1/other"},
        {"htu": "BASE/api/v1/session/"},
        {"htu": "http://user@localhost/api/v1/session"},
        {"htu": "http://[::1/api"},
        {"htm": "get"},
        {"header_jwk": None},
        {"header_jwk": "key"},
        {"header_typ": "DPOP+JWT2"},
        {"header_crit": ["b64"], "header_b64": False},
    ],
    ids=str,
)
def test_odd_proofs_are_refused_and_break_nothing(served: House, changes: dict[str, Any]) -> None:
    client = _bound(served, ECKey.generate_key("P-256"))
    assert client.send("GET", f"{API}/session").status_code == 200
    proof = client.proof("GET", f"{API}/session", **_meant(served, changes))
    answer = client.send("GET", f"{API}/session", proof=proof)
    assert answer.status_code == 401


def test_a_private_key_in_a_proof_is_refused(served: House) -> None:
    key = ECKey.generate_key("P-256")
    client = _bound(served, key)
    assert client.send("GET", f"{API}/session").status_code == 200
    proof = client.proof("GET", f"{API}/session", header_jwk=key.as_dict(private=True))
    assert client.send("GET", f"{API}/session", proof=proof).status_code == 401


def test_a_proof_is_taken_once_by_whoever_is_first_on_both_databases(house: House) -> None:
    client = _bound(house, ECKey.generate_key("P-256"))
    assert client.send("GET", f"{API}/session").status_code == 200
    proof = client.proof("GET", f"{API}/session")
    with ThreadPoolExecutor(8) as pool:
        codes = list(
            pool.map(lambda _: client.send("GET", f"{API}/session", proof=proof).status_code, range(8))
        )
    assert sorted(codes)[:1] == [200]
    assert codes.count(200) == 1
    # Nor after the time of the proofs that it was taken with has passed and they were forgotten.
    house.clock.pass_(minutes=20)
    assert client.send("GET", f"{API}/session", proof=proof).status_code == 401
    house.clock.pass_(minutes=-20)
    assert client.send("GET", f"{API}/session", proof=proof).status_code == 401


def test_two_proofs_or_none_are_no_proof(served: House) -> None:
    client = _bound(served, ECKey.generate_key("P-256"))
    assert client.send("GET", f"{API}/session").status_code == 200
    for count in (0, 2):
        headers = [("Authorization", f"DPoP {client.token}")]
        headers += [("DPoP", client.proof("GET", f"{API}/session")) for _ in range(count)]
        answer = httpx.get(f"{served.base}{API}/session", headers=headers, trust_env=False)
        assert (answer.status_code, answer.json()["code"]) == (401, "dpop_refused")


def test_nonces_grow_old_and_cannot_be_made_up(tmp_path: Path) -> None:
    with open_house(tmp_path, messages=1) as house:
        client = _bound(house, ECKey.generate_key("P-256"))
        assert client.send("GET", f"{API}/session").status_code == 200
        old = client.nonce
        house.clock.pass_(minutes=6)
        moment = int(house.clock.now().timestamp())
        path = f"{API}/session"
        answer = client.send("GET", path, proof=client.proof("GET", path, iat=moment))
        assert (answer.status_code, answer.json()["code"]) == (401, "use_dpop_nonce")
        assert answer.headers["dpop-nonce"] != old
        for nonce in ("", "x", "A" * 32, 7, answer.headers["dpop-nonce"][::-1]):
            told = client.send("GET", path, proof=client.proof("GET", path, iat=moment, nonce=nonce))
            assert told.json()["code"] == "use_dpop_nonce"
        client.nonce = answer.headers["dpop-nonce"]
        assert client.send("GET", path, proof=client.proof("GET", path, iat=moment)).status_code == 200


def test_the_address_is_our_public_one_whatever_the_host_header_says(tmp_path: Path) -> None:
    public = "https://archive.clinic.example"
    with open_house(tmp_path, messages=1, public_url=f"{public}/") as house:
        # Signed for where we say we are, sent to where we listen (as a proxy does).
        direct = _bound(house, ECKey.generate_key("P-256"), public)
        assert direct.send("GET", f"{API}/session").status_code == 200
        for htu in (
            f"{house.base}{API}/session",
            f"https://archive.clinic.example.evil.example{API}/session",
            f"http://archive.clinic.example{API}/session",
        ):
            proof = direct.proof("GET", f"{API}/session", htu=htu)
            assert direct.send("GET", f"{API}/session", proof=proof).status_code == 401
        for htu in (f"https://ARCHIVE.clinic.example:443{API}/session?q=1#f", f"{public}/api/v1/%73ession"):
            proof = direct.proof("GET", f"{API}/session", htu=htu)
            assert direct.send("GET", f"{API}/session", proof=proof).status_code == 200


def test_what_needs_a_fresh_passkey_needs_a_bound_token_that_names_it(tmp_path: Path) -> None:
    with open_house(tmp_path, messages=1) as house:
        person = house.sign_in(OFFICER)
        device = Authenticator(house.base)
        own, accounts = house.app.own_account, house.app.accounts
        actor = accounts.authenticate(person.cookies["holdfast"], "desk", kind="session")
        secret = own.enrol(
            actor, person.cookies["holdfast"], device.create(own.begin_enrolment(actor)), "Phone"
        )
        export = {"query": "zebrafinch", "purpose": "legal"}

        def code(answer: httpx.Response) -> tuple[int, str]:
            return answer.status_code, answer.json().get("code", "")

        # Of somebody who has a passkey, whoever has a bearer token can look, and take nothing away.
        bearer = house.client(Role.COMPLIANCE_OFFICER)
        assert bearer.post(f"{API}/search", json=SEARCH).status_code == 200
        assert code(bearer.post(f"{API}/exports", json=export)) == (403, "step_up_needed")
        _, scoped = accounts.new_token(OFFICER, None, MadeFor(actions=["export.create"]))
        assert code(house.client(scoped).post(f"{API}/exports", json=export)) == (403, "step_up_needed")
        # Nor does a key alone do: somebody must have said that the token is for this.
        whole = _bound(house, ECKey.generate_key("P-256"))
        assert code(whole.send("POST", f"{API}/exports", json=export)) == (403, "step_up_needed")
        named = _bound(house, ECKey.generate_key("P-256"), actions=["search.query", "export.create"])
        assert named.send("POST", f"{API}/exports", json=export).status_code == 201
        # To make such a token a person shows their passkey, no longer than five minutes ago.
        fresh = accounts.authenticate(secret, "desk", kind="session")
        accounts.new_token(fresh.user_id, None, MadeFor("mine"), by=fresh)
        house.clock.pass_(minutes=6)
        stale = accounts.authenticate(secret, "desk", kind="session")
        with pytest.raises(StepUpNeeded):
            accounts.new_token(stale.user_id, None, MadeFor("mine"), by=stale)


def test_no_token_of_a_person_appoints_alone(served: House) -> None:
    accounts = served.app.accounts
    person = served.sign_in("administrator-person")
    actor = accounts.authenticate(person.cookies["holdfast"], "desk", kind="session")
    own, device = served.app.own_account, Authenticator(served.base)
    own.enrol(actor, person.cookies["holdfast"], device.create(own.begin_enrolment(actor)), "Phone")
    new = {"name": "Vic", "role": "legal"}
    plain = served.client(Role.ADMINISTRATOR).post(f"{API}/users", json=new)
    assert (plain.status_code, plain.json()["code"]) == (403, "step_up_needed")
    # A bound one may, for it was made by the passkey; what takes two at the desk takes two here.
    key = ECKey.generate_key("P-256")
    made_for = MadeFor("staff", ["user.manage"], key=key.as_dict(private=False))
    _, secret = accounts.new_token("administrator-person", None, made_for)
    assert _signing(served, secret, key).send("POST", f"{API}/users", json=new).status_code == 201
    start = served.audit_size()
    answer = served.client(accounts.token("Vic")).post(f"{API}/search", json=SEARCH)
    assert (answer.status_code, answer.json()["code"]) == (403, "access_denied")
    assert served.entries_since(start)[-1]["reason"] == "appointment_waits"


def test_the_command_line_cannot_use_a_bound_token(served: House) -> None:
    client = _bound(served, ECKey.generate_key("P-256"))
    with pytest.raises(NotSignedIn):
        served.app.accounts.authenticate(client.token, "cli")


def _meant(house: House, changes: dict[str, Any]) -> dict[str, Any]:
    """Claims in which stand the house's address and its time, so many seconds before or after."""

    def said(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if found := re.fullmatch(r"NOW([+-]\d+)", value):
            return int(house.clock.now().timestamp()) + int(found[1])
        return value.replace("BASE", house.base)

    return {name: said(value) for name, value in changes.items()}


def _unsigned(proof: str) -> str:
    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    _, claims, _ = proof.split(".")
    return f"{part({'typ': 'dpop+jwt', 'alg': 'none'})}.{claims}."
