"""Reminders of requests and breaches: once each, by a real relay, and no word of what they are about."""

from __future__ import annotations

import pytest

from retention.patients.whom import Whom
from tests.archiver.coverage.stage import Relay
from tests.retention.case_house import ASKING, Office


@pytest.fixture
def case(office: Office) -> str:
    return str(office.cases.requests.open(office.officer, **ASKING)["id"])


def told(relay: Relay) -> list[str]:
    return sorted({str(mail["Subject"]) for mail in relay.mails()})


def test_in_the_last_week_when_it_is_over_and_weekly(office: Office, relay: Relay, case: str) -> None:
    remind = office.cases.remind
    assert remind() == {"queued": 0, "sent": 0}
    office.pass_(days=23)
    assert remind() == {"queued": 2, "sent": 2}
    assert remind() == {"queued": 0, "sent": 0}
    first = relay.mails()[0]
    assert first["Subject"] == "Holdfast: patient's request comes due"
    said = first.get_content()
    assert f"https://archive.clinic.example/requests/{case}" in said
    assert {mail["To"] for mail in relay.mails()} == {"pat@clinic.example", "ann@clinic.example"}
    for secret in ("Jane", "Roe", "Elm", "licence", "1001"):
        assert all(secret not in str(mail) for mail in relay.mails())
    office.pass_(days=8)
    assert remind()["queued"] == 2
    assert told(relay)[-1] == "Holdfast: patient's request is overdue"
    office.pass_(days=5)
    assert remind()["queued"] == 0
    office.pass_(days=1)
    assert remind()["queued"] == 2
    events = [action for action, _, _ in office.house.audit()]
    assert events.count("request.remind") == events.count("request.reminded") == 6


def test_an_extended_request_is_reminded_of_anew_and_a_closed_one_never(
    office: Office, relay: Relay, case: str
) -> None:
    cases, officer = office.cases, office.officer
    office.pass_(days=24)
    assert cases.remind()["sent"] == 2
    cases.requests.extend(officer, case, "the archive is large")
    assert cases.remind()["queued"] == 0
    office.pass_(days=30)
    assert cases.remind()["queued"] == 2
    office.pass_(days=20)
    assert cases.remind()["queued"] == 2


def test_a_mail_that_waits_for_an_answered_request_isnt_sent(office: Office, relay: Relay) -> None:
    cases, officer = office.cases, office.officer
    case = cases.requests.open(officer, **ASKING, whom=Whom("MRN-1001"))["id"]
    office.pass_(days=24)
    relay.answer = "451 later"
    assert cases.remind() == {"queued": 2, "sent": 0}
    cases.finding.search(officer, case)
    cases.letters.make(officer, case, "fulfilment")
    cases.requests.close(officer, case)
    relay.answer = "250 ok"
    office.pass_(hours=2)
    assert cases.remind() == {"queued": 0, "sent": 0}
    assert relay.mails() == []


def test_a_breach_is_reminded_of_until_everybody_is_told(office: Office, relay: Relay) -> None:
    service, privacy = office.cases.breaches, office.privacy
    breach = service.open(privacy, title="A loss", what_happened="A disk was lost.")["id"]
    office.pass_(days=54)
    assert office.cases.remind()["sent"] == 2
    assert told(relay) == ["Holdfast: breach comes due"]
    assert f"/breaches/{breach}" in relay.mails()[0].get_content()
    service.decide(privacy, breach, "exception", "in good faith, within the workforce")
    service.confirm(office.officer, breach)
    office.pass_(days=30)
    assert office.cases.remind() == {"queued": 0, "sent": 0}
