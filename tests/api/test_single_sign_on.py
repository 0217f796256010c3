"""Single sign-on against a real OpenID provider (idpyoidc): the whole dance, and what a hostile one tries."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from cryptojwt.jwk.hmac import SYMKey
from cryptojwt.jws.jws import JWS
from joserfc.jwk import ECKey, RSAKey
from sqlalchemy import update

from api.credentials import hash_secret
from api.sso.errors import IdentityTaken
from archiver.store.schema import credentials
from config.errors import ConfigError
from search.access import Role
from search.actors import OIDC
from tests.api.house import House, make_settings, open_house
from tests.api.sso_dance import FOREIGN, OURS, Traveller, query_of
from tests.servers.oidc_provider import CLIENT, MULTI_FACTOR, SECRET, Provider, foreign_key, oidc_provider

OFFICER = "compliance_officer-person"


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with oidc_provider() as running:
        yield running


def _opened(home: Path, provider: Provider, database_url: str | None = None, **more: object) -> Any:
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


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, provider: Provider) -> Iterator[House]:
    with _opened(tmp_path_factory.mktemp("sso"), provider) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _clean(provider: Provider, request: pytest.FixtureRequest) -> None:
    provider.twist, provider.amr = None, None
    provider.discovery.clear()
    if "house" in request.fixturenames:
        house: House = request.getfixturevalue("house")
        house.app.attempts.forgive()
        house.app.sso.provider._metadata = None
        _register(house, provider)


def _register(house: House, provider: Provider, **more: Any) -> None:
    provider.register(f"{house.app.settings.url}/sso/return", **more)


def _subject(house: House, provider: Provider, name: str = "ann") -> str:
    """Who somebody is at the provider: learnt from a sign-in that is refused, as an operator learns it."""
    start = house.audit_size()
    Traveller(house, provider).sign_in(name)
    told = house.entries_since(start)[-1]
    if told["action"] == "session.open":
        raise AssertionError("linked already")
    return str(told["opened"]["subject"])


def _linked(house: House, provider: Provider, name: str = "ann", user: str = OFFICER) -> str:
    """The identity by which somebody signs in; linked once for the module's house."""
    known = house.app.sso.of_user(user)
    if known:
        return known[0].id
    return house.app.sso.link(user, None, _subject(house, provider, name)).id


# --- the way there and back ----------------------------------------------------------------------


def test_the_whole_dance_on_both_databases(tmp_path: Path, database_url: str, provider: Provider) -> None:
    with _opened(tmp_path, provider, database_url) as house:
        _register(house, provider)
        page = house.client().get("/sign-in", headers={"Accept": "text/html"}).text
        assert 'action="/sso/start"' in page
        traveller = Traveller(house, provider)
        start = house.audit_size()
        answer = traveller.sign_in()
        # Known at the provider, but nobody here has said who that is: no user is found by name or address.
        assert (answer.status_code, "invitation link" in answer.text) == (403, True)
        assert "holdfast" not in traveller.here.cookies
        refused = house.entries_since(start)[-1]
        assert (refused["outcome"], refused["reason"], refused["user"]) == (
            "failed",
            "sso_unknown",
            "anonymous",
        )
        told = refused["opened"]
        assert told["issuer"] == provider.issuer

        house.app.sso.link(OFFICER, None, told["subject"])
        start = house.audit_size()
        answer = traveller.sign_in()
        assert answer.status_code == 200, answer.text
        assert answer.headers["refresh"] == "0; url=/"
        cookie = answer.headers.get_list("set-cookie")
        assert any("holdfast=hf_" in one and "SameSite=strict" in one and "HttpOnly" in one for one in cookie)
        opened = house.entries_since(start)[-1]
        user = house.app.accounts.find(OFFICER)
        assert (opened["action"], opened["user"], opened["reason"]) == ("session.open", user.id, OIDC)
        assert traveller.session()["role"] == "compliance_officer"
        # Another browser's session is another one; disabling the user ends both, and the way in.
        second = Traveller(house, provider)
        assert second.sign_in().status_code == 200
        house.app.accounts.disable(OFFICER)
        for one in (traveller, second):
            assert one.here.get("/api/v1/session").status_code == 401
        assert second.sign_in().status_code == 403
        assert house.entries_since(0)[-1]["reason"] == "sso_disabled"


