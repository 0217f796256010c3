"""Promise 4 and the scope: nothing is read without a record, and nobody reads beyond their matters."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from archiver.errors import KeyDestroyed, NotFound, StoreError
from archiver.ledger.audit import AuditLog
from search.access import AccessDenied, Actor, Purpose, PurposeMissing, Role
from search.errors import QueryError
from search.language.highlight import as_text
from search.reading_room import ReadingRoom
from tests.retention.whole_house import House, mail

LEGAL = Purpose.LEGAL


def filled(house: House) -> list[str]:
    done = [
        *house.old(subject="lunch on Tuesday", body="the zebra eats"),
        *house.old(subject="board meeting", body="two zebras met", to="Counsel <counsel@law.example>"),
        *house.old(subject="quiet", body="nothing striped here"),
    ]
    house.index()
    return [c.receipt.id for c in done]


def test_a_page_tells_exactly_what_was_found(house: House, room: ReadingRoom) -> None:
    ids = filled(house)
    page = room.search(house.officer, LEGAL, "zebra")
    assert page.total == 2
    assert {item.id for item in page.items} == set(ids[:2])
    assert all("**zebra" in as_text(item.snippet) for item in page.items)
    assert page.interpreted == "zebra"
    assert page.not_searchable == {"partly": 0, "waiting": 0, "unindexed": 0}


def test_pages_follow_one_another_without_gap_or_repeat(house: House, room: ReadingRoom) -> None:
    ids = {c.receipt.id for c in house.old(7, body="common word")}
    house.index()
    seen: list[str] = []
    cursor = None
    while True:
        page = room.search(house.officer, LEGAL, "common", limit=3, cursor=cursor)
        assert page.total == 7
        seen += [item.id for item in page.items]
        if (cursor := page.next) is None:
            break
    assert len(seen) == 7
    assert set(seen) == ids


def test_the_query_is_on_record_before_it_runs_and_the_page_before_it_leaves(
    house: House, room: ReadingRoom
) -> None:
    filled(house)
    room.search(house.officer, LEGAL, "zebra")
    assert house.audit()[-2:] == [
        ("search.query", "begun", "uofficer"),
        ("search.results", "success", "uofficer"),
    ]
    room.search(house.officer, LEGAL, "unicorn")
    assert house.audit()[-1] == ("search.results", "empty", "uofficer")


def test_failed_and_denied_looks_are_on_record_too(house: House, room: ReadingRoom) -> None:
    (mid, *_) = filled(house)
    with pytest.raises(QueryError):
        room.search(house.officer, LEGAL, "nofield:x")
    assert house.audit()[-1][:2] == ("search.query", "failed")
    with pytest.raises(PurposeMissing):
        room.search(house.officer, None, "zebra")
    assert house.audit()[-1][:2] == ("search.query", "denied")
    for role_actor in (house.administrator, house.manager):
        with pytest.raises(AccessDenied):
            room.open(role_actor, LEGAL, mid)
        assert house.audit()[-1] == ("message.read", "denied", role_actor.user_id)
    with pytest.raises(NotFound):
        room.open(house.officer, LEGAL, "mnothing")
    assert house.audit()[-1][:2] == ("message.read", "failed")


def test_without_a_record_nothing_leaves(
    house: House, room: ReadingRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    (mid, *_) = filled(house)

    def broken(*_: object) -> int:
        raise StoreError("the records database can't be used now; try again later")

    monkeypatch.setattr(AuditLog, "record_in", broken)
    for look in (
        lambda: room.search(house.officer, LEGAL, "zebra"),
        lambda: room.open(house.officer, LEGAL, mid),
    ):
        with pytest.raises(StoreError):
            look()


def test_the_audit_table_gone_refuses_reads(house: House, room: ReadingRoom) -> None:
    (mid, *_) = filled(house)
    with house.vault.records.write() as connection:
        connection.execute(text("ALTER TABLE audit_details RENAME TO elsewhere"))
    with pytest.raises(Exception, match=r".*") as caught:
        room.open(house.officer, LEGAL, mid)
    assert "zebra" not in str(caught.value)


def test_a_lawyer_sees_only_what_the_holds_of_their_matters_cover(house: House, room: ReadingRoom) -> None:
    ids = filled(house)
    assert room.search(house.lawyer, LEGAL, "zebra").total == 0
    matter = house.matters.create(house.lawyer, "Striped v. Clinic")["id"]
    house.holds.create(house.lawyer, matter, custodians=["counsel@law.example"])
    house.index()
    page = room.search(house.lawyer, LEGAL, "zebra")
    assert (page.total, [item.id for item in page.items]) == (1, [ids[1]])
    assert room.search(house.lawyer, LEGAL, "* OR zebra").total == 1
    assert room.search(house.lawyer, LEGAL, "NOT zebra").total == 0
    assert room.search(house.other_lawyer, LEGAL, "zebra").total == 0
    assert room.open(house.lawyer, LEGAL, ids[1]).raw
    for actor in (house.lawyer, house.other_lawyer):
        with pytest.raises(AccessDenied):
            room.open(actor, LEGAL, ids[0])
        assert house.audit()[-1] == ("message.read", "denied", actor.user_id)


def test_a_disposed_message_is_named_as_such(house: House, room: ReadingRoom) -> None:
    (done,) = house.old(body="perishable word")
    house.index()
    house.dispositions.execute(house.second, house.due())
    with pytest.raises(KeyDestroyed):
        room.open(house.officer, LEGAL, done.receipt.id)
    # At once, and still when its words have left the index.
    for _ in range(2):
        page = room.search(house.officer, LEGAL, "perishable")
        assert (page.total, page.items) == (0, ())
        house.indexer.drain_removals()


def test_hostile_headers_come_back_as_text(house: House, room: ReadingRoom) -> None:
    raw = mail(body="hostile").replace(b"Subject: lunch", b"Subject: \x1b[31m=?utf-8?q?=ff?= \xff\xfe")
    house.capture(house.arrival(raw))
    house.index()
    (item,) = room.search(house.officer, LEGAL, "hostile").items
    assert isinstance(item.subject, str)
    assert room.open(house.officer, LEGAL, item.id).raw == raw


def test_every_role_is_decided(house: House, room: ReadingRoom) -> None:
    (mid, *_) = filled(house)
    for role in Role:
        actor = Actor("u1", "x", role, "cli")
        if role is Role.COMPLIANCE_OFFICER:
            assert room.open(actor, LEGAL, mid).raw
        else:
            with pytest.raises(AccessDenied):
                room.open(actor, LEGAL, mid)
