"""Passkeys: every ceremony, and what each refusal is for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import delete, select, update

from api.errors import (
    LastPasskey,
    NoSuchPasskey,
    PasskeyNeeded,
    PasskeyRefused,
    PasskeysImpossible,
    TooManyAttempts,
)
from archiver.clock import to_us
from archiver.errors import DestructionRefused
from archiver.store.schema import challenges, passkeys
from search.access import NotSignedIn, StepUpNeeded
from search.actors import Role
from tests.api.sign_in.sign_in_bench import ORIGIN, Bench
from tests.support.authenticator import BE, BS, UP, UV, Authenticator, unb64

# --- the main way --------------------------------------------------------------------------------


def test_enrol_sign_in_step_up_and_remove(both: Bench) -> None:
    actor, secret = both.by_link("Olga")
    assert (actor.method, actor.verified_us) == ("link", None)
    with pytest.raises(PasskeyNeeded):
        both.actor(secret)
    assert both.last() == ("session.use", "denied", "enrol_first")

    device = Authenticator(ORIGIN)
    options = both.own.begin_enrolment(actor)
    assert options["authenticatorSelection"] == {
        "residentKey": "required",
        "requireResidentKey": True,
        "userVerification": "required",
    }
    assert (options["rp"]["id"], len(unb64(options["challenge"]))) == ("localhost", 32)
    fresh = both.own.enrol(actor, secret, device.create(options), "Phone")
    assert both.last()[:2] == ("passkey.add", "success")
    whole = both.actor(fresh)
    assert (whole.method, whole.session) == ("passkey", actor.session)
    with pytest.raises(NotSignedIn):
        both.actor(secret, enrolling=True)  # the secret of before is worth nothing

    signed, secret = both.sign_in(device)
    assert (signed.name, signed.method, signed.role) == ("Olga", "passkey", Role.COMPLIANCE_OFFICER)
    assert both.entries()[-1]["session"] == signed.session
    both.clock.pass_(minutes=6)
    stale = both.actor(secret)
    with pytest.raises(StepUpNeeded):
        both.own.begin_enrolment(stale)
    assert both.last() == ("passkey.add", "denied", "step_up")
    renewed = both.signing.step_up(stale, secret, device.get(both.signing.begin_step_up(stale)))
    assert both.last()[:2] == ("session.verify", "success")
    with pytest.raises(NotSignedIn):
        both.actor(secret)
    again = both.actor(renewed)
    assert (again.session, again.verified_us) == (stale.session, to_us(both.clock.now()))

    second = Authenticator(ORIGIN)
    options = both.own.begin_enrolment(again)
    assert [one["id"] for one in options["excludeCredentials"]]
    renewed = both.own.enrol(again, renewed, second.create(options), "Key in the safe")
    assert [one.label for one in both.own.passkeys(again.user_id)] == ["Phone", "Key in the safe"]
    assert both.told("Olga") == ["passkey_added"]
    both.sign_in(second)

    both.clock.pass_(seconds=1)
    first, other = (one.id for one in both.own.passkeys(again.user_id))
    now = both.actor(both.sign_in(device)[1])
    both.own.remove(now, first)
    with pytest.raises(NoSuchPasskey):
        both.own.remove(now, first)
    with pytest.raises(LastPasskey):
        both.own.remove(now, other)
    with pytest.raises(PasskeyRefused):
        both.sign_in(device)
    assert both.last() == ("session.open", "failed", "removed")
    assert both.told("Olga") == ["passkey_removed", "passkey_added"]


def test_an_approval_is_verifiable_without_us(bench: Bench) -> None:
    device, secret = bench.enrol("Olga")
    actor = bench.actor(secret)
    request = hashlib.sha256(b"exactly what is approved").digest()
    options = bench.passkeys.begin("approve", actor.user_id, session=actor.session, payload=request)
    found = bench.passkeys.finish(
        "approve", device.get(options), user_id=actor.user_id, session=actor.session, payload=request
    )
    assert found.challenge == hashlib.sha256(request + found.nonce).digest()
    assert json.loads(found.client_data)["challenge"] == options["challenge"]
    signed = found.authenticator_data + hashlib.sha256(found.client_data).digest()
    key = device.key.public_key()
    key.verify(found.signature, signed, ec.ECDSA(hashes.SHA256()))
    with pytest.raises(InvalidSignature):
        key.verify(found.signature, signed + b"x", ec.ECDSA(hashes.SHA256()))
    other = bench.passkeys.begin("approve", actor.user_id, session=actor.session, payload=request)
    with pytest.raises(PasskeyRefused):
        bench.passkeys.finish(
            "approve",
            device.get(other),
            user_id=actor.user_id,
            session=actor.session,
            payload=hashlib.sha256(b"something else").digest(),
        )
    assert bench.last() == ("passkey.sign", "failed", "payload")


# --- refusals ------------------------------------------------------------------------------------


def _flags(value: int) -> Callable[[Authenticator], None]:
    return lambda device: setattr(device, "flags", value)


REFUSED: list[tuple[Callable[[Authenticator], None], dict[str, Any], str]] = [
    (_flags(UP), {}, "assertion"),  # nobody was verified
    (_flags(UV), {}, "assertion"),  # nobody was there
    (_flags(UP | UV | BE), {}, "backup_flags"),  # another kind of key than was enrolled
    (_flags(UP | UV | BS), {}, "assertion"),
    (lambda device: setattr(device, "rp_id", "evil.example"), {}, "assertion"),
    (lambda device: setattr(device, "key", ec.generate_private_key(ec.SECP256R1())), {}, "assertion"),
    (lambda device: setattr(device, "credential_id", b"x" * 32), {}, "unknown"),
    (lambda device: setattr(device, "user_handle", b"u" * 16), {}, "other_user"),
    (lambda device: setattr(device, "user_handle", b""), {}, "other_user"),
    (lambda _: None, {"origin": "http://localhost:8026"}, "assertion"),
    (lambda _: None, {"origin": "https://localhost:8025"}, "assertion"),
    (lambda _: None, {"origin": "http://evil.example"}, "assertion"),
    (lambda _: None, {"type": "webauthn.create"}, "assertion"),
    (lambda _: None, {"challenge": "A" * 43}, "challenge"),
    (lambda _: None, {"crossOrigin": True}, "cross_origin"),
    (lambda _: None, {"topOrigin": "https://evil.example"}, "cross_origin"),
]
"""What is wrong with the device, what with the client data, and the reason on record."""


def test_a_sign_in_is_refused_and_on_record(bench: Bench) -> None:
    for number, (change, client, reason) in enumerate(REFUSED):
        bench.attempts.forgive()
        name = f"person {number}"
        bench.accounts.add_user(name, "legal")
        device, _ = bench.enrol(name)
        change(device)
        with pytest.raises(PasskeyRefused) as refused:
            bench.sign_in(device, **client)
        assert str(refused.value) == "this passkey was not accepted; try again, or use another one"
        assert bench.last() == ("session.open", "failed", reason), number
        known = reason not in ("unknown", "challenge")
        assert (bench.entries()[-1]["user"] != "anonymous") is known, number


def test_a_challenge_is_good_once_for_five_minutes_and_its_own_purpose(both: Bench) -> None:
    device, secret = both.enrol("Olga")
    options = both.signing.begin("192.0.2.1")
    answer = device.get(options)
    _, session = both.signing.sign_in(answer)
    with pytest.raises(PasskeyRefused):
        both.signing.sign_in(answer)  # replayed
    assert both.last() == ("session.open", "failed", "challenge")
    late = device.get(both.signing.begin("192.0.2.1"))
    both.clock.pass_(minutes=5)
    with pytest.raises(PasskeyRefused):
        both.signing.sign_in(late)
    # A wrong answer spends the challenge too.
    options = both.signing.begin("192.0.2.1")
    with pytest.raises(PasskeyRefused):
        both.signing.sign_in(device.get(options, origin="http://evil.example"))
    with pytest.raises(PasskeyRefused):
        both.signing.sign_in(device.get(options))
    # A sign-in's answer is none for a step-up, and one session's none for another.
    actor = both.actor(session)
    with pytest.raises(PasskeyRefused):
        both.signing.step_up(actor, session, device.get(both.signing.begin("192.0.2.1")))
    other, secret = both.sign_in(device)
    with pytest.raises(PasskeyRefused):
        both.signing.step_up(other, secret, device.get(both.signing.begin_step_up(actor)))
    assert both.last() == ("session.verify", "failed", "other_session")
    with pytest.raises(PasskeyRefused):
        both.signing.sign_in(device.get(both.signing.begin_step_up(actor)))
    # Spent and outlived ones go.
    both.clock.pass_(minutes=6)
    both.signing.begin("192.0.2.1")
    with both.vault.records.read() as connection:
        assert len(connection.execute(select(challenges)).all()) == 1


def test_somebody_elses_passkey_is_no_step_up(bench: Bench) -> None:
    bench.accounts.add_user("Rita", "records")
    device, secret = bench.enrol("Olga")
    ritas, _ = bench.enrol("Rita")
    actor = bench.actor(secret)
    with pytest.raises(PasskeyRefused):
        bench.signing.step_up(actor, secret, ritas.get(bench.signing.begin_step_up(actor)))
    assert bench.last() == ("session.verify", "failed", "other_user")
    assert bench.actor(secret).verified_us == actor.verified_us
    assert device.key is not ritas.key


def test_of_one_answer_sent_at_once_one_gets_in(both: Bench) -> None:
    device, _ = both.enrol("Olga", Authenticator(ORIGIN, count=5))
    answer = device.get(both.signing.begin("192.0.2.1"))

    def attempt(_: int) -> bool:
        try:
            both.signing.sign_in(answer)
        except PasskeyRefused:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(attempt, range(4))) == 1


def test_a_counter_that_goes_backwards_ends_the_key_and_the_sessions(both: Bench) -> None:
    device, secret = both.enrol("Olga", Authenticator(ORIGIN, count=5))
    spare = Authenticator(ORIGIN)
    actor = both.actor(secret)
    secret = both.own.enrol(actor, secret, spare.create(both.own.begin_enrolment(actor)), "spare")
    clone = Authenticator(
        ORIGIN, count=5, key=device.key, credential_id=device.credential_id, user_handle=device.user_handle
    )
    for _ in range(3):
        both.sign_in(device)
    _, living = both.sign_in(device)
    # Without the key nobody can make it so: a forged counter is just a wrong signature.
    forged = Authenticator(ORIGIN, credential_id=device.credential_id, user_handle=device.user_handle)
    with pytest.raises(PasskeyRefused):
        both.sign_in(forged)
    both.actor(living)
    with pytest.raises(PasskeyRefused):
        both.sign_in(clone)
    assert both.last() == ("session.open", "failed", "cloned")
    removal = [e for e in both.entries() if e["action"] == "passkey.remove"]
    assert [(e["user"], e["reason"]) for e in removal] == [("system", "cloned")]
    with pytest.raises(NotSignedIn):
        both.actor(living)
    with pytest.raises(PasskeyRefused):
        both.sign_in(device)  # whoever has the true one uses another, or asks for a link
    both.sign_in(spare)
    assert both.told("Olga")[0] == "passkey_cloned"


def test_nobody_enrols_without_being_there_and_verified(bench: Bench) -> None:
    actor, secret = bench.by_link("Olga")
    for flags in (UP, UV, UP | UV | BS):
        device = Authenticator(ORIGIN, flags=flags)
        options = bench.own.begin_enrolment(actor)
        with pytest.raises(PasskeyRefused):
            bench.own.enrol(actor, secret, device.create(options), "x")
        assert bench.last() == ("passkey.add", "failed", "enrolment")
        with pytest.raises(PasskeyRefused):  # the challenge is spent
            bench.own.enrol(actor, secret, Authenticator(ORIGIN).create(options), "x")
        bench.attempts.forgive()


def test_a_key_that_is_known_is_not_enrolled_again(bench: Bench) -> None:
    device, secret = bench.enrol("Olga")
    actor = bench.actor(secret)
    with pytest.raises(PasskeyRefused):
        bench.own.enrol(actor, secret, device.create(bench.own.begin_enrolment(actor)), "again")
    bench.accounts.add_user("Rita", "records")
    rita, hers = bench.by_link("Rita")
    with pytest.raises(PasskeyRefused):
        bench.own.enrol(rita, hers, device.create(bench.own.begin_enrolment(rita)), "stolen")
    assert bench.last() == ("passkey.add", "failed", "known")


HOSTILE: list[dict[str, Any]] = [
    {},
    {"response": None},
    {"response": {}},
    {"response": {"clientDataJSON": "!"}},
    {"response": {"clientDataJSON": "bnVsbA"}},
    {"response": {"clientDataJSON": "W10"}},
    {"response": {"clientDataJSON": 5}},
    {"response": {"clientDataJSON": "eyJjaGFsbGVuZ2UiOiA1fQ"}},
    {"response": {"clientDataJSON": "_w"}},
]


def test_hostile_answers_are_refused(bench: Bench) -> None:
    for answer in HOSTILE:
        with pytest.raises(PasskeyRefused):
            bench.signing.sign_in(answer, address="192.0.2.1")
        assert bench.last()[:2] == ("session.open", "failed")


def test_an_archive_at_a_number_makes_no_passkeys(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    numbered = bench.vault.settings.model_copy(update={"public_url": "https://192.0.2.7"})
    monkeypatch.setattr(bench.vault, "settings", numbered)
    with pytest.raises(PasskeysImpossible):
        bench.signing.begin("192.0.2.1")


# --- locks ---------------------------------------------------------------------------------------


def test_a_passkey_that_fails_too_often_is_locked_for_a_while(both: Bench) -> None:
    device, _ = both.enrol("Olga")
    wrong = Authenticator(ORIGIN, credential_id=device.credential_id, user_handle=device.user_handle)
    for _ in range(5):
        with pytest.raises(PasskeyRefused):
            both.sign_in(wrong)
    with pytest.raises(TooManyAttempts):
        both.sign_in(device)  # the true one too, until the quarter of an hour is over
    # Another process sees the same.
    elsewhere = Bench(both.vault, both.clock)
    with pytest.raises(TooManyAttempts):
        elsewhere.sign_in(device)
    both.clock.pass_(minutes=15)
    both.sign_in(device)
    for _ in range(4):
        with pytest.raises(PasskeyRefused):
            both.sign_in(wrong)
    both.sign_in(device)  # a success forgets the failures before it
    with pytest.raises(PasskeyRefused):
        both.sign_in(wrong)
    both.sign_in(device)


def test_beginnings_are_limited_too(bench: Bench) -> None:
    for _ in range(30):
        bench.signing.begin("192.0.2.9")
    with pytest.raises(TooManyAttempts):
        bench.signing.begin("192.0.2.9")
    bench.signing.begin("192.0.2.10")


def test_disabling_ends_passkeys_at_once(bench: Bench) -> None:
    device, secret = bench.enrol("Olga")
    half = device.get(bench.signing.begin("192.0.2.1"))
    bench.accounts.disable("Olga")
    with pytest.raises(NotSignedIn):
        bench.actor(secret)
    with pytest.raises(PasskeyRefused):
        bench.signing.sign_in(half)
    assert bench.last() == ("session.open", "failed", "disabled")


# --- guards --------------------------------------------------------------------------------------


def test_the_database_keeps_passkeys_for_ever(both: Bench) -> None:
    both.enrol("Olga", Authenticator(ORIGIN, count=5))
    records = both.vault.records
    for statement in (
        delete(passkeys),
        update(passkeys).values(public_key=b"another"),
        update(passkeys).values(sign_count=1),
    ):
        with pytest.raises(DestructionRefused), records.write() as connection:
            connection.execute(statement)
    with records.write() as connection:
        connection.execute(update(passkeys).values(removed_us=5, removed_why="user"))
    with pytest.raises(DestructionRefused), records.write() as connection:
        connection.execute(update(passkeys).values(removed_us=None))
