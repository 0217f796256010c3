"""What every engine that counts must do: facets, histograms, orders and groups, exact and of one state."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest

from archiver.store.rowid import MAX_ROWID, make_rowid
from search.engine.fts import FtsReader, FtsWriter
from search.engine.ports import IndexDocument, Sort
from search.engine.views import FACETS, Ask, Facet
from search.errors import BadCursor
from search.language import parse
from search.language.tree import Every, Query, Tag
from tests.search.engine.conftest import Engine
from tests.search.oracle.plain_engine import PlainWriter
from tests.search.oracle.plain_viewer import PlainViewer

NOW = datetime(2024, 6, 1, tzinfo=UTC)
ENGINES = {"fts5": (FtsWriter, FtsReader), "oracle": (PlainWriter, PlainViewer)}


def tree(text: str) -> Query:
    return parse(text, now=NOW).tree


def sent(days: int, year: int = 2024) -> int:
    return make_rowid(datetime(year, 1, 1, 12, tzinfo=UTC) + timedelta(days=days), days)


@pytest.fixture(params=list(ENGINES.values()), ids=list(ENGINES))
def counting(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    engine = Engine(tmp_path / "index", *request.param)
    yield engine
    engine.close()


# Three people write; ann and bob are in a conversation that eve's message joins two ends of.
DOCUMENTS = [
    IndexDocument(
        sent(0), 500, "Budget", "the plan", tags=("sender:ann@x", "custodian:ann@x", "custodian:bob@x",
        "record:billing", "state:ca"), sources=("s1",), links=(1,), likeness=(100, 200),
    ),
    IndexDocument(
        sent(1), 900, "Re: Budget", "the plan again", tags=("sender:bob@x", "custodian:ann@x",
        "custodian:bob@x", "has:attachment", "state:ca", "state:nv", "matter:m1"), sources=("s1", "s2"),
        links=(2, 1), likeness=(100, 201),
    ),
    IndexDocument(
        sent(2), 900, "Lunch", "plan for lunch", tags=("sender:Bob@x", "custodian:bob@x", "matter:m1"),
        sources=("s2",), links=(3,), likeness=(101, 201),
    ),
    IndexDocument(
        sent(3), 100, "Fw: Lunch", "no words of it", tags=("custodian:eve@x", "record:billing"),
        links=(4, 2, 3),
    ),
    IndexDocument(
        sent(400), 5_000, "Invoice", "plan", tags=("sender:eve@x", "custodian:eve@x", "matter:m1"),
        sources=("s1",), links=(5,), likeness=(300, 301),
    ),
]  # fmt: skip
ROWS = [document.rowid for document in DOCUMENTS]


@pytest.fixture
def filled(counting: Any) -> Any:
    counting.write = counting.writer()
    counting.write.add(DOCUMENTS[3:])
    counting.write.add(DOCUMENTS[:3])
    counting.read = counting.reader()
    return counting


def facets(reader: Any, text: str, **ask: Any) -> dict[str, Facet]:
    view = reader.view(tree(text), limit=1, ask=Ask(facets=FACETS, **ask))
    return {facet.name: facet for facet in view.facets}


def test_facets_count_every_message_of_the_result_once_a_value(filled: Any) -> None:
    found = facets(filled.read, "*")
    assert list(found) == list(FACETS)
    assert found["sender"] == Facet("sender", (("bob@x", 2), ("ann@x", 1), ("eve@x", 1)), 0, 0, 1)
    assert found["custodian"] == Facet("custodian", (("bob@x", 3), ("ann@x", 2), ("eve@x", 2)), 0, 0, 0)
    assert found["source"] == Facet("source", (("s1", 3), ("s2", 2)), 0, 0, 1)
    assert found["year"] == Facet("year", (("2024", 4), ("2025", 1)), 0, 0, 0)
    assert found["record"] == Facet("record", (("billing", 2),), 0, 0, 3)
    assert found["state"] == Facet("state", (("ca", 2), ("nv", 1)), 0, 0, 3)
    assert found["attachment"] == Facet("attachment", (("no", 4), ("yes", 1)), 0, 0, 0)


def test_facets_are_of_the_query_and_of_nothing_else(filled: Any) -> None:
    found = facets(filled.read, "lunch")
    assert found["sender"] == Facet("sender", (("bob@x", 1),), 0, 0, 1)
    assert found["state"] == Facet("state", (), 0, 0, 2)
    assert facets(filled.read, "zebra")["sender"] == Facet("sender", (), 0, 0, 0)
    assert facets(filled.read, "date:2024-01-02")["sender"].values == (("bob@x", 1),)
    assert facets(filled.read, "plan", without=[ROWS[0], ROWS[4]])["sender"].values == (("bob@x", 2),)


def test_values_that_are_not_named_are_counted(filled: Any) -> None:
    found = facets(filled.read, "*", top=1)
    assert found["sender"] == Facet("sender", (("bob@x", 2),), 2, 2, 1)
    # Ann is on two of them, and eve on the other two.
    assert found["custodian"] == Facet("custodian", (("bob@x", 3),), 2, 4, 0)
    assert found["source"] == Facet("source", (("s1", 3),), 1, 2, 1)
    assert found["year"] == Facet("year", (("2024", 4),), 1, 1, 0)


def test_a_histogram_takes_the_finest_unit_that_fits(filled: Any) -> None:
    def histogram(text: str) -> Any:
        return filled.read.view(tree(text), limit=1, ask=Ask(histogram=True)).histogram

    days = histogram("before:2024-02-01")
    assert (days.unit, [n for _, n in days.bars]) == ("day", [1, 1, 1, 1])
    assert days.bars[0][0] == datetime(2024, 1, 1, tzinfo=UTC)
    weeks = histogram("*")
    assert (weeks.unit, len(weeks.bars), weeks.bars[0][1], weeks.bars[-1][1]) == ("week", 58, 4, 1)
    assert {start.weekday() for start, _ in weeks.bars} == {0}
    assert histogram("zebra").bars == ()


def test_a_stray_year_does_not_flatten_a_histogram(counting: Any) -> None:
    writer = counting.writer()
    writer.add([IndexDocument(sent(n), 1, "word") for n in range(300)])
    writer.add([IndexDocument(sent(0, 1970), 1, "word"), IndexDocument(sent(0, 2_300), 1, "word")])
    ask = Ask(histogram=True, facets=("year",))
    view = counting.reader().view(tree("word"), limit=1, ask=ask)
    assert (view.histogram.unit, view.histogram.before, view.histogram.after) == ("week", 1, 1)
    assert sum(n for _, n in view.histogram.bars) == 300
    assert view.facets[0].values == (("2024", 300), ("1970", 1), ("2300", 1))


def test_the_first_and_the_last_moment_there_can_be_are_counted(counting: Any) -> None:
    counting.writer().add([IndexDocument(0, 1, "word"), IndexDocument(MAX_ROWID, 1, "word")])
    view = counting.reader().view(tree("word"), limit=1, ask=Ask(histogram=True, facets=("year",)))
    assert view.histogram.unit == "year"
    assert len(view.histogram.bars) == 120
    assert (view.histogram.before, view.histogram.bars[-1][1], view.histogram.after) == (1, 1, 0)
    assert view.facets[0].values == (("0001", 1), ("9999", 1))


ORDERS = {
    "newest": [4, 3, 2, 1, 0],
    "oldest": [0, 1, 2, 3, 4],
    "largest": [4, 2, 1, 0, 3],
    "smallest": [3, 0, 2, 1, 4],
}


@pytest.mark.parametrize("sort", ORDERS)
@pytest.mark.parametrize("limit", [1, 2, 10])
def test_orders_and_their_cursors(filled: Any, sort: str, limit: int) -> None:
    for ask in (None, Ask(facets=("year",))):
        seen: list[int] = []
        cursor = None
        while True:
            view = filled.read.view(tree("*"), limit=limit, sort=sort, after=cursor, ask=ask)
            assert view.total == 5
            seen += view.rowids
            if (cursor := view.next) is None:
                break
        assert seen == [ROWS[place] for place in ORDERS[sort]]


@pytest.mark.parametrize("by", ["conversation", "similar"])
@pytest.mark.parametrize("sort", get_args(Sort))
def test_groups_have_one_line_each_in_any_order(filled: Any, sort: str, by: Any) -> None:
    whole = {"conversation": {0, 1, 2, 3}, "similar": {0, 1, 2}}[by]
    seen: list[int] = []
    members: list[int] = []
    cursor = None
    while True:
        view = filled.read.view(tree("plan OR words"), limit=1, sort=sort, after=cursor, ask=Ask(group=by))
        assert (view.total, view.groups) == (5, 2 if by == "conversation" else 3)
        seen += view.rowids
        members += view.members
        if (cursor := view.next) is None:
            break
    assert len(seen) == view.groups
    assert sum(members) == 5
    best = {"newest": max, "oldest": min}.get(sort)
    if best:
        assert ROWS[best(whole)] in seen
    assert members[[ROWS.index(row) in whole for row in seen].index(True)] == len(whole)


def test_a_group_counts_what_the_query_matches(filled: Any) -> None:
    view = filled.read.view(tree("lunch"), limit=5, ask=Ask(group="conversation"))
    assert (view.total, view.groups, view.rowids, view.members) == (2, 1, (ROWS[3],), (2,))
    view = filled.read.view(tree("budget"), limit=5, ask=Ask(group="conversation", without=[ROWS[1]]))
    assert (view.total, view.members) == (1, (1,))


def test_nothing_outside_joins_a_group(filled: Any) -> None:
    scope = Tag("matter", "m1")
    view = filled.read.view(scope, limit=5, ask=Ask(group="conversation"), within=scope)
    # It is eve's message, outside, that names both.
    assert (view.groups, view.members) == (3, (1, 1, 1))
    assert filled.read.group_of(ROWS[1], "conversation", within=scope) == [ROWS[1]]
    assert filled.read.group_of(ROWS[1], "similar", within=scope) == [ROWS[1], ROWS[2]]
    assert filled.read.group_of(ROWS[0], "conversation", within=scope) == []
    assert filled.read.group_of(ROWS[1], "conversation") == ROWS[:4]
    assert filled.read.group_of(ROWS[1], "conversation", within=Every()) == ROWS[:4]
    assert filled.read.group_of(ROWS[4], "similar") == [ROWS[4]]
    assert filled.read.group_of(7, "similar") == []


def test_groups_come_apart_when_what_joined_them_goes(filled: Any) -> None:
    assert filled.read.group_of(ROWS[2], "conversation") == ROWS[:4]
    filled.write.remove([ROWS[3]])
    assert filled.read.group_of(ROWS[2], "conversation") == [ROWS[2]]
    assert filled.read.group_of(ROWS[0], "conversation") == ROWS[:2]
    filled.write.add([DOCUMENTS[3]])
    assert filled.read.group_of(ROWS[2], "conversation") == ROWS[:4]


def test_replies_without_references_follow_the_latest_of_their_topic(counting: Any) -> None:
    writer, reader = counting.writer(), counting.reader()
    topic = 77 << 1
    writer.add([
        IndexDocument(sent(day), 1, links=(day,), topic=topic | reply)
        for day, reply in ((10, 0), (11, 1), (20, 0), (21, 1), (22, 1))
    ])  # fmt: skip
    assert reader.group_of(sent(22), "conversation") == [sent(20), sent(21), sent(22)]
    assert reader.group_of(sent(10), "conversation") == [sent(10), sent(11)]
    # One that comes late takes the replies after it, and what was one conversation is two.
    writer.add([IndexDocument(sent(15), 1, topic=topic | 1), IndexDocument(sent(12), 1, topic=topic)])
    assert reader.group_of(sent(10), "conversation") == [sent(10), sent(11)]
    assert reader.group_of(sent(12), "conversation") == [sent(12), sent(15)]
    writer.remove([sent(20)])
    assert reader.group_of(sent(22), "conversation") == [sent(day) for day in (12, 15, 21, 22)]


def test_a_message_indexed_again_has_its_new_facts(filled: Any) -> None:
    filled.write.add([IndexDocument(ROWS[0], 7, "Budget", tags=("sender:new@x",), links=(9,))])
    found = facets(filled.read, "budget")
    assert found["sender"].values == (("bob@x", 1), ("new@x", 1))
    view = filled.read.view(tree("budget"), limit=2, sort="smallest")
    assert view.rowids == (ROWS[0], ROWS[1])
    assert filled.read.group_of(ROWS[0], "conversation") == [ROWS[0]]
    filled.write.clear()
    assert facets(filled.read, "*")["sender"] == Facet("sender", (), 0, 0, 0)


def test_a_cursor_is_of_its_grouping(filled: Any) -> None:
    cursor = filled.read.view(tree("*"), limit=1, ask=Ask(group="conversation")).next
    for ask in (None, Ask(group="similar"), Ask(facets=("year",))):
        with pytest.raises(BadCursor):
            filled.read.view(tree("*"), limit=1, after=cursor, ask=ask)
    with pytest.raises(BadCursor):
        filled.read.view(tree("*"), limit=1, sort="oldest", after=cursor, ask=Ask(group="conversation"))


def test_a_thousand_chunks_of_one_message_are_no_other_than_one_of_a_thousand(counting: Any) -> None:
    writer, reader = counting.writer(), counting.reader()
    for n in range(120):
        writer.add([IndexDocument(sent(n % 50), n, "word", tags=(f"sender:s{n % 7}",), links=(n % 11 + 1,))])
        if n % 10 == 0:
            view = reader.view(tree("word"), limit=3, sort="largest", ask=Ask(facets=("sender",)))
            assert view.total == sum(count for _, count in view.facets[0].values) == min(n + 1, 50)
    assert reader.view(tree("word"), limit=1, sort="largest").rowids == (sent(19),)
    assert reader.view(tree("*"), limit=1, ask=Ask(group="conversation")).groups == 11
