"""Notices to many: told a few at a time, by relays that are slow, refuse us, or lose what they took."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from retention.notices import sending, telling
from tests.archiver.coverage.stage import Relay
from tests.retention.notices.conftest import ANN, BOB, CAT, MANAGER, Office

PEOPLE = [f"p{number}@clinic.example" for number in range(5)]


def test_many_are_told_and_let_go_a_few_at_a_time(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "AT_ONCE", 2)
    steps: list[int] = []
    one_step = telling.Telling.step_in

    def counted(self: Any, *given: Any) -> int:
        steps.append(one_step(self, *given))
        return steps[-1]

    monkeypatch.setattr(telling.Telling, "step_in", counted)
    house = office.house
    hold = office.hold(*PEOPLE, send=False)
    begun = house.notices.send(house.lawyer, hold, seconds=0)
    # Nobody is said not to be told: the job goes on with those who are still to come.
    assert Counter((one["id"] is None, one["state"]) for one in begun) == {
        (False, "waiting"): 2,
        (True, "waiting"): 3,
    }
    office.run()
    assert Counter(to for to, _ in office.got()) == dict.fromkeys(PEOPLE, 1)
    house.holds.release(house.lawyer, hold)
    house.holds.release(house.officer, hold)
    house.holds.finish_cooling()
    office.run()
    assert Counter(to for to, _ in office.got()) == dict.fromkeys(PEOPLE, 2)
    assert set(office.states(hold).values()) == {"ended"}
    assert max(steps) == 2
    assert house.notices.telling.catch_up(hold) == 0


def test_a_relay_that_refuses_us_is_asked_again_soon(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuses(*_: Any) -> str:
        return "530 5.7.0 authentication required"

    with monkeypatch.context() as wrong:
        wrong.setattr(Relay, "handle_MAIL", refuses, raising=False)
        hold = office.hold(ANN, BOB, CAT)
        shown = office.house.notices.list(office.house.lawyer, hold=hold)
        mails = [mail for notice in shown for mail in notice["mails"]]
        assert Counter((mail["tries"], mail["failure"]) for mail in mails) == {
            (1, "smtp_530"): 1,
            (0, None): 2,
        }
    office.run(minutes=2)
    assert Counter(to for to, _ in office.got()) == {ANN: 1, BOB: 1, CAT: 1}


def test_who_confirms_while_mails_are_on_their_way_is_not_reminded(office: Office) -> None:
    office.hold(ANN, BOB)
    secrets = {to: office.link(number) for number, (to, _) in enumerate(office.got())}
    reminded: list[str] = []

    def confirm(_: bytes) -> None:
        reminded.append(office.relay.recipients[-1][0])
        for person, secret in secrets.items():
            if person not in reminded:
                office.house.notices.acknowledge(secret)

    office.relay.on_message = confirm
    office.run(days=7)
    assert len(reminded) == 1


def test_a_relay_slower_than_the_claim_gets_no_copies(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as slow:
        slow.setattr(sending, "BUSY", timedelta(microseconds=-1))
        office.hold(ANN, BOB)
        assert office.got() == []
    office.run(minutes=2)
    assert Counter(to for to, _ in office.got()) == {ANN: 1, BOB: 1}


def test_what_managers_did_not_get_is_told_until_it_matters_no_more(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuses(self: Any, server: Any, session: Any, envelope: Any, address: str, _: Any) -> str:
        if address == MANAGER:
            return "550 5.1.1 no such person"
        envelope.rcpt_tos.append(address)
        return "250 ok"

    monkeypatch.setattr(Relay, "handle_RCPT", refuses, raising=False)
    hold = office.hold(ANN)
    office.run(days=21, minutes=1)
    (notice,) = office.house.notices.list(office.house.lawyer, hold=hold)
    assert notice["state"] == "escalated"
    assert notice["mails"][-1]["kind"] == "escalation"
    assert notice["mails"][-1]["failure"] == "smtp_550"
    assert office.house.notices.unanswered()["failing"] == 1
    office.house.notices.acknowledge(office.link(0))
    assert office.house.notices.unanswered()["failing"] == 0


def test_a_lost_word_of_the_end_is_told_for_a_month(office: Office) -> None:
    hold = office.hold(ANN)
    house = office.house
    house.holds.release(house.lawyer, hold)
    house.holds.release(house.officer, hold)
    house.holds.finish_cooling()
    office.run()
    (notice,) = house.notices.list(house.lawyer, hold=hold)
    assert house.notices.telling.outbox.bounced(notice["mails"][-1]["id"])
    assert house.notices.unanswered()["failing"] == 1
    house.clock.ahead += timedelta(days=31)
    assert house.notices.unanswered()["failing"] == 0


def test_a_domain_in_its_own_letters_is_written_as_mail_systems_take_it(office: Office) -> None:
    office.hold("ann@b\u00fccher.example")
    assert [to for to, _ in office.got()] == ["ann@xn--bcher-kva.example"]
