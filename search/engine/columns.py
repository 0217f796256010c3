"""The table of chunks, as the writer keeps it: one chunk a batch, small ones merged, disposed rows out.

Of a row id in several chunks the one of the greatest `age` counts: a message indexed again doesn't rewrite
its old chunk. A chunk that changes gets a new id, so that readers see what they haven't read yet.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import Any, Final

import apsw
import numpy as np

from archiver.store.rowid import MAX_ROWID
from search.engine import chunks
from search.engine.chunks import Chunk, Ints, Row

SCHEMA: Final = """
CREATE TABLE chunk (id INTEGER PRIMARY KEY AUTOINCREMENT, age INTEGER NOT NULL, count INTEGER NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL,
    rowids BLOB NOT NULL, sizes BLOB NOT NULL, names BLOB NOT NULL, codes BLOB NOT NULL);
CREATE INDEX chunk_listed ON chunk (age, count, first, last);
CREATE TABLE tie (chunk INTEGER PRIMARY KEY, ends BLOB NOT NULL, links BLOB NOT NULL, topics BLOB NOT NULL,
    likeness BLOB NOT NULL);
CREATE TABLE change (state INTEGER PRIMARY KEY, least INTEGER NOT NULL);
INSERT INTO meta (name, value) VALUES ('identity', lower(hex(randomblob(16)))), ('columns', '0');
"""

SMALL: Final = 4_096
"""Rows below which a chunk is merged with its neighbour."""
_CHANGES: Final = 10_000
"""Changes that are noted, the newest: one a second is nearly three hours of them."""
SUPERSEDED: Final = 50_000
"""Messages indexed again before their old facts are looked for."""


def append(db: apsw.Connection, rows: Sequence[Row]) -> None:
    """Add the facts of messages, in the caller's transaction; those of the same row id count no more."""
    age = int(db.execute("SELECT coalesce(max(age), 0) + 1 FROM chunk").get)
    found = chunks.chunk_of(rows)
    before = db.execute("SELECT id, count FROM chunk INDEXED BY chunk_listed ORDER BY age DESC")
    taken: list[int] = []
    size = len(rows)
    # Each small chunk is at least twice its follower, so there are few of them and none is rewritten often.
    for chunk_id, count in before:
        if count >= SMALL or count > 2 * size:
            break
        taken.append(chunk_id)
        size += count
    before.close()
    if taken:
        found = chunks.joined([*(_read(db, chunk_id) for chunk_id in reversed(taken)), found])
        _drop(db, taken)
    _put(db, age, found)
    _changed(db, min(row.rowid for row in rows))


def purge(db: apsw.Connection, rowids: Iterable[int]) -> None:
    """Take messages out of every chunk, in the caller's transaction, with the names only they bore."""
    gone = np.array(sorted(rowids), np.int64)
    if not len(gone):
        return
    listed: Any = db.execute(
        "SELECT id FROM chunk INDEXED BY chunk_listed WHERE first <= ? AND last >= ?",
        (int(gone[-1]), int(gone[0])),
    ).fetchall()
    for (chunk_id,) in listed:
        held = _rowids(db, chunk_id)
        stays = ~np.isin(held, gone)
        if not stays.all():
            _keep(db, chunk_id, stays)
    _changed(db, 0)


def squeeze(db: apsw.Connection) -> None:
    """Take out facts that count no more, in the caller's transaction, where they are the greater part."""
    held = int(db.execute("SELECT coalesce(sum(count), 0) FROM chunk INDEXED BY chunk_listed").get)
    living = int(db.execute("SELECT count(*) FROM doc").get)
    if held - living <= max(SUPERSEDED, living):
        return
    seen = np.empty(0, np.int64)
    newest_first: Any = db.execute("SELECT id FROM chunk ORDER BY age DESC").fetchall()
    for (chunk_id,) in newest_first:
        rowids = _rowids(db, chunk_id)
        stays = ~np.isin(rowids, seen)
        if not stays.all():
            _keep(db, chunk_id, stays)
        seen = np.concatenate((seen, rowids[stays]))
    _changed(db, MAX_ROWID)


def clear(db: apsw.Connection) -> None:
    """Forget all facts, in the caller's transaction."""
    db.execute("DELETE FROM chunk; DELETE FROM tie")
    _changed(db, 0)


def rowids_of(db: apsw.Connection) -> array[int]:
    """The row ids that there are facts of, ascending."""
    found = [np.frombuffer(data, np.int64) for (data,) in db.execute("SELECT rowids FROM chunk")]
    return array("q", np.unique(np.concatenate(found)).tobytes() if found else b"")


def least_since(db: apsw.Connection, state: int, now: int) -> int:
    """The least row id that came, changed or may have left since a state of the index; -1 where that isn't
    known any more."""
    row: Any = db.execute(
        "SELECT count(*), min(least) FROM change WHERE state > ? AND state <= ?", (state, now)
    ).fetchall()
    ((number, least),) = row
    return int(least) if number and number == now - state else -1


def _changed(db: apsw.Connection, least: int) -> None:
    """Count one more state, in which nothing below the row id `least` is other than in the one before."""
    db.execute("UPDATE meta SET value = CAST(value + 1 AS TEXT) WHERE name = 'columns'")
    state = int(db.execute("SELECT value FROM meta WHERE name = 'columns'").get)
    db.execute("INSERT INTO change (state, least) VALUES (?, ?)", (state, least))
    db.execute("DELETE FROM change WHERE state <= ?", (state - _CHANGES,))


def _keep(db: apsw.Connection, chunk_id: int, stays: np.ndarray[tuple[int], np.dtype[np.bool]]) -> None:
    """Put the rows that stay in the place of a chunk."""
    age = int(db.execute("SELECT age FROM chunk WHERE id = ?", (chunk_id,)).get)
    rest = chunks.take(_read(db, chunk_id), np.flatnonzero(stays)) if stays.any() else None
    _drop(db, [chunk_id])
    if rest is not None:
        _put(db, age, rest)


def _read(db: apsw.Connection, chunk_id: int) -> Chunk:
    this = (chunk_id,)
    facts: Any = db.execute("SELECT rowids, sizes, names, codes FROM chunk WHERE id = ?", this)
    rowids, sizes, sets = chunks.facts_from_blobs(*facts.fetchall()[0])
    ties: Any = db.execute("SELECT ends, links, topics, likeness FROM tie WHERE chunk = ?", this)
    return Chunk(rowids, sizes, sets, chunks.ties_from_blobs(*ties.fetchall()[0]))


def _rowids(db: apsw.Connection, chunk_id: int) -> Ints:
    return np.frombuffer(db.execute("SELECT rowids FROM chunk WHERE id = ?", (chunk_id,)).get, np.int64)


def _drop(db: apsw.Connection, ids: Sequence[int]) -> None:
    for table, column in (("chunk", "id"), ("tie", "chunk")):
        these = f"{column} IN (SELECT value FROM carray(?))"
        db.execute(f"DELETE FROM {table} WHERE {these}", (apsw.carray(array("q", ids)),))


def _put(db: apsw.Connection, age: int, chunk: Chunk) -> None:
    held = chunk.rowids
    db.execute(
        "INSERT INTO chunk (age, count, first, last, rowids, sizes, names, codes)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (age, len(held), int(held.min()), int(held.max()), *chunks.facts_to_blobs(chunk)),
    )
    db.execute(
        "INSERT INTO tie (chunk, ends, links, topics, likeness) VALUES (?, ?, ?, ?, ?)",
        (db.last_insert_rowid(), *chunks.ties_to_blobs(chunk.ties)),
    )
