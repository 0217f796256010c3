"""Passkeys: every ceremony, and what each refusal is for, on both databases."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import delete, insert, select, update

from api.accounts import Accounts
from api.attempts import Attempts
from api.doctor_sign_in import sign_in_findings
from api.errors import (
    AccountError,
    LastPasskey,
    NoSuchPasskey,
    OwnEnrolmentNeeded,
    PasskeyNeeded,
    PasskeyRefused,
    PasskeysImpossible,
    SecondAdministratorNeeded,
    TooManyAttempts,
)
from api.own_account import OwnAccount
from api.passkeys import Passkeys, PasskeySignIn
from api.sessions import Sessions
from archiver import vault as vaults
from archiver.clock import to_us
from archiver.errors import DestructionRefused
from archiver.ledger import log
from archiver.ledger.log import Log
from archiver.store.schema import account_notices, appointments, challenges, passkeys
from archiver.vault import Vault
from retention.notices.account_mails import AccountMails
from search.access import Actor, Gate, NotSignedIn, StepUpNeeded
from search.actors import Role
from tests.api.house import StillClock, make_settings
from tests.support.authenticator import BE, BS, UP, UV, Authenticator, unb64

ORIGIN = "http://localhost:8025"


@dataclass
class Bench:
    """The services of signing in, and a clock to move."""

    vault: Vault
    clock: StillClock
    attempts: Attempts = field(init=False)
    notices: AccountMails = field(init=False)
    passkeys: Passkeys = field(init=False)
    sessions: Sessions = field(init=False)
    accounts: Accounts = field(init=False)
    signing: PasskeySignIn = field(init=False)
    own: OwnAccount = field(init=False)

    def __post_init__(self) -> None:
        gate = Gate(self.vault.audit)
        self.attempts = Attempts(self.vault)
        self.notices = AccountMails(self.vault)
        self.passkeys = Passkeys(self.vault, self.attempts, self.notices)
        self.sessions = Sessions(self.vault, gate, self.notices)
        self.accounts = Accounts(self.vault, gate, self.attempts, self.sessions)
        self.signing = PasskeySignIn(self.vault, gate, self.passkeys, self.sessions)
        self.own = OwnAccount(self.vault, gate, self.passkeys, self.sessions, self.notices)

    def by_link(self, name: str) -> tuple[Actor, str]:
        """A session by a link of the operator's, as the desk has it."""
        code = self.accounts.link(name).rpartition("/")[2]
        _, secret = self.accounts.redeem(code, "desk", address="192.0.2.1", agent="Firefox")
        return self.actor(secret, enrolling=True), secret

    def actor(self, secret: str, *, enrolling: bool = False) -> Actor:
        return self.accounts.authenticate(secret, "desk", kind="session", enrolling=enrolling)

    def enrol(self, name: str, device: Authenticator | None = None) -> tuple[Authenticator, str]:
        """Give somebody a passkey by a link; the device and the session's secret afterwards."""
        device = device or Authenticator(ORIGIN)
        actor, secret = self.by_link(name)
        options = self.own.begin_enrolment(actor)
        return device, self.own.enrol(actor, secret, device.create(options), "Phone")

    def sign_in(self, device: Authenticator, **changed: Any) -> tuple[Actor, str]:
        options = self.signing.begin("192.0.2.1")
        return self.signing.sign_in(device.get(options, **changed), address="192.0.2.1")

    def entries(self) -> list[dict[str, Any]]:
        with self.vault.records.read() as connection:
            size = log.state(connection, Log.AUDIT).size
            return [leaf for _, leaf, _ in self.vault.audit.entries(connection, 0, size)]

    def last(self) -> tuple[str, str, str]:
        leaf = self.entries()[-1]
        return leaf["action"], leaf["outcome"], leaf["reason"]

    def told(self, name: str) -> list[str]:
        user = self.accounts.find(name).id
        return [notice.kind for notice in self.own.notices(user)]


