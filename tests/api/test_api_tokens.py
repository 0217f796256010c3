"""API tokens: what one was made for it can do and see, and nothing else; its list, rotation and end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from api.errors import AccountError, BadInput, NoSuchToken
from api.tokens import MadeFor
from search.access import AccessDenied, Role
from tests.api.house import House
from tests.support.holdfast import Home, Ran

API = "/api/v1"
OFFICER = "compliance_officer-person"
SEARCH = {"query": "zebrafinch OR okapi OR axolotl", "purpose": "operations"}
LEGAL = {"X-Purpose": "legal"}


def _token(house: House, made_for: MadeFor, user: str = OFFICER, days: int | None = None) -> tuple[str, str]:
    made, secret = house.app.accounts.new_token(user, days, made_for)
    return made.id, secret


def test_a_token_does_what_it_was_made_for_and_nothing_else(house: House) -> None:
    made, secret = _token(house, MadeFor("nightly count", ["search.query"]))
    client = house.client(secret)
    start = house.audit_size()
    assert client.post(f"{API}/search", json=SEARCH).status_code == 200
    # Every entry says which token it was.
    assert {entry["session"] for entry in house.entries_since(start)} == {made}
    refused = client.get(f"{API}/messages/{house.ids[0]}", headers=LEGAL)
    assert (refused.status_code, refused.json()["code"]) == (403, "access_denied")
    told = house.entries_since(start)[-1]
    assert (told["action"], told["outcome"], told["reason"]) == ("message.read", "denied", "token_scope")
    assert client.post(f"{API}/exports", json=SEARCH).status_code == 403
    assert client.post(f"{API}/matters", json={"name": "no"}).status_code == 403
    session = client.get(f"{API}/session").json()
    assert session["may"] == ["search.query", "session.use"]
    # A right that the role loses is no right of the token; one of before that was kept has all of the role's.
    assert house.client(Role.COMPLIANCE_OFFICER).post(f"{API}/search", json=SEARCH).status_code == 200


def test_a_token_of_some_custodians_sees_their_mail_alone(house: House) -> None:
    everything = house.client(Role.COMPLIANCE_OFFICER)
    whole = everything.post(f"{API}/search", json=SEARCH).json()
    hidden = everything.post(
        f"{API}/search", json={**SEARCH, "query": "custodian:quiet@clinic.example"}
    ).json()
    assert (whole["total"], hidden["total"]) == (5, 1)
    _, secret = _token(house, MadeFor(custodians=["Quiet@Clinic.example"]))
    client = house.client(secret)
    found = client.post(f"{API}/search", json={**SEARCH, "facets": True}).json()
    assert [item["id"] for item in found["items"]] == [hidden["items"][0]["id"]]
    assert found["total"] == 1
    seen = hidden["items"][0]["id"]
    assert client.get(f"{API}/messages/{seen}", headers=LEGAL).status_code == 200
    others = [item["id"] for item in whole["items"] if item["id"] != seen]
    for other in others:
        for path in (f"{API}/messages/{other}", f"{API}/messages/{other}/raw"):
            assert client.get(path, headers=LEGAL).status_code == 404


def test_a_token_of_a_matter_sees_what_its_holds_cover(served: House) -> None:
    officer = served.app.accounts.authenticate(served.tokens[Role.COMPLIANCE_OFFICER], "api")
    matter = served.app.matters.create(officer, "Doe v. Clinic")["id"]
    served.app.holds.create(officer, matter, message_ids=[served.ids[1]])
    served.app.catch_up()
    _, secret = _token(served, MadeFor(matters=[matter]))
    client = served.client(secret)
    found = client.post(f"{API}/search", json=SEARCH).json()
    assert [item["id"] for item in found["items"]] == [served.ids[1]]
    assert client.get(f"{API}/messages/{served.ids[0]}", headers=LEGAL).status_code == 404
    # Both bounds hold: nothing of bea's that no hold covers, and nothing of the hold that isn't bea's.
    _, secret = _token(served, MadeFor(matters=[matter], custodians=["nobody@clinic.example"]))
    assert served.client(secret).post(f"{API}/search", json=SEARCH).json()["total"] == 0


def test_a_token_ends_on_its_day_and_at_a_word(served: House) -> None:
    made, secret = _token(served, MadeFor("short"), days=1)
    client = served.client(secret)
    assert client.get(f"{API}/session").status_code == 200
    listed = client.get(f"{API}/session/tokens").json()["items"]
    mine = next(item for item in listed if item["id"] == made)
    assert (mine["label"], mine["state"], mine["scopes"], mine["bound"]) == ("short", "active", None, False)
    assert mine["last_used_at"]
    assert len(listed) > 1  # and the house's own
    served.clock.pass_(days=1)
    assert client.get(f"{API}/session").status_code == 401
    # A clock that is set back doesn't wake it while it is marked as ended; it was only past its day.
    made, secret = _token(served, MadeFor("ends"))
    client = served.client(secret)
    assert client.post(f"{API}/session/tokens/{made}/revoke").json()["state"] == "revoked"
    assert client.get(f"{API}/session").status_code == 401
    served.clock.pass_(days=-2)
    assert client.get(f"{API}/session").status_code == 401
    served.clock.pass_(days=1)
    state = {token.label: token.state for token in served.app.accounts.tokens_of(OFFICER)}
    assert state["ends"] == "revoked"


def test_rotation_changes_the_secret_and_nothing_else(served: House) -> None:
    made, secret = _token(
        served, MadeFor("rotated", ["search.query"], custodians=["ann@clinic.example"]), days=9
    )
    served.clock.pass_(days=3)
    answer = served.client(secret).post(f"{API}/session/tokens/{made}/rotate")
    assert answer.status_code == 201, answer.text
    fresh = answer.json()
    assert (fresh["label"], fresh["scopes"], fresh["custodians"]) == (
        "rotated",
        ["search.query"],
        ["ann@clinic.example"],
    )
    assert served.client(secret).get(f"{API}/session").status_code == 401
    assert served.client(fresh["token"]).get(f"{API}/session").json()["may"] == [
        "search.query",
        "session.use",
    ]
    states = {token.id: token for token in served.app.accounts.tokens_of(OFFICER)}
    assert states[made].state == "rotated"
    # Not a day longer: whoever stole it gains nothing by it.
    assert states[fresh["id"]].expires_at == states[made].expires_at
    with pytest.raises(NoSuchToken):
        served.app.accounts.tokens.rotate(made)
    served.clock.pass_(days=-3)


def test_a_token_touches_no_other_token(served: House) -> None:
    mine, secret = _token(served, MadeFor("mine"))
    sibling, _ = _token(served, MadeFor("sibling"))
    other, _ = _token(served, MadeFor("other"), "legal-person")
    client = served.client(secret)
    for token in (sibling, other, "k" + "a" * 15):
        for what in ("revoke", "rotate"):
            assert client.post(f"{API}/session/tokens/{token}/{what}").status_code == 404
    # Nor can it make one: it would outlive its own end.
    user = served.app.accounts.find(OFFICER).id
    start = served.audit_size()
    assert client.post(f"{API}/users/{user}/token").status_code == 403
    told = served.entries_since(start)[-1]
    assert (told["action"], told["outcome"], told["reason"]) == ("token.issue", "denied", "by_token")
    assert client.post("/passkeys/enrol/options", json={}).status_code in (403, 422)
    assert client.get(f"{API}/session/tokens").json()["items"][0]["id"]
    assert mine


def test_administrators_list_and_end_tokens(served: House) -> None:
    made, secret = _token(served, MadeFor("lost laptop"))
    admin = served.client(Role.ADMINISTRATOR)
    user = served.app.accounts.find(OFFICER).id
    listed = admin.get(f"{API}/users/{user}/tokens").json()["items"]
    assert "lost laptop" in {item["label"] for item in listed}
    assert not any(secret in json.dumps(item) for item in listed)
    someone = served.app.accounts.find("legal-person").id
    assert admin.post(f"{API}/users/{someone}/tokens/{made}/revoke").status_code == 404
    assert admin.post(f"{API}/users/{user}/tokens/{made}/revoke").json()["state"] == "revoked"
    assert served.client(secret).get(f"{API}/session").status_code == 401
    legal = served.client(Role.LEGAL)
    assert legal.get(f"{API}/users/{user}/tokens").status_code == 403


@pytest.mark.parametrize(
    "made_for",
    [
        MadeFor(actions=["user.manage"]),  # not the role's
        MadeFor(actions=["everything"]),
        MadeFor(actions=[]),
        MadeFor(custodians=["not an address"]),
        MadeFor(custodians=[f"a{n}@clinic.example" for n in range(101)]),
        MadeFor(matters=["mnothing"]),
        MadeFor(label="x" * 101),
        MadeFor(label="a\nb"),
    ],
)
def test_a_token_for_what_cannot_be_is_not_made(served: House, made_for: MadeFor) -> None:
    with pytest.raises(AccountError):
        served.app.accounts.new_token(OFFICER, None, made_for)


@pytest.mark.parametrize(
    "key",
    [
        {},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
        {"kty": "oct", "k": "c2VjcmV0"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "P-384", "x": "AA", "y": "AA"},
        {"kty": "OKP", "crv": "Ed25519", "x": "A" * 43, "d": "A" * 43},
    ],
)
def test_a_key_of_another_kind_binds_nothing(served: House, key: dict[str, str]) -> None:
    with pytest.raises(BadInput):
        served.app.accounts.new_token(OFFICER, None, MadeFor(key=key))


def test_a_person_with_a_passkey_makes_tokens_only_when_fresh(served: House) -> None:
    """Without a passkey no fresh proof is possible; a session may then make tokens of its own rights."""
    client = served.sign_in("legal-person")
    form = {"form_token": client.headers["X-Test-Form-Token"], "label": "mine", "scope.search.query": "on"}
    page = client.post("/account/tokens", data=form)
    assert page.status_code == 200, page.text
    secret = page.text.partition('<code class="secret">')[2].partition("<")[0]
    assert served.client(secret).get(f"{API}/session").json()["may"] == ["search.query", "session.use"]
    assert secret not in client.get("/account/tokens").text
    made = next(one for one in served.app.accounts.tokens_of("legal-person") if one.label == "mine")
    assert client.post(f"/account/tokens/{made.id}/revoke", data=form).status_code == 303
    assert served.client(secret).get(f"{API}/session").status_code == 401


def test_labels_and_custodians_are_sealed(served: House) -> None:
    _token(served, MadeFor("quokka label", custodians=["wombat@clinic.example"]))
    for path in served.app.settings.home.rglob("*"):
        if path.is_file():
            raw = path.read_bytes()
            assert b"quokka" not in raw, path
            assert b"wombat" not in raw, path


def test_the_command_line_makes_lists_rotates_and_ends_tokens(tmp_path: Path) -> None:
    home = Home(tmp_path)

    def said(*args: str) -> Ran:
        ran = home.run(*args, "--json")
        assert ran.code == 0, ran.err
        return ran

    said("init")
    said("users", "add", "Olga", "--role", "compliance_officer")
    made = said(
        "users", "token", "Olga", "--label", "count", "--scope", "search.query", "--days", "5"
    ).document
    assert made["token"].startswith("hf_")
    assert (made["label"], made["scopes"]) == ("count", ["search.query"])
    assert [one["id"] for one in said("users", "tokens", "Olga").lines] == [made["id"]]
    fresh = said("users", "rotate-token", made["id"]).document
    assert fresh["token"] != made["token"]
    assert home.run("show", "mnothing", "--purpose", "legal", token=fresh["token"]).code == 3
    assert said("users", "revoke-token", fresh["id"]).document["state"] == "revoked"
    assert {one["state"] for one in said("users", "tokens", "Olga").lines} == {"rotated", "revoked"}
    linked = said("users", "link", "Olga", "--issuer", "https://id.example", "--subject", "abc").document
    assert said("users", "identities", "Olga").lines == [linked]
    said("users", "unlink", linked["id"])
    assert said("users", "identities", "Olga").lines == []
    key = tmp_path / "key.json"
    key.write_text("not a key")
    assert home.run("users", "token", "Olga", "--dpop-key", str(key)).code == 2


def test_denied_is_denied_for_the_operator_too(served: House) -> None:
    actor = served.app.accounts.authenticate(served.tokens[Role.LEGAL], "api")
    with pytest.raises(AccessDenied):
        served.app.accounts.tokens_of(OFFICER, by=actor)
