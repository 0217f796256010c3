"""Mails on their way: killed anywhere, refused, bounced, sent by several processes; at least once and no more
than needed."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import select

from archiver.store.schema import notice_mails
from retention.notices import sending
from retention.notices.telling import Telling
from retention.refusals import WrongState
from tests.retention.notices.conftest import ANN, BOB, CAT, CONTACT, MANAGER, Office

PEOPLE = [f"person{n}@clinic.example" for n in range(6)]


class Killed(BaseException):
    """What a power cut is to the code that runs then."""


def started(office: Office, *people: str) -> str:
    """A hold whose notices are queued and not sent."""
    hold = office.house.holds.create(office.house.lawyer, office.matter, custodians=list(people))["id"]
    office.house.notices.send(office.house.lawyer, hold)
    return str(hold)


def until_quiet(office: Office) -> None:
    for _ in range(6):
        office.run(minutes=11)


@pytest.mark.parametrize("at", [1, 2, 4])
@pytest.mark.parametrize("where", ["before", "after", "marking", "claiming"])
def test_killed_anywhere_everybody_gets_one_and_copies_are_the_same_mail(
    office: Office, monkeypatch: pytest.MonkeyPatch, where: str, at: int
) -> None:
    """`after` and `marking` are the twins of `before`: the relay has the mail, and we don't know it."""
    started(office, *PEOPLE)
    seen = 0
    real = sending.send
    box = office.house.notices.telling.outbox
    real_mark, real_claim = box._sent, box._claim

    def dies(*given: Any) -> None:
        nonlocal seen
        seen += 1
        if seen != at:
            real(*given)
            return
        if where == "after":
            real(*given)
        raise Killed

    def dies_marking(row: Any) -> None:
        nonlocal seen
        seen += 1
        if seen == at:
            raise Killed
        real_mark(row)

    def dies_claiming() -> Any:
        real_claim()
        raise Killed

    with monkeypatch.context() as broken:
        if where in ("before", "after"):
            broken.setattr(sending, "send", dies)
        elif where == "marking":
            broken.setattr(box, "_sent", dies_marking)
        else:
            broken.setattr(box, "_claim", dies_claiming)
        with pytest.raises(Killed):
            office.run()
    until_quiet(office)
    ids = Counter((str(m["To"]), str(m["Message-ID"])) for m in office.relay.mails())
    assert {to for to, _ in ids} == set(PEOPLE)
    assert len(ids) == len(PEOPLE)
    assert sum(ids.values()) - len(PEOPLE) == (1 if where in ("after", "marking") else 0)


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_killed_while_queueing_nothing_is_lost_or_doubled(
    office: Office, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Reminder and escalation are queued with the note that they were, or not at all."""
    office.hold(ANN, BOB)
    seen = 0
    real = Telling._queue

    def dies(*given: Any, **named: Any) -> int:
        nonlocal seen
        seen += 1
        done = real(*given, **named)
        if seen == number:
            raise Killed
        return done

    del office.relay.taken[:]
    with monkeypatch.context() as broken:
        broken.setattr(Telling, "_queue", dies)
        try:
            office.run(days=21, minutes=1)
        except Killed:
            assert number <= 3
    until_quiet(office)
    assert Counter(to for to, _ in office.got()) == {ANN: 1, BOB: 1, MANAGER: 1}


def test_two_processes_send_each_mail_once(office: Office) -> None:
    started(office, *PEOPLE)
    barrier = threading.Barrier(3)
    faults: list[BaseException] = []

    def one() -> None:
        try:
            barrier.wait()
            Telling(office.house.vault).run()
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=one) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not faults
    assert Counter(to for to, _ in office.got()) == dict.fromkeys(PEOPLE, 1)


def test_a_relay_that_is_away_is_asked_again_later_and_later(office: Office) -> None:
    right = office.house.vault.settings.notice_relay
    away = {"notice_relay": "smtp://localhost:9?starttls"}
    office.house.vault.settings = office.house.vault.settings.model_copy(update=away)
    hold = started(office, *PEOPLE)
    assert office.run() == {"queued": 0, "sent": 0}
    # The first that couldn't be sent says all there is to say; the others wait without a try.
    shown = office.house.notices.list(office.house.lawyer, hold=hold)
    tries = [mail["tries"] for notice in shown for mail in notice["mails"]]
    assert sorted(tries) == [0] * (len(PEOPLE) - 1) + [1]
    assert office.house.notices.unanswered()["failing"] == 1
    assert ("notice.send", "failed", "system") in office.house.audit()
    for _ in range(10):
        office.run(minutes=2)
    office.house.vault.settings = office.house.vault.settings.model_copy(update={"notice_relay": right})
    office.run(hours=2)
    assert Counter(to for to, _ in office.got()) == dict.fromkeys(PEOPLE, 1)
    assert office.house.notices.unanswered()["failing"] == 0


def test_a_refused_recipient_keeps_no_other_waiting(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuses(self: Any, server: Any, session: Any, envelope: Any, address: str, _: Any) -> str:
        if address == BOB:
            return "550 5.1.1 no such person"
        envelope.rcpt_tos.append(address)
        return "250 ok"

    monkeypatch.setattr(type(office.relay), "handle_RCPT", refuses, raising=False)
    hold = started(office, ANN, BOB, CAT)
    office.run()
    assert sorted(to for to, _ in office.got()) == [ANN, CAT]
    (bob,) = (n for n in office.house.notices.list(office.house.lawyer, hold=hold) if n["custodian"] == BOB)
    assert (bob["state"], bob["mails"][0]["failure"], bob["notified"]) == ("failing", "smtp_550", None)
    office.run(hours=3)
    assert office.house.audit().count(("notice.send", "failed", "system")) == 1
    monkeypatch.undo()
    office.house.notices.resend(office.house.lawyer, bob["id"])
    office.run()
    assert [to for to, _ in office.got()].count(BOB) == 1
    assert office.states(hold)[BOB] == "sent"


def test_a_custodian_without_a_mail_address_is_named_as_failing(office: Office) -> None:
    hold = office.hold("Ann Archer")
    assert office.states(hold) == {"Ann Archer": "failing"}
    assert office.relay.taken == []


def test_a_notice_is_sent_again_with_the_same_link(office: Office) -> None:
    hold = office.hold(ANN)
    (notice,) = office.house.notices.list(office.house.lawyer, hold=hold)
    office.house.notices.resend(office.house.officer, notice["id"])
    office.run()
    assert [to for to, _ in office.got()] == [ANN, ANN]
    assert office.link(0) == office.link(1)
    office.house.holds.release(office.house.lawyer, hold)
    office.house.holds.release(office.house.officer, hold)
    office.house.holds.finish_cooling()
    office.run()
    with pytest.raises(WrongState):
        office.house.notices.resend(office.house.officer, notice["id"])


def report_of(raw: bytes, action: str = "failed") -> bytes:
    """A delivery status notification (RFC 3464) that gives a mail back, as relays make them."""
    return (
        b"From: MAILER-DAEMON@mx.clinic.example\r\nTo: counsel@clinic.example\r\nSubject: Undelivered\r\n"
        b"Message-ID: <dsn1@mx.clinic.example>\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        b"--b\r\nContent-Type: text/plain\r\n\r\nIt could not be delivered.\r\n"
        b"--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.clinic.example\r\n\r\n"
        b"Final-Recipient: rfc822; ann@clinic.example\r\nAction: " + action.encode() + b"\r\n"
        b"Status: 5.1.1\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n" + raw + b"\r\n--b--\r\n"
    )


def test_what_comes_back_is_noted_and_sent_again_tomorrow(office: Office) -> None:
    hold = office.hold(ANN)
    notices = office.house.notices
    first = report_of(office.relay.taken[0])
    assert notices.bounced(report_of(office.relay.taken[0], "delayed")) is None
    mail = notices.bounced(first)
    assert mail is not None
    assert notices.bounced(first) == mail
    assert office.states(hold) == {ANN: "failing"}
    assert office.run(hours=23)["sent"] == 0
    assert office.run(hours=2)["sent"] == 1
    for _ in range(2):
        assert notices.bounced(report_of(office.relay.taken[-1]))
        office.run(days=1, minutes=5)
    # Three that came back are enough; a person must look.
    assert [to for to, _ in office.got()].count(ANN) == 3
    (shown,) = notices.list(office.house.lawyer, hold=hold)
    assert [bool(m["bounced_at"]) for m in shown["mails"]] == [True] * 3
    assert shown["state"] == "failing"


@pytest.mark.parametrize(
    "report",
    [
        b"",
        b"\xff" * 100,
        b"Action: failed\r\n\r\n<notice-laaaaaaaaaaaaaaa@x>",
        b"Content-Type: a/b;;;=\r\n\r\n",
    ],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_is_no_report_about_ours_is_none(office: Office, report: bytes) -> None:
    assert office.house.notices.bounced(report) is None


def test_message_ids_are_stable_and_from_our_domain(office: Office) -> None:
    office.hold(ANN)
    with office.house.vault.records.read() as connection:
        (mail_id,) = connection.scalars(select(notice_mails.c.id)).all()
    assert office.relay.mails()[0]["Message-ID"] == f"<notice-{mail_id}@journal.localhost>"
    assert office.relay.mails()[0]["From"] == CONTACT