@pytest.fixture
def bench(tmp_path: Path, database_url: str) -> Iterator[Bench]:
    settings = make_settings(tmp_path, 8025, database_url, passkeys="required")
    vaults.create(settings)
    clock = StillClock()
    vault = vaults.open_vault(settings, clock)
    made = Bench(vault, clock)
    made.accounts.add_user("Olga", "compliance_officer")
    yield made
    vault.close()


# --- the main way --------------------------------------------------------------------------------


def test_enrol_sign_in_step_up_and_remove(bench: Bench) -> None:
    actor, secret = bench.by_link("Olga")
    assert (actor.method, actor.verified_us) == ("link", None)
    with pytest.raises(PasskeyNeeded):
        bench.actor(secret)
    assert bench.last() == ("session.use", "denied", "enrol_first")

    device = Authenticator(ORIGIN)
    options = bench.own.begin_enrolment(actor)
    assert options["authenticatorSelection"] == {
        "residentKey": "required",
        "requireResidentKey": True,
        "userVerification": "required",
    }
    assert (options["rp"]["id"], len(unb64(options["challenge"]))) == ("localhost", 32)
    fresh = bench.own.enrol(actor, secret, device.create(options), "Phone")
    assert bench.last()[:2] == ("passkey.add", "success")
    whole = bench.actor(fresh)
    assert (whole.method, whole.session) == ("passkey", actor.session)
    with pytest.raises(NotSignedIn):
        bench.actor(secret, enrolling=True)  # the secret of before is worth nothing

    signed, secret = bench.sign_in(device)
    assert (signed.name, signed.method, signed.role) == ("Olga", "passkey", Role.COMPLIANCE_OFFICER)
    assert bench.entries()[-1]["session"] == signed.session
    bench.clock.pass_(minutes=6)
    stale = bench.actor(secret)
    with pytest.raises(StepUpNeeded):
        bench.own.begin_enrolment(stale)
    assert bench.last() == ("passkey.add", "denied", "step_up")
    renewed = bench.signing.step_up(stale, secret, device.get(bench.signing.begin_step_up(stale)))
    assert bench.last()[:2] == ("session.verify", "success")
    with pytest.raises(NotSignedIn):
        bench.actor(secret)
    again = bench.actor(renewed)
    assert (again.session, again.verified_us) == (stale.session, to_us(bench.clock.now()))

    second = Authenticator(ORIGIN)
    options = bench.own.begin_enrolment(again)
    assert [one["id"] for one in options["excludeCredentials"]]
    renewed = bench.own.enrol(again, renewed, second.create(options), "Key in the safe")
    assert [one.label for one in bench.own.passkeys(again.user_id)] == ["Phone", "Key in the safe"]
    assert bench.told("Olga") == ["passkey_added"]
    bench.sign_in(second)

    bench.clock.pass_(seconds=1)
    first, other = (one.id for one in bench.own.passkeys(again.user_id))
    now = bench.actor(bench.sign_in(device)[1])
    bench.own.remove(now, first)
    with pytest.raises(NoSuchPasskey):
        bench.own.remove(now, first)
    with pytest.raises(LastPasskey):
        bench.own.remove(now, other)
    with pytest.raises(PasskeyRefused):
        bench.sign_in(device)
    assert bench.last() == ("session.open", "failed", "removed")
    assert bench.told("Olga") == ["passkey_removed", "passkey_added"]


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


