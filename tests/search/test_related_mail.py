"""Facets, groups, conversations in the reading room: on record, within scope, and gone with a disposal."""

from __future__ import annotations

from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

import pytest

from archiver.errors import KeyDestroyed, NotFound, StoreError
from archiver.ledger.audit import AuditLog
from search.access import AccessDenied, Purpose, PurposeMissing
from search.engine.views import FACETS, Ask, Facet
from search.errors import BadCursor
from search.facets import facet_list
from search.reading_room import ReadingRoom
from tests.retention.whole_house import House

LEGAL = Purpose.LEGAL
TEXT = "the zebra plan is to be read by everybody before the meeting on Tuesday"


def letter(
    number: int, sender: str = "ann@clinic.example", to: str = "bob@clinic.example", **more: Any
) -> bytes:
    message = EmailMessage()
    message["From"], message["To"] = sender, to
    message["Subject"] = more.get("subject", "plan")
    message["Message-ID"] = f"<{number}@clinic.example>"
    message["Date"] = datetime(2005, 3, number, 9, tzinfo=UTC)
    if "answers" in more:
        message["In-Reply-To"] = f"<{more['answers']}@clinic.example>"
    message.set_content(more.get("body", TEXT))
    return message.as_bytes()


@pytest.fixture
def ids(house: House) -> list[str]:
    """Four letters: 2 and 3 answer 1, the second of them by way of law.example; 4 stands alone."""
    letters = [
        letter(1),
        letter(2, "Bob@clinic.example", "ann@clinic.example", subject="Re: plan", answers=1),
        letter(3, "counsel@law.example", "ann@clinic.example", answers=2, body=f"{TEXT} indeed"),
        letter(4, "eve@clinic.example", subject="other", body="a zebra of another stripe, here for once"),
    ]
    done = house.capture(*(house.arrival(raw) for raw in letters))
    house.index()
    return [committed.receipt.id for committed in done]


def test_facets_come_with_words_that_give_just_their_messages(
    house: House, room: ReadingRoom, ids: list[str]
) -> None:
    page = room.search(house.officer, LEGAL, "zebra", ask=Ask(facets=FACETS, histogram=True, top=2))
    assert page.total == len(ids) == 4
    assert [facet.name for facet in page.facets] == list(FACETS)
    for facet in page.facets:
        for value in facet.values:
            assert value.query is not None
            narrowed = room.search(house.officer, LEGAL, f"zebra AND ({value.query})")
            assert narrowed.total == value.count, value
    by_name = {facet.name: facet for facet in page.facets}
    assert [(v.value, v.count) for v in by_name["source"].values] == [("attic", 4)]
    assert by_name["sender"].other_messages == by_name["sender"].other_values == 2
    assert page.histogram is not None
    assert (page.histogram.unit, [n for _, n in page.histogram.bars]) == ("day", [1, 1, 1, 1])


def test_a_conversation_is_one_line(house: House, room: ReadingRoom, ids: list[str]) -> None:
    page = room.search(house.officer, LEGAL, "zebra", ask=Ask(group="conversation"))
    assert (page.total, page.groups, page.group) == (4, 2, "conversation")
    assert [(item.id, item.members) for item in page.items] == [(ids[3], 1), (ids[2], 3)]
    alike = room.search(house.officer, LEGAL, "zebra", ask=Ask(group="similar"))
    assert alike.groups is not None
    assert (alike.total, sum(item.members or 0 for item in alike.items)) == (4, 4)
    assert {item.id: item.members for item in alike.items}[ids[3]] == 1
    assert alike.groups == len(alike.items) < 4


def test_the_conversation_of_a_message_comes_page_by_page(
    house: House, room: ReadingRoom, ids: list[str]
) -> None:
    found = room.related(house.officer, LEGAL, ids[1], "conversation")
    assert (found.total, [item.id for item in found.items], found.next) == (3, ids[:3], None)
    assert found.items[1].subject == "Re: plan"
    seen: list[str] = []
    after = None
    while True:
        page = room.related(house.officer, LEGAL, ids[1], "conversation", limit=1, after=after)
        assert page.total == 3
        seen += [item.id for item in page.items]
        if (after := page.next) is None:
            break
    assert seen == ids[:3]
    similar = room.related(house.officer, LEGAL, ids[0], "similar")
    assert {ids[0], ids[1]} <= {item.id for item in similar.items}
    with pytest.raises(BadCursor):
        room.related(house.officer, LEGAL, ids[1], "conversation", after="mnothing")


