"""Captures, holds, releases, runs and executions in every order, against a model of who must survive."""

from __future__ import annotations

from collections.abc import Callable
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
from sqlalchemy import select

from archiver.store.schema import hold_items, messages, outbox
from config.settings import load
from tests.retention.whole_house import House, mail, open_house
from tests.servers.postgres import fresh_database

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
class Hold:
    covers: Callable[[Message], bool]
    standing: bool
    by_index: bool
    items: set[int] = field(default_factory=set)
    state: str = "active"


class Archive(RuleBasedStateMachine):
    """The real house beside a model of it."""

    opener: Opener

    def __init__(self) -> None:
        super().__init__()
        self.messages: dict[int, Message] = {}
        self.holds: dict[str, Hold] = {}
        self.open_disposition: str | None = None
        self.approved = False

    @initialize()
    def open(self) -> None:
        self.entered = type(self).opener()
        self.house = self.entered.__enter__()
        self.matter = self.house.matters.create(self.house.lawyer, "m")["id"]

    def teardown(self) -> None:
        if hasattr(self, "entered"):
            self.entered.__exit__(None, None, None)

    # --- model --------------------------------------------------------------------------------

    def held(self) -> set[int]:
        return {pk for hold in self.holds.values() if hold.state != "released" for pk in hold.items}

    def take_in(self, pk: int) -> None:
        for hold in self.holds.values():
            if hold.standing and not hold.by_index and hold.state == "active":
                hold.items |= {pk} if hold.covers(self.messages[pk]) else set()

    def hold_ids(self, state: str) -> list[str]:
        # In the order they were made: ids are random, and a replay must choose the same one.
        return [hold_id for hold_id, hold in self.holds.items() if hold.state == state]

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
                for hold in self.holds.values():
                    if hold.by_index and hold.state != "released" and hold.covers(message):
                        hold.items.add(pk)

    @rule(who=st.sampled_from(PEOPLE))
    def hold_custodian(self, who: str) -> None:
        self.place(Hold(lambda m: m.sender == who, True, False), custodians=[f"{who}@clinic.example"])

    @rule(word=st.sampled_from(WORDS))
    def hold_query(self, word: str) -> None:
        self.place(Hold(lambda m: m.word == word, True, True), query=f"subject:{word}")

    @precondition(lambda self: any(m.alive for m in self.messages.values()))
    @rule(data=st.data())
    def hold_message(self, data: st.DataObject) -> None:
        pk = data.draw(st.sampled_from([p for p, m in self.messages.items() if m.alive]))
        with self.house.vault.records.read() as connection:
            message_id = connection.scalar(select(messages.c.id).where(messages.c.pk == pk))
        chosen = self.messages[pk]
        self.place(Hold(lambda m: m is chosen, False, False), message_ids=[message_id])

    def place(self, hold: Hold, **criteria: object) -> None:
        result = self.house.holds.create(self.house.lawyer, self.matter, **criteria)
        hold.items = {
            pk
            for pk, m in self.messages.items()
            if m.alive and hold.covers(m) and (m.indexed or not hold.by_index)
        }
        assert result["state"] == "active"
        assert result["matched"] == len(hold.items)
        self.holds[result["id"]] = hold

    @precondition(lambda self: self.hold_ids("active"))
    @rule(data=st.data())
    def ask_release(self, data: st.DataObject) -> None:
        hold_id = data.draw(st.sampled_from(self.hold_ids("active")))
        self.house.holds.release(self.house.lawyer, hold_id)
        self.house.holds.release(self.house.officer, hold_id)
        self.holds[hold_id].state = "cooling"

    @rule()
    def finish_cooling(self) -> None:
        assert sorted(self.house.holds.finish_cooling()) == sorted(self.hold_ids("cooling"))
        for hold_id in self.hold_ids("cooling"):
            self.holds[hold_id].state = "released"

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
        query_holds = any(h.by_index and h.state != "released" for h in self.holds.values())
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
            real: dict[str, set[int]] = {hold_id: set() for hold_id in self.holds}
            for row in rows:
                real[row.hold_id].add(row.message_pk)
            assert real == {hold_id: hold.items for hold_id, hold in self.holds.items()}


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_any_order_of_events(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    server = request.getfixturevalue("postgres") if kind == "postgresql" else ""
    numbers = count(1)

    def opener() -> AbstractContextManager[House]:
        home = tmp_path / f"home{next(numbers)}"
        url = fresh_database(server) if server else f"sqlite:///{home / 'records.db'}"
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