def test_a_challenge_is_good_once_for_five_minutes_and_its_own_purpose(bench: Bench) -> None:
    device, secret = bench.enrol("Olga")
    options = bench.signing.begin("192.0.2.1")
    answer = device.get(options)
    _, session = bench.signing.sign_in(answer)
    with pytest.raises(PasskeyRefused):
        bench.signing.sign_in(answer)  # replayed
    assert bench.last() == ("session.open", "failed", "challenge")
    late = device.get(bench.signing.begin("192.0.2.1"))
    bench.clock.pass_(minutes=5)
    with pytest.raises(PasskeyRefused):
        bench.signing.sign_in(late)
    # A wrong answer spends the challenge too.
    options = bench.signing.begin("192.0.2.1")
    with pytest.raises(PasskeyRefused):
        bench.signing.sign_in(device.get(options, origin="http://evil.example"))
    with pytest.raises(PasskeyRefused):
        bench.signing.sign_in(device.get(options))
    # A sign-in's answer is none for a step-up, and one session's none for another.
    actor = bench.actor(session)
    with pytest.raises(PasskeyRefused):
        bench.signing.step_up(actor, session, device.get(bench.signing.begin("192.0.2.1")))
    other, secret = bench.sign_in(device)
    with pytest.raises(PasskeyRefused):
        bench.signing.step_up(other, secret, device.get(bench.signing.begin_step_up(actor)))
    assert bench.last() == ("session.verify", "failed", "other_session")
    with pytest.raises(PasskeyRefused):
        bench.signing.sign_in(device.get(bench.signing.begin_step_up(actor)))
    # Spent and outlived ones go.
    bench.clock.pass_(minutes=6)
    bench.signing.begin("192.0.2.1")
    with bench.vault.records.read() as connection:
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


def test_of_one_answer_sent_at_once_one_gets_in(bench: Bench) -> None:
    device, _ = bench.enrol("Olga", Authenticator(ORIGIN, count=5))
    answer = device.get(bench.signing.begin("192.0.2.1"))

    def attempt(_: int) -> bool:
        try:
            bench.signing.sign_in(answer)
        except PasskeyRefused:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(attempt, range(4))) == 1


def test_a_counter_that_goes_backwards_ends_the_key_and_the_sessions(bench: Bench) -> None:
    device, secret = bench.enrol("Olga", Authenticator(ORIGIN, count=5))
    spare = Authenticator(ORIGIN)
    actor = bench.actor(secret)
    secret = bench.own.enrol(actor, secret, spare.create(bench.own.begin_enrolment(actor)), "spare")
    clone = Authenticator(
        ORIGIN, count=5, key=device.key, credential_id=device.credential_id, user_handle=device.user_handle
    )
    for _ in range(3):
        bench.sign_in(device)
    _, living = bench.sign_in(device)
    # Without the key nobody can make it so: a forged counter is just a wrong signature.
    forged = Authenticator(ORIGIN, credential_id=device.credential_id, user_handle=device.user_handle)
    with pytest.raises(PasskeyRefused):
        bench.sign_in(forged)
    bench.actor(living)
    with pytest.raises(PasskeyRefused):
        bench.sign_in(clone)
    assert bench.last() == ("session.open", "failed", "cloned")
    removal = [e for e in bench.entries() if e["action"] == "passkey.remove"]
    assert [(e["user"], e["reason"]) for e in removal] == [("system", "cloned")]
    with pytest.raises(NotSignedIn):
        bench.actor(living)
    with pytest.raises(PasskeyRefused):
        bench.sign_in(device)  # whoever has the true one uses another, or asks for a link
    bench.sign_in(spare)
    assert bench.told("Olga")[0] == "passkey_cloned"


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


def test_a_passkey_that_fails_too_often_is_locked_for_a_while(bench: Bench) -> None:
    device, _ = bench.enrol("Olga")
    wrong = Authenticator(ORIGIN, credential_id=device.credential_id, user_handle=device.user_handle)
    for _ in range(5):
        with pytest.raises(PasskeyRefused):
            bench.sign_in(wrong)
    with pytest.raises(TooManyAttempts):
        bench.sign_in(device)  # the true one too, until the quarter of an hour is over
    # Another process sees the same.
    elsewhere = Bench(bench.vault, bench.clock)
    with pytest.raises(TooManyAttempts):
        elsewhere.sign_in(device)
    bench.clock.pass_(minutes=15)
    bench.sign_in(device)
    for _ in range(4):
        with pytest.raises(PasskeyRefused):
            bench.sign_in(wrong)
    bench.sign_in(device)  # a success forgets the failures before it
    with pytest.raises(PasskeyRefused):
        bench.sign_in(wrong)
    bench.sign_in(device)


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


