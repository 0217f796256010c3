"""Patterns and misspellings stand for exactly the words of the list that a plain reading of it gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.engine import database, terms
from search.errors import QueryTooBroad
from tests.search.engine.test_compile_oracle import edits

WORD = st.text("ab1é", min_size=1, max_size=7)
LISTED = [
    "a", "b", "ab", "ba", "aab", "aba", "baa", "abab", "abba", "baab", "aabb", "ab1", "a1b", "é", "éa", "aé",
    "aéb", "ababab", "abbaab", "1", "11", "a11a", "b1b1b1", "abéab", "éééé", "日", "aaaaaaa", "bbbbbbb",
    "ababa1a", "a1b1a1b",
]  # fmt: skip


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[apsw.Connection]:
    db = database.open_database(tmp_path_factory.mktemp("terms"), bytes(32), create=True, cache_mib=1)
    terms.add_words(db, set(LISTED))
    yield db
    db.close()


@settings(max_examples=500, deadline=None)
@given(st.lists(st.one_of(WORD, st.sampled_from("*?")), min_size=1, max_size=5).map("".join))
def test_patterns_are_complete_and_exact(db: apsw.Connection, pattern: str) -> None:
    assert terms.of_form(db, pattern) == sorted(word for word in LISTED if fnmatchcase(word, pattern))


@settings(max_examples=500, deadline=None)
@given(st.text("ab1é", min_size=3, max_size=8), st.sampled_from([1, 2]))
def test_misspellings_are_complete_and_exact(db: apsw.Connection, text: str, most: int) -> None:
    expected = sorted(word for word in LISTED if edits(word, text) <= most)
    assert terms.within_edits(db, text, most) == expected


@given(WORD)
def test_beginnings_and_endings(db: apsw.Connection, text: str) -> None:
    assert terms.with_ending(db, text) == sorted(word for word in LISTED if word.endswith(text))
    expected = sorted(word for word in LISTED if word.startswith(text))
    assert terms.with_beginning(db, text, 3) == (len(expected), expected[:3])


def test_one_edit_reads_no_more_than_two_ranges(db: apsw.Connection) -> None:
    plan = []
    for sql, beginning in (
        ("SELECT word FROM word WHERE word >= ? AND word < ? ORDER BY word", "ab"),
        ("SELECT backward FROM ending WHERE backward >= ? AND backward < ? ORDER BY backward", "ba"),
    ):
        plan += [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {sql}", (beginning, beginning + "z"))]
    assert len(plan) == 2
    assert all("SEARCH" in step and "PRIMARY KEY" in step for step in plan)


def test_what_stands_for_too_much_is_refused_with_about_how_many(
    db: apsw.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terms, "MAX_EXPANSION", 5)
    asked: tuple[Callable[[], list[str]], ...] = (
        lambda: terms.of_form(db, "*b*"),
        lambda: terms.with_ending(db, "b"),
        lambda: terms.within_edits(db, "abab", 2),
    )
    for broad in asked:
        with pytest.raises(QueryTooBroad) as refusal:
            broad()
        assert refusal.value.kind == "too_broad"
        assert "add letters" in str(refusal.value)
    assert terms._rounded(2_001) == "2,000"
    assert terms._rounded(14_567) == "15,000"


def test_the_two_lists_agree_after_removals(tmp_path: Path) -> None:
    from search.engine.fts import FtsWriter
    from search.engine.ports import IndexDocument

    writer = FtsWriter(tmp_path, bytes(32))
    bodies = ["alpha beta 日本 Straße", "beta gamma \ue001private", "delta"]
    writer.add([IndexDocument(n, 1, body=body) for n, body in enumerate(bodies, 1)])
    for removed in ([2], [1], [3]):
        writer.remove(removed)
        listed = {word for (word,) in writer._db.execute("SELECT word FROM word")}
        assert {word[::-1] for (word,) in writer._db.execute("SELECT backward FROM ending")} == listed
    assert listed == set()
    writer.close()
