"""Groups worked out in sets are those worked out one by one, and stay so as messages come and go."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.engine import groups
from search.engine.groups import Edges, Rows, labelled, relabelled
from search.engine.ports import IndexDocument
from tests.search.oracle import plain_views

KEYS = st.lists(st.integers(0, 12), max_size=4)
TOPICS = st.integers(0, 7)
MESSAGES = st.lists(st.tuples(KEYS, TOPICS), max_size=25)


def edges_of(messages: list[tuple[list[int], int]]) -> Edges:
    ends = np.cumsum([len(keys) for keys, _ in messages], dtype=np.int64)
    keys = np.array([key for keys, _ in messages for key in keys], np.uint64)
    return Edges(ends, keys, np.array([topic if topic > 1 else 0 for _, topic in messages], np.uint64))


def rows_of(rowids: dict[int, int], room: int) -> Rows:
    """Rows by place, as `Rows`."""
    ordered = sorted((rowid, place) for place, rowid in rowids.items())
    return Rows(
        np.array([rowid for rowid, _ in ordered], np.int64),
        np.array([place for _, place in ordered], np.int32),
        room,
    )


def as_sets(labels: Any, rows: Rows) -> set[frozenset[int]]:
    found: dict[int, set[int]] = {}
    for rowid, place in zip(rows.rowids.tolist(), rows.places.tolist(), strict=True):
        found.setdefault(int(labels[place]), set()).add(rowid)
    assert -1 not in found
    return {frozenset(group) for group in found.values()}


def plainly(messages: list[tuple[list[int], int]], rowids: dict[int, int]) -> set[frozenset[int]]:
    documents = []
    for place, rowid in rowids.items():
        keys, topic = messages[place]
        documents.append(IndexDocument(rowid, 1, links=tuple(keys), topic=topic if topic > 1 else 0))
    return set(plain_views.groups(documents, "conversation").values())


@settings(max_examples=150, deadline=None)
@given(MESSAGES, st.data())
def test_groups_are_the_connected_components(messages: list[tuple[list[int], int]], data: Any) -> None:
    order = data.draw(st.permutations(range(len(messages))))
    here = data.draw(st.sets(st.sampled_from(range(len(messages))))) if messages else set()
    rowids = {place: order[place] for place in sorted(here)}
    rows = rows_of(rowids, len(messages))
    labels = labelled(rows, edges_of(messages))
    assert as_sets(labels, rows) == plainly(messages, rowids)
    assert {place for place in range(len(messages)) if labels[place] >= 0} == here


@settings(max_examples=150, deadline=None)
@given(MESSAGES, st.data())
def test_what_came_and_left_changes_only_what_it_touches(
    messages: list[tuple[list[int], int]], data: Any
) -> None:
    order = data.draw(st.permutations(range(len(messages))))
    places = range(len(messages))
    rows, labels = rows_of({}, 0), np.empty(0, np.int32)
    room = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(groups, "_FEW", 0)
        for _ in range(4):
            room = data.draw(st.integers(room, len(messages)))
            here = data.draw(st.sets(st.sampled_from(places[:room]))) if room else set()
            rowids = {place: order[place] for place in here}
            new = rows_of(rowids, room)
            labels = relabelled(rows, labels, new, edges_of(messages))
            assert as_sets(labels, new) == plainly(messages, rowids)
            rows = new


def test_a_long_chain_is_one_group() -> None:
    count = 3_000
    order = list(range(count))
    random.Random(5).shuffle(order)
    keys = np.array([key for n in order for key in (n + 1, n + 2)], np.uint64)
    edges = Edges(np.arange(2, 2 * count + 2, 2, dtype=np.int64), keys, None)
    rows = rows_of({place: place for place in range(count)}, count)
    assert len(set(labelled(rows, edges).tolist())) == 1


def test_from_half_of_everything_on_it_is_done_anew() -> None:
    messages = [([n // 2 + 1], 0) for n in range(40)]
    old = rows_of({place: place for place in range(20)}, 20)
    new = rows_of({place: place for place in range(40)}, 40)
    edges = edges_of(messages)
    labels = relabelled(old, labelled(old, edges), new, edges)
    assert as_sets(labels, new) == plainly(messages, {place: place for place in range(40)})