# --- links and tokens of others ------------------------------------------------------------------


def _administrator(bench: Bench, name: str) -> Actor:
    user = bench.accounts.add_user(name, "administrator")
    return Actor(user.id, name, Role.ADMINISTRATOR, "desk")


def test_a_link_for_a_lost_passkey_takes_two_administrators(bench: Bench) -> None:
    ada, bob = _administrator(bench, "Ada"), _administrator(bench, "Bob")
    bench.accounts.link("Olga", by=ada)  # she has none yet
    device, old = bench.enrol("Olga")
    with pytest.raises(SecondAdministratorNeeded):
        bench.accounts.link("Olga", by=ada)
    assert bench.last()[:2] == ("link.ask", "success")
    with pytest.raises(SecondAdministratorNeeded):
        bench.accounts.link("Olga", by=ada)  # one person is one person
    bench.clock.pass_(hours=1)
    with pytest.raises(SecondAdministratorNeeded):
        bench.accounts.link("Olga", by=bob)  # too late: Ada's wish is an hour old
    link = bench.accounts.link("Olga", by=ada)
    assert bench.told("Olga")[0] == "link_issued"
    with pytest.raises(SecondAdministratorNeeded):
        bench.accounts.link("Olga", by=ada)  # each link takes two anew

    # It adds a passkey, and whoever was signed in before is not any more.
    _, old = bench.sign_in(device)
    bench.clock.pass_(seconds=1)
    _, secret = bench.accounts.redeem(link.rpartition("/")[2], "desk")
    actor = bench.actor(secret, enrolling=True)
    new = Authenticator(ORIGIN)
    with pytest.raises(StepUpNeeded):
        bench.own.remove(actor, bench.own.passkeys(actor.user_id)[0].id)
    bench.own.enrol(actor, secret, new.create(bench.own.begin_enrolment(actor)), "new phone")
    with pytest.raises(NotSignedIn):
        bench.actor(old)
    bench.sign_in(new)
    assert "passkey_added" in bench.told("Olga")


def test_a_passkey_that_was_copied_leaves_no_way_round_the_second_administrator(bench: Bench) -> None:
    ada = _administrator(bench, "Ada")
    bench.enrol("Olga")
    (only,) = bench.accounts.passkeys_of("Olga")
    assert bench.accounts.remove_passkey_of("Olga", only["id"]) == 1
    with pytest.raises(SecondAdministratorNeeded):
        bench.accounts.link("Olga", by=ada)
    bench.enrol("Olga")  # by the operator's link


def test_who_was_appointed_a_moment_ago_is_no_second_administrator(bench: Bench) -> None:
    ada, eve = _administrator(bench, "Ada"), _administrator(bench, "Eve")
    bench.enrol("Olga")
    now = bench.clock.now()
    row = {"id": "a" * 16, "user_id": eve.user_id, "role": "administrator", "by_id": ada.user_id}
    with bench.vault.records.write() as connection:
        # Whatever wrote appointments down when the users were added is aside: this is what counts.
        connection.execute(insert(appointments).values(**row, at_us=to_us(now)))
    with pytest.raises(SecondAdministratorNeeded):
        bench.accounts.link("Olga", by=ada)
    with pytest.raises(SecondAdministratorNeeded):
        bench.accounts.link("Olga", by=eve)
    bench.clock.pass_(days=8)
    with pytest.raises(SecondAdministratorNeeded):
        bench.accounts.link("Olga", by=ada)
    assert bench.accounts.link("Olga", by=eve)