def test_what_is_related_is_on_record_before_it_leaves(
    house: House, room: ReadingRoom, ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    room.related(house.officer, LEGAL, ids[0], "conversation")
    assert house.audit()[-2:] == [
        ("message.conversation", "begun", "uofficer"),
        ("search.results", "success", "uofficer"),
    ]
    with pytest.raises(NotFound):
        room.related(house.officer, LEGAL, "mnothing", "similar")
    assert house.audit()[-1][:2] == ("message.similar", "failed")
    with pytest.raises(PurposeMissing):
        room.related(house.officer, None, ids[0], "similar")
    for actor in (house.administrator, house.manager):
        with pytest.raises(AccessDenied):
            room.related(actor, LEGAL, ids[0], "similar")
        assert house.audit()[-1] == ("search.query", "denied", actor.user_id)

    def broken(*_: object) -> int:
        raise StoreError("the records database can't be used now; try again later")

    monkeypatch.setattr(AuditLog, "record_in", broken)
    with pytest.raises(StoreError):
        room.related(house.officer, LEGAL, ids[0], "conversation")


def test_nothing_tells_a_lawyer_of_mail_outside_their_matters(
    house: House, room: ReadingRoom, ids: list[str]
) -> None:
    ask = Ask(facets=FACETS, histogram=True, group="conversation")
    nothing = room.search(house.lawyer, LEGAL, "zebra", ask=ask)
    assert (nothing.total, nothing.groups, nothing.items) == (0, 0, ())
    assert all(not facet.values and not facet.without for facet in nothing.facets)
    assert nothing.histogram is not None
    assert nothing.histogram.bars == ()
    with pytest.raises(AccessDenied):
        room.related(house.lawyer, LEGAL, ids[0], "conversation")
    assert house.audit()[-1] == ("message.conversation", "denied", "ulawyer")

    matter = house.matters.create(house.lawyer, "Striped v. Clinic")["id"]
    house.holds.create(house.lawyer, matter, message_ids=[ids[0], ids[2]])
    house.index()
    page = room.search(house.lawyer, LEGAL, "*", ask=ask)
    # Letter 2, which ties the two together, is outside.
    assert (page.total, page.groups) == (2, 2)
    assert {v.value for v in page.facets[0].values} == {"ann@clinic.example", "counsel@law.example"}
    found = room.related(house.lawyer, LEGAL, ids[0], "conversation")
    assert (found.total, [item.id for item in found.items]) == (1, ids[:1])


def test_what_is_disposed_of_is_counted_no_more(house: House, room: ReadingRoom, ids: list[str]) -> None:
    ask = Ask(facets=FACETS, histogram=True, group="conversation")
    house.dispositions.execute(house.second, house.due())
    with pytest.raises(KeyDestroyed):
        room.related(house.officer, LEGAL, ids[0], "conversation")
    # At once, and still when its facts have left the index.
    for _ in range(2):
        page = room.search(house.officer, LEGAL, "zebra", ask=ask)
        assert (page.total, page.groups, page.items) == (0, 0, ())
        assert all(not facet.values for facet in page.facets)
        house.indexer.drain_removals()


def test_mail_not_indexed_yet_is_its_own_conversation(
    house: House, room: ReadingRoom, ids: list[str]
) -> None:
    (late,) = house.capture(house.arrival(letter(5, subject="Re: plan", answers=1)))
    assert room.related(house.officer, LEGAL, late.receipt.id, "conversation").total == 1
    house.index()
    assert room.related(house.officer, LEGAL, late.receipt.id, "conversation").total == 4
    house.capture(house.arrival(letter(6, sender="x@y", to="z@y", subject="new", answers=5)))
    house.index()
    assert room.related(house.officer, LEGAL, ids[0], "conversation").total == 5


@pytest.mark.parametrize("value", ["a–b@x.example", "“a”@x.example", 'a"b@x.example'])
def test_what_no_query_can_say_comes_without_one(value: str) -> None:
    (found,) = facet_list(Facet("sender", ((value, 1),), 0, 0, 0), {}).values
    assert (found.value, found.query) == (value, None)