def test_what_the_browser_is_sent_to_the_provider_with(house: House, provider: Provider) -> None:
    traveller = Traveller(house, provider)
    answer = traveller.here.post("/sso/start", headers=OURS)
    asked = query_of(answer.headers["refresh"].removeprefix("0; url="))
    assert asked["response_type"] == "code"
    assert asked["code_challenge_method"] == "S256"
    assert asked["scope"] == "openid"
    assert asked["client_id"] == CLIENT
    assert asked["redirect_uri"] == f"{house.app.settings.url}/sso/return"
    assert len(asked["state"]) == len(asked["nonce"]) == len(asked["code_challenge"]) == 43
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("holdfast-sso=")
    for attribute in ("HttpOnly", "SameSite=lax", "Max-Age=600", "Path=/"):
        assert attribute in cookie
    # What binds the sign-in to this browser is sealed: nobody who sees the cookie can make up another.
    sealed = cookie.partition("=")[2].partition(";")[0]
    raw = base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
    for secret in (asked["state"], asked["nonce"]):
        assert secret.encode() not in raw
    # Every sign-in has values of its own.
    again = query_of(traveller.leave())
    assert not {asked[name] for name in ("state", "nonce", "code_challenge")} & set(again.values())


def test_a_foreign_page_can_begin_nothing(house: House, provider: Provider) -> None:
    client = Traveller(house, provider).here
    assert client.post("/sso/start", headers=FOREIGN).status_code == 403
    assert client.post("/sso/start").status_code == 403


def test_an_invitation_links_an_identity_once(house: House, provider: Provider) -> None:
    accounts = house.app.accounts
    accounts.add_user("invited", Role.LEGAL)
    code = accounts.link("invited").rpartition("/")[2]
    traveller = Traveller(house, provider)
    page = traveller.here.get(f"/sign-in/{code}").text
    assert f'action="/sign-in/{code}/sso"' in page
    start = house.audit_size()
    assert traveller.sign_in("bob", f"/sign-in/{code}/sso").status_code == 200
    linked, opened = (
        [entry for entry in house.entries_since(start) if entry["action"] == action][-1]
        for action in ("identity.link", "session.open")
    )
    user = accounts.find("invited").id
    assert (linked["user"], linked["reason"], opened["user"]) == (user, "invitation", user)
    assert traveller.session()["user"] == {"id": user, "name": "invited"}
    # From now on without it; the link is spent, and the identity is nobody else's.
    assert Traveller(house, provider).sign_in("bob").status_code == 200
    accounts.add_user("second", Role.LEGAL)
    other = accounts.link("second").rpartition("/")[2]
    for spent in (code, other):
        answer = Traveller(house, provider).sign_in("bob", f"/sign-in/{spent}/sso")
        assert answer.status_code == 403
    assert house.entries_since(start)[-1]["reason"] == "sso_taken"
    # The other link wasn't spent by that: whoever it is for can still use it.
    assert Traveller(house, provider).here.post(f"/sign-in/{other}", headers=OURS).status_code == 303
    with pytest.raises(IdentityTaken):
        house.app.sso.link("second", None, house.app.sso.of_user("invited")[0].subject)


