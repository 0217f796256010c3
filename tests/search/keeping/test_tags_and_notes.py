"""Tags and notes: beside the message, versioned, found by exact label, gone with the message, not before."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select, text

from archiver.errors import DestructionRefused, KeyDestroyed
from archiver.store.schema import index_relabels, notes, taggings
from retention.refusals import CircularQuery
from search.access import AccessDenied, Purpose, PurposeMissing
from search.errors import QueryError
from search.keeping.errors import KeepingError, NameTaken, NotKept, TagRetired, TooManyAtOnce
from tests.retention.whole_house import found
from tests.search.keeping.conftest import Keeping

LEGAL = Purpose.LEGAL


def filled(kept: Keeping, number: int = 3) -> list[str]:
    done = kept.house.old(number, body="the zebra eats")
    kept.house.index()
    return [one.receipt.id for one in done]


def total(kept: Keeping, query: str) -> int:
    kept.house.index()
    return kept.room.search(kept.house.officer, LEGAL, query).total


def test_a_tag_is_put_found_taken_off_and_every_step_stays(kept: Keeping) -> None:
    ids, officer = filled(kept), kept.house.officer
    tag = kept.tags.create(officer, "Attorney  Client", "counsel wrote or was asked")
    assert (tag["name"], tag["retired_at"]) == ("Attorney Client", None)
    assert kept.tags.put(officer, "attorney client", ids[:2]) == {
        "tag": "Attorney Client",
        "on": True,
        "changed": 2,
        "unchanged": 0,
    }
    assert kept.tags.put(officer, tag["id"], ids)["changed"] == 1
    assert total(kept, 'tag:"attorney client"') == 3
    assert total(kept, 'tag:"ATTORNEY CLIENT" zebra') == 3
    assert total(kept, "tag:attorney") == 0
    assert kept.tags.put(kept.house.second, tag["id"], ids[:1], on=False)["changed"] == 1
    assert total(kept, 'tag:"attorney client"') == 2
    assert total(kept, 'zebra NOT tag:"attorney client"') == 1
    told = kept.tags.of(officer, ids[0])
    assert told["tags"] == []
    assert [(one["put"], one["by"]) for one in told["history"]] == [(False, "usecond"), (True, "uofficer")]
    assert kept.house.audit()[-1] == ("tag.show", "empty", "uofficer")


def test_tags_survive_indexing_anew(kept: Keeping) -> None:
    ids = filled(kept)
    kept.tags.create(kept.house.officer, "reviewed")
    kept.tags.put(kept.house.officer, "reviewed", ids[:2])
    kept.house.index()
    with kept.house.vault.records.write() as connection:
        connection.execute(text("INSERT INTO outbox (message_pk, seq) SELECT pk, -seq - 1 FROM messages"))
    kept.house.index()
    assert len(found(kept.house, "tag:reviewed")) == 2


def test_the_list_of_tags_is_the_officers(kept: Keeping) -> None:
    ids, officer = filled(kept), kept.house.officer
    kept.tags.create(officer, "Privileged")
    with pytest.raises(NameTaken):
        kept.tags.create(officer, " privileged ")
    for bad in ("", "x" * 61, 'say "x"', "a\x1bb", "say “x”", "follow–up"):
        with pytest.raises(KeepingError):
            kept.tags.create(officer, bad)
    with pytest.raises(AccessDenied):
        kept.tags.create(kept.house.lawyer, "mine")
    with pytest.raises(NotKept):  # a slip of the pen is no second tag
        kept.tags.put(officer, "priviledged", ids)
    kept.tags.put(officer, "privileged", ids[:1])
    assert kept.tags.retire(officer, "privileged")["retired_at"]
    with pytest.raises(TagRetired):
        kept.tags.put(officer, "privileged", ids)
    with pytest.raises(NameTaken):
        kept.tags.create(officer, "privileged")
    assert total(kept, "tag:privileged") == 1
    assert kept.tags.put(officer, "privileged", ids, on=False)["changed"] == 1
    assert [one["name"] for one in kept.tags.list(officer)] == ["Privileged"]


def test_a_lawyer_tags_and_notes_only_what_their_matters_hold(kept: Keeping) -> None:
    house = kept.house
    (near,) = house.old(body="zebra", to="counsel@law.example")
    (far,) = house.old(body="zebra")
    matter = house.matters.create(house.lawyer, "Striped v. Clinic")["id"]
    house.holds.create(house.lawyer, matter, custodians=["counsel@law.example"])
    house.index()
    kept.tags.create(house.officer, "responsive")
    mine, other = near.receipt.id, far.receipt.id
    assert kept.tags.put(house.lawyer, "responsive", [mine])["changed"] == 1
    assert kept.notes.add(house.lawyer, mine, "see exhibit B")["version"] == 1
    for call in (
        lambda: kept.tags.put(house.lawyer, "responsive", [mine, other]),
        lambda: kept.tags.of(house.lawyer, other),
        lambda: kept.notes.add(house.lawyer, other, "x"),
        lambda: kept.notes.of(house.lawyer, LEGAL, other),
    ):
        with pytest.raises(AccessDenied):
            call()
        assert house.audit()[-1][1:] == ("denied", "ulawyer")
    # All or none: the message within reach was not taken off or put again.
    assert len(kept.tags.of(house.officer, other)["history"]) == 0
    kept.tags.put(house.officer, "responsive", [other])
    house.index()
    assert kept.room.search(house.lawyer, LEGAL, "tag:responsive").total == 1
    assert kept.tags.apply(house.lawyer, LEGAL, "responsive", "*", on=False)["changed"] == 1
    assert kept.tags.of(house.officer, other)["tags"] == ["responsive"]


def test_a_whole_result_is_tagged_in_pages_and_recorded_once(
    kept: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.keeping.tags.AT_ONCE", 2)
    ids, officer = filled(kept, 5), kept.house.officer
    kept.house.old(body="a lion")
    kept.house.index()
    kept.tags.create(officer, "seen")
    kept.tags.put(officer, "seen", ids[:1])
    before = len(kept.house.audit())
    told: list[tuple[int, int]] = []
    done = kept.tags.apply(
        officer, LEGAL, "seen", "zebra", progress=lambda number, of: told.append((number, of))
    )
    assert (done["matched"], done["changed"]) == (5, 4)
    assert told == [(0, 5), (2, 5), (4, 5), (5, 5)]
    assert kept.house.audit()[before:] == [
        ("tag.apply", "begun", "uofficer"),
        ("tag.apply", "success", "uofficer"),
    ]
    assert total(kept, "tag:seen") == 5
    with pytest.raises(TooManyAtOnce):
        kept.tags.apply(officer, LEGAL, "seen", "zebra", on=False, most=4)
    assert total(kept, "tag:seen") == 5
    with pytest.raises(PurposeMissing):
        kept.tags.apply(officer, None, "seen", "zebra")
    with pytest.raises(QueryError):
        kept.tags.apply(officer, LEGAL, "seen", "nofield:x")
    assert kept.house.audit()[-1] == ("tag.apply", "failed", "uofficer")


def test_a_stop_in_the_middle_is_on_record_and_gone_on_with(
    kept: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.keeping.tags.AT_ONCE", 2)
    filled(kept, 5)
    kept.tags.create(kept.house.officer, "seen")

    def stop(number: int, _: int) -> None:
        if number >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept.tags.apply(kept.house.officer, LEGAL, "seen", "zebra", progress=stop)
    size = len(kept.house.audit())
    with kept.house.vault.records.read() as connection:
        entries = kept.house.vault.audit.entries(connection, size - 1, size)
        assert (entries[0][1]["outcome"], entries[0][1]["count"]) == ("failed", 4)
    assert kept.tags.apply(kept.house.officer, LEGAL, "seen", "zebra")["changed"] == 1


def test_notes_are_versions_that_only_their_author_changes(kept: Keeping) -> None:
    (message, *_), officer = filled(kept), kept.house.officer
    first = kept.notes.add(officer, message, "  ask counsel ")
    assert (first["text"], first["version"]) == ("ask counsel", 1)
    second = kept.notes.change(officer, message, first["id"], "asked")
    assert (second["id"], second["version"]) == (first["id"], 2)
    other = kept.notes.add(kept.house.second, message, "seen too")
    assert [one["text"] for one in kept.notes.of(officer, LEGAL, message)] == ["asked", "seen too"]
    for call in (
        lambda: kept.notes.change(officer, message, other["id"], "no"),
        lambda: kept.notes.withdraw(officer, message, other["id"]),
        lambda: kept.notes.change(officer, message, "wnothing", "no"),
    ):
        with pytest.raises(NotKept):
            call()
    kept.notes.withdraw(officer, message, first["id"])
    with pytest.raises(NotKept):
        kept.notes.change(officer, message, first["id"], "again")
    assert [one["text"] for one in kept.notes.of(officer, LEGAL, message)] == ["seen too"]
    history = kept.notes.of(officer, LEGAL, message, history=True)
    assert {(one["version"], one["text"]) for one in history} == {
        (1, "ask counsel"),
        (2, "asked"),
        (3, None),
        (1, "seen too"),
    }
    for bad in ("", "  ", "x" * 10_001):
        with pytest.raises(KeepingError):
            kept.notes.add(officer, message, bad)
    with pytest.raises(PurposeMissing):
        kept.notes.of(officer, None, message)


def test_no_text_of_a_note_is_on_record_or_in_clear(kept: Keeping) -> None:
    (message, *_) = filled(kept)
    kept.notes.add(kept.house.officer, message, "findmenote")
    with kept.house.vault.records.read() as connection:
        entries = kept.house.vault.audit.entries(connection, 0, len(kept.house.audit()))
        assert "findmenote" not in repr(entries)
        assert b"findmenote" not in bytes(connection.scalar(select(notes.c.sealed)))


def test_history_stands_as_long_as_the_message(kept: Keeping) -> None:
    ids = filled(kept)
    kept.tags.create(kept.house.officer, "seen")
    kept.tags.put(kept.house.officer, "seen", ids)
    kept.notes.add(kept.house.officer, ids[0], "x")
    for statement in (
        "DELETE FROM taggings",
        "DELETE FROM notes",
        "UPDATE taggings SET put = NOT put",
        "UPDATE notes SET withdrawn = NOT withdrawn",
        "DELETE FROM tags",
    ):
        with pytest.raises(DestructionRefused), kept.house.vault.records.write() as connection:
            connection.execute(text(statement))


def test_what_was_said_goes_with_the_message(kept: Keeping) -> None:
    house, officer = kept.house, kept.house.officer
    (gone,) = house.old(body="perishable")
    house.index()
    kept.tags.create(officer, "seen")
    kept.tags.put(officer, "seen", [gone.receipt.id])
    kept.notes.add(officer, gone.receipt.id, "a word")
    house.index()
    house.dispositions.execute(house.second, house.due())
    house.indexer.drain_removals()
    with house.vault.records.read() as connection:
        for table in (taggings, notes, index_relabels):
            assert connection.scalar(select(func.count()).select_from(table)) == 0
    assert total(kept, "tag:seen") == 0
    for call in (
        lambda: kept.tags.put(officer, "seen", [gone.receipt.id]),
        lambda: kept.notes.add(officer, gone.receipt.id, "too late"),
    ):
        with pytest.raises(KeyDestroyed):
            call()
    with pytest.raises(DestructionRefused), house.vault.records.write() as connection:
        connection.execute(
            text(
                "INSERT INTO taggings (message_pk, tag_id, put, at_us, by_id) "
                "SELECT m.pk, t.id, TRUE, 0, 'x' FROM messages m, tags t"
            )
        )


def test_a_hold_can_not_hang_on_tags(kept: Keeping) -> None:
    matter = kept.house.matters.create(kept.house.officer, "M")["id"]
    with pytest.raises(CircularQuery):
        kept.house.holds.create(kept.house.officer, matter, query="tag:responsive")
