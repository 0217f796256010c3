"""The second person of a denial and of a breach's decision signs just what the first asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from api.cases import Cases, cases_of
from archiver.clock import to_us
from config.settings import Settings
from retention.breaches.asked import Asked
from retention.disclosures.book import Book
from retention.patients.whom import Whom
from retention.requests.errors import NotReady
from retention.roster.patient import Patient
from search.access import Actor
from search.approving import offline
from search.approving.errors import ApprovalVoid, SecondPersonMissing, SignatureNeeded
from tests.retention.case_house import JANE
from tests.retention.whole_house import mail, open_house
from tests.search.access_house import AccessHouse, access_house

ONE_DATABASE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@dataclass
class Desk:
    """Cases, and people with passkeys."""

    access: AccessHouse
    cases: Cases

    def fresh(self, actor: Actor) -> Actor:
        """The same, who has just shown their passkey."""
        now = to_us(self.access.vault.clock.now())
        return replace(actor, method="passkey", client="desk", verified_us=now)


@pytest.fixture
def desk(settings: Settings, tmp_path: Path) -> Iterator[Desk]:
    with open_house(settings.model_copy(update={"privacy_contact": "Pat Poe"})) as house:
        access = access_house(house)
        house.patients.import_roster([JANE, Patient("MRN-7", "Al Ray")])
        house.capture(house.arrival(mail(body="session notes of MRN-1001")))
        house.index()
        house.follower.run()
        house.index()
        book = Book(house.vault)
        cases = cases_of(house.vault, access.gate, access.room, access.exports, book, access.approvals)
        yield Desk(access, cases)


@ONE_DATABASE
def test_a_denial_is_signed(desk: Desk) -> None:
    access, cases = desk.access, desk.cases
    officer, second = access.house.officer, access.house.second
    case = cases.requests.open(officer, name="Jane Roe", identity="seen", whom=Whom("MRN-1001"))["id"]
    cases.finding.search(officer, case)
    cases.review.mark(officer, case, "psychotherapy", unmarked=True, reason="kept apart")
    cases.review.deny(officer, case, "Notes of therapy.")
    access.give_passkey(officer)
    access.give_passkey(second)
    with pytest.raises(SecondPersonMissing):
        cases.review.approve(desk.fresh(officer), case)
    with pytest.raises(SignatureNeeded) as needed:
        cases.review.approve(desk.fresh(second), case)
    asked = access.approvals.load(needed.value.approval_id)
    assert asked.request.action == "request.deny"
    signed = access.sign(second, asked.request_hash)
    # Other words, to which the passkey never agreed.
    cases.review.deny(officer, case, "Something quite else.")
    with pytest.raises(ApprovalVoid):
        access.approvals.approve(desk.fresh(second), asked.id, signed)
    assert cases.requests.show(officer, case)["denial"]["approved_by"] is None
    with pytest.raises(SignatureNeeded) as needed:
        cases.review.approve(desk.fresh(second), case)
    asked = access.approvals.load(needed.value.approval_id)
    access.approvals.approve(desk.fresh(second), asked.id, access.sign(second, asked.request_hash))
    assert cases.requests.show(officer, case)["denial"]["approved_by"] == "second"
    assert access.approvals.load(asked.id).state == "used"
    assert cases.requests.show(officer, case)["denial"]["approval"] == asked.id
    document = json.dumps(access.approvals.export(officer, asked.id))
    assert offline.check(document.encode()).signed
    assert "therapy" not in document
    assert "quite else" not in document


@ONE_DATABASE
def test_a_breach_is_confirmed_by_a_signature(desk: Desk) -> None:
    access, cases = desk.access, desk.cases
    officer, privacy = access.house.officer, access.privacy
    breach = cases.breaches.open(privacy, title="A loss", what_happened="A disk was lost.")["id"]
    cases.breaches.expose(privacy, breach, Asked.of(taken=["packs"]))
    cases.breaches.decide(privacy, breach, "breach", "it was read")
    access.give_passkey(officer)
    with pytest.raises(SignatureNeeded) as needed:
        cases.breaches.confirm(desk.fresh(officer), breach)
    asked = access.approvals.load(needed.value.approval_id)
    assert (asked.request.action, asked.request.params["decision"]) == ("breach.decide", "breach")
    # Not agreeing opens it again and needs no signature; what was asked for isn't what is there any more.
    cases.breaches.confirm(desk.fresh(officer), breach, agree=False, reason="who read it?")
    cases.breaches.decide(privacy, breach, "exception", "by a nurse in good faith")
    with pytest.raises(ApprovalVoid):
        access.approvals.approve(desk.fresh(officer), asked.id, access.sign(officer, asked.request_hash))
    assert not cases.breaches.show(officer, breach)["confirmed"]
    with pytest.raises(SignatureNeeded) as needed:
        cases.breaches.confirm(desk.fresh(officer), breach)
    asked = access.approvals.load(needed.value.approval_id)
    access.approvals.approve(desk.fresh(officer), asked.id, access.sign(officer, asked.request_hash))
    assert cases.breaches.show(officer, breach)["confirmed_by"] == "officer"
    assert cases.breaches.show(officer, breach)["approval"] == asked.id
    assert offline.check(json.dumps(access.approvals.export(officer, asked.id)).encode()).signed


@ONE_DATABASE
def test_who_has_no_passkey_approves_from_the_list_too(desk: Desk) -> None:
    """Without a passkey an approval bears a name alone; where nothing waits, nothing is approved."""
    access, cases = desk.access, desk.cases
    breach = cases.breaches.open(access.privacy, title="A loss", what_happened="A disk was lost.")["id"]
    cases.breaches.decide(access.privacy, breach, "exception", "it was a nurse in good faith")
    assert cases.breaches.confirm(access.house.officer, breach)["confirmed"]
    case = cases.requests.open(access.house.officer, name="Jane Roe")["id"]
    with pytest.raises(NotReady, match="nobody has asked"):
        cases.review.approve(access.house.second, case)