@pytest.mark.parametrize("kind", ["spent", "expired", "unknown", "of somebody disabled"])
def test_an_invitation_that_is_none_links_nothing(house: House, provider: Provider, kind: str) -> None:
    accounts = house.app.accounts
    name = f"invited {kind}"
    accounts.add_user(name, Role.LEGAL)
    code = accounts.link(name).rpartition("/")[2]
    if kind == "spent":
        assert Traveller(house, provider).here.post(f"/sign-in/{code}", headers=OURS).status_code == 303
    elif kind == "unknown":
        code = "hf_" + "E" * 43
    elif kind == "of somebody disabled":
        accounts.disable(name)
    traveller = Traveller(house, provider)
    way = traveller.leave(f"/sign-in/{code}/sso")
    if kind == "expired":
        # The invitation lives for longer than the sign-in does; its end is written down, so it is moved.
        with house.app.vault.records.write() as connection:
            connection.execute(
                update(credentials).where(credentials.c.hash == hash_secret(code)).values(expires_us=1)
            )
    start = house.audit_size()
    # Somebody whom the provider knows and nobody here: ann, unless she was linked by another test.
    answer = traveller.back(traveller.prove(way, "ann"))
    assert answer.status_code == 403
    assert house.entries_since(start)[-1]["reason"] in ("sso_no_invitation", "sso_taken")
    assert house.app.sso.of_user(name) == []


# --- hostile answers -----------------------------------------------------------------------------


def _with(**claims: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda told: {k: v for k, v in {**told, **claims}.items() if v is not None}


def _none_alg(told: dict[str, Any]) -> str:
    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(told)}."


def _by_client_secret(told: dict[str, Any]) -> str:
    key = SYMKey(key=SECRET, alg="HS256")
    return str(JWS(json.dumps(told), alg="HS256").sign_compact(keys=[key]))


def _foreign(told: dict[str, Any]) -> str:
    return str(JWS(json.dumps(told), alg="ES256").sign_compact(keys=[foreign_key()]))


def _own_key_in_header(told: dict[str, Any]) -> str:
    key = foreign_key()
    return str(
        JWS(json.dumps(told), alg="ES256").sign_compact(keys=[key], protected={"jwk": key.serialize()})
    )


NOW = int(time.time())
TWISTS: dict[str, tuple[Callable[[dict[str, Any]], dict[str, Any] | str], str]] = {
    "another nonce": (_with(nonce="n" * 43), "bad_nonce"),
    "no nonce": (_with(nonce=None), "bad_nonce"),
    "another issuer": (_with(iss="https://evil.example"), "bad_iss"),
    "another audience": (_with(aud=["somebody-else"], azp=CLIENT), "bad_aud"),
    "another audience, and nobody authorised": (_with(aud=["somebody-else"]), "bad_azp"),
    "an audience that others share": (_with(aud=[CLIENT, "somebody-else"], azp=CLIENT), "bad_aud"),
    "another authorised party": (_with(azp="somebody-else"), "bad_azp"),
    "expired": (_with(exp=NOW - 600), "expired"),
    "never expires": (_with(exp=None), "bad_claim"),
    "an end that is no number": (_with(exp="tomorrow"), "bad_exp"),
    "of the future": (_with(iat=NOW + 3_600), "bad_iat"),
    "of long ago": (_with(iat=NOW - 3_600, exp=NOW + 3_600), "old"),
    "nobody": (_with(sub=None), "bad_claim"),
    "an empty name": (_with(sub=""), "bad_sub"),
    "a name that is no text": (_with(sub=["ann"]), "bad_sub"),
    "a name with half a character": (_with(sub="ann\ud800"), "bad_sub"),
    "a name too long": (_with(sub="a" * 256), "bad_sub"),
    "signed in in the future": (_with(auth_time=NOW + 7_200), "bad_auth_time"),
    "signed by nobody": (_none_alg, "bad_algorithm"),
    "signed with our own secret": (_by_client_secret, "bad_algorithm"),
    "signed with a foreign key": (_foreign, "bad_signature"),
    "signed with a key it brings along": (_own_key_in_header, "bad_signature"),
    "no token": (lambda _: "zebrafinch", "not_a_token"),
}


