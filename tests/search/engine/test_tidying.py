"""Idle time goes to merging: fewer segments to look into, and nothing else changes."""

from __future__ import annotations

from typing import Any

from search.engine.ports import IndexDocument
from search.language.tree import ANYWHERE, Tag, Word


def _segments(writer: Any) -> int:
    return int(writer._db.execute("SELECT count(DISTINCT segid) FROM ft_idx").get)


def test_tidying_merges_until_nothing_is_worth_it(engine: Any) -> None:
    writer = engine.writer()
    assert not writer.tidy()
    for number in range(7):
        writer.add([IndexDocument(number, 1, body="common", tags=("source:s", f"id:{number}"))])
    assert _segments(writer) == 7
    steps = 0
    while writer.tidy():
        steps += 1
        assert steps < 50
    assert _segments(writer) == 1
    reader = engine.reader()
    assert reader.count(Word(ANYWHERE, "common")) == reader.count(Tag("source", "s")) == 7
    assert list(reader.all_rowids(Tag("id", "3"))) == [3]
    reader.check()
