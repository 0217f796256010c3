"""Captures, indexing, stops, lost indexes and runs in any order: a match is told of once, none is missed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import select

from archiver.store import dialect
from archiver.store.schema import alert_items, messages, outbox
from config.settings import load
from tests.retention.whole_house import House, mail, open_house
from tests.search.keeping.conftest import keeping_of
from tests.servers.postgres import migrated_database

Opener = Callable[[], AbstractContextManager[House]]


class Killed(BaseException):
    """As if the process ended here."""


class Archive(RuleBasedStateMachine):
    """The real house beside what must have been told."""

    opener: Opener

    @initialize()
    def begin(self) -> None:
        self.context = self.opener()
        self.house = self.context.__enter__()
        self.kept = keeping_of(self.house)
        self.matching: set[str] = set()
        self.raws: list[bytes] = []
        made = self.kept.saved.add(self.house.officer, "n", "zebra", purpose="legal", alert=True)
        self.search = made["id"]

    def teardown(self) -> None:
        if hasattr(self, "context"):
            self.settle()
            assert self.told() == self.matching
            self.context.__exit__(None, None, None)

    @rule(words=st.lists(st.sampled_from(["zebra", "lion"]), min_size=1, max_size=4))
    def capture(self, words: list[str]) -> None:
        raws = [mail(body=f"a {word}") for word in words]
        done = self.house.capture(*map(self.house.arrival, raws))
        self.raws += raws
        self.matching |= {one.receipt.id for one, word in zip(done, words, strict=True) if word == "zebra"}

    @rule(which=st.integers(0, 50))
    def deliver_again(self, which: int) -> None:
        if self.raws:
            self.house.capture(self.house.arrival(self.raws[which % len(self.raws)]))

    @rule(limit=st.integers(1, 3))
    def index_some(self, limit: int) -> None:
        self.house.indexer.run_once(limit)

    @rule()
    def index_all(self) -> None:
        self.house.index()

    @rule(queued=st.booleans())
    def lose_the_index(self, queued: bool) -> None:
        if queued:
            self.queue_everything()
        else:
            self.capture(["zebra"])
            self.house.index()  # nothing waits: nobody knows that anything is missing
        self.house.writer.clear()
        self.kept.matcher.run()

    @rule()
    def queue_everything(self) -> None:
        with self.house.vault.records.write(dialect.LOCK_ARCHIVE) as connection:
            rows = select(messages.c.pk, messages.c.seq).where(messages.c.disposed_us.is_(None))
            connection.execute(
                dialect.insert_or_ignore(connection, outbox).from_select(["message_pk", "seq"], rows)
            )

    @rule()
    def run(self) -> None:
        self.kept.matcher.run()

    @rule(steps=st.integers(0, 3))
    def run_and_be_killed(self, steps: int) -> None:
        left = count(steps, -1)

        def check() -> None:
            if next(left) <= 0:
                raise Killed

        try:
            self.kept.matcher.run(check)
        except Killed:
            self.kept = keeping_of(self.house)  # another process goes on

    @rule()
    def be_killed_before_the_mark_moves(self) -> None:
        def dies(*_: object, **__: object) -> None:
            raise Killed

        matcher = self.kept.matcher
        matcher._record = dies  # type: ignore[method-assign]
        with suppress(Killed):
            matcher.run()
        self.kept = keeping_of(self.house)

    @invariant()
    def nothing_is_told_that_is_not_so(self) -> None:
        if hasattr(self, "kept"):
            assert self.told() <= self.matching

    def settle(self) -> None:
        self.queue_everything()
        self.house.index()
        self.kept.matcher.run()

    def told(self) -> set[str]:
        with self.house.vault.records.read() as connection:
            ids = connection.scalars(
                select(messages.c.id).join(alert_items, alert_items.c.message_pk == messages.c.pk)
            ).all()
        assert len(ids) == len(set(ids))
        counted = sum(leaf["count"] or 0 for leaf in self.entries() if leaf["action"] == "alert.match")
        assert counted == len(ids)  # each told of once, in one transaction with its record
        return set(ids)

    def entries(self) -> list[dict[str, object]]:
        with self.house.vault.records.read() as connection:
            found = self.house.vault.audit.entries(connection, 0, len(self.house.audit()))
        return [leaf for _, leaf, _ in found]


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_the_machine(
    database: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.keeping.matching.CHUNK", 2)
    numbers = count()

    def opener() -> AbstractContextManager[House]:
        home = tmp_path / str(next(numbers))
        given: dict[str, object] = {"home": home / "home", "root_key": f"file:{home / 'keys' / 'root.key'}"}
        if database == "postgresql":
            given["database_url"] = migrated_database(request.getfixturevalue("postgres"))
        return open_house(load(given, environ={}))

    class Machine(Archive):
        pass

    Machine.opener = staticmethod(opener)  # type: ignore[assignment]
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=6 if database == "sqlite" else 2,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
