"""What is out of somebody's scope answers as if it weren't there, whichever service is asked by its id."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from config.errors import HoldfastError
from config.settings import Settings, load
from retention.dating.corrections import Corrections
from retention.dating.explain import Explainer
from retention.disposition.extensions import Extensions
from retention.holds.holds import Holds
from retention.holds.matters import Matters
from retention.law.schedules import default_schedule
from retention.refusals import NameTaken
from retention.roster.patient import Patient
from retention.roster.reviewing import RosterReview
from search.access import Actor, OutOfScope, Purpose
from search.cover import Cover
from search.granting.errors import BadGrant
from search.keeping.notes import Notes
from search.keeping.saved import SavedSearches
from search.keeping.tags import Tags
from tests.retention.whole_house import open_house
from tests.search.access_house import AccessHouse, access_house

WHY = "the auditor asked for it"
NOWHERE = "mzzzzzzzzzzzzzzz"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """On SQLite alone: the scope's own tests are on both (tests/search/test_scope_algebra.py)."""
    given = {"home": tmp_path / "home", "root_key": f"file:{tmp_path / 'keys' / 'root.key'}"}
    return load(given, environ={})


@pytest.fixture
def access(settings: Settings) -> Iterator[AccessHouse]:
    with open_house(settings) as house:
        yield access_house(house)


@pytest.fixture
def either(settings: Settings, database_url: str) -> Iterator[AccessHouse]:
    """On each of the databases: for what is worked out in a table of the connection's own."""
    with open_house(settings.model_copy(update={"database_url": database_url})) as house:
        yield access_house(house)


class Doors:
    """Every service that is asked of a message by its id, behind the gate of the house."""

    def __init__(self, access: AccessHouse) -> None:
        vault, gate = access.vault, access.gate
        self.explainer = Explainer(vault, default_schedule(), access.house.patients, gate)
        self.corrections = Corrections(vault, gate, default_schedule())
        self.extensions = Extensions(vault, gate)
        self.review = RosterReview(vault, gate)
        self.holds = Holds(vault, gate, access.house.reader, access.approvals)
        self.matters = Matters(vault, gate)
        self.tags = Tags(vault, gate, access.room)
        self.notes = Notes(vault, gate, access.room)
        self.room = access.room

    def of_an_officer(self, who: Actor, matter: str) -> dict[str, Callable[[str], Any]]:
        """How an officer or records manager names a message."""
        return {
            "explain": lambda one: self.explainer.explain(who, one),
            "correct": lambda one: self.corrections.make(who, one, ["billing"], WHY),
            "corrections": lambda one: self.corrections.show(who, one),
            "extend": lambda one: self.extensions.extend(who, [one], years=1, reason=WHY),
            "decide": lambda one: self.review.decide(who, one, [], WHY, none=True),
            "undo": lambda one: self.review.undo(who, one, WHY),
            **self.of_a_lawyer(who, matter),
        }

    def of_a_lawyer(self, who: Actor, matter: str) -> dict[str, Callable[[str], Any]]:
        """How a lawyer names one."""
        return {
            "open": lambda one: self.room.open(who, Purpose.LEGAL, one),
            "preview": lambda one: self.holds.preview(who, matter, message_ids=[one]),
            "tags": lambda one: self.tags.of(who, one),
            "put": lambda one: self.tags.put(who, "walked", [one]),
            "notes": lambda one: self.notes.of(who, Purpose.LEGAL, one),
            "note": lambda one: self.notes.add(who, one, "a word"),
        }


def answer(door: Callable[[str], Any], message: str) -> tuple[str, str, int, int] | None:
    """What somebody is told who is refused; None where they aren't."""
    try:
        door(message)
    except HoldfastError as error:
        return error.code, str(error), error.exit_code, error.http_status
    return None


def limited(access: AccessHouse, actor: Actor, **cover: Any) -> None:
    asked = access.grants.add(actor.name, "limit", cover=cover, reason=WHY)
    access.approvals.approve(access.privacy, asked["approval"])


