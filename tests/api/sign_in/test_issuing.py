"""Links, tokens and appointments: nobody becomes somebody else by one, and its owner is told."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, select

from api.doctor_sign_in import sign_in_findings
from api.errors import (
    AccountError,
    OwnEnrolmentNeeded,
    PasskeyNeeded,
    SecondAdministratorNeeded,
)
from api.tokens import MadeFor
from archiver.clock import to_us
from archiver.store.schema import account_notices, appointments
from search.access import NotSignedIn, StepUpNeeded
from tests.api.sign_in.sign_in_bench import ORIGIN, Bench
from tests.support.authenticator import Authenticator


def test_a_link_for_a_lost_passkey_takes_two_administrators(both: Bench) -> None:
    ada, bob = both.administrator("Ada"), both.administrator("Bob")
    both.accounts.link("Olga", by=ada)  # she has none yet
    device, old = both.enrol("Olga")
    with pytest.raises(SecondAdministratorNeeded):
        both.accounts.link("Olga", by=ada)
    assert both.last()[:2] == ("link.ask", "success")
    with pytest.raises(SecondAdministratorNeeded):
        both.accounts.link("Olga", by=ada)  # one person is one person
    both.clock.pass_(hours=1)
    with pytest.raises(SecondAdministratorNeeded):
        both.accounts.link("Olga", by=bob)  # too late: Ada's wish is an hour old
    link = both.accounts.link("Olga", by=ada)
    assert both.told("Olga")[0] == "link_issued"
    with pytest.raises(SecondAdministratorNeeded):
        both.accounts.link("Olga", by=ada)  # each link takes two anew

    # It adds a passkey, and whoever was signed in before is not any more.
    _, old = both.sign_in(device)
    both.clock.pass_(seconds=1)
    _, secret = both.accounts.redeem(link.rpartition("/")[2], "desk")
    actor = both.actor(secret, enrolling=True)
    new = Authenticator(ORIGIN)
    with pytest.raises(StepUpNeeded):
        both.own.remove(actor, both.own.passkeys(actor.user_id)[0].id)
    both.own.enrol(actor, secret, new.create(both.own.begin_enrolment(actor)), "new phone")
    with pytest.raises(NotSignedIn):
        both.actor(old)
    both.sign_in(new)
    assert "passkey_added" in both.told("Olga")


def test_a_passkey_that_was_copied_leaves_no_way_round_the_second_administrator(bench: Bench) -> None:
    ada = bench.administrator("Ada")
    bench.enrol("Olga")
    (only,) = bench.accounts.passkeys_of("Olga")
    assert bench.accounts.remove_passkey_of("Olga", only["id"]) == 1
    with pytest.raises(SecondAdministratorNeeded):
        bench.accounts.link("Olga", by=ada)
    bench.enrol("Olga")  # by the operator's link


def test_who_was_appointed_a_moment_ago_is_no_second_administrator(both: Bench) -> None:
    ada, eve = both.administrator("Ada"), both.administrator("Eve")
    both.enrol("Olga")
    now = both.clock.now()
    row = {"id": "a" * 16, "user_id": eve.user_id, "role": "administrator", "by_id": ada.user_id}
    with both.vault.records.write() as connection:
        # Whatever wrote appointments down when the users were added is aside: this is what counts.
        connection.execute(insert(appointments).values(**row, at_us=to_us(now)))
    with pytest.raises(SecondAdministratorNeeded):
        both.accounts.link("Olga", by=ada)
    with pytest.raises(SecondAdministratorNeeded):
        both.accounts.link("Olga", by=eve)
    both.clock.pass_(days=8)
    with pytest.raises(SecondAdministratorNeeded):
        both.accounts.link("Olga", by=ada)
    assert both.accounts.link("Olga", by=eve)


def test_an_administrator_gets_no_token_that_reads_mail_as_somebody(bench: Bench) -> None:
    ada = bench.administrator("Ada")
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
    ada = bench.administrator("Ada")
    _, secret = bench.by_link("Olga")
    assert bench.actor(secret).method == "link"
    code = bench.accounts.link("Olga", by=ada).rpartition("/")[2]
    _, secret = bench.accounts.redeem(code, "desk")
    with pytest.raises(PasskeyNeeded):
        bench.actor(secret)
    bench.accounts.add_user("Bob", "administrator")
    _, secret = bench.accounts.redeem(bench.accounts.link("Bob", by=ada).rpartition("/")[2], "desk")
    assert bench.actor(secret).name == "Bob"


def test_the_first_administrator_gets_links_until_a_passkey_is_there(both: Bench) -> None:
    first = both.accounts.first_administrator_link()
    assert first
    both.accounts.redeem(first.rpartition("/")[2], "desk")  # opened, and nothing enrolled
    again = both.accounts.first_administrator_link()
    assert again
    _, secret = both.accounts.redeem(again.rpartition("/")[2], "desk")
    actor = both.actor(secret, enrolling=True)
    both.own.enrol(actor, secret, Authenticator(ORIGIN).create(both.own.begin_enrolment(actor)), "x")
    assert both.accounts.first_administrator_link() is None


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


def said(bench: Bench) -> list[str]:
    """What `doctor` finds wrong with signing in."""
    return [bad for _, ok, _, bad in sign_in_findings(bench.vault) if not ok]


def test_doctor_names_who_has_one_passkey_only(both: Bench) -> None:
    assert said(both) == []
    _, secret = both.enrol("Olga")
    actor = both.actor(secret)
    (told,) = said(both)
    assert actor.user_id in told
    spare = Authenticator(ORIGIN)
    both.own.enrol(actor, secret, spare.create(both.own.begin_enrolment(actor)), "spare")
    assert said(both) == []


# --- appointments --------------------------------------------------------------------------------


def _waits(bench: Bench, user_id: str) -> bool:
    """Whether somebody's appointment waits for a second person."""
    with bench.vault.records.read() as connection:
        row = connection.execute(select(appointments).where(appointments.c.user_id == user_id)).one()
    return row.approval_id is not None and row.approved_by is None


