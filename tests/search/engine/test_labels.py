"""Labels as words of the index: exact, out of reach of anybody's text, and gone with their message."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.engine import database, labels
from search.engine.ports import IndexDocument
from search.errors import IndexDamaged, IndexOutdated
from search.language import parse
from search.language.tree import Query, Tag, all_of, any_of
from search.language.words import words
from tests.search.engine.conftest import KEY

ANY_TEXT = st.text(st.characters(codec=None), max_size=40) | st.text("az09 .@-:\ue000\ue13aéÉ\0", max_size=12)


def tree(text: str) -> Query:
    return parse(text, now=datetime(2024, 1, 1, tzinfo=UTC)).tree


@given(ANY_TEXT, ANY_TEXT)
def test_each_label_is_one_word_and_no_other_label_has_it(one: str, other: str) -> None:
    first, second = (labels.label_of(f"patient:{text}") for text in (one, other))
    word = labels.word_of(first)
    assert words(f"before {labels.column_of([first, second])} after") == [
        "before",
        labels.EVERY,
        word,
        labels.word_of(second),
        "after",
    ]
    assert (word == labels.word_of(second)) == (first == second)
    assert labels.FIRST <= word < labels.BEYOND
    assert word != labels.EVERY


def test_long_labels_are_told_apart_and_fit_the_longest_word(engine: Any) -> None:
    long = "x" * 70_000
    engine.writer().add([IndexDocument(n, 1, tags=(f"patient:{long}{n}",)) for n in (1, 2)])
    assert list(engine.reader().all_rowids(Tag("patient", f"{long}1"))) == [1]
    assert engine.reader().count(Tag("patient", long)) == 0
    assert len(labels.word_of(f"patient:{long}")) < 100


def test_nobody_can_write_or_ask_for_a_label_as_text(engine: Any) -> None:
    word = labels.word_of("custodian:ann@a.example")
    engine.writer().add([
        IndexDocument(1, 1, body=f"{word} {labels.EVERY}", header=word, tags=("id:1",)),
        IndexDocument(2, 1, tags=("custodian:Ann@a.example", "id:2")),
    ])  # fmt: skip
    reader = engine.reader()
    assert list(reader.all_rowids(Tag("custodian", "ann@a.example"))) == [2]
    assert list(reader.all_rowids(tree(f"body:{word}"))) == [1]
    assert list(reader.all_rowids(tree(f"body:{word[:3]}*"))) == [1]
    assert list(reader.all_rowids(tree("NOT custodian:ann@a.example"))) == [1]
    assert reader.words_like(tree("custodian:ann@a.example")) == set()
    reader.check()


def test_labels_that_are_fixed_take_no_rows_and_are_not_changed(engine: Any) -> None:
    writer = engine.writer()
    writer.add(
        [IndexDocument(1, 1, tags=("custodian:a", "source:s", "id:1", "hold:h", "Hold:H", "matter:m"))]
    )
    kept = writer._db.execute(
        "SELECT name FROM label JOIN doc_tag ON tag = label.id ORDER BY name"
    ).fetchall()
    assert kept == [("hold:h",), ("matter:m",)]
    for change in (
        lambda: writer.tag("custodian:b", [1]),
        lambda: writer.untag("source:s"),
        lambda: writer.relabel({1: {"hold:a"}}, ("source",)),
        lambda: writer.relabel({1: {"source:a"}}, ("hold",)),
    ):
        with pytest.raises(ValueError, match="fixed"):
            change()
    reader = engine.reader()
    assert reader.count(tree("custodian:a source:s hold:h matter:m")) == 1
    assert reader.count(tree("custodian:b")) == 0


def test_relevance_does_not_weigh_labels(engine: Any) -> None:
    engine.writer().add([
        IndexDocument(1, 1, body="insulin insulin insulin", tags=("record:rare", "has:attachment")),
        IndexDocument(2, 1, body="insulin and more words that dilute it", tags=("has:attachment",)),
        *(IndexDocument(n, 1, body="insulin", tags=("source:s",)) for n in range(3, 30)),
    ])  # fmt: skip
    hits, _ = engine.reader().search(tree("insulin has:attachment"), limit=5, sort="relevance")
    assert hits.rowids == (1, 2)
    hits, _ = engine.reader().search(tree("has:attachment"), limit=5, sort="relevance")
    assert hits.rowids == (2, 1)


@pytest.mark.parametrize("number", [1, 50, 512, 513, 2_000])
def test_a_scope_of_many_custodians_is_exact(engine: Any, number: int) -> None:
    engine.writer().add([
        IndexDocument(n + 1, 1, body="common" * (n % 2), tags=(f"custodian:c{n}", f"custodian:d{n % 7}"))
        for n in range(600)
    ])  # fmt: skip
    reader = engine.reader()
    scope = any_of(Tag("custodian", f"c{n}") for n in range(number))
    inside = min(number, 600)
    assert reader.count(scope) == inside
    assert reader.count(all_of([tree("common"), scope])) == inside // 2
    hits, _ = reader.search(scope, limit=5)
    assert (hits.total, hits.rowids[0]) == (inside, inside)
    assert reader.matching(scope, [1, number, number + 1]) == {1, inside} & {1, number, number + 1}


def test_a_listed_message_without_its_words_is_a_fault(engine: Any) -> None:
    writer = engine.writer()
    writer.add([IndexDocument(n, 1, body="word") for n in range(5)])
    engine.reader().check()
    writer._db.execute("UPDATE doc SET id = 77 WHERE id = 3")
    with pytest.raises(IndexDamaged):
        engine.reader().check()


def test_the_list_of_words_keeps_what_is_there_and_drops_the_rest(engine: Any) -> None:
    odd = f"{labels.FIRST}oddity"
    writer = engine.writer()
    writer.add([
        IndexDocument(1, 1, body=f"alpha {odd} \uff21wide", tags=("patient:alpha",)),
        IndexDocument(2, 1, body=f"beta {odd}gone", tags=("patient:beta",)),
    ])  # fmt: skip
    writer.remove([2])
    listed = {word for (word,) in writer._db.execute("SELECT word FROM word")}
    assert listed == {"alpha", odd, *words("\uff21wide")}


def _as_version(folder: Any, version: int) -> None:
    db = apsw.Connection(str(folder / database.FILE_NAME))
    for setting in ("cipher = 'sqlcipher'", f"key = \"x'{KEY.hex()}'\"", f"user_version = {version}"):
        db.execute(f"PRAGMA {setting}").fetchall()
    db.close()


@pytest.mark.parametrize("version", [1, 99])
def test_an_index_of_another_layout_is_refused_and_left_as_it_is(engine: Any, version: int) -> None:
    writer = engine.writer()
    writer.add([IndexDocument(1, 1, body="word")])
    writer.close()
    _as_version(engine.folder, version)
    with pytest.raises(IndexOutdated) as refusal:
        engine.reader().count(tree("*"))
    assert refusal.value.retry
    with pytest.raises(IndexOutdated):
        engine.writer()
    _as_version(engine.folder, database.VERSION)
    assert engine.reader().count(tree("word")) == 1
    engine.writer()


def test_a_label_that_nobody_bears_any_more_is_gone_with_the_next_disposal(engine: Any) -> None:
    writer = engine.writer()
    writer.add([IndexDocument(n, 1, tags=("tag:old", "hold:h")) for n in (1, 2)])
    writer.relabel({n: {"tag:new"} for n in (1, 2)}, ("hold", "tag"))
    writer.remove([1])
    assert writer._db.execute("SELECT name FROM label").fetchall() == [("tag:new",)]
    writer.relabel({2: {"tag:old"}}, ("tag",))
    reader = engine.reader()
    assert (reader.count(tree("tag:old")), reader.count(tree("tag:new"))) == (1, 0)
    writer.remove([2])
    assert not writer._db.execute("SELECT name FROM label").fetchall()
