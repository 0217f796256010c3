"""What people are told of their accounts: at the desk, and by a real relay where an address is known."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from archiver.store.schema import account_notices, users
from retention.fields import SealedFields
from retention.notices.account_mails import DUTIES, DUTY_SUBJECT, KINDS, AccountMails
from tests.retention.notices.conftest import Office

TO = "olga@clinic.example"


@pytest.fixture
def mails(office: Office) -> AccountMails:
    vault, officer = office.house.vault, office.house.officer
    with vault.records.write() as connection:
        sealed = SealedFields(vault).seal(officer.user_id, {"mail": TO})
        connection.execute(update(users).where(users.c.id == officer.user_id).values(sealed=sealed))
    del office.relay.taken[:]
    return AccountMails(vault)


def test_a_mail_says_what_was_done_and_names_nobody(office: Office, mails: AccountMails) -> None:
    vault, officer = office.house.vault, office.house.officer
    with vault.records.write() as connection:
        mails.tell(connection, officer.user_id, "link_issued")
    assert mails.run() == {"sent": 1}
    (mail,) = office.relay.mails()
    said = mail.get_content()
    assert mail["To"] == TO
    assert KINDS["link_issued"] in said
    assert "https://archive.clinic.example/account" in said
    assert officer.user_id not in said
    assert "/sign-in/" not in said
    assert mails.run() == {"sent": 0}
    assert office.house.audit().count(("account.tell", "success", "system")) == 1


def test_what_an_office_asks_is_told_as_that(office: Office, mails: AccountMails) -> None:
    vault, officer = office.house.vault, office.house.officer
    with vault.records.write() as connection:
        for kind in DUTIES:
            mails.tell(connection, officer.user_id, kind, "system")
    assert KINDS.keys() >= DUTIES
    assert mails.run() == {"sent": len(DUTIES)}
    assert {str(mail["Subject"]) for mail in office.relay.mails()} == {DUTY_SUBJECT}


def test_without_an_address_it_is_shown_at_the_desk_alone(office: Office, mails: AccountMails) -> None:
    vault, other = office.house.vault, office.house.second
    with vault.records.write() as connection:
        mails.tell(connection, other.user_id, "passkey_added", other.user_id)
    assert mails.run() == {"sent": 0}
    assert office.relay.mails() == []
    with vault.records.write() as connection:
        (notice,) = mails.list(connection, other.user_id, unseen=True)
        assert (notice.kind, notice.seen) == ("passkey_added", False)
        assert mails.seen(connection, other.user_id) == 1
        assert mails.list(connection, other.user_id, unseen=True) == []
        assert connection.execute(account_notices.select()).one().dropped
