"""A patient's request from the day it comes in to the letter that answers it, on both databases."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from archiver.errors import DestructionRefused
from archiver.ledger import log
from archiver.ledger.log import Log
from archiver.store.schema import patient_requests, request_items
from retention.cases.paper import plain_day
from retention.patients.whom import BadPatient, Whom
from retention.refusals import NotThere
from retention.requests.errors import BadCase, CaseClosed, NotReady, TooLate
from search.access import AccessDenied, Purpose
from search.approving.errors import SecondPersonMissing
from search.cover import Cover, Scope
from search.errors import QueryError
from tests.retention.case_house import ASKING, Office
from tests.retention.whole_house import destroyable

WHOM = Whom("MRN-1001")
ONE_DATABASE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""Of what no database makes a difference to."""


def opened(office: Office, **more: Any) -> str:
    return str(office.cases.requests.open(office.officer, **{**ASKING, "whom": WHOM, **more})["id"])


def letters(office: Office, case: str) -> dict[str, str]:
    shown = office.cases.requests.show(office.officer, case)["letters"]
    return {one["kind"]: office.cases.letters.read(office.officer, case, one["id"])["text"] for one in shown}


def test_everything_is_given(office: Office) -> None:
    hers = {office.put("results of MRN-1001"), office.put("hello", sender="jane@home.example")}
    office.put("about MRN-2002")
    office.settle()
    case = opened(office)
    cases, officer = office.cases, office.officer
    with pytest.raises(NotReady, match="search"):
        cases.requests.close(officer, case)
    found = cases.finding.search(officer, case)
    assert (found["found"], found["added"], found["items"]["unmarked"]) == (2, 2, 2)
    page = cases.review.items(officer, case, mark="unmarked")
    assert {one["id"] for one in page["items"]} == hers
    assert {one["subject"] for one in page["items"]} == {"lunch"}
    with pytest.raises(NotReady, match="2 messages aren't marked"):
        cases.requests.close(officer, case)
    marked = cases.review.mark(officer, case, "given", unmarked=True)
    assert marked["items"]["marks"] == {"given": 2}
    assert not marked["denial"]["needed"]
    produced = cases.review.produce(officer, case)
    with pytest.raises(NotReady, match="downloaded"):
        cases.requests.close(officer, case)
    files = office.download(produced["export"])
    assert {name for name in files if name.startswith("natives/")} == {f"natives/{one}.eml" for one in hers}
    cases.requests.change(officer, case, fee_cents=650, fee_for="a memory stick")
    with pytest.raises(NotReady, match="fulfilment"):
        cases.requests.close(officer, case)
    made = cases.letters.make(officer, case, "fulfilment", "With kind regards.")
    assert "2 messages about you" in made["text"]
    assert "$6.50 for a memory stick" in made["text"]
    assert "With kind regards." in made["text"]
    assert cases.letters.pdf(officer, case, made["id"]).startswith(b"%PDF")
    closed = cases.requests.close(officer, case)
    assert (closed["state"], closed["outcome"], closed["urgency"]) == ("closed", "produced", "closed")
    # Both what was downloaded and the fulfilment are in the book, to herself.
    with office.house.vault.records.read() as connection:
        book = office.book.acts(connection)
    assert {(one["kind"], one["legal_basis"], one["recipient"]) for one in book} == {
        ("export", "individual", "Jane Roe"),
        ("request", "individual", "Jane Roe"),
    }
    sealed = office.sealed("request.close")
    assert (sealed["legal_basis"], sealed["recipient"]) == ("individual", "Jane Roe")
    assert len(sealed["patients"]) == 1
    for step in (
        lambda: cases.requests.extend(officer, case, "why"),
        lambda: cases.review.mark(officer, case, "given", unmarked=True),
        lambda: cases.finding.search(officer, case),
        lambda: cases.requests.close(officer, case),
    ):
        with pytest.raises(CaseClosed):
            step()


