"""Notices that came back, found in the sender's own mail as it is archived."""

from __future__ import annotations

import pytest

from archiver.errors import KeyUnavailable
from retention.notices import returned
from tests.retention.notices.conftest import ANN, BOB, CONTACT, Office
from tests.retention.notices.test_outbox import report_of
from tests.retention.whole_house import mail


def taken_in(office: Office, *raws: bytes) -> None:
    office.house.capture(*(office.house.arrival(raw, attested=False) for raw in raws))


def test_a_report_in_the_senders_mail_is_noted_once(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(returned, "AT_ONCE", 2)
    look = office.house.notices.returned.look
    taken_in(office, mail(to=CONTACT))
    assert look("") == ("", 0)
    hold = office.hold(ANN, BOB)
    to_ann = next(raw for raw in office.relay.taken if f"To: {ANN}".encode() in raw)
    taken_in(
        office,
        mail(to=CONTACT),
        report_of(to_ann, "delayed"),
        report_of(to_ann),
        mail(to=CONTACT, subject="out of office"),
        mail(to="x@clinic.example"),
    )
    cursor, noted = look("")
    assert noted == 1
    assert office.states(hold) == {ANN: "failing", BOB: "sent"}
    assert ("notice.send", "failed", "system") in office.house.audit()
    assert look(cursor) == (cursor, 0)
    assert look("")[0] == cursor
    (shown,) = (n for n in office.house.notices.list(office.house.lawyer, hold=hold) if n["custodian"] == ANN)
    assert len([one for one in shown["mails"] if one["bounced_at"]]) == 1


def test_while_keys_are_away_nothing_is_passed_over(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise KeyUnavailable("the root key can't be had now")

    hold = office.hold(ANN)
    taken_in(office, report_of(office.relay.taken[0]))
    look = office.house.notices.returned.look
    with monkeypatch.context() as broken:
        broken.setattr(office.house.vault.archive, "scan", away)
        cursor, noted = look("")
    assert noted == 0
    assert look(cursor)[1] == 1
    assert office.states(hold) == {ANN: "failing"}


def test_a_report_to_anybody_else_is_none_of_ours(office: Office) -> None:
    hold = office.hold(ANN)
    report = report_of(office.relay.taken[0]).replace(b"To: counsel@clinic.example", b"To: x@clinic.example")
    taken_in(office, report)
    assert office.house.notices.returned.look("")[1] == 0
    assert office.states(hold) == {ANN: "sent"}


def test_without_a_sender_nothing_is_looked_at(office: Office) -> None:
    office.hold(ANN)
    taken_in(office, report_of(office.relay.taken[0]))
    house = office.house
    house.vault.settings = house.vault.settings.model_copy(update={"notice_from": "", "notice_relay": ""})
    assert house.notices.returned.look("7") == ("7", 0)