@pytest.mark.parametrize("name", sorted(TWISTS))
def test_an_id_token_that_is_not_for_this_sign_in_is_refused(
    house: House, provider: Provider, name: str
) -> None:
    _linked(house, provider)
    twist, reason = TWISTS[name]
    provider.twist = twist
    traveller = Traveller(house, provider)
    start = house.audit_size()
    answer = traveller.sign_in()
    assert answer.status_code == 403
    assert "holdfast" not in traveller.here.cookies
    told = house.entries_since(start)[-1]
    assert (told["action"], told["outcome"], told["user"]) == ("session.use", "failed", "anonymous")
    if name == "nobody" or name == "never expires":
        assert told["reason"].startswith("sso_bad_")
    else:
        assert told["reason"] == f"sso_{reason}"
    provider.twist = None
    assert Traveller(house, provider).sign_in().status_code == 200


def test_another_kind_of_token_of_the_same_keys_is_no_id_token(house: House, provider: Provider) -> None:
    _linked(house, provider)
    for kind in ("at+jwt", "logout+jwt", "dpop+jwt"):
        provider.twist = lambda told, kind=kind: provider.sign(told, typ=kind)
        assert Traveller(house, provider).sign_in().status_code == 403
        assert house.entries_since(house.audit_size() - 1)[-1]["reason"] == "sso_bad_type"


def test_what_comes_back_belongs_to_one_browser_once(house: House, provider: Provider) -> None:
    _linked(house, provider)

    def reason() -> str:
        return str(house.entries_since(house.audit_size() - 1)[-1]["reason"])

    victim, attacker = Traveller(house, provider), Traveller(house, provider)
    back = victim.prove(victim.leave())
    # Another browser, without a sign-in of its own and with one: login CSRF, and a stolen code.
    assert (attacker.back(back).status_code, reason()) == (403, "sso_no_cookie")
    attacker.leave()
    assert (attacker.back(back).status_code, reason()) == (403, "sso_bad_state")
    # The victim's own cookie beside another state.
    mixed = back.replace(query_of(back)["state"], query_of(attacker.leave())["state"])
    assert (victim.back(mixed).status_code, reason()) == (403, "sso_bad_state")
    # It still works where it belongs, and never twice.
    kept = dict(victim.here.cookies)
    assert victim.back(back).status_code == 200
    victim.here.cookies.set("holdfast-sso", kept["holdfast-sso"], domain="localhost.local", path="/")
    victim.here.cookies.set("holdfast-sso", kept["holdfast-sso"])
    assert (victim.back(back).status_code, reason()) == (403, "sso_replayed")
    # A code that was used, or is another sign-in's, in a sign-in of one's own: PKCE, and the provider.
    own = attacker.prove(attacker.leave(), "bob")
    assert (attacker.back(_requoted(own, back)).status_code, reason()) == (403, "sso_bad_code")
    fresh = victim.prove(victim.leave())
    own = attacker.prove(attacker.leave(), "bob")
    assert (attacker.back(_requoted(own, fresh)).status_code, reason()) == (403, "sso_bad_code")


def _requoted(own: str, other: str) -> str:
    """The address of one sign-in with the code of another."""
    mixed = urlencode({**query_of(own), "code": query_of(other)["code"]})
    return f"{own.partition('?')[0]}?{mixed}"


@pytest.mark.parametrize("given", ["https://evil.example", ""])
def test_the_issuer_of_the_answer_is_looked_at(house: House, provider: Provider, given: str) -> None:
    _linked(house, provider)
    traveller = Traveller(house, provider)
    back = traveller.prove(traveller.leave())
    answer = traveller.back(
        back.replace(f"iss={quote(provider.issuer, safe='')}", f"iss={quote(given, safe='')}")
    )
    assert answer.status_code == 403
    # One that promises to name itself must do so (RFC 9207).
    provider.discovery["authorization_response_iss_parameter_supported"] = True
    house.app.sso.provider._metadata = None
    traveller = Traveller(house, provider)
    back = traveller.prove(traveller.leave())
    bare = back.replace(f"&iss={quote(provider.issuer, safe='')}", "")
    assert bare != back
    assert traveller.back(bare).status_code == 403
    assert house.entries_since(house.audit_size() - 1)[-1]["reason"] == "sso_bad_iss_parameter"