def test_a_denial_takes_two_persons_and_says_what_the_rule_asks(office: Office) -> None:
    for body in ("results of MRN-1001", "session notes MRN-1001", "for counsel MRN-1001"):
        office.put(body)
    office.settle()
    case = opened(office)
    cases, officer = office.cases, office.officer
    cases.finding.search(officer, case)
    first, second, third = (one["id"] for one in cases.review.items(officer, case)["items"])
    with pytest.raises(BadCase, match="why"):
        cases.review.mark(officer, case, "psychotherapy", [second])
    cases.review.mark(officer, case, "psychotherapy", [second], reason="kept apart by the therapist")
    cases.review.mark(officer, case, "endangers", [third], reason="Dr Hall found so")
    with pytest.raises(NotReady, match="1 messages aren't marked"):
        cases.review.deny(officer, case, "psychotherapy notes")
    cases.review.mark(officer, case, "given", [first])
    with pytest.raises(NotReady, match="two persons"):
        cases.letters.make(officer, case, "denial")
    asked = cases.review.deny(officer, case, "These are notes of therapy sessions.")
    assert asked["denial"]["needed"]
    with pytest.raises(SecondPersonMissing):
        cases.review.approve(officer, case)
    with pytest.raises(NotReady, match="looked at"):
        cases.review.approve(office.second, case, "0" * 64)
    # Marks that change after it was asked for are another denial.
    cases.review.mark(officer, case, "given", [second])
    with pytest.raises(NotReady):
        cases.review.approve(office.privacy, case)
    cases.review.mark(officer, case, "psychotherapy", [second], reason="kept apart by the therapist")
    asked = cases.review.deny(officer, case, "These are notes of therapy sessions.", "Dr Hall, 555 0101")
    approved = cases.review.approve(office.privacy, case, asked["items"]["sha256"])
    assert approved["denial"]["approved_by"] == "privacy"
    with pytest.raises(NotReady, match="denial"):
        cases.requests.close(officer, case)
    text = " ".join(cases.letters.make(officer, case, "denial")["text"].split())
    for needed in (
        "164.524(a)(1)(i)",  # the basis
        "These are notes of therapy sessions.",
        "reviewed by a licensed health care professional",  # (d)(2)(ii): one ground is reviewable
        "Pat Poe, Privacy Officer, +1 919 555 0100",  # (d)(2)(iii): whom to complain to here,
        "Secretary of Health and Human Services",  # and there
        "Dr Hall, 555 0101",  # (d)(3)
    ):
        assert needed in text, needed
    office.download(cases.review.produce(officer, case)["export"])
    cases.letters.make(officer, case, "fulfilment")
    assert cases.requests.close(officer, case)["outcome"] == "produced"
    assert "withheld" in letters(office, case)["fulfilment"]


@ONE_DATABASE
def test_all_of_it_denied(office: Office) -> None:
    office.put("session notes MRN-1001")
    office.settle()
    case = opened(office)
    cases, officer = office.cases, office.officer
    cases.finding.search(officer, case)
    cases.review.mark(officer, case, "psychotherapy", unmarked=True, reason="kept apart")
    cases.review.deny(officer, case, "These are notes of therapy sessions.")
    cases.review.approve(office.second, case)
    with pytest.raises(NotReady, match="nothing is given"):
        cases.letters.make(officer, case, "fulfilment")
    text = cases.letters.make(officer, case, "denial")["text"]
    assert "no right to a review" in " ".join(text.split())
    assert cases.requests.close(officer, case)["outcome"] == "denied"
    with office.house.vault.records.read() as connection:
        assert office.book.acts(connection) == []


@ONE_DATABASE
def test_nothing_was_found(office: Office) -> None:
    case = opened(office)
    cases, officer = office.cases, office.officer
    assert cases.finding.search(officer, case)["found"] == 0
    assert "no message about you" in " ".join(cases.letters.make(officer, case, "fulfilment")["text"].split())
    assert cases.requests.close(officer, case)["outcome"] == "produced"


@ONE_DATABASE
def test_mail_that_waits_for_the_index_is_hers_too(office: Office) -> None:
    office.put("results of MRN-1001")
    office.settle()
    late = office.put("more of MRN-1001")
    case = opened(office)
    cases, officer = office.cases, office.officer
    assert cases.finding.search(officer, case)["found"] == 2
    items = {one["id"]: one for one in cases.review.items(officer, case)["items"]}
    assert items[late]["subject"] is None
    # A query can't be asked of it: it isn't found, and the count of what can't be searched says so.
    found = cases.finding.search(officer, opened(office), query="results")
    assert found["found"] == 1
    assert found["search"]["not_searchable"]["waiting"] == 1


