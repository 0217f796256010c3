"""Accounts: roles, tokens, links and sessions, with every change on record, on both databases."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from limits import RateLimitItemPerMinute
from sqlalchemy import select

from api.accounts import Accounts, read_role
from api.attempts import BURST, EVERYBODY, REMEMBERED, Attempts
from api.credentials import hash_secret, new_secret
from api.errors import (
    AccountError,
    LastAdministrator,
    NameTaken,
    NoSuchUser,
    TooManyAttempts,
    UnknownRole,
    UserDisabled,
)
from archiver import vault as vaults
from archiver.ledger import log
from archiver.ledger.log import Log
from archiver.store.schema import credentials, sign_in_attempts
from archiver.vault import Vault
from search.access import AccessDenied, Actor, NotSignedIn, Role
from tests.api.house import StillClock, make_settings


class Bench:
    """A vault, its accounts and a clock to move."""

    def __init__(self, vault: Vault, clock: StillClock) -> None:
        self.vault, self.clock = vault, clock
        self.accounts = Accounts(vault)

    def entries(self) -> list[dict[str, Any]]:
        with self.vault.records.read() as connection:
            size = log.state(connection, Log.AUDIT).size
            found = self.vault.audit.entries(connection, 0, size)
        return [leaf for _, leaf, _ in found]

    def actions(self) -> list[tuple[str, str]]:
        return [(leaf["action"], leaf["outcome"]) for leaf in self.entries()]


@pytest.fixture
def bench(tmp_path: Path, database_url: str) -> Iterator[Bench]:
    settings = make_settings(tmp_path, 8025, database_url)
    vaults.create(settings)
    clock = StillClock()
    vault = vaults.open_vault(settings, clock)
    yield Bench(vault, clock)
    vault.close()


def test_a_token_signs_in_until_it_expires(bench: Bench) -> None:
    user = bench.accounts.add_user("  Rita  ", "records-manager")
    assert (user.name, user.role, user.disabled) == ("Rita", Role.RECORDS_MANAGER, False)
    token = bench.accounts.token("Rita", days=2)
    assert token.startswith("hf_")
    assert len(token) == 46
    actor = bench.accounts.authenticate(token, "cli")
    assert replace(actor, token="") == Actor(user.id, "Rita", Role.RECORDS_MANAGER, "cli")
    bench.clock.pass_(days=2)
    with pytest.raises(NotSignedIn):
        bench.accounts.authenticate(token, "cli")
    last = bench.entries()[-1]
    assert (last["action"], last["outcome"], last["reason"], last["user"]) == (
        "session.use",
        "failed",
        "expired",
        user.id,
    )


def test_only_the_hash_of_a_secret_is_kept(bench: Bench) -> None:
    bench.accounts.add_user("Rita", "records")
    token = bench.accounts.token("Rita")
    with bench.vault.records.read() as connection:
        kept = connection.execute(select(credentials)).mappings().one()
    assert bytes(kept["hash"]) == hashlib.sha256(token.encode()).digest()
    assert kept["expires_us"] - kept["created_us"] == 90 * 86_400_000_000
    files = [path for path in bench.vault.settings.home.rglob("*") if path.is_file()]
    assert files or bench.vault.records.dialect == "postgresql"
    assert all(token.encode() not in path.read_bytes() for path in files)


def test_every_change_is_on_record(bench: Bench) -> None:
    bench.accounts.add_user("Ada", "admin")
    user = bench.accounts.add_user("Rita", "records")
    bench.accounts.token("Rita")
    link = bench.accounts.link("Rita")
    actor, secret = bench.accounts.redeem(link.rpartition("/")[2], "desk")
    bench.accounts.sign_out(actor, secret)
    bench.accounts.list()
    bench.accounts.disable("Rita")
    assert bench.actions() == [
        ("user.add", "success"),
        ("user.add", "success"),
        ("token.issue", "success"),
        ("link.issue", "success"),
        ("session.open", "success"),
        ("session.close", "success"),
        ("user.list", "success"),
        ("user.disable", "success"),
    ]
    assert bench.entries()[-1]["objects"] == [user.id]
    assert bench.entries()[0]["user"] == "operator"


@pytest.mark.parametrize(
    ("text", "role"),
    [
        ("compliance_officer", Role.COMPLIANCE_OFFICER),
        ("Compliance-Officer", Role.COMPLIANCE_OFFICER),
        (" compliance officer ", Role.COMPLIANCE_OFFICER),
        ("admin", Role.ADMINISTRATOR),
        ("compliance", Role.COMPLIANCE_OFFICER),
        ("records", Role.RECORDS_MANAGER),
        ("privacy", Role.PRIVACY_OFFICER),
        ("legal", Role.LEGAL),
    ],
)
def test_role_names(text: str, role: Role) -> None:
    assert read_role(text) is role


@given(st.text())
def test_hostile_role_names_are_refused_without_being_repeated(text: str) -> None:
    said = ""
    try:
        read_role(text)
    except UnknownRole as error:
        said = str(error)
    assert said in ("", f"unknown role; use one of {', '.join(Role)}")


@given(st.text())
def test_what_cannot_be_a_secret_is_not_hashed(text: str) -> None:
    assert hash_secret(text) is None


def test_secrets_are_of_one_form() -> None:
    made = {new_secret() for _ in range(200)}
    assert len(made) == 200
    assert all(hash_secret(secret) is not None for secret in made)


@pytest.mark.parametrize("name", ["", "   ", "x" * 101, "two\nlines", "nul\0", "\u202eevil"])
def test_unusable_names_are_refused(bench: Bench, name: str) -> None:
    with pytest.raises(AccountError):
        bench.accounts.add_user(name, "legal")


def test_names_are_never_given_twice(bench: Bench) -> None:
    bench.accounts.add_user("Rita", "legal")
    bench.accounts.disable("Rita")
    with pytest.raises(NameTaken):
        bench.accounts.add_user("Rita", "legal")
    assert bench.actions() == [("user.add", "success"), ("user.disable", "success")]


def test_disabling_ends_everything_at_once(bench: Bench) -> None:
    bench.accounts.add_user("Rita", "legal")
    token = bench.accounts.token("Rita")
    _, session = bench.accounts.redeem(bench.accounts.link("Rita").rpartition("/")[2], "desk")
    unused = bench.accounts.link("Rita").rpartition("/")[2]
    bench.accounts.disable("Rita")
    with pytest.raises(NotSignedIn):
        bench.accounts.authenticate(token, "api")
    with pytest.raises(NotSignedIn):
        bench.accounts.authenticate(session, "desk", kind="session")
    with pytest.raises(NotSignedIn):
        bench.accounts.redeem(unused, "desk")
    with pytest.raises(UserDisabled):
        bench.accounts.token("Rita")
    assert bench.accounts.disable("Rita").disabled


def test_a_link_is_good_once_and_for_a_quarter_of_an_hour(bench: Bench) -> None:
    bench.accounts.add_user("Lex", "legal")
    first = bench.accounts.link("Lex").rpartition("/")[2]
    second = bench.accounts.link("Lex").rpartition("/")[2]
    with pytest.raises(NotSignedIn):
        bench.accounts.redeem(first, "desk")  # the second one took its place
    actor, _ = bench.accounts.redeem(second, "desk")
    assert (actor.name, actor.client) == ("Lex", "desk")
    with pytest.raises(NotSignedIn):
        bench.accounts.redeem(second, "desk")
    assert [e["reason"] for e in bench.entries() if e["outcome"] == "failed"] == ["spent", "spent"]
    third = bench.accounts.link("Lex").rpartition("/")[2]
    bench.clock.pass_(minutes=15)
    with pytest.raises(NotSignedIn):
        bench.accounts.redeem(third, "desk")


def test_of_many_who_redeem_a_link_at_once_one_gets_in(bench: Bench) -> None:
    bench.accounts.add_user("Lex", "legal")
    code = bench.accounts.link("Lex").rpartition("/")[2]

    def attempt(_: int) -> bool:
        try:
            bench.accounts.redeem(code, "desk")
        except NotSignedIn:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(8))) == 1


def test_credentials_of_one_kind_are_no_good_as_another(bench: Bench) -> None:
    bench.accounts.add_user("Lex", "legal")
    token = bench.accounts.token("Lex")
    code = bench.accounts.link("Lex").rpartition("/")[2]
    with pytest.raises(NotSignedIn):
        bench.accounts.authenticate(token, "desk", kind="session")
    with pytest.raises(NotSignedIn):
        bench.accounts.authenticate(code, "api")
    with pytest.raises(NotSignedIn):
        bench.accounts.redeem(token, "desk")


def test_sessions_end_by_idleness_and_by_age(bench: Bench) -> None:
    bench.accounts.add_user("Lex", "legal")

    def sign_in() -> str:
        return bench.accounts.redeem(bench.accounts.link("Lex").rpartition("/")[2], "desk")[1]

    def good(secret: str) -> bool:
        try:
            bench.accounts.authenticate(secret, "desk", kind="session")
        except NotSignedIn:
            return False
        return True

    idle = sign_in()
    bench.clock.pass_(minutes=14, seconds=59)
    assert good(idle)
    bench.clock.pass_(minutes=15)
    assert not good(idle)
    ended = bench.entries()[-1]
    assert (ended["action"], ended["outcome"], ended["reason"]) == ("session.end", "success", "idle")
    assert not good(idle)
    assert bench.entries()[-1]["reason"] == "revoked"  # met again: its end is told once

    busy = sign_in()
    for _ in range(12 * 6 - 1):
        bench.clock.pass_(minutes=10)
        assert good(busy)
    bench.clock.pass_(minutes=10)
    assert not good(busy)
    assert (bench.entries()[-1]["action"], bench.entries()[-1]["reason"]) == ("session.end", "expired")


def test_signing_in_replaces_the_session_and_the_oldest_gives_way(bench: Bench) -> None:
    bench.accounts.add_user("Lex", "legal")
    alive = []
    for _ in range(3):
        bench.clock.pass_(seconds=1)
        alive.append(bench.accounts.redeem(bench.accounts.link("Lex").rpartition("/")[2], "desk")[1])
    with pytest.raises(NotSignedIn):
        bench.accounts.authenticate(alive[0], "desk", kind="session")
    bench.accounts.authenticate(alive[1], "desk", kind="session")
    code = bench.accounts.link("Lex").rpartition("/")[2]
    bench.accounts.redeem(code, "desk", previous=alive[2])
    with pytest.raises(NotSignedIn):
        bench.accounts.authenticate(alive[2], "desk", kind="session")
    # Each that gave way has its end in the log, once (ASTM E2147-18, 7.1.1), before the next one's beginning.
    opened = [e["session"] for e in bench.entries() if e["action"] == "session.open"]
    ended = [e for e in bench.entries() if e["action"] == "session.end"]
    assert [(e["session"], e["reason"]) for e in ended] == [
        (opened[0], "replaced"),
        (opened[2], "replaced"),
    ]
    assert [e["action"] for e in bench.entries()][-3:] == ["session.end", "session.open", "session.use"]


def test_the_first_administrator_enrols_once(bench: Bench) -> None:
    first = bench.accounts.first_administrator_link()
    again = bench.accounts.first_administrator_link()
    assert first
    assert again
    assert first != again
    assert [user.name for user in bench.accounts.list()] == ["administrator"]
    bench.clock.pass_(hours=23)
    actor, _ = bench.accounts.redeem(again.rpartition("/")[2], "desk")
    assert actor.role is Role.ADMINISTRATOR
    assert bench.accounts.first_administrator_link() is None


def test_only_administrators_manage_users(bench: Bench) -> None:
    bench.accounts.add_user("Ada", "admin")
    bench.accounts.add_user("Lex", "legal")
    lex = bench.accounts.authenticate(bench.accounts.token("Lex"), "api")
    for attempt in (
        lambda: bench.accounts.add_user("Eve", "admin", by=lex),
        lambda: bench.accounts.list(by=lex),
        lambda: bench.accounts.disable("Ada", by=lex),
        lambda: bench.accounts.token("Ada", by=lex),
        lambda: bench.accounts.link("Ada", by=lex),
    ):
        with pytest.raises(AccessDenied):
            attempt()
        assert bench.actions()[-1] == ("user.manage", "denied")
    ada = bench.accounts.authenticate(bench.accounts.token("Ada"), "api")
    with pytest.raises(LastAdministrator):
        bench.accounts.disable("Ada", by=ada)
    bench.accounts.add_user("Bob", "admin", by=ada)
    assert bench.accounts.disable("Ada", by=ada).disabled


@pytest.mark.parametrize("days", [0, -1, 367])
def test_a_token_lives_a_sensible_time(bench: Bench, days: int) -> None:
    bench.accounts.add_user("Lex", "legal")
    with pytest.raises(AccountError):
        bench.accounts.token("Lex", days)


def test_unknown_users_are_named_as_such(bench: Bench) -> None:
    with pytest.raises(NoSuchUser):
        bench.accounts.token("nobody")


def test_failures_are_limited_and_none_is_forgotten(bench: Bench) -> None:
    bench.accounts.add_user("Lex", "legal")
    token = bench.accounts.token("Lex")
    before = len(bench.entries())
    for _ in range(BURST):
        with pytest.raises(NotSignedIn):
            bench.accounts.authenticate(new_secret(), "api", address="192.0.2.7")
    for _ in range(5):
        with pytest.raises(TooManyAttempts) as refused:
            bench.accounts.authenticate(new_secret(), "api", address="192.0.2.7")
    assert 1 <= refused.value.retry_after <= 61
    # A good credential passes all the same, and other addresses aren't touched.
    bench.accounts.authenticate(token, "api", address="192.0.2.7")
    with pytest.raises(NotSignedIn):
        bench.accounts.authenticate(None, "api", address="192.0.2.8")
    assert len(bench.entries()) == before + BURST + 1
    # Another process counts with the same counters, and writes no more than this one.
    with pytest.raises(TooManyAttempts):
        Accounts(bench.vault).authenticate(new_secret(), "api", address="192.0.2.7")
    bench.clock.pass_(seconds=refused.value.retry_after)
    with pytest.raises(NotSignedIn):
        bench.accounts.authenticate(new_secret(), "api", address="192.0.2.7")
    assert bench.entries()[-1]["count"] == 6  # this one and the five that were refused unrecorded


def test_the_limits_take_an_ipv6_network_for_one_client_and_forget_in_time(bench: Bench) -> None:
    attempts = Attempts(bench.vault)
    for n in range(BURST):
        attempts.failed(f"2001:db8::{n:x}")
    for _ in range(3):
        with pytest.raises(TooManyAttempts):
            attempts.failed("2001:db8::ffff")
    attempts.failed("2001:db8:0:1::1")
    assert len(attempts._over) == 1
    assert REMEMBERED == 4_096
    bench.clock.pass_(minutes=1)
    assert attempts.failed("2001:db8::1") == 4
    # What is counted against an address doesn't name it, and goes when its time is over.
    with bench.vault.records.read() as connection:
        rows = connection.execute(select(sign_in_attempts)).all()
    assert b"2001" not in repr(rows).encode()
    assert len(rows) == 2
    # A clock that is set back locks nobody out for days: not by what is counted, nor by what is remembered.
    for _ in range(BURST - 1):
        attempts.failed("2001:db8::1")
    with pytest.raises(TooManyAttempts):
        attempts.failed("2001:db8::1")
    assert len(attempts._over) == 1
    bench.clock.pass_(days=-2)
    assert attempts.failed("2001:db8::1") >= 1


def test_everybody_together_is_limited_too(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (EVERYBODY.amount, EVERYBODY.get_expiry()) == (600, 60)
    few = RateLimitItemPerMinute(40, 1, "everybody")
    monkeypatch.setattr("api.attempts.EVERYBODY", few)
    attempts = Attempts(bench.vault)
    before = len(bench.entries())
    refused = 0
    for n in range(few.amount + 5):
        try:
            attempts.failed(f"10.0.{n // 250}.{n % 250}")
        except TooManyAttempts:
            refused += 1
    assert refused == 5
    assert len(bench.entries()) == before
