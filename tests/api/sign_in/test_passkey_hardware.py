"""Passkeys of listed security keys alone: what a maker's word must be, and what becomes of other passkeys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from api.doctor_sign_in import sign_in_findings
from api.errors import (
    HardwareKeyNeeded,
    LastPasskey,
    PasskeyNeeded,
    PasskeyRefused,
    PasskeysImpossible,
)
from config.errors import ConfigError
from tests.api.house import make_settings
from tests.api.sign_in.sign_in_bench import ORIGIN, Bench, open_bench
from tests.support.authenticator import BE, BS, UP, UV, Authenticator
from tests.support.maker import Maker

MODEL = "2fc0579f-8113-47ea-b116-bb5a8db9202a"
OTHER = "ee882879-721c-4913-9775-3dfcce97072a"
MAKER, STRANGER = Maker(), Maker()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    roots = tmp_path / "makers.pem"
    roots.write_bytes(MAKER.root)
    with open_bench(tmp_path) as opened:
        opened.settle(passkeys="hardware", passkey_models=(MODEL,), passkey_makers=str(roots))
        yield opened


def vouched(**more: Any) -> Authenticator:
    """A security key of the listed model."""
    return Authenticator(ORIGIN, batch=MAKER.batch(MODEL), **more)


def said(bench: Bench) -> dict[str, bool]:
    return {(good if ok else bad): ok for _, ok, good, bad in sign_in_findings(bench.vault)}


def test_a_listed_key_enrols_and_signs_in(bench: Bench) -> None:
    actor, secret = bench.by_link("Olga")
    options = bench.own.begin_enrolment(actor)
    assert options["attestation"] == "direct"
    assert options["authenticatorSelection"]["authenticatorAttachment"] == "cross-platform"
    device = vouched()
    bench.own.enrol(actor, secret, device.create(options), "Key")
    assert bench.detail()["vouched"] is True
    signed, secret = bench.sign_in(device)
    bench.signing.step_up(signed, secret, device.get(bench.signing.begin_step_up(signed)))
    assert [one.vouched for one in bench.own.passkeys(signed.user_id)] == [True]
    assert [one["vouched"] for one in bench.accounts.passkeys_of("Olga")] == [True]
    # What of it is kept is sealed: nobody makes up a model by writing to the database.
    assert all(MODEL.encode() not in path.read_bytes() for path in bench.vault.settings.home.rglob("packs/*"))
    # A model that is taken off the list lets nobody in any more.
    bench.settle(passkey_models=(OTHER,))
    with pytest.raises(HardwareKeyNeeded):
        bench.sign_in(device)
    assert bench.last() == ("session.open", "failed", "not_hardware")


NOT_LISTED: dict[str, Callable[[], Authenticator]] = {
    "nobody vouches": lambda: Authenticator(ORIGIN),
    "it vouches for itself": lambda: Authenticator(ORIGIN, itself=MAKER.batch(MODEL).model),
    "another maker": lambda: Authenticator(ORIGIN, batch=STRANGER.batch(MODEL)),
    "another model": lambda: Authenticator(ORIGIN, batch=MAKER.batch(OTHER)),
    "a certificate of another model": lambda: Authenticator(
        ORIGIN, batch=MAKER.batch(MODEL, certified=OTHER)
    ),
    "a certificate of no model": lambda: Authenticator(ORIGIN, batch=MAKER.batch(MODEL, certified="")),
    "a certificate of something else": lambda: Authenticator(ORIGIN, batch=MAKER.batch(MODEL, unit="Web")),
    "a certificate that makes others": lambda: Authenticator(
        ORIGIN, batch=MAKER.batch(MODEL, authority=True)
    ),
    "it could be copied": lambda: vouched(flags=UP | UV | BE),
    "it was copied": lambda: vouched(flags=UP | UV | BE | BS),
}


def test_no_other_key_is_enrolled(bench: Bench) -> None:
    actor, secret = bench.by_link("Olga")
    for what, made in NOT_LISTED.items():
        bench.attempts.forgive()
        with pytest.raises(HardwareKeyNeeded, match="security keys of certain models"):
            bench.own.enrol(actor, secret, made().create(bench.own.begin_enrolment(actor)), "x")
        assert bench.last() == ("passkey.add", "failed", "not_hardware"), what
    # A signature of the maker's over something else proves nothing at all.
    first, second = (bench.own.begin_enrolment(actor) for _ in range(2))
    device = vouched()
    answer, other = device.create(first), device.create(second)
    answer["response"]["attestationObject"] = other["response"]["attestationObject"]
    with pytest.raises(PasskeyRefused) as refused:
        bench.own.enrol(actor, secret, answer, "x")
    assert refused.value.code == "passkey_refused"
    assert bench.own.passkeys(actor.user_id) == []
    # And the session is still good for nothing else.
    with pytest.raises(PasskeyNeeded):
        bench.actor(secret)


def test_the_way_from_any_passkey_to_listed_ones(bench: Bench) -> None:
    bench.settle(passkeys="required")
    old, secret = bench.enrol("Olga")
    actor = bench.actor(secret)
    bench.clock.pass_(seconds=1)
    # Another maker's key is as good as any passkey meanwhile, and no better.
    stranger = Authenticator(ORIGIN, batch=STRANGER.batch(MODEL))
    secret = bench.own.enrol(actor, secret, stranger.create(bench.own.begin_enrolment(actor)), "Another")
    assert any("1 have no passkey on a security key" in text for text, ok in said(bench).items() if not ok)
    key = vouched()
    bench.clock.pass_(seconds=1)
    secret = bench.own.enrol(actor, secret, key.create(bench.own.begin_enrolment(actor)), "Key")
    assert [one.vouched for one in bench.own.passkeys(actor.user_id)] == [False, False, True]
    assert all(said(bench).values()), said(bench)
    bench.settle(passkeys="hardware")
    for device in (old, stranger):
        with pytest.raises(HardwareKeyNeeded):
            bench.sign_in(device)
    signed, secret = bench.sign_in(key)
    # Nor do they prove anything anew, or approve.
    with pytest.raises(HardwareKeyNeeded):
        bench.signing.step_up(signed, secret, old.get(bench.signing.begin_step_up(signed)))
    bench.settle(oidc_issuer="https://id.example")
    assert any(
        "lets people in as strongly as its provider" in text for text, ok in said(bench).items() if not ok
    )
    bench.settle(oidc_issuer="")
    # Of three passkeys one is left that counts: it can't be given up, and a second one is asked for.
    (told,) = [text for text, ok in said(bench).items() if not ok]
    assert told.startswith("1 who see content have one passkey only")
    first, _, last = bench.own.passkeys(signed.user_id)
    assert (first.accepted, last.accepted) == (False, True)
    with pytest.raises(LastPasskey):
        bench.own.remove(signed, last.id)
    bench.own.remove(signed, first.id)


def test_without_the_makers_roots_nothing_is_enrolled(bench: Bench, tmp_path: Path) -> None:
    actor, _ = bench.by_link("Olga")
    for content in (None, b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
        path = tmp_path / "bad.pem"
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_bytes(content)
        bench.settle(passkey_makers=str(path))
        with pytest.raises(PasskeysImpossible):
            bench.own.begin_enrolment(actor)
        assert any("holds no certificates" in text for text, ok in said(bench).items() if not ok)


@pytest.mark.parametrize(
    "given",
    [
        {"passkeys": "hardware"},
        {"passkey_models": MODEL},
        {"passkey_makers": "/etc/makers.pem"},
        {"passkey_models": "every", "passkey_makers": "/etc/makers.pem"},
        {"passkey_models": "00000000-0000-0000-0000-000000000000", "passkey_makers": "/etc/makers.pem"},
    ],
)
def test_settings_that_would_prove_nothing_stop_the_start(tmp_path: Path, given: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        make_settings(tmp_path, 1, **{"passkeys": "required", **given})


def test_the_settings_take_models_as_people_write_them(tmp_path: Path) -> None:
    more = {"passkey_models": MODEL.upper(), "passkey_makers": "/etc/makers.pem", "passkeys": "hardware"}
    assert make_settings(tmp_path, 1, **more).passkey_models == (MODEL,)