@ONE_DATABASE
def test_mail_beyond_the_searchers_scope_keeps_a_request_open(office: Office) -> None:
    """Somebody whose scope is narrower finds less: the request knows, and another one must look."""
    office.put("results of MRN-1001")
    office.put("session notes of MRN-1001")
    office.settle()
    case = opened(office)
    cases, officer = office.cases, office.officer
    narrow = Scope(everything=False, whole=True, limits=(Cover(sent_from=date(2030, 1, 1)),))
    room, whole = office.room, office.room.scope
    try:
        room.scope = lambda actor: narrow  # type: ignore[method-assign]
        found = cases.finding.search(officer, case, query="notes OR results")
        assert (found["found"], found["search"]["beyond"]) == (0, 2)
        with pytest.raises(NotReady, match="beyond what the searcher may see"):
            cases.requests.close(officer, case)
    finally:
        room.scope = whole  # type: ignore[method-assign]
    found = cases.finding.search(officer, case)
    assert (found["found"], found["search"]["beyond"]) == (2, 0)


def test_a_longer_list_opens_what_was_approved_and_produced(office: Office) -> None:
    office.put("results of MRN-1001")
    office.settle()
    case = opened(office)
    cases, officer = office.cases, office.officer
    cases.finding.search(officer, case)
    cases.review.mark(officer, case, "given", unmarked=True)
    assert cases.review.produce(officer, case)["export"]
    assert cases.finding.search(officer, case)["export"]  # the same list again
    office.put("more of MRN-1001")
    office.settle()
    again = cases.finding.search(officer, case)
    assert (again["added"], again["export"], again["items"]["unmarked"]) == (1, None, 1)


@ONE_DATABASE
def test_the_clock_runs_where_the_organisation_is(office: Office) -> None:
    cases, officer = office.cases, office.officer
    noon = office.house.clock.now()
    office.pass_(hours=9)  # an evening there, the next day in UTC
    today = date.fromisoformat(cases.requests.show(officer, opened(office))["received_on"])
    assert today == noon.date() < office.house.clock.now().date()
    case = opened(office, received=today - timedelta(days=25))
    shown = cases.requests.show(officer, case)
    assert (shown["urgency"], shown["days_left"]) == ("soon", 5)
    assert f"We will answer it by {plain_day(shown['due_on'])}" in " ".join(
        letters(office, case)["acknowledgement"].split()
    )
    office.pass_(days=6)
    assert cases.requests.show(officer, case)["urgency"] == "overdue"
    assert cases.requests.counts()["overdue"] == 1
    assert cases.requests.list(officer)[0]["id"] == case
    with pytest.raises(TooLate):
        cases.requests.extend(officer, case, "the archive is large")
    with pytest.raises(BadCase, match="still to come"):
        opened(office, received=today + timedelta(days=30))


@ONE_DATABASE
def test_one_extension_with_its_letter(office: Office) -> None:
    cases, officer = office.cases, office.officer
    case = opened(office)
    before = cases.requests.show(officer, case)
    office.pass_(days=29)
    with pytest.raises(BadCase, match="reason"):
        cases.requests.extend(officer, case, " ")
    after = cases.requests.extend(officer, case, "the archive is large")
    assert date.fromisoformat(after["due_on"]) - date.fromisoformat(before["due_on"]) == timedelta(days=30)
    text = letters(office, case)["extension"]
    assert "the archive is large" in text
    assert plain_day(after["due_on"]) in " ".join(text.split())
    with pytest.raises(NotReady, match="only once"):
        cases.requests.extend(officer, case, "again")


@ONE_DATABASE
def test_who_asks_must_be_known_first(office: Office) -> None:
    office.put("results of MRN-1001")
    office.settle()
    case = opened(office, identity="", asker="representative", relation="court-appointed guardian")
    cases, officer = office.cases, office.officer
    cases.finding.search(officer, case)
    cases.review.mark(officer, case, "given", unmarked=True)
    for step in (
        lambda: cases.review.produce(officer, case),
        lambda: cases.requests.close(officer, case),
        lambda: cases.letters.make(officer, case, "fulfilment"),
    ):
        with pytest.raises(NotReady, match="checked who asks"):
            step()
    assert (
        cases.requests.change(officer, case, identity="letters of guardianship")["identity"]["by"]
        == "officer"
    )
    assert cases.review.produce(officer, case)["export"]
    with pytest.raises(BadCase, match="representative"):
        opened(office, asker="representative", relation="")