def test_beyond_a_limit_there_is_nothing(access: AccessHouse) -> None:
    """A limit of an officer's, and the bounds of a token: at every door the same words as for no message."""
    house, doors = access.house, Doors(access)
    (mine,) = house.old(sender="ann@clinic.example", body="a walrus")
    (theirs,) = house.old(sender="cleo@clinic.example", body="a walrus")
    house.index()
    doors.tags.create(house.officer, "walked")
    matter = str(house.matters.create(house.officer, "Doe v. Clinic")["id"])
    cover = Cover(
        frozenset({"ann@clinic.example"}),
        tokens=frozenset({access.vault.blind.token("address", "ann@clinic.example")}),
    )
    limited(access, house.second, custodians=["ann@clinic.example"])
    for who in (house.second, replace(house.third, within=cover)):
        for name, door in doors.of_an_officer(who, matter).items():
            refused = answer(door, theirs.receipt.id)
            assert refused is not None, name
            assert refused == answer(door, NOWHERE), name
            assert answer(door, mine.receipt.id) != refused, name
        assert doors.corrections.page(who) == [] or theirs.receipt.id not in {
            one["message"] for one in doors.corrections.page(who)
        }
    # The records manager, who reads no mail, is bounded by a limit as anybody is.
    limited(access, house.manager, custodians=["ann@clinic.example"])
    assert answer(lambda one: doors.explainer.explain(house.manager, one), mine.receipt.id) is None
    with pytest.raises(OutOfScope):
        doors.corrections.show(house.manager, theirs.receipt.id)
    # On record it is what it was: denied, and of that message.
    denied = {
        action for action, outcome, user in access.audited() if outcome == "denied" and user == "usecond"
    }
    assert denied >= {
        "retention.explain",
        "correction.make",
        "correction.show",
        "disposition.extend",
        "roster.decide",
        "roster.undo",
        "hold.preview",
        "message.read",
        "tag.show",
        "tag.put",
        "note.list",
        "note.add",
    }


def test_a_correction_beyond_a_limit_is_neither_listed_nor_decided(access: AccessHouse) -> None:
    house, doors = access.house, Doors(access)
    asked = []
    for sender in ("ann@clinic.example", "cleo@clinic.example"):
        (one,) = house.old(sender=sender)
        doors.corrections.make(house.officer, one.receipt.id, ["dental"], WHY)
        asked.append(doors.corrections.make(house.officer, one.receipt.id, [], WHY)["n"])
    limited(access, house.second, custodians=["ann@clinic.example"])
    waiting = doors.corrections.page(house.second, asked=True, limit=1)
    assert [one["n"] for one in waiting] == asked[:1], "a page is full of what may be seen"
    for step in (doors.corrections.approve, doors.corrections.refuse):
        with pytest.raises(OutOfScope) as denied:
            step(house.second, asked[1])
        with pytest.raises(HoldfastError) as absent:
            step(house.second, 10_000)
        assert str(denied.value) == str(absent.value)
    assert doors.corrections.approve(house.second, asked[0])["state"] == "in_force"


def test_across_matters_there_is_nothing(access: AccessHouse) -> None:
    """Two lawyers, a matter each: what the other's hold covers can't be named, seen, tagged or noted."""
    house, doors = access.house, Doors(access)
    (mine,) = house.old(body="a walrus")
    (theirs,) = house.old(body="a stoat")
    doors.tags.create(house.officer, "walked")
    ours = str(doors.matters.create(house.lawyer, "Doe v. Clinic")["id"])
    other = str(doors.matters.create(house.other_lawyer, "Roe v. Clinic")["id"])
    doors.holds.create(house.lawyer, ours, message_ids=[mine.receipt.id])
    hold = str(doors.holds.create(house.other_lawyer, other, message_ids=[theirs.receipt.id])["id"])
    house.index()
    for name, door in doors.of_a_lawyer(house.lawyer, ours).items():
        if name == "preview":
            continue  # a lawyer places holds on anybody's mail, and previews them: see below
        assert answer(door, theirs.receipt.id) == answer(door, NOWHERE) != None, name  # noqa: E711
        assert answer(door, mine.receipt.id) is None, name
    steps: list[Callable[[str], Any]] = [
        lambda one: doors.holds.report(house.lawyer, one),
        lambda one: doors.holds.receipt(house.lawyer, one),
        lambda one: doors.holds.change(house.lawyer, one, reason=WHY, custodians=["x@clinic.example"]),
        lambda one: doors.holds.release(house.lawyer, one, WHY),
        lambda one: doors.holds.approve(house.lawyer, one, WHY),
        lambda one: doors.holds.reinstate(house.lawyer, one, WHY),
        lambda one: doors.holds.review(house.lawyer, one, review_on=None),
    ]
    for step in steps:
        assert answer(step, hold) == answer(step, "hzzzzzzzzzzzzzzz") != None  # noqa: E711
    for which in (other, "Roe v. Clinic"):
        for step in (
            lambda one: doors.matters.show(house.lawyer, one),
            lambda one: doors.matters.close(house.lawyer, one),
            lambda one: doors.matters.add_member(house.lawyer, one, house.lawyer.user_id),
            lambda one: doors.holds.preview(house.lawyer, one, query="stoat"),
            lambda one: doors.holds.create(house.lawyer, one, query="stoat"),
            lambda one: access.exports.create(house.lawyer, Purpose.LEGAL, matter=one),
        ):
            assert answer(step, which) == answer(step, "no such matter") != None  # noqa: E711