def test_a_sign_in_takes_ten_minutes_at_most_whatever_the_clock_does(
    tmp_path: Path, provider: Provider
) -> None:
    with _opened(tmp_path, provider) as house:
        _register(house, provider)
        subject = _subject(house, provider)
        house.app.sso.link(OFFICER, None, subject)
        for span in (11, -11):
            traveller = Traveller(house, provider)
            back = traveller.prove(traveller.leave())
            house.clock.pass_(minutes=span)
            assert traveller.back(back).status_code == 403
            assert house.entries_since(house.audit_size() - 1)[-1]["reason"] == "sso_too_late"
            house.clock.pass_(minutes=-span)
        # Set back by a minute after it came back, it still doesn't come back twice.
        traveller = Traveller(house, provider)
        back = traveller.prove(traveller.leave())
        cookie = traveller.here.cookies["holdfast-sso"]
        assert traveller.back(back).status_code == 200
        house.clock.pass_(seconds=-30)
        traveller.here.cookies.set("holdfast-sso", cookie)
        assert traveller.back(back).status_code == 403


@pytest.mark.parametrize(
    "cookie", ["", "x", "A" * 100, "A" * 5_000, "é", base64.urlsafe_b64encode(b"\x01" * 200).decode()]
)
def test_a_cookie_that_we_did_not_seal_is_none(house: House, provider: Provider, cookie: str) -> None:
    house.app.attempts.forgive()
    headers = {name.encode(): value.encode() for name, value in FOREIGN.items()}
    given = {**headers, b"Cookie": f"holdfast-sso={cookie}".encode()}
    answer = house.client().get("/sso/return?code=c&state=s", headers=given)
    assert answer.status_code == 403


def test_a_person_who_declines_is_told_so_without_the_providers_words(
    house: House, provider: Provider
) -> None:
    traveller = Traveller(house, provider)
    state = query_of(traveller.leave())["state"]
    answer = traveller.back(
        f"{house.base}/sso/return?error=access_denied&error_description=%3Cb%3Ezebrafinch&state={state}"
    )
    assert answer.status_code == 403
    assert "zebrafinch" not in answer.text
    assert house.entries_since(house.audit_size() - 1)[-1]["reason"] == "sso_declined"


# --- how strong ----------------------------------------------------------------------------------


def test_only_a_trusted_word_makes_a_sign_in_strong(house: House, provider: Provider) -> None:
    _linked(house, provider)

    def verified(second: bool) -> int | None:
        traveller = Traveller(house, provider)
        assert traveller.sign_in(second=second).status_code == 200
        secret = traveller.here.cookies["holdfast"]
        return house.app.accounts.authenticate(secret, "desk", kind="session").verified_us

    assert verified(second=False) is None
    assert verified(second=True) is not None
    # What it doesn't state counts for nothing, nor does a word that isn't among those we trust.
    provider.twist = _with(acr=None, amr=["mfa"])
    assert verified(second=True) is None
    provider.twist = _with(auth_time=None)
    assert verified(second=True) is None