@ONE_DATABASE
def test_bad_input_is_refused_by_name(office: Office) -> None:
    case = opened(office)
    cases, officer = office.cases, office.officer
    with pytest.raises(NotThere):
        cases.requests.show(officer, "qnothing")
    with pytest.raises(BadCase, match="a mark is one of"):
        cases.review.mark(officer, case, "perhaps", unmarked=True)
    with pytest.raises(NotThere, match="isn't on this request's list"):
        cases.review.mark(officer, case, "given", ["mnothing"])
    with pytest.raises(BadPatient):
        cases.finding.search(officer, opened(office, whom=Whom()))
    with pytest.raises(QueryError):
        cases.finding.search(officer, case, query='"open')
    with pytest.raises(BadCase):
        opened(office, kind="deletion")
    with pytest.raises(BadCase):
        cases.requests.change(officer, case, fee_cents=-1)


@ONE_DATABASE
def test_rights(office: Office) -> None:
    case = opened(office)
    cases = office.cases
    assert cases.requests.show(office.privacy, case)["requester"]["name"] == "Jane Roe"
    for step in (
        lambda: cases.review.items(office.privacy, case),
        lambda: cases.requests.show(office.house.lawyer, case),
        lambda: cases.requests.list(office.house.administrator),
        lambda: cases.requests.open(office.privacy, name="x"),
    ):
        with pytest.raises(AccessDenied):
            step()


@ONE_DATABASE
def test_every_step_is_on_record_with_its_patient(office: Office) -> None:
    office.put("results of MRN-1001")
    office.settle()
    case = opened(office)
    office.cases.finding.search(office.officer, case)
    with office.house.vault.records.read() as connection:
        size = log.state(connection, Log.AUDIT).size
        entries = office.house.vault.audit.entries(connection, 0, size)
    mine = {leaf["action"]: (leaf, detail) for _, leaf, detail in entries if case in leaf["objects"]}
    assert set(mine) == {"request.open", "request.search"}
    leaf, detail = mine["request.search"]
    assert leaf["purpose"] == str(Purpose.PATIENT_REQUEST)
    assert len(detail["patients"]) == 1
    assert b"Jane" not in b"".join(office.house.leaves())


def test_what_she_asks_for_isnt_destroyed_before_she_is_answered(office: Office) -> None:
    house, cases, officer = office.house, office.cases, office.officer
    house.confirm_all()
    mine, other = house.old(2)
    office.settle()
    assert destroyable(house, mine.pk)
    case = opened(office)
    cases.finding.search(officer, case)
    with house.vault.records.write() as connection:  # hers by somebody's word; a roster would keep it longer
        connection.execute(request_items.insert().values(request_id=case, message_pk=mine.pk))
    assert not destroyable(house, mine.pk)
    assert destroyable(house, other.pk)
    moved = update(request_items).where(request_items.c.message_pk == mine.pk).values(message_pk=other.pk)
    with pytest.raises(DestructionRefused), house.vault.records.write() as connection:
        connection.execute(moved)
    cases.review.mark(officer, case, "given", unmarked=True)
    office.download(cases.review.produce(officer, case)["export"])
    cases.letters.make(officer, case, "fulfilment")
    cases.requests.close(officer, case)
    assert destroyable(house, mine.pk)


def test_what_was_closed_or_approved_alone_the_database_refuses_too(office: Office) -> None:
    case = opened(office)
    office.cases.finding.search(office.officer, case)
    office.cases.letters.make(office.officer, case, "fulfilment")
    records = office.house.vault.records

    def change(**values: Any) -> None:
        with records.write() as connection:
            connection.execute(update(patient_requests).where(patient_requests.c.id == case).values(**values))

    with pytest.raises(DestructionRefused):
        change(denial_asked_by="uofficer", denial_by="uofficer", denial_us=1)
    with pytest.raises(DestructionRefused):
        change(received_on=date(2030, 1, 1))
    office.cases.requests.close(office.officer, case)
    with pytest.raises(DestructionRefused):
        change(outcome="denied")
    with pytest.raises(DestructionRefused), records.write() as connection:
        connection.execute(patient_requests.delete())
    with pytest.raises(DestructionRefused), records.write() as connection:
        connection.execute(request_items.insert().values(request_id=case, message_pk=1))
