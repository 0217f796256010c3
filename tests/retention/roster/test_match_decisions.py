"""What people decided on matches: listed with who, when and why, page by page, within scope, on record."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from sqlalchemy import select

from archiver.store.schema import messages
from retention.roster.patient import Patient
from retention.roster.reviewing import RosterReview
from search.access import AccessDenied, Actor, Purpose, PurposeMissing
from search.errors import BadCursor
from tests.retention.whole_house import House, mail
from tests.search.access_house import AccessHouse, access_house

WHY = Purpose.OPERATIONS
ELDER = Patient("MRN-1001", "Jane Roe", born=date(1950, 1, 1))
YOUNGER = Patient("MRN-2002", "Roe, Jane", born=date(2020, 2, 2))


@pytest.fixture
def letters(house: House) -> list[str]:
    """Three letters, each about one of two patients of a name."""
    house.patients.import_roster([ELDER, YOUNGER])
    pks = [house.capture(house.arrival(mail(body="patient Jane Roe was here")))[0].pk for _ in range(3)]
    house.index()
    house.follower.run()
    house.index()
    with house.vault.records.read() as connection:
        ids = {row.pk: row.id for row in connection.execute(select(messages.c.pk, messages.c.id))}
    return [ids[pk] for pk in pks]


@pytest.fixture
def access(house: House) -> AccessHouse:
    """The same house behind a gate that knows of scopes."""
    return access_house(house)


def told(items: list[dict[str, Any]]) -> set[tuple[str, str, bool, str, str]]:
    """What a list says: the message, whom it was decided on, whether it is about her, why, by whom."""
    return {
        (one["message"], one["patient"]["numbers"][0], one["about"], one["reason"], one["decided_by"])
        for one in items
    }


def pages(review: RosterReview, actor: Actor, limit: int, **more: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    after = ""
    while True:
        page = review.decisions.page(actor, WHY, after=after, limit=limit, **more)
        assert len(page["items"]) <= limit
        items += page["items"]
        if page["next"] is None:
            return items
        after = page["next"]


def test_who_decided_what_when_and_why(house: House, letters: list[str]) -> None:
    first, second, third = letters
    assert house.review.decisions.page(house.officer, WHY) == {"items": [], "next": None}
    house.review.decide(house.manager, first, ["MRN-1001"], "the elder one's hand")
    house.review.decide(house.officer, second, [], "a neighbour", none=True)
    house.review.undo(house.manager, second, "no neighbour")
    listed = house.review.decisions.page(house.officer, WHY)
    assert listed["next"] is None
    elder, neighbour = (house.manager.user_id, house.officer.user_id)
    assert told(listed["items"]) == {
        (first, "MRN-1001", True, "the elder one's hand", elder),
        (first, "MRN-2002", False, "the elder one's hand", elder),
        (second, "MRN-1001", False, "a neighbour", neighbour),
        (second, "MRN-2002", False, "a neighbour", neighbour),
    }
    # The newest first; what was taken back says by whom and when, and stays.
    assert [one["message"] for one in listed["items"]] == [second, second, first, first]
    undone, stands = listed["items"][0], listed["items"][-1]
    assert undone["decided_by_name"] == house.officer.name
    assert (undone["undone_by"], undone["undone_by_name"]) == (house.manager.user_id, house.manager.name)
    assert undone["decided_at"] <= undone["undone_at"]
    assert (stands["undone_at"], stands["undone_by"], stands["undone_by_name"]) == (None, None, None)
    assert {one["patient"]["name"] for one in listed["items"]} == {"Jane Roe", "Roe, Jane"}
    alone = house.review.decisions.page(house.officer, WHY, message=first)["items"]
    assert alone == listed["items"][2:]
    assert house.review.decisions.page(house.officer, WHY, message=third)["items"] == []
    assert house.review.decisions.page(house.officer, WHY, message="mnothing")["items"] == []


def test_every_decision_is_on_one_page(house: House, letters: list[str]) -> None:
    for message in letters:
        for _ in range(2):
            house.review.decide(house.manager, message, ["MRN-1001"], "so it is")
    whole = house.review.decisions.page(house.officer, WHY)["items"]
    assert len(whole) == 12
    for limit in (1, 5, 12):
        assert pages(house.review, house.officer, limit) == whole
    assert pages(house.review, house.officer, 3, message=letters[1]) == [
        one for one in whole if one["message"] == letters[1]
    ]
    for wrong in ("1", "-y", "x-y", "9" * 30 + "-y", "\u0661-y"):
        with pytest.raises(BadCursor):
            house.review.decisions.page(house.officer, WHY, after=wrong)


def test_each_look_is_on_record_and_needs_role_and_purpose(house: House, letters: list[str]) -> None:
    house.review.decide(house.manager, letters[0], ["MRN-1001"], "so it is")
    before = len(house.audit())
    house.review.decisions.page(house.officer, WHY)
    assert house.audit()[before:] == [("roster.decisions", "success", house.officer.user_id)]
    with pytest.raises(PurposeMissing):
        house.review.decisions.page(house.officer, None)
    for wrong in (house.lawyer, house.administrator):
        with pytest.raises(AccessDenied):
            house.review.decisions.page(wrong, WHY)
    with pytest.raises(BadCursor):
        house.review.decisions.page(house.officer, WHY, after="?")
    assert house.audit()[-1][:2] == ("roster.decisions", "failed")
    with house.vault.records.read() as connection:
        for row in connection.exec_driver_sql("SELECT * FROM match_decisions"):
            assert not any(b"so it is" in value for value in row if isinstance(value, bytes))


def test_who_sees_part_of_the_mail_or_the_roster_sees_decisions_of_that_part(
    access: AccessHouse, letters: list[str]
) -> None:
    house = access.house
    review = RosterReview(house.vault, access.gate)
    theirs = house.capture(house.arrival(mail(body="patient Jane Roe", sender="zoe@clinic.example")))[0]
    house.index()
    for message in (letters[0], theirs.receipt.id):
        house.review.decide(house.manager, message, ["MRN-1001"], "so it is")
    everyone = review.decisions.page(house.officer, WHY)["items"]
    assert {one["message"] for one in everyone} == {letters[0], theirs.receipt.id}
    asked = access.grants.add(
        "second", "limit", cover={"custodians": ["zoe@clinic.example"]}, reason="an outside review"
    )
    access.approvals.approve(access.privacy, asked["approval"])
    seen = pages(review, house.second, 1)
    assert {one["message"] for one in seen} == {theirs.receipt.id}
    assert review.decisions.page(house.second, WHY, message=letters[0])["items"] == []
    elder = next(one["patient"]["id"] for one in everyone if one["about"])
    asked = access.grants.add("third", "limit", cover={"patients": [elder]}, reason="an outside review")
    access.approvals.approve(access.privacy, asked["approval"])
    seen = pages(review, house.third, 1)
    assert seen
    assert {one["patient"]["id"] for one in seen} == {elder}


def test_a_decision_is_shown_by_who_the_patient_is_now(house: House, letters: list[str]) -> None:
    """Records that became one person later are shown as that person."""
    house.review.decide(house.manager, letters[0], ["MRN-2002"], "so it is")
    house.patients.import_roster([Patient("MRN-2002", "Roe, Jane", numbers=("MRN-1001",))])
    listed = house.review.decisions.page(house.officer, WHY)["items"]
    assert {one["about"] for one in listed} == {True, False}
    (person,) = {one["patient"]["id"] for one in listed}
    assert all(set(one["patient"]["numbers"]) == {"MRN-1001", "MRN-2002"} for one in listed)
    assert person == house.review.show(house.officer, WHY, "MRN-1001")["id"]
