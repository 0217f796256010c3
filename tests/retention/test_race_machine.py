"""Captures, holds, releases, runs and executions in every order, against a model of who must survive."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select, text

from archiver.errors import DestructionRefused
from archiver.store.schema import hold_items, holds, messages, outbox
from config.settings import load
from tests.retention.whole_house import House, mail, open_house
from tests.servers.postgres import migrated_database
from tests.support.checked import faults_of

PEOPLE = ("ann", "bob", "cat")
WORDS = ("merger", "lunch")
Opener = Callable[[], AbstractContextManager[House]]


@dataclass
class Message:
    sender: str
    word: str
    due: bool
    indexed: bool = False
    alive: bool = True


@dataclass
class Version:
    """One version of a hold's scope. `people` are its custodians, where it has nothing else."""

    covers: Callable[[Message], bool]
    standing: bool
    by_index: bool
    people: frozenset[str] = frozenset()
    items: set[int] = field(default_factory=set)
    state: str = "active"
    asked: bool = False


def of_people(people: Iterable[str]) -> Version:
    named = frozenset(people)
    return Version(lambda m: m.sender in named, True, False, named)


LOOSENING = (
    "UPDATE holds SET state = 'released' WHERE state IN ('applying', 'active')",
    "UPDATE holds SET state = 'frozen' WHERE state <> 'released'",
    "UPDATE holds SET state = 'cooling', cooling_until_us = 0, release_asked_by = 'ulawyer', "
    "release_approved_by = 'uofficer' WHERE state IN ('applying', 'active')",
    "UPDATE holds SET standing = false",
    "UPDATE holds SET sealed_scope = created_by",
    "UPDATE holds SET cooling_until_us = 0 WHERE state = 'cooling'",
    "UPDATE holds SET cooling_until_us = NULL WHERE state = 'cooling'",
    "UPDATE holds SET root_id = 'hother', version = 9",
    "DELETE FROM hold_items WHERE hold_id IN (SELECT id FROM holds WHERE state <> 'released')",
    "DELETE FROM hold_custodians WHERE hold_id IN (SELECT id FROM holds WHERE state <> 'released')",
    "INSERT INTO hold_sources SELECT h.id, s.id FROM holds h, sources s WHERE h.state <> 'released'",
    "DELETE FROM hold_events",
)
"""What somebody with a connection to the database may try; none of it may change a row."""


