"""Whatever is added, removed and added again, what is counted is what plain counting gives."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from archiver.store.rowid import make_rowid
from search.engine import columns, groups, table
from search.engine.fts import FtsReader, FtsWriter
from search.engine.ports import IndexDocument
from search.engine.views import FACETS, Ask, Group
from search.language.tree import ANYWHERE, Every, Not, Query, Tag, Word
from tests.search.oracle.plain_engine import PlainWriter
from tests.search.oracle.plain_viewer import PlainViewer

KEY = bytes(range(32))
ROWS = [make_rowid(datetime(2023, 1, 1, tzinfo=UTC) + timedelta(days=23 * n), n) for n in range(14)]
QUERIES: list[Query] = [Every(), Word(ANYWHERE, "cat"), Not(Word(ANYWHERE, "dog")), Tag("matter", "m")]
NAMES = ["ann@x", "bob@x", "eve@x"]
DOCUMENTS = st.builds(
    lambda row, size, words, tags, sources, links, topic, alike: IndexDocument(
        row,
        size,
        body=" ".join(words),
        tags=tuple(tags),
        sources=tuple(sources),
        links=tuple(links),
        topic=topic if topic > 1 else 0,
        likeness=alike,
    ),
    st.sampled_from(ROWS),
    st.integers(1, 5),
    st.lists(st.sampled_from(["cat", "dog", "fly"]), max_size=2),
    st.sets(
        st.sampled_from([
            *(f"{kind}:{name}" for kind in ("sender", "custodian") for name in NAMES),
            "record:a", "record:b", "state:ca", "has:attachment", "matter:m",
        ]),
        max_size=5,
    ),
    st.sets(st.sampled_from(["s1", "s2"])),
    st.lists(st.integers(1, 9), max_size=3),
    st.integers(0, 7),
    st.none().map(lambda _: ()) | st.tuples(st.integers(1, 4), st.integers(5, 8)),
)  # fmt: skip


_FOLDERS = count()


class Counting(RuleBasedStateMachine):
    """The engine beside the plain one, with bounds so small that everything happens all the time."""

    @initialize(small=st.sampled_from([1, 4, 100]), waste=st.sampled_from([0, 30]))
    def begin(self, small: int, waste: int) -> None:
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(columns, "SMALL", small)
        self.patch.setattr(columns, "SUPERSEDED", waste // 10)
        self.patch.setattr(table, "_WASTE", waste)
        self.patch.setattr(groups, "_FEW", 0)
        home = self.base / f"{next(_FOLDERS)}"
        self.writer, self.reader = FtsWriter(home, KEY), FtsReader(home, KEY)
        self.plain_writer, self.plain = PlainWriter(home, KEY), PlainViewer(home, KEY)

    base: Path

    @rule(documents=st.lists(DOCUMENTS, min_size=1, max_size=5))
    def add(self, documents: list[IndexDocument]) -> None:
        self.writer.add(documents)
        self.plain_writer.add(documents)

    @rule(rows=st.sets(st.sampled_from(ROWS), min_size=1, max_size=4))
    def remove(self, rows: set[int]) -> None:
        self.writer.remove(rows)
        self.plain_writer.remove(rows)

    @rule()
    def clear(self) -> None:
        self.writer.clear()
        self.plain_writer.clear()

    @rule()
    def another_program_reads(self) -> None:
        self.reader.close()
        self.reader = FtsReader(self.reader._folder, KEY)

    @rule(query=st.sampled_from(QUERIES), without=st.sets(st.sampled_from(ROWS), max_size=2))
    def ask(self, query: Query, without: set[int]) -> None:
        asks = [
            Ask(facets=FACETS, histogram=True, top=2, group="conversation", without=without),
            Ask(facets=("sender",), group="similar", without=without),
            Ask(without=without),
        ]
        for ask in asks:
            for sort in ("newest", "oldest", "largest", "smallest"):
                seen = self.reader.view(query, limit=20, sort=sort, ask=ask)  # type: ignore[arg-type]
                told = self.plain.view(query, limit=20, sort=sort, ask=ask)
                assert (seen.total, seen.rowids, seen.members) == (told.total, told.rowids, told.members)
                assert (seen.facets, seen.histogram, seen.groups) == (
                    told.facets,
                    told.histogram,
                    told.groups,
                )

    @rule(row=st.sampled_from(ROWS), scoped=st.booleans(), without=st.sets(st.sampled_from(ROWS), max_size=2))
    def group(self, row: int, scoped: bool, without: set[int]) -> None:
        within = Tag("matter", "m") if scoped else None
        for by in get_args(Group):
            seen = self.reader.group_of(row, by, within=within, without=without)
            assert seen == self.plain.group_of(row, by, within=within, without=without)

    @invariant()
    def facts_are_of_the_messages_there_are(self) -> None:
        if hasattr(self, "reader"):
            self.reader.check()

    def teardown(self) -> None:
        if hasattr(self, "reader"):
            self.reader.close()
            self.writer.close()
            self.plain_writer.close()
            self.patch.undo()


def test_counts_are_those_of_plain_counting(tmp_path: Path) -> None:
    machine = type("Machine", (Counting,), {"base": tmp_path})
    case = machine.TestCase
    case.settings = settings(
        max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
    )
    case().runTest()