def test_step_up_asks_for_everything_anew(house: House, provider: Provider) -> None:
    _linked(house, provider)
    officer = Traveller(house, provider)
    assert officer.sign_in().status_code == 200
    before = officer.here.cookies["holdfast"]
    # Without a strong sign-in nothing that needs a fresh proof is done.
    export = {"query": "zebrafinch", "purpose": "legal"}
    asked = officer.here.post("/api/v1/exports", json=export, headers={"Sec-Fetch-Site": "same-origin"})
    assert (asked.status_code, asked.json()["code"]) == (403, "step_up_needed")
    token = house.form_token(officer.here)
    way = officer.leave("/sso/step-up", form_token=token)
    said = query_of(way)
    assert (said["max_age"], said["prompt"], said["acr_values"]) == ("0", "login", MULTI_FACTOR)
    answer = officer.back(officer.prove(way, second=True))
    assert answer.headers["refresh"] == "0; url=/account"
    assert officer.here.cookies["holdfast"] != before
    asked = officer.here.post("/api/v1/exports", json=export, headers={"Sec-Fetch-Site": "same-origin"})
    assert asked.status_code == 201, asked.text
    # The session of before has ended: its cookie is worth nothing.
    assert house.client().get("/api/v1/session", headers={"Cookie": f"holdfast={before}"}).status_code == 401


def test_step_up_is_for_the_same_person_and_of_now(house: House, provider: Provider) -> None:
    _linked(house, provider)
    officer = Traveller(house, provider)
    assert officer.sign_in().status_code == 200
    token = house.form_token(officer.here)

    def reason() -> str:
        return str(house.entries_since(house.audit_size() - 1)[-1]["reason"])

    # The provider's session of this morning, as one would say who ignores what was asked.
    provider.twist = _with(auth_time=NOW - 3_600)
    assert officer.sign_in(path="/sso/step-up", form_token=token).status_code == 403
    assert reason() == "sso_not_fresh"
    provider.twist = _with(auth_time=None)
    assert officer.sign_in(path="/sso/step-up", form_token=token).status_code == 403
    provider.twist = None
    # Somebody else's proof. (bob is linked to another user, or to nobody.)
    assert officer.sign_in("bob", path="/sso/step-up", form_token=token).status_code == 403
    assert reason() in ("sso_another_person", "sso_unknown")
    assert officer.session()["role"] == "compliance_officer"


# --- the provider itself -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("discovery", "status"),
    [
        ({"issuer": "https://evil.example"}, 403),
        ({"token_endpoint": "http://evil.example/token"}, 403),
        ({"jwks_uri": "file:///etc/passwd"}, 403),
        ({"authorization_endpoint": None}, 403),
        ({"code_challenge_methods_supported": ["plain"]}, 403),
        ({"id_token_signing_alg_values_supported": ["none", "HS256"]}, 403),
        ({"jwks_uri": "http://127.0.0.1:9/jwks.json"}, 503),
    ],
)
def test_a_provider_that_describes_itself_badly_is_not_used(
    house: House, provider: Provider, discovery: dict[str, Any], status: int
) -> None:
    _linked(house, provider)
    provider.discovery.update(discovery)
    house.app.sso.provider._metadata = None
    house.app.sso.provider._keys = None
    traveller = Traveller(house, provider)
    answer = traveller.here.post("/sso/start", headers=OURS)
    if status == 503:
        answer = traveller.back(traveller.prove(answer.headers["refresh"].removeprefix("0; url=")))
    assert answer.status_code == status
    provider.discovery.clear()
    house.app.sso.provider._metadata = None
    assert Traveller(house, provider).sign_in().status_code == 200


def test_new_keys_of_the_provider_are_learnt_and_not_asked_for_again_and_again(
    house: House, provider: Provider
) -> None:
    _linked(house, provider)
    assert Traveller(house, provider).sign_in().status_code == 200
    provider.twist = _foreign
    asked = sum(path == "/jwks.json" for path, _ in provider.requests)
    for _ in range(4):
        assert Traveller(house, provider).sign_in().status_code == 403
    assert sum(path == "/jwks.json" for path, _ in provider.requests) <= asked + 1