def test_the_name_of_anothers_matter_is_free_and_tells_nothing(access: AccessHouse) -> None:
    house, doors = access.house, Doors(access)
    theirs = doors.matters.create(house.other_lawyer, "Roe v. Clinic")
    mine = doors.matters.create(house.lawyer, "roe v. clinic")
    assert mine["name"] == "roe v. clinic"
    for who, own in ((house.lawyer, mine), (house.other_lawyer, theirs)):
        assert doors.matters.show(who, "Roe v. Clinic")["id"] == own["id"]
        assert doors.matters.show(who, own["id"])["id"] == own["id"]
        saved = SavedSearches(access.vault, access.gate, access.room)
        assert saved.add(who, "n", "walrus", purpose="legal", matter="ROE V. CLINIC")["matter"] == own["id"]
        with pytest.raises(NameTaken):  # their own
            doors.matters.create(who, "Roe  v. Clinic")
    with pytest.raises(NameTaken):  # an officer sees both
        doors.matters.create(house.officer, "Roe v. Clinic")
    assert doors.matters.show(house.officer, "Roe v. Clinic")["id"] == theirs["id"]
    assert {one["id"] for one in doors.matters.list(house.officer)} == {mine["id"], theirs["id"]}
    # A name that looks like an id is no way in, nor in the way.
    doors.matters.create(house.lawyer, theirs["id"])
    assert doors.matters.show(house.officer, theirs["id"])["id"] == theirs["id"]
    assert doors.matters.show(house.other_lawyer, theirs["id"])["id"] == theirs["id"]


def test_a_preview_counts_what_its_asker_may_see(either: AccessHouse) -> None:
    access = either
    house, doors = access.house, Doors(access)
    for sender in ("ann@clinic.example", "cleo@clinic.example"):
        house.old(2, sender=sender, body="a walrus")
    house.index()
    matter = str(doors.matters.create(house.lawyer, "Doe v. Clinic")["id"])
    criteria: dict[str, Any] = {"query": "walrus"}
    # As a lawyer may hold and then see anything, so they may count it; and nothing is left of the preview.
    assert doors.holds.preview(house.lawyer, matter, **criteria)["matched"] == 4
    limited(access, house.lawyer, custodians=["ann@clinic.example"])
    found = doors.holds.preview(house.lawyer, matter, **criteria)
    assert (found["matched"], found["not_searchable"]["waiting"]) == (2, 0)
    assert sum(one["messages"] for one in found["months"]) == 2
    assert sum(one["messages"] for one in found["sources"]) == 2
    both = doors.holds.preview(house.lawyer, matter, custodians=["ann@clinic.example", "cleo@clinic.example"])
    assert both["custodians"] == {"ann@clinic.example": 2, "cleo@clinic.example": 0}
    # Where a lawyer's own hold shows nothing before another agreed, a preview of it tells nothing either.
    access.vault.settings = access.vault.settings.model_copy(update={"hold_sight": "approved"})
    other = str(doors.matters.create(house.other_lawyer, "Roe v. Clinic")["id"])
    assert doors.holds.preview(house.other_lawyer, other, **criteria)["matched"] == 0
    held = doors.holds.create(house.other_lawyer, other, **criteria)
    house.index()
    assert held["matched"] == 4, "it protects all the same"
    assert doors.holds.preview(house.other_lawyer, other, **criteria)["matched"] == 0
    assert doors.holds.preview(house.officer, matter, **criteria)["matched"] == 4


def test_a_grant_of_the_roster_shows_the_patients_it_names(access: AccessHouse) -> None:
    house, doors = access.house, Doors(access)
    house.patients.import_roster(
        [Patient("MRN-1", "Jane Roe"), Patient("MRN-2", "Paul Poe"), Patient("MRN-3", "Jo Doe")]
    )
    every = {one["name"]: one["id"] for one in doors.review.find(house.officer, Purpose.OPERATIONS)["items"]}
    assert len(every) == 3
    with pytest.raises(BadGrant):
        access.grants.add(
            "privacy", "add", names=["roster.read"], cover={"custodians": ["a@b.example"]}, reason=WHY
        )
    asked = access.grants.add(
        "privacy", "add", names=["roster.read"], cover={"patients": [every["Jane Roe"]]}, reason=WHY
    )
    access.approvals.approve(house.second, asked["approval"])
    limited(access, house.third, patients=[every["Jane Roe"], every["Paul Poe"]])
    for who, names in ((access.privacy, {"Jane Roe"}), (house.third, {"Jane Roe", "Paul Poe"})):
        items = doors.review.find(who, Purpose.OPERATIONS)["items"]
        assert {one["name"] for one in items} == names
        assert doors.review.find(who, Purpose.OPERATIONS, number="MRN-3")["items"] == []
        for name, one in every.items():
            told = answer(lambda which, who=who: doors.review.show(who, Purpose.OPERATIONS, which), one)  # type: ignore[misc]
            assert (told is None) == (name in names)
            if told is not None:
                absent = answer(
                    lambda which, who=who: doors.review.show(who, Purpose.OPERATIONS, which),  # type: ignore[misc]
                    "pzzzzzzzzzzzzzzz",
                )
                assert told == absent
