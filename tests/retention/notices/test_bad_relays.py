"""Hold notices and relays that misbehave: each try ends and is on record, the hold stands meanwhile, and
nobody whose mail was taken gets it twice."""

from __future__ import annotations

import threading
from collections import Counter
from functools import partial
from typing import Any

import pytest

from archiver.coverage.relay import Patience, send
from archiver.ledger.log import Log, state
from retention.notices import sending
from tests.retention.notices.conftest import ANN, BOB, CAT, Office
from tests.support.bad_relay import SOON, Line, relay_that

ALL = (ANN, BOB, CAT)


def by(office: Office, relay: str) -> None:
    office.house.vault.settings = office.house.vault.settings.model_copy(update={"notice_relay": relay})


def failures(office: Office, hold: str) -> Counter[tuple[int, str | None]]:
    """How many mails were tried so often and failed so."""
    shown = office.house.notices.list(office.house.lawyer, hold=hold)
    return Counter((mail["tries"], mail["failure"]) for notice in shown for mail in notice["mails"])


def recorded(office: Office) -> list[str]:
    """Why notices weren't sent, as the log has it."""
    vault = office.house.vault
    with vault.records.read() as connection:
        leaves = [
            leaf for _, leaf, _ in vault.audit.entries(connection, 0, state(connection, Log.AUDIT).size)
        ]
    return [
        leaf["reason"] for leaf in leaves if (leaf["action"], leaf["outcome"]) == ("notice.send", "failed")
    ]


def state_of(office: Office, hold: str) -> str:
    return str(office.house.holds.report(office.house.lawyer, hold)["state"])


def hangs(line: Line) -> None:
    line.over.wait(60)


def hangs_at_the_dot(line: Line) -> None:
    line.take(answered=False)
    line.over.wait(60)


@pytest.mark.parametrize("does", [hangs, hangs_at_the_dot])
def test_a_relay_that_hangs_is_tried_once_and_holds_nothing_up(
    office: Office, monkeypatch: pytest.MonkeyPatch, does: Any
) -> None:
    right = office.house.vault.settings.notice_relay
    with relay_that(does) as (relay, _):
        by(office, f"smtp://127.0.0.1:{relay.port}")
        monkeypatch.setattr(sending, "send", partial(send, patience=SOON))
        hold = office.hold(*ALL)
        assert failures(office, hold) == {(1, "slow"): 1, (0, None): 2}
        assert recorded(office) == ["slow"]
        assert state_of(office, hold) == "active"
    monkeypatch.undo()
    by(office, right)
    office.run(minutes=2)
    assert Counter(to for to, _ in office.got()) == dict.fromkeys(ALL, 1)
    assert failures(office, hold) == {(2, None): 1, (1, None): 2}


def test_a_relay_that_goes_away_after_the_dot_is_asked_again_with_the_same_mail(office: Office) -> None:
    """It may have taken it, or not: the one Message-ID tells who reads it that both are one."""
    right = office.house.vault.settings.notice_relay
    with relay_that(lambda line: line.take(answered=False)) as (relay, heard):
        by(office, f"smtp://127.0.0.1:{relay.port}")
        hold = office.hold(ANN)
        assert failures(office, hold) == {(1, "unreachable"): 1}
        assert recorded(office) == ["unreachable"]
    by(office, right)
    office.run(minutes=2)
    (again,) = office.relay.mails()
    (first,) = (line for line in heard if line.lower().startswith(b"message-id:"))
    assert first.split()[1].decode() == again["Message-ID"]
    assert office.run(days=1)["sent"] == 0


def test_what_a_relay_took_before_it_went_is_not_sent_again(office: Office) -> None:
    def leaves_rudely(line: Line) -> None:
        line.take()
        line.hear()
        line.say("421 4.3.2 too many of you")

    with relay_that(leaves_rudely) as (relay, heard):
        by(office, f"smtp://127.0.0.1:{relay.port}")
        hold = office.hold(*ALL)
        for _ in range(3):
            office.run(hours=2)
    assert heard.count(b".\r\n") == len(ALL)
    assert office.states(hold) == dict.fromkeys(ALL, "sent")
    assert recorded(office) == []


@pytest.mark.parametrize("answer", ["451 4.7.1 greylisted", "452 4.2.2 full", "421 4.3.0 later"])
def test_one_custodian_put_off_is_the_only_one_tried_again(
    office: Office, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    async def puts_off(self: Any, server: Any, session: Any, envelope: Any, address: str, _: Any) -> str:
        if address == BOB:
            return answer
        envelope.rcpt_tos.append(address)
        return "250 ok"

    monkeypatch.setattr(type(office.relay), "handle_RCPT", puts_off, raising=False)
    hold = office.hold(*ALL)
    assert office.states(hold) == {ANN: "sent", BOB: "failing", CAT: "sent"}
    assert recorded(office) == [f"smtp_{answer[:3]}"]
    monkeypatch.undo()
    office.run(minutes=2)
    assert office.states(hold) == dict.fromkeys(ALL, "sent")
    assert Counter(to for to, _ in office.got()) == dict.fromkeys(ALL, 1)


def test_a_certificate_that_does_not_fit_is_named(office: Office) -> None:
    right = office.house.vault.settings.notice_relay
    by(office, f"smtp://localhost:{office.relay.port}?starttls")
    hold = office.hold(ANN, BOB)
    assert failures(office, hold) == {(1, "certificate"): 1, (0, None): 1}
    assert recorded(office) == ["certificate"]
    assert office.relay.taken == []
    by(office, right)
    office.run(minutes=2)
    assert Counter(to for to, _ in office.got()) == {ANN: 1, BOB: 1}


def test_mail_is_captured_and_a_hold_is_placed_while_a_relay_hangs(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The relay hangs until both are done: had they waited for it, neither would ever be."""
    house, asked, done = office.house, threading.Event(), threading.Event()

    def hangs_until_done(line: Line) -> None:
        asked.set()
        done.wait(120)

    monkeypatch.setattr(sending, "send", partial(send, patience=Patience(120, 120, 120)))
    with relay_that(hangs_until_done) as (relay, _):
        by(office, f"smtp://127.0.0.1:{relay.port}")
        house.holds.create(house.lawyer, office.matter, custodians=[ANN])
        (hold,) = [one["id"] for one in house.holds.list(house.lawyer)]
        house.notices.send(house.lawyer, hold)
        sends = threading.Thread(target=house.notices.telling.run)
        sends.start()
        try:
            assert asked.wait(60)
            (stored,) = house.old()
            second = house.holds.create(house.lawyer, office.matter, custodians=[BOB])
            assert sends.is_alive()
        finally:
            done.set()
            sends.join(60)
    assert stored.receipt.outcome == "stored"
    assert state_of(office, str(second["id"])) == "active"
    assert recorded(office) == ["unreachable"]