@pytest.mark.parametrize("kind", ["EC", "RSA"])
def test_our_own_proof_is_a_signature(tmp_path: Path, provider: Provider, kind: str) -> None:
    made: Any = ECKey.generate_key("P-256", auto_kid=True) if kind == "EC" else RSAKey.generate_key(2048)
    key = tmp_path / "client.key"
    key.write_text(
        json.dumps(made.as_dict(private=True)) if kind == "EC" else made.as_pem(private=True).decode()
    )
    more = {"oidc_client_key": f"file:{key}", "oidc_client_secret": ""}
    with _opened(tmp_path, provider, **more) as house:
        public = {**made.as_dict(private=False), "use": "sig"}
        _register(house, provider, key=public)
        provider.requests.clear()
        house.app.sso.link(OFFICER, None, _subject(house, provider))
        assert Traveller(house, provider).sign_in().status_code == 200
        given = [form for path, form in provider.requests if path == "/token"]
        assert given
        assert all(form["client_assertion_type"].endswith("jwt-bearer") for form in given)
        assert not any("client_secret" in form for form in given)


def test_a_provider_that_is_away_is_no_fault_of_the_person(tmp_path: Path, provider: Provider) -> None:
    away = "http://127.0.0.1:9"
    with _opened(tmp_path, provider, oidc_issuer=away) as house:
        answer = Traveller(house, provider).here.post("/sso/start", headers=OURS)
        assert (answer.status_code, "step_up" in answer.text) == (503, False)


def test_without_a_provider_there_is_no_door(shared_house: House) -> None:
    client = shared_house.client()
    assert 'action="/sso/start"' not in client.get("/sign-in").text
    assert client.post("/sso/start", headers=OURS).status_code == 404
    assert client.get("/sso/return?code=a&state=b", headers=FOREIGN).status_code in (403, 404)


@pytest.mark.parametrize(
    "given",
    [
        {"oidc_issuer": "http://id.example"},
        {"oidc_issuer": "https://id.example?x=1"},
        {"oidc_issuer": "https://user@id.example"},
        {"oidc_client_id": ""},
        {"oidc_client_secret": "the secret itself"},
        {"oidc_client_secret": ""},
        {"oidc_client_key": "file:/both"},
    ],
)
def test_settings_that_would_be_unsafe_stop_the_start(tmp_path: Path, given: dict[str, object]) -> None:
    good = {
        "oidc_issuer": "https://id.example",
        "oidc_client_id": "x",
        "oidc_client_secret": "env:SECRET",
    }
    make_settings(tmp_path, 1, **good)
    with pytest.raises(ConfigError):
        make_settings(tmp_path, 1, **{**good, **given})


def test_nothing_of_the_provider_is_kept_readable(tmp_path: Path, provider: Provider) -> None:
    with _opened(tmp_path, provider) as house:
        _register(house, provider)
        subject = _subject(house, provider)
        house.app.sso.link(OFFICER, None, subject)
        traveller = Traveller(house, provider)
        back = traveller.prove(traveller.leave())
        answer = traveller.back(back)
        assert answer.status_code == 200
        secrets = [subject, provider.last_token, query_of(back)["code"], query_of(back)["state"]]
        held = " ".join(f"{cookie.value}" for cookie in traveller.here.cookies.jar) + answer.text
        for secret in secrets:
            assert secret not in held
        identity = house.app.sso.of_user(OFFICER)[0]
        assert (identity.subject, identity.issuer) == (subject, provider.issuer)
    kept = b"".join(path.read_bytes() for path in sorted((tmp_path / "home").rglob("*")) if path.is_file())
    for secret in secrets:
        assert secret.encode() not in kept


# --- leaving -------------------------------------------------------------------------------------

EVENT = {"http://schemas.openid.net/event/backchannel-logout": {}}


def _claims(provider: Provider, **more: Any) -> dict[str, Any]:
    now = int(time.time())
    told = {"iss": provider.issuer, "aud": CLIENT, "iat": now, "exp": now + 60, "jti": f"j{time.time_ns()}"}
    return {k: v for k, v in {**told, "events": EVENT, **more}.items() if v is not None}


