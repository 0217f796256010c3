"""Counts are remembered until something below their bound comes, changes or leaves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import apsw
import pytest

from archiver.store.rowid import make_rowid
from search.engine import columns, counts, table
from search.engine.counts import Counts
from search.engine.ports import IndexDocument
from search.engine.reader import FtsReader
from search.language import parse
from search.language.tree import Query

NOW = datetime(2024, 1, 1, 12, tzinfo=UTC)


def tree(text: str) -> Query:
    return parse(text, now=NOW).tree


def row(hours: float, number: int = 0) -> int:
    """The row id of a message sent so many hours before now."""
    return make_rowid(NOW - timedelta(hours=hours), number)


def opened(engine: Any) -> tuple[Any, FtsReader, list[datetime]]:
    """A writer, a reader and its clock."""
    writer, reader = engine.writer(), engine.reader()
    clock = [NOW]
    reader._counts = Counts(lambda: clock[0].timestamp())
    return writer, reader, clock


def counted(reader: FtsReader, text: str) -> tuple[int, int]:
    """The number, and how many times the index was made to count for it."""
    asked: list[str] = []

    def note(_: apsw.Cursor, sql: str, __: Any) -> bool:
        asked.append(sql)
        return True

    reader.count(tree("warm"))
    (_, db) = reader._idle[0]
    db.exec_trace = note
    try:
        return reader.count(tree(text)), sum(sql.startswith("SELECT count(*) FROM (") for sql in asked)
    finally:
        db.exec_trace = None


def test_new_mail_alone_is_counted_each_time(engine: Any) -> None:
    writer, reader, _ = opened(engine)
    old = [IndexDocument(row(48, n), n, body=f"alpha b{n}", tags=("record:billing",)) for n in range(5)]
    writer.add(old)
    for text in ("alpha", "alpha record:billing", "larger:2", "NOT b3", "alph*", "date:[2023 to *]"):
        first, again = counted(reader, text), counted(reader, text)
        assert first[1] == 2, text
        assert again == (first[0], 0), text
    writer.add([IndexDocument(row(0.1), 1, body="alpha")])
    assert counted(reader, "alpha") == (6, 1)
    assert counted(reader, "alpha") == (6, 0)
    writer.add([IndexDocument(row(0.1), 1, body="beta")])
    assert counted(reader, "alpha") == (5, 1)
    assert counted(reader, "alpha NOT b3") == (4, 2)


def test_what_comes_changes_or_leaves_below_the_bound_is_seen(engine: Any) -> None:
    writer, reader, _ = opened(engine)
    writer.add([IndexDocument(row(48, n), n, body="alpha") for n in range(5)])
    assert counted(reader, "alpha") == (5, 2)
    writer.add([IndexDocument(row(30), 1, body="alpha"), IndexDocument(row(0), 1, body="alpha")])
    assert counted(reader, "alpha") == (7, 2)
    writer.add([IndexDocument(row(48, 2), 1, body="beta")])
    assert counted(reader, "alpha") == (6, 2)
    writer.remove([row(48, 1), row(0)])
    assert counted(reader, "alpha") == (4, 2)
    writer.clear()
    assert counted(reader, "alpha")[0] == 0


def test_the_bound_follows_the_clock_forwards_and_backwards(engine: Any) -> None:
    writer, reader, clock = opened(engine)
    writer.add([IndexDocument(row(hours), 1, body="alpha") for hours in (0.1, 0.5, 2, 5, -3)])
    assert counted(reader, "alpha") == (5, 2)
    for hours in (2, 9, -20):
        clock[0] = NOW + timedelta(hours=hours)
        writer.add([IndexDocument(row(-hours), 1, body="alpha beta")])
        assert (
            counted(reader, "alpha")[0]
            == counted(reader, "alpha OR alpha2")[0]
            == reader.count(tree("alpha*"))
        )


def test_a_state_too_long_ago_is_not_known(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "_CHANGES", 3)
    writer, reader, _ = opened(engine)
    writer.add([IndexDocument(row(48), 1, body="alpha")])
    assert counted(reader, "alpha") == (1, 2)
    for n in range(3):
        writer.add([IndexDocument(row(0, n), 1, body="alpha")])
    assert counted(reader, "alpha") == (4, 1)
    for n in range(3, 7):
        writer.add([IndexDocument(row(0, n), 1, body="alpha")])
    assert counted(reader, "alpha") == (8, 2)


def test_what_changes_without_a_message_is_counted_every_time(engine: Any) -> None:
    writer, reader, _ = opened(engine)
    writer.add([IndexDocument(row(48, n), 1, body="alpha") for n in range(5)])
    for text in ("tag:t", "alpha tag:t", "alpha NOT tag:t", "alpha OR tag:t", "tag:t OR hold:h"):
        writer.untag("tag:t")
        before = counted(reader, text)[0]
        writer.tag("tag:t", [row(48, 3)])
        assert counted(reader, text)[0] == before + {"alpha NOT tag:t": -1, "alpha OR tag:t": 0}.get(text, 1)
        writer.relabel({row(48, 3): ()}, ("tag",))
        assert counted(reader, text)[0] == before, text


def test_much_is_counted_in_two_halves_of_one_state(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "HALVED", 10)
    writer, reader, _ = opened(engine)
    writer.add([IndexDocument(row(48, n), n, body=f"alpha b{n % 3} c{n}") for n in range(60)])
    reader.warm()
    bounds: list[tuple[int, int]] = []
    count = counts._count

    def counted_here(db: apsw.Connection, select: Any) -> int:
        bounds.append((id(db), count(db, select)))
        return bounds[-1][1]

    monkeypatch.setattr(counts, "_count", counted_here)
    reader._counts = Counts(lambda: NOW.timestamp(), reader._snapshot, reader._tables.middle)
    for text, number in {"alpha": 60, "b1": 20, "alpha NOT b1": 40, "*": 60, "c5*": 11, "nothing": 0}.items():
        bounds.clear()
        assert reader.count(tree(text)) == number
        assert len({db for db, _ in bounds}) == 2, text
    assert sum(some > 0 for _, some in bounds) == 0


def test_a_half_of_another_state_is_not_taken(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Old mail that comes between the two snapshots would be counted and not be in the page."""
    monkeypatch.setattr(table, "HALVED", 10)
    writer, reader, _ = opened(engine)
    writer.add([IndexDocument(row(48, n), n, body="alpha") for n in range(60)])
    reader.warm()

    @contextmanager
    def later() -> Iterator[apsw.Connection]:
        writer.add([IndexDocument(row(49, n), n, body="alpha") for n in range(40)])
        with reader._snapshot() as db:
            yield db

    reader._counts = Counts(lambda: NOW.timestamp(), later, reader._tables.middle)
    assert reader.count(tree("alpha")) == 60
    assert reader.count(tree("alpha")) == 100
