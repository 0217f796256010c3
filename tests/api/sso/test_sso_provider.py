"""What of a provider's word is believed, how it must behave to be used, and that it can end sessions."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey, RSAKey

from api.attempts import CEREMONIES
from api.doctor_sso import sso_findings
from api.errors import SecondAdministratorNeeded
from api.sso import provider as provider_
from config.errors import ConfigError
from search.access import AccessDenied, Role
from tests.api.house import House, make_settings, open_house
from tests.api.sso.sso_dance import (
    FOREIGN,
    OFFICER,
    OURS,
    Traveller,
    claiming,
    linked,
    moment,
    opened,
    query_of,
    register,
    signed_by_another,
    signed_by_nobody,
    subject_of,
)
from tests.servers.oidc_provider import CLIENT, MULTI_FACTOR, SECRET, Provider

pytestmark = pytest.mark.usefixtures("_clean")


# --- how strong ----------------------------------------------------------------------------------


def test_only_a_trusted_word_makes_a_sign_in_strong(house: House, provider: Provider) -> None:
    linked(house, provider)

    def verified(second: bool) -> int | None:
        traveller = Traveller(house, provider)
        assert traveller.sign_in(second=second).status_code == 200
        secret = traveller.here.cookies["holdfast"]
        return house.app.accounts.authenticate(secret, "desk", kind="session").verified_us

    assert verified(second=False) is None
    assert verified(second=True) is not None
    # What it doesn't state counts for nothing, nor does a word that isn't among those we trust.
    provider.twist = claiming(acr=None, amr=["mfa"])
    assert verified(second=True) is None
    provider.twist = claiming(auth_time=None)
    assert verified(second=True) is None


def test_step_up_asks_for_everything_anew(house: House, provider: Provider) -> None:
    linked(house, provider)
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
    linked(house, provider)
    officer = Traveller(house, provider)
    assert officer.sign_in().status_code == 200
    token = house.form_token(officer.here)

    def reason() -> str:
        return str(house.entries_since(house.audit_size() - 1)[-1]["reason"])

    # The provider's session of this morning, as one would say who ignores what was asked.
    provider.twist = claiming(auth_time=moment(-3_600))
    assert officer.sign_in(path="/sso/step-up", form_token=token).status_code == 403
    assert reason() == "sso_not_fresh"
    provider.twist = claiming(auth_time=None)
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
    linked(house, provider)
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
    linked(house, provider)
    assert Traveller(house, provider).sign_in().status_code == 200
    provider.twist = signed_by_another
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
    with opened(tmp_path, provider, **more) as house:
        public = {**made.as_dict(private=False), "use": "sig"}
        register(house, provider, key=public)
        provider.requests.clear()
        house.app.sso.link(OFFICER, None, subject_of(house, provider))
        assert Traveller(house, provider).sign_in().status_code == 200
        given = [form for path, form in provider.requests if path == "/token"]
        assert given
        assert all(form["client_assertion_type"].endswith("jwt-bearer") for form in given)
        assert not any("client_secret" in form for form in given)


@pytest.mark.parametrize("by_key", [False, True])
def test_a_request_is_handed_in_where_the_provider_takes_it(
    tmp_path: Path, provider: Provider, by_key: bool
) -> None:
    """RFC 9126: what is asked goes to the provider itself, and the browser carries a reference to it."""
    made = ECKey.generate_key("P-256", auto_kid=True)
    key = tmp_path / "client.key"
    key.write_text(json.dumps(made.as_dict(private=True)))
    more = {"oidc_client_key": f"file:{key}", "oidc_client_secret": ""} if by_key else {}
    with opened(tmp_path, provider, **more) as house:
        register(house, provider, key={**made.as_dict(private=False), "use": "sig"} if by_key else None)
        house.app.sso.link(OFFICER, None, subject_of(house, provider))
        provider.pushes = True
        house.app.sso.provider.look()
        provider.requests.clear()
        traveller = Traveller(house, provider)
        way = traveller.leave()
        assert set(query_of(way)) == {"client_id", "request_uri"}
        ((_, asked),) = [one for one in provider.requests if one[0] == "/par"]
        assert {"state", "nonce", "code_challenge", "redirect_uri"} <= set(asked)
        assert ("client_assertion" in asked) is by_key
        assert traveller.back(traveller.prove(way)).status_code == 200
        # Good once: who sees the address can't begin with it again.
        with pytest.raises(AssertionError):
            traveller.prove(way)
        # A client that it doesn't know is told so, and goes nowhere.
        provider.server.context.cdb.pop(CLIENT)
        refused = traveller.here.post("/sso/start", headers=OURS)
        assert (refused.status_code, "registered there" in refused.text) == (503, True)


def test_a_secret_goes_in_the_way_that_the_provider_knows(house: House, provider: Provider) -> None:
    linked(house, provider)
    provider.discovery["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
    provider.server.context.cdb[CLIENT]["token_endpoint_auth_method"] = "client_secret_post"
    house.app.sso.provider.look()
    provider.requests.clear()
    assert Traveller(house, provider).sign_in().status_code == 200
    (form,) = [form for path, form in provider.requests if path == "/token"]
    assert form["client_secret"] == SECRET


def test_doctor_looks_at_our_proof_the_provider_and_the_clocks(
    house: House, provider: Provider, tmp_path: Path
) -> None:
    settings = house.app.settings

    def wrong(ours: provider_.Provider | None = None, ahead: int = 0) -> list[str]:
        house.clock.moment = datetime.now(UTC) + timedelta(seconds=ahead)
        found = sso_findings(settings, ours or house.app.sso.provider, house.clock)
        return [bad for _, ok, _, bad in found if not ok]

    house.clock.keep_up()
    assert len(list(sso_findings(settings, house.app.sso.provider, house.clock))) == 3
    assert wrong() == []
    (told,) = wrong(ahead=45)
    assert "seconds apart" in told
    provider.discovery["token_endpoint_auth_methods_supported"] = ["private_key_jwt", "\x1b[31m"]
    (told,) = wrong()
    assert told == "the provider takes private_key_jwt alone: set oidc_client_key instead"
    provider.discovery["issuer"] = "https://evil.example"
    (told,) = wrong()
    assert "check the setting oidc_issuer" in told
    provider.discovery.clear()
    key = tmp_path / "client.key"
    key.write_text(ECKey.generate_key("P-384").as_pem(private=True).decode())
    for given, said in (
        ({"oidc_client_secret": f"file:{tmp_path / 'gone'}"}, "can't be read"),
        ({"oidc_client_secret": "", "oidc_client_key": f"file:{key}"}, "holds no private key"),
    ):
        (told,) = wrong(provider_.Provider(settings.model_copy(update=given)))
        assert said in told
    off = settings.model_copy(update={"oidc_issuer": ""})
    assert wrong(provider_.Provider(off)) == []


def test_a_provider_that_is_away_is_no_fault_of_the_person(tmp_path: Path, provider: Provider) -> None:
    away = "http://127.0.0.1:9"
    with opened(tmp_path, provider, oidc_issuer=away) as house:
        answer = Traveller(house, provider).here.post("/sso/start", headers=OURS)
        assert (answer.status_code, "step_up" in answer.text) == (503, False)


def test_without_a_provider_there_is_no_door(tmp_path: Path) -> None:
    with open_house(tmp_path, messages=1) as house:
        client = house.client()
        assert 'action="/sso/start"' not in client.get("/sign-in").text
        assert client.post("/sso/start", headers=OURS).status_code == 404
        assert client.get("/sso/return?code=a&state=b", headers=FOREIGN).status_code == 403
        assert client.post("/sso/logout", data={"logout_token": "x"}).status_code == 404


def test_nobody_makes_us_ask_the_provider_without_end(house: House, provider: Provider) -> None:
    client = Traveller(house, provider).here
    codes = [client.post("/sso/start", headers=OURS).status_code for _ in range(CEREMONIES.amount + 2)]
    assert codes == [200] * CEREMONIES.amount + [429] * 2


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


def test_an_administrator_alone_makes_nobody_somebody_else(house: House) -> None:
    """Of somebody who can sign in already, an identity is linked by two administrators; its owner is told."""
    accounts = house.app.accounts
    first = accounts.authenticate(house.tokens[Role.ADMINISTRATOR], "api")
    accounts.add_user("second administrator", Role.ADMINISTRATOR)
    second = accounts.authenticate(accounts.token("second administrator"), "api")
    user = accounts.add_user("watched officer", Role.COMPLIANCE_OFFICER).id
    house.app.sso.link(user, None, "their own", by=first)
    with pytest.raises(SecondAdministratorNeeded):
        house.app.sso.link(user, None, "the administrator's", by=first)
    with pytest.raises(SecondAdministratorNeeded):
        house.app.sso.link(user, None, "the administrator's", by=first)
    with pytest.raises(SecondAdministratorNeeded):
        accounts.link(user, by=first)
    assert len(house.app.sso.of_user(user)) == 1
    house.app.sso.link(user, None, "agreed on", by=second)
    told = [notice.kind for notice in house.app.own_account.notices(user)]
    assert told.count("identity_linked") == 2
    lawyer = accounts.authenticate(house.tokens[Role.LEGAL], "api")
    with pytest.raises(AccessDenied):
        house.app.sso.link(user, None, "a lawyer's", by=lawyer)


def test_nothing_of_the_provider_is_kept_readable(tmp_path: Path, provider: Provider) -> None:
    with opened(tmp_path, provider) as house:
        register(house, provider)
        subject = subject_of(house, provider)
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
    linked(house, provider)
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
    "expired": lambda p, c: p.logout_token({**c, "iat": c["iat"] - 900, "exp": c["iat"] - 600}),
    "of long ago, good for long": lambda p, c: p.logout_token(
        {**c, "iat": c["iat"] - 900, "exp": c["iat"] + 9000}
    ),
    "another issuer": lambda p, c: p.logout_token({**c, "iss": "https://evil.example"}),
    "another audience": lambda p, c: p.logout_token({**c, "aud": "somebody-else"}),
    "no event": lambda p, c: p.logout_token({**c, "events": {}}),
    "with a nonce": lambda p, c: p.logout_token({**c, "nonce": "n"}),
    "of nobody": lambda p, c: p.logout_token({k: v for k, v in c.items() if k != "sub"}),
    "without an id": lambda p, c: p.logout_token({k: v for k, v in c.items() if k != "jti"}),
    "an id token": lambda p, c: p.sign(c, typ="JWT"),
    "signed by nobody": lambda _, c: signed_by_nobody(c),
    "foreign": lambda _, c: signed_by_another(c),
}


@pytest.mark.parametrize("name", sorted(BAD_LOGOUTS))
def test_a_logout_token_that_is_none_ends_nothing(house: House, provider: Provider, name: str) -> None:
    linked(house, provider)
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
    with opened(tmp_path, provider) as house:
        register(house, provider)
        subject = subject_of(house, provider)
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
        provider.twist = claiming(sub=subject.replace(other, other.upper(), 1))
        assert Traveller(house, provider).sign_in().status_code == 403
        assert house.entries_since(house.audit_size() - 1)[-1]["reason"] == "sso_unknown"
