"""Reads of the index, beside the writer: pages, exact counts, streams and membership."""

from __future__ import annotations

import hashlib
import threading
from array import array
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, cast

import apsw
from whoosh.query import Query

from archiver.store.rowid import MAX_ROWID
from search.engine import match
from search.engine.compile import Compiler
from search.engine.cursor import Place, read_cursor, write_cursor
from search.engine.database import FILE_NAME, open_database, own_errors
from search.engine.places import in_use
from search.engine.ports import Hits, Sort
from search.errors import IndexDamaged, IndexUnavailable, SearchError

_CACHE_MIB: Final = 16
_IDLE_CONNECTIONS: Final = 4
_CHUNK: Final = 10_000
_BEYOND: Final = MAX_ROWID + 1
_TRIES: Final = 10

_Place = tuple[Path, int]
"""The folder of the index in use, and the number of its file: another one of either is another index."""


class FtsReader:
    """`IndexReader` over SQLite FTS5, safe from any thread and in any number of processes.

    Each call reads one snapshot and holds it no longer than the call. Any call may raise IndexDamaged,
    IndexUnavailable or QueryTooBroad.
    """

    def __init__(self, folder: Path, key: bytes) -> None:
        self._folder = folder
        self._key = key
        self._cursor_key = hashlib.sha256(b"holdfast-index-cursor\0" + key).digest()
        self._guard = threading.Lock()
        self._idle: list[tuple[_Place, apsw.Connection]] = []
        self._closed = False

    def _place(self) -> _Place:
        folder = in_use(self._folder)
        try:
            return folder, (folder / FILE_NAME).stat().st_ino
        except OSError:
            return folder, 0

    def _borrow(self) -> tuple[_Place, apsw.Connection]:
        for _ in range(_TRIES):
            place = self._place()
            # Connections to an index that is in use no more are let go.
            with self._guard:
                stale = [db for of, db in self._idle if of != place]
                self._idle = [pair for pair in self._idle if pair[0] == place]
                pair = self._idle.pop() if self._idle else None
            for db in stale:
                db.close()
            if pair is not None:
                return pair
            try:
                db = open_database(place[0], self._key, create=False, cache_mib=_CACHE_MIB)
            except SearchError:
                if self._place() == place:
                    raise
                continue
            # Opening has read a page, so it has the log open too. An index that went out of use before that
            # may have lost its log, and with it the newest mail.
            if self._place() == place:
                return place, db
            db.close()
        raise IndexUnavailable("The index is being replaced again and again; try again in a moment")

    @contextmanager
    def _snapshot(self) -> Iterator[apsw.Connection]:
        place, db = self._borrow()
        sound = False
        try:
            with own_errors():
                db.execute("BEGIN")
                try:
                    yield db
                finally:
                    if db.in_transaction:
                        db.execute("ROLLBACK")
            sound = True
        finally:
            with self._guard:
                keep = sound and not self._closed and len(self._idle) < _IDLE_CONNECTIONS
                if keep:
                    self._idle.append((place, db))
            if not keep:
                db.close()

    def search(
        self, query: Query, *, limit: int, sort: Sort = "newest", after: str | None = None
    ) -> tuple[Hits, str | None]:
        """Return a page, and the cursor of the next one (None at the end). The total is exact.

        `relevance` ranks by bm25 and breaks ties newest first; a query without text at its top has no
        scores, so there it is newest first. Raises BadCursor where `after` is of another query or order.
        """
        if limit < 1:
            raise ValueError("a page holds at least one row")
        place = None if after is None else read_cursor(self._cursor_key, query, sort, after)
        with self._snapshot() as db:
            compiler = Compiler(db)
            total = _count(db, compiler, query)
            found = _page(db, compiler, query, sort, place, limit + 1)
        more = len(found) > limit
        page = found[:limit]
        cursor = write_cursor(self._cursor_key, query, sort, page[-1]) if more else None
        return Hits(total, tuple(each.rowid for each in page), more), cursor

    def count(self, query: Query) -> int:
        """Return the exact number of matching rows."""
        with self._snapshot() as db:
            return _count(db, Compiler(db), query)

    def all_rowids(self, query: Query) -> Iterator[int]:
        """Every matching row id, ascending, without a cap, as of the first one asked for.

        They are gathered at 8 bytes each before the first is given: a snapshot held while a caller
        works through them would keep removed words in the files.
        """
        with self._snapshot() as db:
            select = Compiler(db).select(query)
            rows = db.execute(f"SELECT r FROM ({select.sql}) ORDER BY r", select.params)
            found = array("q", (rowid for (rowid,) in rows))
        yield from found

    def matching(self, query: Query, rowids: Iterable[int]) -> set[int]:
        """Return those of `rowids` that match; all are judged against one snapshot."""
        wanted = array("q", sorted({rowid for rowid in rowids if 0 <= rowid < _BEYOND}))
        found: set[int] = set()
        with self._snapshot() as db:
            compiler = Compiler(db)
            for start in range(0, len(wanted), _CHUNK):
                chunk = wanted[start : start + _CHUNK]
                select = compiler.select(query, chunk[0], chunk[-1] + 1)
                sql = f"SELECT r FROM ({select.sql}) WHERE +r IN (SELECT value FROM carray(?))"
                found.update(rowid for (rowid,) in db.execute(sql, (*select.params, apsw.carray(chunk))))
        return found

    def words_like(self, query: Query) -> set[str]:
        """Return what the highlighter marks: the words of the query's text leaves, stems expanded.

        Patterns stay patterns, `word*` and `*word`. Leaves that are excluded by NOT aren't there.
        """
        with self._snapshot() as db:
            return match.marks(db, query)

    def check(self) -> None:
        """Read the whole file, every page against its MAC; compare the list of messages with their words.

        Raises IndexDamaged at the first fault.
        """
        with self._snapshot() as db:
            faults = db.execute("PRAGMA quick_check(1)").fetchall()
            listed = db.execute("SELECT count(*) FROM doc").get
            worded = db.execute("SELECT count(*) FROM ft(?)", (match.every(),)).get
            both = db.execute(
                "SELECT count(*) FROM doc WHERE +id IN (SELECT rowid FROM ft(?))", (match.every(),)
            ).get
        if faults != [("ok",)] or not listed == worded == both:
            raise IndexDamaged("The index is damaged; rebuild it with reindex")

    def close(self) -> None:
        """Close idle connections now and busy ones when their call is done."""
        with self._guard:
            self._closed = True
            idle, self._idle = self._idle, []
        for _, db in idle:
            db.close()


