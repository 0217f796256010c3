"""Who is on the roster, and whom mail is about: asked for a purpose, on record, decided and taken back."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from sqlalchemy import select

from archiver.errors import DestructionRefused
from archiver.store import dialect
from archiver.store.schema import match_decisions, messages, name_book, outbox, redates
from retention.refusals import AlreadyDisposed, NotThere, WrongState
from retention.roster.patient import Patient
from retention.roster.reviewing import BadDecision
from search.access import AccessDenied, Purpose, PurposeMissing
from tests.retention.whole_house import House, found, mail
from tests.support import disposing

OLD_JANE = Patient(
    "MRN-1001",
    "Jane Roe",
    born=date(1950, 1, 1),
    last_encounter=date(2007, 1, 1),
    discharged=date(2007, 1, 1),
)
YOUNG_JANE = Patient(
    "MRN-2002",
    "Roe, Jane",
    born=date(2020, 2, 2),
    last_encounter=date(2021, 1, 1),
    discharged=date(2021, 1, 1),
)
WHY = Purpose.OPERATIONS


@pytest.fixture
def pk(house: House) -> int:
    """A letter about one of two patients of a name."""
    (one,) = house.capture(house.arrival(mail(body="patient Jane Roe was here")))
    house.index()
    house.patients.import_roster([OLD_JANE, YOUNG_JANE])
    settle(house)
    return one.pk


def settle(house: House) -> None:
    house.follower.run()
    house.index()
    house.runs.run(propose=False)


def message_id(house: House, pk: int) -> str:
    with house.vault.records.read() as connection:
        return str(connection.scalar(select(messages.c.id).where(messages.c.pk == pk)))


def dated(house: House, pk: int) -> date | None:
    with house.vault.records.read() as connection:
        return connection.scalar(select(messages.c.disposal_date).where(messages.c.pk == pk))


def test_ambiguous_mail_keeps_the_longest_until_somebody_decides(house: House, pk: int) -> None:
    longest = dated(house, pk)
    assert longest is not None
    assert longest > date(2038, 1, 1)
    listed = house.review.ambiguous(house.manager, WHY)
    (item,) = listed["items"]
    assert item["message"] == message_id(house, pk)
    assert {one["numbers"][0]: one["why"] for one in item["candidates"]} == {
        "MRN-1001": ["name"],
        "MRN-2002": ["name"],
    }
    decided = house.review.decide(house.manager, item["message"], ["MRN-1001"], "the elder one's handwriting")
    assert sorted(one["about"] for one in decided["decisions"]) == [False, True]
    # Void at once, computed by the decision a moment later.
    assert dated(house, pk) is None
    settle(house)
    shorter = dated(house, pk)
    assert shorter is not None
    assert shorter < longest
    assert house.review.ambiguous(house.manager, WHY)["items"] == []
    assert found(house, "patient:MRN-1001") == {pk}
    assert found(house, "patient:MRN-2002") == set()
    undone = house.review.undo(house.officer, item["message"], "it was a mistake")
    assert all(one["undone_by"] == house.officer.user_id for one in undone["decisions"])
    settle(house)
    assert dated(house, pk) == longest
    assert len(house.review.ambiguous(house.manager, WHY)["items"]) == 1
    assert found(house, "patient:MRN-2002") == {pk}
    with pytest.raises(WrongState):
        house.review.undo(house.officer, item["message"], "again")
    done = [action for action, outcome, _ in house.audit() if outcome == "success"]
    assert {"roster.decide", "roster.undo", "roster.ambiguous"} <= set(done)


def test_a_parent_may_write_about_a_child_of_the_same_name(house: House) -> None:
    """An address says who writes. The child's longer term is kept, and nobody is asked about such mail."""
    parent = replace(OLD_JANE, email="jane@home.example")
    house.patients.import_roster([parent, YOUNG_JANE])
    body = "patient Jane Roe has a fever"
    own = house.capture(house.arrival(mail(body=body, sender="jane@home.example")))[0].pk
    of_child = house.capture(house.arrival(mail(body=body, sender="school@x.example")))[0].pk
    told = house.capture(house.arrival(mail(body=f"{body}, MRN 1001", sender="jane@home.example")))[0].pk
    settle(house)
    settle(house)
    assert dated(house, own) == dated(house, of_child)
    day = dated(house, told)
    assert day is not None
    assert day < (dated(house, own) or date.min)
    listed = house.review.ambiguous(house.manager, WHY)["items"]
    assert [item["message"] for item in listed] == [message_id(house, of_child)]
    # Who decides that it isn't about the writer is asked about nobody else.
    decided = house.review.decide(house.manager, message_id(house, own), ["MRN-2002"], "a child's fever")
    assert {one["about"] for one in decided["decisions"]} == {True, False}


def test_a_decision_can_be_made_anew_and_for_none(house: House, pk: int) -> None:
    it = message_id(house, pk)
    house.review.decide(house.manager, it, [], "a neighbour", none=True)
    settle(house)
    assert house.patients.of_messages([pk]) == {}
    house.review.decide(house.manager, it, ["MRN-1001", "MRN-2002"], "both")
    settle(house)
    assert len(house.patients.of_messages([pk])[pk]) == 2
    assert house.review.ambiguous(house.manager, WHY)["items"] == []


def test_who_comes_later_is_not_decided_on(house: House, pk: int) -> None:
    house.review.decide(house.manager, message_id(house, pk), [], "a neighbour", none=True)
    third = Patient("MRN-3003", "Jane Roe", born=date(2000, 1, 1))
    house.patients.import_roster([third])
    settle(house)
    assert [p.numbers for p in house.patients.of_messages([pk])[pk]] == [("MRN-3003",)]


