"""Reads of the index, beside the writer: pages, exact counts, streams and membership."""

from __future__ import annotations

import hashlib
import threading
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TypeVar

import apsw
from whoosh.query import Every, Query

from archiver.store.rowid import MAX_ROWID
from search.engine import columns, match
from search.engine.answers import Answer, Found
from search.engine.compile import Compiler
from search.engine.counts import Counts
from search.engine.cursor import read_cursor, write_cursor
from search.engine.database import FILE_NAME, open_database, own_errors
from search.engine.expansions import expansions
from search.engine.pages import damaged_pages
from search.engine.places import in_use
from search.engine.ports import Expansion, Hits, Sort
from search.engine.table import Behind, Tables
from search.engine.views import Ask, Group, View
from search.errors import IndexDamaged, IndexOutdated, IndexUnavailable, SearchError

_CACHE_MIB: Final = 16
_IDLE_CONNECTIONS: Final = 4
_CHUNK: Final = 10_000
_BEYOND: Final = MAX_ROWID + 1
_TRIES: Final = 10
_NAMED: Final = 20

_T = TypeVar("_T")
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
        self._tables = Tables()
        self._counts = Counts(another=self._snapshot, middle=self._tables.middle)

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
        view = self.view(query, limit=limit, sort=sort, after=after)
        return Hits(view.total, view.rowids, view.next is not None), view.next

    def view(
        self,
        query: Query,
        *,
        limit: int,
        sort: Sort = "newest",
        after: str | None = None,
        ask: Ask | None = None,
        within: Query | None = None,
    ) -> View:
        """Return a page, its cursor, and what is asked besides, all of one snapshot: see `IndexReader.view`.

        `query` must match nothing that `within` doesn't. Raises IndexOutdated where the index in use has no
        facts yet.
        """
        if limit < 1:
            raise ValueError("a page holds at least one row")
        ask = ask or Ask()
        order = f"{sort} {ask.group}" if ask.group else sort
        place = None if after is None else read_cursor(self._cursor_key, query, order, after)

        def answered(db: apsw.Connection) -> Found:
            answer = Answer(db, self._tables, query, within=within, without=ask.without, counts=self._counts)
            if ask.plain and sort in ("newest", "oldest", "relevance"):
                return answer.page(sort, place, limit + 1)
            return answer.view(sort, place, limit + 1, ask)

        found = self._in_step(answered)
        page = found.places[:limit]
        more = len(found.places) > limit
        return View(
            found.total,
            tuple(each.rowid for each in page),
            write_cursor(self._cursor_key, query, order, page[-1]) if more else None,
            facets=found.facets,
            histogram=found.histogram,
            groups=found.groups,
            members=found.members[:limit],
            ranked_among=found.ranked_among,
        )

    def group_of(
        self, rowid: int, by: Group, *, within: Query | None = None, without: Collection[int] = ()
    ) -> list[int]:
        """Return the row ids of a message's group, ascending; see `IndexReader.group_of`."""

        def found(db: apsw.Connection) -> list[int]:
            return Answer(db, self._tables, Every(), within=within, without=without).group_of(rowid, by)

        return self._in_step(found)

    def warm(self) -> None:
        """Read the facts that facets and sizes come from, so that nobody waits for it: tenths of a second to
        seconds. An index that has none is passed over."""
        with suppress(IndexOutdated):
            self._in_step(self._tables.at)

    def _in_step(self, work: Callable[[apsw.Connection], _T]) -> _T:
        """Do work that may need the facts, in a snapshot at least as new as those at hand."""
        for _ in range(_TRIES):
            with self._snapshot() as db, suppress(Behind):
                return work(db)
        # Not even a new snapshot is as new: the index was put back to what it was before.
        self._tables.forget()
        with self._snapshot() as db:
            return work(db)

    def count(self, query: Query) -> int:
        """Return the exact number of matching rows."""
        with self._snapshot() as db:
            return self._counts.of(db, query)

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

        Patterns stay patterns, `word*`, `*word`, `w?rd`, `word~1`. Leaves that a NOT excludes aren't there.
        """
        with self._snapshot() as db:
            return match.marks(db, query)

    def expansions(self, query: Query) -> list[Expansion]:
        """Return how many words of the index each pattern, fuzzy word and stem stands for, and the first 20.

        Raises QueryTooBroad.
        """
        with self._snapshot() as db:
            return expansions(db, query)

    def check(self) -> None:
        """Read the whole file, every page against its MAC; compare the list of messages with their words.

        Raises IndexDamaged, naming the damaged pages where the cipher's codes tell them.
        """
        try:
            self._check()
        except IndexDamaged:
            raise IndexDamaged(f"The index is damaged{self._where()}; rebuild it with reindex") from None

    def _where(self) -> str:
        """The damaged pages, as far as they fit into a sentence."""
        try:
            path = in_use(self._folder) / FILE_NAME
            # Twice: a page that was being written just then is whole the second time.
            pages = sorted(set(damaged_pages(path, self._key)).intersection(damaged_pages(path, self._key)))
        except (OSError, SearchError):
            return ""
        if not pages:
            return ""
        more = f" and {len(pages) - _NAMED:,} more" if len(pages) > _NAMED else ""
        return f" at page {', '.join(map(str, pages[:_NAMED]))}{more} of {FILE_NAME}"

    def _check(self) -> None:
        with self._snapshot() as db:
            # A search comes first: only that makes FTS5 see that another connection has written since. Its
            # own check would take what this connection remembers of the index for the truth.
            worded = db.execute("SELECT count(*) FROM ft(?)", (match.every(),)).get
            faults = db.execute("PRAGMA quick_check(1)").fetchall()
            listed = db.execute("SELECT count(*) FROM doc").get
            both = db.execute(
                "SELECT count(*) FROM doc WHERE +id IN (SELECT rowid FROM ft(?))", (match.every(),)
            ).get
            with_facts = columns.rowids_of(db)
            in_step = with_facts == array("q", (r for (r,) in db.execute("SELECT id FROM doc ORDER BY id")))
        if faults != [("ok",)] or not listed == worded == both or not in_step:
            raise IndexDamaged("The index is damaged; rebuild it with reindex")

    def close(self) -> None:
        """Close idle connections now and busy ones when their call is done."""
        with self._guard:
            self._closed = True
            idle, self._idle = self._idle, []
        self._tables.forget()
        for _, db in idle:
            db.close()
