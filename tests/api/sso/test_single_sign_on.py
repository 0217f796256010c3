"""Single sign-on against a real OpenID provider (idpyoidc): the whole dance, and what a hostile one tries."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from cryptojwt.jwk.hmac import SYMKey
from cryptojwt.jws.jws import JWS
from sqlalchemy import update

from api.credentials import hash_secret
from api.sso.errors import IdentityTaken
from archiver.store.schema import credentials
from search.access import Role
from search.actors import OIDC
from tests.api.house import House
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
from tests.servers.oidc_provider import CLIENT, SECRET, Provider, foreign_key

pytestmark = pytest.mark.usefixtures("_clean")


# --- the way there and back ----------------------------------------------------------------------


def test_the_whole_dance_on_both_databases(tmp_path: Path, database_url: str, provider: Provider) -> None:
    with opened(tmp_path, provider, database_url) as house:
        register(house, provider)
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
        begun = house.entries_since(start)[-1]
        user = house.app.accounts.find(OFFICER)
        assert (begun["action"], begun["user"], begun["reason"]) == ("session.open", user.id, OIDC)
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


def test_the_session_that_the_browser_had_before_ends(house: House, provider: Provider) -> None:
    """Our cookie isn't sent on the way back: which session it was is known from the way there."""
    linked(house, provider)
    traveller = Traveller(house, provider)
    secrets = []
    for _ in range(2):
        start = house.audit_size()
        assert traveller.sign_in().status_code == 200
        secrets.append(traveller.here.cookies["holdfast"])
    told = [(entry["action"], entry["reason"]) for entry in house.entries_since(start)]
    assert told == [("session.end", "replaced"), ("session.open", OIDC)]
    planted = {"Cookie": f"holdfast={secrets[0]}", "Sec-Fetch-Site": "same-origin"}
    assert house.client().get("/api/v1/session", headers=planted).status_code == 401
    assert traveller.session()["role"] == "compliance_officer"


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
    joined, begun = (
        [entry for entry in house.entries_since(start) if entry["action"] == action][-1]
        for action in ("identity.link", "session.open")
    )
    user = accounts.find("invited").id
    assert (joined["user"], joined["reason"], begun["user"]) == (user, "invitation", user)
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


def _by_client_secret(told: dict[str, Any]) -> str:
    key = SYMKey(key=SECRET, alg="HS256")
    return str(JWS(json.dumps(told), alg="HS256").sign_compact(keys=[key]))


def _own_key_in_header(told: dict[str, Any]) -> str:
    key = foreign_key()
    return str(
        JWS(json.dumps(told), alg="ES256").sign_compact(keys=[key], protected={"jwk": key.serialize()})
    )


TWISTS: dict[str, tuple[Callable[[dict[str, Any]], dict[str, Any] | str], str]] = {
    "another nonce": (claiming(nonce="n" * 43), "bad_nonce"),
    "no nonce": (claiming(nonce=None), "bad_nonce"),
    "another issuer": (claiming(iss="https://evil.example"), "bad_iss"),
    "another audience": (claiming(aud=["somebody-else"], azp=CLIENT), "bad_aud"),
    "another audience, and nobody authorised": (claiming(aud=["somebody-else"]), "bad_azp"),
    "an audience that others share": (claiming(aud=[CLIENT, "somebody-else"], azp=CLIENT), "bad_aud"),
    "another authorised party": (claiming(azp="somebody-else"), "bad_azp"),
    "expired": (claiming(exp=moment(-600)), "expired"),
    "never expires": (claiming(exp=None), "bad_claim"),
    "an end that is no number": (claiming(exp="tomorrow"), "bad_exp"),
    "of the future": (claiming(iat=moment(3_600)), "bad_iat"),
    "of long ago": (claiming(iat=moment(-3_600), exp=moment(3_600)), "old"),
    "nobody": (claiming(sub=None), "bad_claim"),
    "an empty name": (claiming(sub=""), "bad_sub"),
    "a name that is no text": (claiming(sub=["ann"]), "bad_sub"),
    "a name with half a character": (claiming(sub="ann\ud800"), "bad_sub"),
    "a name too long": (claiming(sub="a" * 256), "bad_sub"),
    "signed in in the future": (claiming(auth_time=moment(7_200)), "bad_auth_time"),
    "signed by nobody": (signed_by_nobody, "bad_algorithm"),
    "signed with our own secret": (_by_client_secret, "bad_algorithm"),
    "signed with a foreign key": (signed_by_another, "bad_signature"),
    "signed with a key it brings along": (_own_key_in_header, "bad_signature"),
    "no token": (lambda _: "zebrafinch", "not_a_token"),
}


@pytest.mark.parametrize("name", sorted(TWISTS))
def test_an_id_token_that_is_not_for_this_sign_in_is_refused(
    house: House, provider: Provider, name: str
) -> None:
    linked(house, provider)
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
    linked(house, provider)
    for kind in ("at+jwt", "logout+jwt", "dpop+jwt"):
        provider.twist = lambda told, kind=kind: provider.sign(told, typ=kind)
        assert Traveller(house, provider).sign_in().status_code == 403
        assert house.entries_since(house.audit_size() - 1)[-1]["reason"] == "sso_bad_type"


def test_what_comes_back_belongs_to_one_browser_once(house: House, provider: Provider) -> None:
    linked(house, provider)

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
    linked(house, provider)
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
    with opened(tmp_path, provider) as house:
        register(house, provider)
        subject = subject_of(house, provider)
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