def test_the_provider_ends_what_it_began(house: House, provider: Provider) -> None:
    _linked(house, provider)
    subject = house.app.sso.of_user(OFFICER)[0].subject
    sids: list[str] = []

    def keep(told: dict[str, Any]) -> dict[str, Any]:
        sids.append(told["sid"])
        return told

    provider.twist = keep
    first, second = Traveller(house, provider), Traveller(house, provider)
    for one in (first, second):
        assert one.sign_in().status_code == 200
    token = provider.logout_token(_claims(provider, sid=sids[0]))
    post = house.client().post
    start = house.audit_size()
    assert post("/sso/logout", data={"logout_token": token}).status_code == 200
    told = house.entries_since(start)[-1]
    assert (told["action"], told["user"], told["count"], told["reason"]) == (
        "session.end",
        "system",
        1,
        "sso",
    )
    assert first.here.get("/api/v1/session").status_code == 401
    assert second.session()
    assert post("/sso/logout", data={"logout_token": token}).status_code == 403
    token = provider.logout_token(_claims(provider, sub=subject))
    assert post("/sso/logout", data={"logout_token": token}).status_code == 200
    assert second.here.get("/api/v1/session").status_code == 401


BAD_LOGOUTS: dict[str, Callable[[Provider, dict[str, Any]], str]] = {
    "expired": lambda p, c: p.logout_token({**c, "iat": NOW - 900, "exp": NOW - 600}),
    "of long ago, good for long": lambda p, c: p.logout_token({**c, "iat": NOW - 900, "exp": NOW + 900}),
    "another issuer": lambda p, c: p.logout_token({**c, "iss": "https://evil.example"}),
    "another audience": lambda p, c: p.logout_token({**c, "aud": "somebody-else"}),
    "no event": lambda p, c: p.logout_token({**c, "events": {}}),
    "with a nonce": lambda p, c: p.logout_token({**c, "nonce": "n"}),
    "of nobody": lambda p, c: p.logout_token({k: v for k, v in c.items() if k != "sub"}),
    "without an id": lambda p, c: p.logout_token({k: v for k, v in c.items() if k != "jti"}),
    "an id token": lambda p, c: p.sign(c, typ="JWT"),
    "signed by nobody": lambda _, c: _none_alg(c),
    "foreign": lambda _, c: _foreign(c),
}


@pytest.mark.parametrize("name", sorted(BAD_LOGOUTS))
def test_a_logout_token_that_is_none_ends_nothing(house: House, provider: Provider, name: str) -> None:
    _linked(house, provider)
    traveller = Traveller(house, provider)
    assert traveller.sign_in().status_code == 200
    subject = house.app.sso.of_user(OFFICER)[0].subject
    token = BAD_LOGOUTS[name](provider, _claims(provider, sub=subject))
    start = house.audit_size()
    assert house.client().post("/sso/logout", data={"logout_token": token}).status_code == 403
    told = house.entries_since(start)[-1]
    assert (told["outcome"], told["user"]) == ("failed", "anonymous")
    assert traveller.session()


def test_unlinking_ends_the_sessions_and_the_way_in(tmp_path: Path, provider: Provider) -> None:
    with _opened(tmp_path, provider) as house:
        _register(house, provider)
        subject = _subject(house, provider)
        identity = house.app.sso.link(OFFICER, None, subject)
        traveller = Traveller(house, provider)
        assert traveller.sign_in().status_code == 200
        house.app.sso.unlink(identity.id)
        assert traveller.here.get("/api/v1/session").status_code == 401
        assert traveller.sign_in().status_code == 403
        # It can be linked again, to somebody else too.
        house.app.sso.link("legal-person", None, subject)
        assert traveller.sign_in().status_code == 200
        assert traveller.session()["role"] == "legal"
        # Names differ by one letter's size: another person (the subject is compared letter by letter).
        other = next(letter for letter in subject if letter.isalpha())
        provider.twist = _with(sub=subject.replace(other, other.upper(), 1))
        assert Traveller(house, provider).sign_in().status_code == 403
        assert house.entries_since(house.audit_size() - 1)[-1]["reason"] == "sso_unknown"