def _count(db: apsw.Connection, compiler: Compiler, query: Query) -> int:
    select = compiler.select(query)
    return int(db.execute(f"SELECT count(*) FROM ({select.sql})", select.params).get)


def _page(
    db: apsw.Connection, compiler: Compiler, query: Query, sort: Sort, place: Place | None, limit: int
) -> list[Place]:
    if sort == "relevance":
        select = compiler.select(query, ranked=True)
        if select.ranked:
            return _ranked_page(db, select.sql, select.params, place, limit)
    if sort == "oldest":
        select = compiler.select(query, first=0 if place is None else place.rowid + 1)
        order = "ASC"
    else:
        select = compiler.select(query, beyond=_BEYOND if place is None else place.rowid)
        order = "DESC"
    rows = db.execute(f"SELECT r FROM ({select.sql}) ORDER BY r {order} LIMIT ?", (*select.params, limit))
    return [Place(int(rowid)) for (rowid,) in rows]


def _ranked_page(
    db: apsw.Connection, sql: str, params: tuple[object, ...], place: Place | None, limit: int
) -> list[Place]:
    where, bounds = "", cast(tuple[float, ...], ())
    if place is not None:
        where, bounds = "WHERE (s, -r) > (?, ?)", (place.score, -place.rowid)
    rows = db.execute(
        f"SELECT r, s FROM ({sql}) {where} ORDER BY s, r DESC LIMIT ?", (*params, *bounds, limit)
    )
    return [Place(int(rowid), float(score)) for rowid, score in rows]