def test_decisions_that_make_no_sense(house: House, pk: int) -> None:
    it = message_id(house, pk)
    house.patients.import_roster([Patient("MRN-9", "Bob Poe")])
    for about, none, reason in ([], False, "x"), (["MRN-1001"], True, "x"), (["MRN-9"], False, "x"):
        with pytest.raises(BadDecision):
            house.review.decide(house.manager, it, about, reason, none=none)
    with pytest.raises(BadDecision, match="say why"):
        house.review.decide(house.manager, it, ["MRN-1001"], " ")
    with pytest.raises(NotThere):
        house.review.decide(house.manager, "mnothing", ["MRN-1001"], "x")
    with pytest.raises(NotThere):
        house.review.decide(house.manager, it, ["MRN-404"], "x")
    with pytest.raises(AccessDenied):
        house.review.decide(house.lawyer, it, ["MRN-1001"], "x")
    with house.vault.records.read() as connection:
        assert connection.execute(select(match_decisions)).all() == []


def test_a_decision_stays_on_record(house: House, pk: int) -> None:
    """No statement deletes it, changes it or makes it undone twice."""
    house.review.decide(house.manager, message_id(house, pk), ["MRN-1001"], "handwriting")
    house.review.undo(house.manager, message_id(house, pk), "")
    for statement in (
        "DELETE FROM match_decisions",
        "UPDATE match_decisions SET about = NOT about",
        "UPDATE match_decisions SET undone_us = NULL",
        "UPDATE match_decisions SET decided_by = 'uofficer'",
        "DELETE FROM name_book",
    ):
        with pytest.raises(DestructionRefused), house.vault.records.write() as connection:
            connection.exec_driver_sql(statement)


def test_decisions_end_with_their_message(house: House, pk: int) -> None:
    it = message_id(house, pk)
    house.review.decide(house.manager, it, ["MRN-1001"], "Jane's handwriting")
    house.review.decide(house.manager, it, [], "no, a neighbour's", none=True)
    (other,) = house.capture(house.arrival(mail(body="patient Jane Roe came again")))
    settle(house)
    house.review.decide(house.manager, message_id(house, other.pk), ["MRN-1001"], "hers")
    with house.vault.records.write(dialect.LOCK_ARCHIVE) as connection:
        for settled in (redates.delete(), outbox.delete(), name_book.update().values(searched_us=1)):
            connection.execute(settled)
        disposing.due(connection, pk)
        connection.execute(messages.update().values(unconfirmed=False, grounds_id=None))
        house.vault.archive.destroy(connection, pk, disposing.approved(connection, [pk]))
    with house.vault.records.read() as connection:
        assert set(connection.scalars(select(match_decisions.c.message_pk))) == {other.pk}


def test_looking_needs_the_role_and_a_purpose(house: House, pk: int) -> None:
    for look in (
        lambda who, why: house.review.find(who, why, name="Jane Roe"),
        lambda who, why: house.review.show(who, why, "MRN-1001"),
        lambda who, why: house.review.ambiguous(who, why),
    ):
        with pytest.raises(PurposeMissing):
            look(house.officer, None)
        for wrong in (house.lawyer, house.administrator):
            with pytest.raises(AccessDenied):
                look(wrong, WHY)
        look(house.manager, WHY)
    assert house.review.status(house.administrator)["patients"] == 2


@pytest.mark.parametrize(
    "asked",
    [
        {"number": "mrn 1001"},
        {"name": "jane roe", "number": "1001"},
        {"address": "JANE@home.example"},
        {"phone": "(919) 555-0101"},
    ],
)
def test_patients_are_found_by_marks(house: House, asked: dict[str, str]) -> None:
    jane = Patient("1001", "Jane Roe", email="jane@home.example", phones=("+1 919 555 0101",))
    house.patients.import_roster([jane, Patient("1002", "Jane Roe"), Patient("1003", "Bob Poe")])
    items = house.review.find(house.officer, WHY, **asked)["items"]
    assert [one["numbers"] for one in items] == [["1001"]]
    assert [e for e in house.audit() if e[0] == "roster.list"] == [("roster.list", "success", "uofficer")]


def test_pages(house: House) -> None:
    house.patients.import_roster([Patient(str(n), "Jane Roe") for n in range(7)])
    seen: list[str] = []
    after = ""
    while True:
        page = house.review.find(house.officer, WHY, after=after, limit=3)
        seen += [one["numbers"][0] for one in page["items"]]
        if page["next"] is None:
            break
        after = page["next"]
    assert sorted(seen) == [str(n) for n in range(7)]
    pks = [house.capture(house.arrival(mail(body="patient Jane Roe")))[0].pk for _ in range(5)]
    house.index()
    listed: list[str] = []
    after = ""
    while True:
        page = house.review.ambiguous(house.officer, WHY, after, 2)
        listed += [one["message"] for one in page["items"]]
        if page["next"] is None:
            break
        after = page["next"]
    assert listed == [message_id(house, pk) for pk in pks]


def test_one_patient_with_her_mail(house: House, pk: int) -> None:
    shown = house.review.show(house.officer, WHY, "MRN-1001")
    assert shown["messages"] == 1
    assert shown["records"][0]["name"] == "Jane Roe"
    house.review.decide(house.officer, message_id(house, pk), ["MRN-2002"], "x")
    assert house.review.show(house.officer, WHY, "MRN-1001")["messages"] == 0


def test_disposed_mail_is_not_decided_on(house: House) -> None:
    (gone,) = house.old(1)
    with house.vault.records.write() as connection:
        it = connection.scalar(select(messages.c.id).where(messages.c.pk == gone.pk))
    house.dispositions.execute(house.second, house.due())
    with pytest.raises(AlreadyDisposed):
        house.review.decide(house.officer, str(it), [], "x", none=True)
