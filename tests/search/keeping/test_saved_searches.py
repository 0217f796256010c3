"""Saved searches: kept sealed, run in the runner's own scope, seen only by whom they are shared with."""

from __future__ import annotations

import pytest
from sqlalchemy import select, text

from archiver.errors import DestructionRefused
from archiver.store.schema import saved_searches
from search.access import AccessDenied, Purpose
from search.errors import QueryError
from search.keeping.errors import KeepingError, NotKept
from tests.search.keeping.conftest import Keeping

LEGAL = Purpose.LEGAL


def test_a_search_is_kept_run_changed_and_taken_away(kept: Keeping) -> None:
    house, officer = kept.house, kept.house.officer
    house.old(2, body="the zebra eats")
    house.index()
    made = kept.saved.add(officer, "  Striped   things ", "zebra* -lion", purpose="legal", sort="oldest")
    assert (made["name"], made["mine"], made["shared"]) == ("Striped things", True, "nobody")
    assert made["interpreted"]
    assert kept.saved.show(officer, made["id"]) == made
    assert kept.saved.list(officer) == [made]
    page = kept.saved.run(officer, made["id"])
    assert page.total == 2
    assert house.audit()[-3:] == [
        ("saved.run", "success", "uofficer"),
        ("search.query", "begun", "uofficer"),
        ("search.results", "success", "uofficer"),
    ]
    changed = kept.saved.change(officer, made["id"], name="Other", query="unicorn", sort="newest")
    assert (changed["name"], changed["query"], changed["sort"]) == ("Other", "unicorn", "newest")
    assert kept.saved.run(officer, made["id"]).total == 0
    kept.saved.delete(officer, made["id"])
    assert kept.saved.list(officer) == []
    with pytest.raises(NotKept):
        kept.saved.run(officer, made["id"])
    assert house.audit()[-1] == ("saved.run", "failed", "uofficer")
    with house.vault.records.read() as connection:  # the row stays, for the record
        assert connection.scalar(select(saved_searches.c.deleted_by)) == officer.user_id
    with (
        pytest.raises(DestructionRefused),
        house.vault.records.write() as connection,
    ):
        connection.execute(text("DELETE FROM saved_searches"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": " "},
        {"name": "x" * 201},
        {"name": "a\x00b"},
        {"purpose": "curiosity"},
        {"sort": "loudest"},
        {"shared": "world"},
        {"shared": "matter"},
        {"shared": "role", "role": "administrator"},
        {"alert": True, "query": "tag:privileged"},
        {"mail": "not an address"},
        {"mail": "a@clinic.example"},  # no relay is set
    ],
)
def test_what_can_not_be_kept_is_refused_and_on_record(kept: Keeping, wrong: dict[str, object]) -> None:
    given = {"name": "n", "query": "zebra", "purpose": "legal"} | wrong
    with pytest.raises(KeepingError):
        kept.saved.add(kept.house.officer, **given)  # type: ignore[arg-type]
    assert kept.house.audit()[-1] == ("saved.add", "failed", "uofficer")
    assert kept.saved.list(kept.house.officer) == []


def test_a_query_that_is_not_understood_is_not_kept(kept: Keeping) -> None:
    for query in ("nofield:x", '"open', "", "a" * 10_001):
        with pytest.raises(QueryError):
            kept.saved.add(kept.house.officer, "n", query, purpose="legal")
    assert kept.saved.list(kept.house.officer) == []


def test_sharing_shows_the_search_and_never_its_answer(kept: Keeping) -> None:
    house = kept.house
    house.old(body="the zebra eats")
    house.index()
    mine = kept.saved.add(house.officer, "mine", "zebra", purpose="legal")
    role = kept.saved.add(
        house.officer, "for all", "zebra", purpose="legal", shared="role", role="compliance_officer"
    )
    lawyers = kept.saved.add(house.officer, "lawyers", "zebra", purpose="legal", shared="role", role="legal")
    assert [one["id"] for one in kept.saved.list(house.second)] == [role["id"]]
    assert [one["id"] for one in kept.saved.list(house.lawyer)] == [lawyers["id"]]
    for id_ in (mine["id"], role["id"]):
        with pytest.raises(NotKept):
            kept.saved.show(house.lawyer, id_)
    # In the runner's own scope: nothing is held for this lawyer.
    assert kept.saved.run(house.second, role["id"]).total == 1
    assert kept.saved.run(house.lawyer, lawyers["id"]).total == 0
    for change in (kept.saved.delete, lambda actor, id_: kept.saved.change(actor, id_, name="theirs")):
        with pytest.raises(NotKept):
            change(house.second, role["id"])


def test_a_lawyer_s_searches_are_of_their_own_matters(kept: Keeping) -> None:
    house, saved = kept.house, kept.saved
    matter = house.matters.create(house.lawyer, "Striped v. Clinic")["id"]
    for missing in ({}, {"matter": "Nobody's"}, {"shared": "role", "role": "legal", "matter": matter}):
        with pytest.raises(KeepingError):
            saved.add(house.lawyer, "n", "zebra", purpose="legal", **missing)  # type: ignore[arg-type]
    with pytest.raises(NotKept):
        saved.add(house.other_lawyer, "n", "zebra", purpose="legal", matter=matter)
    private = saved.add(house.lawyer, "private", "zebra", purpose="legal", matter="Striped v. Clinic")
    shared = saved.add(house.lawyer, "shared", "zebra", purpose="legal", matter=matter, shared="matter")
    assert private["matter"] == matter
    assert [one["id"] for one in saved.list(house.other_lawyer)] == []
    house.matters.add_member(house.lawyer, matter, house.other_lawyer.user_id)
    assert [one["id"] for one in saved.list(house.other_lawyer)] == [shared["id"]]
    # Who leaves the matter loses the search, one's own too.
    with house.vault.records.write() as connection:
        connection.execute(text("DELETE FROM matter_members WHERE user_id = 'ulawyer'"))
    assert saved.list(house.lawyer) == []
    with pytest.raises(NotKept):
        saved.run(house.lawyer, private["id"])


def test_roles_that_search_nothing_keep_nothing(kept: Keeping) -> None:
    for actor in (kept.house.manager, kept.house.administrator):
        for call in (
            lambda who: kept.saved.add(who, "n", "zebra", purpose="legal"),
            kept.saved.list,
            kept.alerts.list,
            kept.tags.list,
        ):
            with pytest.raises(AccessDenied):
                call(actor)
            assert kept.house.audit()[-1][1:] == ("denied", actor.user_id)


def test_name_and_query_are_sealed(kept: Keeping) -> None:
    kept.saved.add(kept.house.officer, "findmename", "findmequery", purpose="legal")
    with kept.house.vault.records.read() as connection:
        for row in connection.execute(select(saved_searches)).mappings():
            stored = b" ".join(
                value if isinstance(value, bytes) else str(value).encode() for value in row.values()
            )
            assert b"findme" not in stored