def test_an_administrator_gets_no_token_that_reads_mail_as_somebody(bench: Bench) -> None:
    ada = _administrator(bench, "Ada")
    bench.accounts.add_user("Bob", "administrator")
    for name in ("Olga",):
        with pytest.raises(OwnEnrolmentNeeded):
            bench.accounts.token(name, by=ada)
        assert bench.last() == ("token.issue", "denied", "own_enrolment")
    assert bench.accounts.token("Bob", by=ada)  # sees no content
    assert bench.accounts.token("Ada", by=ada)
    assert bench.accounts.token("Olga")  # the operator


def test_where_passkeys_are_optional_only_the_operators_link_opens_the_desk(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    optional = bench.vault.settings.model_copy(update={"passkeys": "optional"})
    monkeypatch.setattr(bench.vault, "settings", optional)
    bench = Bench(bench.vault, bench.clock)
    ada = _administrator(bench, "Ada")
    _, secret = bench.by_link("Olga")
    assert bench.actor(secret).method == "link"
    code = bench.accounts.link("Olga", by=ada).rpartition("/")[2]
    _, secret = bench.accounts.redeem(code, "desk")
    with pytest.raises(PasskeyNeeded):
        bench.actor(secret)
    bench.accounts.add_user("Bob", "administrator")
    _, secret = bench.accounts.redeem(bench.accounts.link("Bob", by=ada).rpartition("/")[2], "desk")
    assert bench.actor(secret).name == "Bob"


def test_the_first_administrator_gets_links_until_a_passkey_is_there(bench: Bench) -> None:
    first = bench.accounts.first_administrator_link()
    assert first
    bench.accounts.redeem(first.rpartition("/")[2], "desk")  # opened, and nothing enrolled
    again = bench.accounts.first_administrator_link()
    assert again
    _, secret = bench.accounts.redeem(again.rpartition("/")[2], "desk")
    actor = bench.actor(secret, enrolling=True)
    bench.own.enrol(actor, secret, Authenticator(ORIGIN).create(bench.own.begin_enrolment(actor)), "x")
    assert bench.accounts.first_administrator_link() is None


def test_mail_of_an_account_is_checked_sealed_and_told(bench: Bench) -> None:
    with pytest.raises(AccountError):
        bench.accounts.add_user("Mia", "legal", mail="mia at clinic")
    user = bench.accounts.add_user("Mia", "legal", mail="mia@clinic.example")
    assert bench.own.mail(user.id) == "mia@clinic.example"
    _, secret = bench.enrol("Mia")
    actor = bench.actor(secret)
    bench.own.set_mail(actor, "m@clinic.example")
    assert bench.own.mail(user.id) == "m@clinic.example"
    assert bench.told("Mia") == ["mail_changed"]
    assert bench.own.seen(actor) == 1
    assert bench.own.notices(user.id, unseen=True) == []
    with bench.vault.records.read() as connection:
        rows = connection.execute(select(account_notices)).all()
    assert b"clinic" not in repr(rows).encode()


def test_doctor_names_who_has_one_passkey_only(bench: Bench) -> None:
    def said() -> list[tuple[bool, str]]:
        return [(ok, good if ok else bad) for _, ok, good, bad in sign_in_findings(bench.vault)]

    assert [ok for ok, _ in said()] == [True, True, True]
    _, secret = bench.enrol("Olga")
    actor = bench.actor(secret)
    assert [ok for ok, _ in said()] == [True, True, False]
    assert actor.user_id in said()[2][1]
    spare = Authenticator(ORIGIN)
    bench.own.enrol(actor, secret, spare.create(bench.own.begin_enrolment(actor)), "spare")
    assert [ok for ok, _ in said()] == [True, True, True]


# --- guards --------------------------------------------------------------------------------------


def test_the_database_keeps_passkeys_for_ever(bench: Bench) -> None:
    bench.enrol("Olga", Authenticator(ORIGIN, count=5))
    records = bench.vault.records
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
