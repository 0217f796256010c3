"""Mails about alerts: a count and a link, once, by a real relay."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from archiver.errors import DestructionRefused
from retention.notices import sending
from retention.notices.alert_mails import AlertMails
from search.keeping.alerts import Alerts
from search.keeping.matching import AlertMatcher
from search.keeping.saved import SavedSearches
from search.reading_room import ReadingRoom
from tests.retention.notices.conftest import Office

TO = "officer@clinic.example"


class Desk:
    """An officer with a saved search whose alerts are mailed."""

    def __init__(self, office: Office) -> None:
        self.office, self.house = office, office.house
        vault, gate = self.house.vault, self.house.gate
        room = ReadingRoom(vault, self.house.reader, gate)
        self.saved = SavedSearches(vault, gate, room)
        self.alerts = Alerts(vault, gate, room)
        self.matcher = AlertMatcher(vault, self.house.reader, room)
        self.mails = AlertMails(vault)
        del office.relay.taken[:]
        self.search = self.saved.add(
            self.house.officer, "findmename", "zebra", purpose="legal", alert=True, mail=TO
        )["id"]

    def arrive(self, number: int = 1) -> None:
        self.house.old(number, body="a zebra")
        self.house.index()
        self.matcher.run()

    def pass_(self, **span: float) -> None:
        self.house.clock.ahead += timedelta(**span)


@pytest.fixture
def desk(office: Office) -> Desk:
    return Desk(office)


def test_a_mail_says_how_many_and_where_and_nothing_else(desk: Desk) -> None:
    assert desk.mails.run() == {"queued": 0, "sent": 0}
    desk.arrive(3)
    assert desk.mails.run() == {"queued": 1, "sent": 1}
    (mail,) = desk.office.relay.mails()
    said = mail.get_content()
    assert mail["To"] == TO
    assert "3" in said
    assert "https://archive.clinic.example/alerts" in said
    assert desk.search in said
    whole = desk.office.relay.taken[0]
    for secret in (b"zebra", b"findmename", b"ann@clinic.example", b"lunch"):
        assert secret not in whole
    for _ in range(3):
        assert desk.mails.run() == {"queued": 0, "sent": 0}
    events = desk.house.audit()
    assert events.count(("alert.queue", "success", "system")) == 1
    assert events.count(("alert.send", "success", "system")) == 1


def test_a_burst_is_a_mail_a_quarter_of_an_hour(desk: Desk) -> None:
    desk.arrive()
    desk.mails.run()
    desk.arrive(2)
    desk.pass_(minutes=5)
    assert desk.mails.run()["queued"] == 0
    desk.pass_(minutes=11)
    assert desk.mails.run() == {"queued": 1, "sent": 1}
    assert "New messages   2" in desk.office.relay.mails()[1].get_content()


def test_a_relay_that_is_away_gets_the_same_mail_later(desk: Desk) -> None:
    desk.office.relay.answer = "451 later"
    desk.arrive()
    assert desk.mails.run() == {"queued": 1, "sent": 0}
    assert desk.house.audit()[-1] == ("alert.send", "failed", "system")
    desk.office.relay.answer = "250 OK"
    assert desk.mails.run() == {"queued": 0, "sent": 0}  # not yet
    desk.pass_(minutes=2)
    assert desk.mails.run() == {"queued": 0, "sent": 1}


def test_what_was_noted_or_turned_off_is_not_mailed(desk: Desk) -> None:
    desk.arrive()
    desk.alerts.acknowledge(desk.house.officer, desk.search)
    assert desk.mails.run()["queued"] == 0
    desk.arrive()
    desk.office.relay.answer = "451 later"
    desk.mails.run()
    desk.saved.change(desk.house.officer, desk.search, alert=False)
    desk.office.relay.answer = "250 OK"
    desk.pass_(minutes=5)
    assert desk.mails.run() == {"queued": 0, "sent": 0}
    desk.pass_(hours=1)
    assert desk.mails.run() == {"queued": 0, "sent": 0}


def test_a_mail_that_went_is_on_record_though_its_search_was_deleted_meanwhile(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = sending.send

    def deleted_meanwhile(*given: Any) -> None:
        desk.saved.delete(desk.house.officer, desk.search)
        real(*given)

    desk.arrive()
    monkeypatch.setattr(sending, "send", deleted_meanwhile)
    assert desk.mails.run() == {"queued": 1, "sent": 1}
    assert desk.house.audit()[-1] == ("alert.send", "success", "system")
    assert len(desk.office.relay.taken) == 1
    desk.pass_(hours=1)
    assert desk.mails.run() == {"queued": 0, "sent": 0}


def test_what_a_mail_counted_stays_counted(desk: Desk) -> None:
    desk.arrive()
    desk.mails.run()
    with pytest.raises(DestructionRefused), desk.house.vault.records.write() as connection:
        connection.exec_driver_sql("UPDATE alert_items SET mail_id = NULL")