def test_a_program_appoints_alone_and_the_privacy_officers_are_told(both: Bench) -> None:
    accounts = both.accounts
    accounts.add_user("Pia", "privacy")
    robot = accounts.add_user("robot", "administrator")
    program = accounts.authenticate(accounts.token("robot"), "api")
    lex = accounts.add_user("Lex", "legal", by=program)
    assert not _waits(both, lex.id)
    assert both.told("Pia") == ["appointed_alone"]
    alarm = [entry for entry in both.entries() if entry["action"] == "access.alert"]
    assert [(e["user"], e["reason"], e["objects"], e["count"]) for e in alarm] == [
        (robot.id, "appointed_alone", [lex.id], 1)
    ]
    # Who sees no content is nobody's concern, and the operator needs nobody.
    accounts.add_user("Bob", "administrator", by=program)
    accounts.add_user("Rita", "records")
    assert both.told("Pia") == ["appointed_alone"]
    (told,) = said(both)
    assert robot.id in told
    assert "no second person" in told
    accounts.tokens.revoke(accounts.tokens_of("robot")[0].id)
    accounts.new_token("robot", None, MadeFor(actions=["source.read"]))
    assert said(both) == []


def test_a_persons_token_appoints_as_the_person_does(bench: Bench) -> None:
    """A token that a person makes must not do alone what takes two persons at the desk."""
    bench.accounts.add_user("Pia", "privacy")
    ada = bench.administrator("Ada")
    bench.enrol("Ada")
    program = bench.accounts.authenticate(bench.accounts.token("Ada"), "api")
    assert program.method == "token"
    lex = bench.accounts.add_user("Lex", "legal", by=program)
    assert _waits(bench, lex.id)
    assert bench.told("Pia") == []
    # Nor does it become a program's by taking the passkey away.
    bench.accounts.remove_passkey_of("Ada", bench.accounts.passkeys_of("Ada")[0]["id"])
    assert _waits(bench, bench.accounts.add_user("Mo", "compliance", by=program).id)
    assert said(bench) == []
    assert ada.user_id == program.user_id