class Archive(RuleBasedStateMachine):
    """The real house beside a model of it."""

    opener: Opener

    def __init__(self) -> None:
        super().__init__()
        self.messages: dict[int, Message] = {}
        self.holds: dict[str, list[Version]] = {}
        self.open_disposition: str | None = None
        self.approved = False

    @initialize()
    def open(self) -> None:
        self.entered = type(self).opener()
        self.house = self.entered.__enter__()
        self.matter = self.house.matters.create(self.house.lawyer, "m")["id"]

    def teardown(self) -> None:
        if hasattr(self, "entered"):
            # What people did in any order, and what SQL was refused, is no fault.
            assert faults_of(self.house.vault, self.house.explainer.verdicts) == []
            self.entered.__exit__(None, None, None)

    # --- model --------------------------------------------------------------------------------

    def held(self) -> set[int]:
        return {pk for one in self.versions() if one.state != "released" for pk in one.items}

    def versions(self) -> list[Version]:
        return [one for hold in self.holds.values() for one in hold]

    def take_in(self, pk: int) -> None:
        for one in self.versions():
            if one.standing and not one.by_index and one.state == "active":
                one.items |= {pk} if one.covers(self.messages[pk]) else set()

    def found_by(self, version: Version) -> set[int]:
        return {
            pk
            for pk, m in self.messages.items()
            if m.alive and version.covers(m) and (m.indexed or not version.by_index)
        }

    def hold_ids(self, wanted: Callable[[list[Version]], bool]) -> list[str]:
        # In the order they were made: ids are random, and a replay must choose the same one.
        return [hold_id for hold_id, hold in self.holds.items() if wanted(hold)]

    def active(self) -> list[str]:
        return self.hold_ids(lambda hold: hold[-1].state == "active")

    def narrowing(self) -> list[str]:
        return self.hold_ids(
            lambda hold: hold[-1].state == "active" and any(v.asked and v.state == "active" for v in hold)
        )

    def ending(self) -> list[str]:
        return self.hold_ids(
            lambda hold: any(v.state == "cooling" or (v.asked and v.state == "active") for v in hold)
        )

    # --- what happens -------------------------------------------------------------------------

    @rule(who=st.sampled_from(PEOPLE), word=st.sampled_from(WORDS), due=st.booleans())
    def capture(self, who: str, word: str, due: bool) -> None:
        raw = mail(sender=f"{who}@clinic.example", to="x@y.example", subject=word)
        (one,) = self.house.capture(self.house.arrival(raw, attested=due))
        self.messages[one.pk] = Message(who, word, due)
        self.take_in(one.pk)

    @rule()
    def index(self) -> None:
        self.house.index()
        for pk, message in self.messages.items():
            if message.alive and not message.indexed:
                message.indexed = True
                for one in self.versions():
                    if one.by_index and one.state != "released" and one.covers(message):
                        one.items.add(pk)

    @rule(who=st.sampled_from(PEOPLE))
    def hold_custodian(self, who: str) -> None:
        self.place(of_people([who]), custodians=[f"{who}@clinic.example"])

    @rule(word=st.sampled_from(WORDS))
    def hold_query(self, word: str) -> None:
        self.place(Version(lambda m: m.word == word, True, True), query=f"subject:{word}")

    @precondition(lambda self: any(m.alive for m in self.messages.values()))
    @rule(data=st.data())
    def hold_message(self, data: st.DataObject) -> None:
        pk = data.draw(st.sampled_from([p for p, m in self.messages.items() if m.alive]))
        with self.house.vault.records.read() as connection:
            message_id = connection.scalar(select(messages.c.id).where(messages.c.pk == pk))
        chosen = self.messages[pk]
        self.place(Version(lambda m: m is chosen, False, False), message_ids=[message_id])

    def place(self, version: Version, **criteria: object) -> None:
        result = self.house.holds.create(self.house.lawyer, self.matter, **criteria)
        version.items = self.found_by(version)
        assert result["state"] == "active"
        assert result["matched"] == len(version.items)
        self.holds[result["id"]] = [version]

    @precondition(lambda self: self.active())
    @rule(data=st.data(), people=st.sets(st.sampled_from(PEOPLE), min_size=1))
    def change_scope(self, data: st.DataObject, people: set[str]) -> None:
        """Wider, narrower or altogether other: nothing that was held is let go by it."""
        hold_id = data.draw(st.sampled_from(self.active()))
        hold = self.holds[hold_id]
        # Only custodians: what a query or a list of messages becomes, tests of its own say.
        if not hold[-1].people or hold[-1].people == people:
            return
        before = self.held()
        result = self.house.holds.change(
            self.house.lawyer,
            hold_id,
            reason="it turned out so",
            custodians=[f"{who}@clinic.example" for who in sorted(people)],
        )
        taking = [one for one in hold if one.state == "active"]
        narrows = not all(one.people <= people for one in taking)
        assert result["effect"] == ("narrowing_requested" if narrows else "widened")
        for one in taking:
            one.asked = one.asked or narrows
        hold.append(of_people(people))
        hold[-1].items = self.found_by(hold[-1])
        assert before <= self.held()

    @precondition(lambda self: self.narrowing())
    @rule(data=st.data())
    def approve_narrowing(self, data: st.DataObject) -> None:
        hold_id = data.draw(st.sampled_from(self.narrowing()))
        self.house.holds.approve(self.house.officer, hold_id)
        for one in self.holds[hold_id]:
            if one.asked and one.state == "active":
                one.state = "cooling"

    @precondition(lambda self: self.active())
    @rule(data=st.data())
    def ask_release(self, data: st.DataObject) -> None:
        hold_id = data.draw(st.sampled_from(self.active()))
        self.house.holds.release(self.house.lawyer, hold_id)
        self.house.holds.release(self.house.officer, hold_id)
        for one in self.holds[hold_id]:
            if one.state == "active":
                one.state, one.asked = "cooling", True

    @precondition(lambda self: self.ending())
    @rule(data=st.data())
    def reinstate(self, data: st.DataObject) -> None:
        hold_id = data.draw(st.sampled_from(self.ending()))
        self.house.holds.reinstate(self.house.lawyer, hold_id)
        for one in self.holds[hold_id]:
            if one.state == "cooling" and one.standing:
                one.items |= self.found_by(one)
            if one.state != "released":
                one.state, one.asked = "active", False

    @rule()
    def finish_cooling(self) -> None:
        cooling = self.hold_ids(lambda hold: any(one.state == "cooling" for one in hold))
        assert sorted(self.house.holds.finish_cooling()) == sorted(cooling)
        for one in self.versions():
            if one.state == "cooling":
                one.state = "released"

    @rule(statement=st.sampled_from(LOOSENING))
    def loosen_by_sql(self, statement: str) -> None:
        try:
            with self.house.vault.records.write() as connection:
                assert connection.execute(text(statement)).rowcount == 0
        except DestructionRefused:
            pass

    @precondition(lambda self: self.open_disposition is None)
    @rule()
    def propose(self) -> None:
        counts = self.house.runs.run()
        due = {pk for pk, m in self.messages.items() if m.alive and m.due}
        assert counts["proposed"] == len(due - self.held())
        assert counts["held"] == len(due & self.held())
        self.open_disposition = counts["disposition"]
        self.approved = False

    @precondition(lambda self: self.open_disposition is not None and not self.approved)
    @rule()
    def approve(self) -> None:
        assert self.open_disposition is not None
        self.house.dispositions.approve(self.house.officer, self.open_disposition)
        self.approved = True

    @precondition(lambda self: self.open_disposition is not None and self.approved)
    @rule()
    def execute(self) -> None:
        assert self.open_disposition is not None
        items = self.house.dispositions.show(self.house.officer, self.open_disposition)["messages"]
        with self.house.vault.records.read() as connection:
            waiting = set(connection.scalars(select(outbox.c.message_pk)))
        query_holds = any(one.by_index and one.state != "released" for one in self.versions())
        before = self.house.living()
        outcomes = self.house.dispositions.execute(self.house.second, self.open_disposition)["outcomes"]
        destroyed = before - self.house.living()
        assert sum(outcomes.values()) == items
        assert outcomes.get("destroyed", 0) == len(destroyed)
        assert not destroyed & self.held()
        assert all(self.messages[pk].due for pk in destroyed)
        if query_holds:
            assert not destroyed & waiting
        else:
            assert "refused" not in outcomes
        assert set(outcomes) <= {"destroyed", "held", "refused"}
        for pk in destroyed:
            self.messages[pk].alive = False
        self.open_disposition = None

    # --- what must always be so ---------------------------------------------------------------

    @invariant()
    def keys_are_those_of_the_living(self) -> None:
        if hasattr(self, "house"):
            assert self.house.living() == {pk for pk, m in self.messages.items() if m.alive}

    @invariant()
    def holds_have_what_they_cover(self) -> None:
        if hasattr(self, "house"):
            with self.house.vault.records.read() as connection:
                rows = connection.execute(select(hold_items)).all()
                known = connection.execute(select(holds)).all()
            real: dict[str, set[int]] = {row.id: set() for row in known}
            for row in rows:
                real[row.hold_id].add(row.message_pk)
            for row in known:
                version = self.holds[row.root_id or row.id][row.version - 1]
                assert real[row.id] == version.items
                assert row.state == version.state
            assert len(known) == len(self.versions())


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_any_order_of_events(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    server = request.getfixturevalue("postgres") if kind == "postgresql" else ""
    numbers = count(1)

    def opener() -> AbstractContextManager[House]:
        home = tmp_path / f"home{next(numbers)}"
        url = migrated_database(server) if server else f"sqlite:///{home / 'records.db'}"
        chosen = {
            "home": home,
            "database_url": url,
            "root_key": f"file:{tmp_path / home.name}.key",
            "provider_type": "hospital",
            "jurisdictions": "NY",
            "hold_cooling_days": 0,
        }
        return open_house(load(chosen, environ={}))

    machine = type("OneArchive", (Archive,), {"opener": staticmethod(opener)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=15,
            derandomize=True,
            database=None,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
