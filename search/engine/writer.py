"""The one writer of the index: adds, tags and removes messages, each call durable on return."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import apsw

from search.engine import columns, terms
from search.engine.chunks import Row
from search.engine.database import FILE_NAME, TEXT_COLUMNS, open_database, own_errors
from search.engine.labels import CHANGING, COLUMN, changes, column_of, derived, label_of
from search.engine.lock import WriterLock
from search.engine.places import in_use
from search.engine.ports import IndexDocument
from search.errors import IndexLocked
from search.language.words import as_indexed, distinct_words

_CACHE_MIB: Final = 32
_MERGE_PAGES: Final = 2_000
_TIDY_PAGES: Final = 500
_KNOWN_WORDS: Final = 100_000
_KNOWN_LABELS: Final = 50_000
_SCRUB: Final = "scrub"
_INSERT: Final = (
    f"INSERT INTO ft (rowid, {', '.join(TEXT_COLUMNS)}, {COLUMN}) VALUES (?, ?{', ?' * len(TEXT_COLUMNS)})"
)


class FtsWriter:
    """`IndexWriter` over SQLite FTS5. Safe from any thread; calls take turns.

    Holds `index.lock` in the folder from construction to `close`; a second writer gets IndexLocked.
    Any call may raise IndexDamaged, IndexLocked or IndexUnavailable: then nothing of it was done,
    except that after `remove` or `clear` the rows may be gone already while their words aren't. The next
    `remove`, or opening the writer again, finishes that.

    It writes the index in use; one of another layout raises IndexOutdated, and is left as it is.
    """

    def __init__(self, folder: Path, key: bytes) -> None:
        self._turn = threading.RLock()
        self._lock = WriterLock(folder)
        self._known_words: set[str] = set()
        self._known_labels: dict[str, int] = {}
        self._superseded = 0
        try:
            self._db = open_database(in_use(folder), key, create=True, cache_mib=_CACHE_MIB)
        except BaseException:
            self._lock.release()
            raise
        try:
            with self._transaction():
                terms.refresh_stems(self._db)
            if self._scrub_is_due():
                self._scrub()
        except BaseException:
            self.close()
            raise

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """One transaction; on an error all of it is undone, what was remembered of it too."""
        with self._turn, own_errors():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                self._known_words.clear()
                self._known_labels.clear()
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def add(self, documents: Sequence[IndexDocument]) -> None:
        """Add documents, replacing any of the same row id; of two in one call the later one counts.

        One transaction, on disk when it returns. Larger batches are faster per document.
        """
        latest = {document.rowid: document for document in documents}
        if not latest:
            return
        # Postings go to disk in row-id order; in arrival order FTS5 must rearrange them.
        batch = [latest[rowid] for rowid in sorted(latest)]
        with self._transaction():
            old = self._present(latest)
            if old:
                self._delete(old)
            self._insert(batch)
            self._superseded += len(old)
            if self._superseded > columns.SUPERSEDED:
                columns.squeeze(self._db)
                self._superseded = 0

    def _insert(self, batch: list[IndexDocument]) -> None:
        seen: set[str] = set()
        bearers: dict[str, list[int]] = {}
        rows = []
        facts = []
        for document in batch:
            texts = _texts(document)
            seen |= distinct_words(texts, folded=True)
            borne = {label_of(tag) for tag in document.tags}
            changing = {label for label in borne if changes(label)}
            for label in changing:
                bearers.setdefault(label, []).append(document.rowid)
            rows.append((document.rowid, *texts, column_of(sorted((borne - changing) | derived(document)))))
            facts.append(
                Row(
                    document.rowid,
                    document.size,
                    borne,
                    document.sources,
                    document.links,
                    document.topic,
                    document.likeness,
                )
            )
        self._db.executemany(_INSERT, rows)
        self._db.executemany(
            "INSERT INTO doc (id, size) VALUES (?, ?)",
            ((document.rowid, document.size) for document in batch),
        )
        columns.append(self._db, facts)
        self._insert_labels(bearers)
        terms.add_words(self._db, seen - self._known_words)
        # Of the words known, those of this batch are the likeliest to come again.
        self._known_words = seen if len(self._known_words) > _KNOWN_WORDS else self._known_words | seen

    def _insert_labels(self, bearers: dict[str, list[int]]) -> None:
        """Put changing labels on rows, in the table's own order."""
        ids = self._label_ids(set(bearers))
        self._db.executemany(
            "INSERT OR IGNORE INTO doc_tag (tag, doc) VALUES (?, ?)",
            (
                (ids[label], rowid)
                for label in sorted(bearers, key=ids.__getitem__)
                for rowid in bearers[label]
            ),
        )

    def _label_ids(self, names: set[str]) -> dict[str, int]:
        """Return the id of each label, making those that are new."""
        known, unknown = self._known_labels, tuple(sorted(names - self._known_labels.keys()))
        if unknown:
            if len(known) + len(unknown) > _KNOWN_LABELS:
                known.clear()
                unknown = tuple(sorted(names))
            sql = "SELECT name, id FROM label WHERE name IN (SELECT value FROM carray(?))"
            known.update(self._db.execute(sql, (apsw.carray(unknown),)))
            last = self._db.execute("SELECT coalesce(max(id), 0) FROM label").get
            new = [
                (name, last + place) for place, name in enumerate((n for n in unknown if n not in known), 1)
            ]
            self._db.executemany("INSERT INTO label (name, id) VALUES (?, ?)", new)
            known.update(new)
        return {name: known[name] for name in names}

    def _present(self, rowids: Iterable[int]) -> array[int]:
        wanted = array("q", rowids)
        if not wanted:
            return wanted
        sql = "SELECT id FROM doc WHERE id IN (SELECT value FROM carray(?)) ORDER BY id"
        return array("q", (rowid for (rowid,) in self._db.execute(sql, (apsw.carray(wanted),))))

    def _delete(self, rowids: array[int]) -> None:
        """Delete rows that are there; labels that nothing bears any more go with the next scrubbing."""
        these = "(SELECT value FROM carray(?))"
        bound = (apsw.carray(rowids),)
        for rowid in rowids:
            self._db.execute("DELETE FROM ft WHERE rowid = ?", (rowid,))
        self._db.execute(f"DELETE FROM doc WHERE id IN {these}", bound)
        self._db.execute(f"DELETE FROM doc_tag WHERE doc IN {these}", bound)

    def tag(self, tag: str, rowids: Iterable[int]) -> None:
        """Put a tag of a changing kind (`labels.CHANGING`) on rows; ValueError for any other.

        Rows not in the index are passed over: their document brings its own tags.
        """
        name = _changing(tag)
        with self._transaction():
            present = self._present(rowids)
            if present:
                self._insert_labels({name: list(present)})

    def relabel(self, labels: Mapping[int, Iterable[str]], names: Sequence[str]) -> None:
        """Give each row these tags in the place of all it has of the named kinds.

        Rows not in the index are passed over. ValueError for a kind that doesn't change.
        """
        if not CHANGING.issuperset(names):
            raise ValueError("labels of this kind are fixed with their message")
        with self._transaction():
            present = self._present(labels)
            if not present:
                return
            kinds = " OR ".join("name GLOB ?" for _ in names)
            self._db.execute(
                "DELETE FROM doc_tag WHERE doc IN (SELECT value FROM carray(?))"
                f" AND tag IN (SELECT id FROM label WHERE {kinds})",
                (apsw.carray(present), *(f"{name}:*" for name in names)),
            )
            bearers: dict[str, list[int]] = {}
            for rowid in present:
                for name in {_changing(tag) for tag in labels[rowid]}:
                    bearers.setdefault(name, []).append(rowid)
            self._insert_labels(bearers)

    def untag(self, tag: str) -> None:
        """Take a tag of a changing kind off every row; ValueError for any other."""
        name = _changing(tag)
        with self._transaction():
            self._db.execute("DELETE FROM doc_tag WHERE tag = (SELECT id FROM label WHERE name = ?)", (name,))
            self._db.execute("DELETE FROM label WHERE name = ?", (name,))
            self._known_labels.pop(name, None)

    def remove(self, rowids: Iterable[int], meanwhile: Callable[[], object] | None = None) -> None:
        """Remove rows; when this returns, words that only they held are in no file of the index.

        The rows stop being found at once; the words go by rewriting the postings, so the time grows
        with the index, not with the number of rows: remove many at a time. Other writes get their turn
        in between, those of `meanwhile` too: a large index takes minutes. IndexLocked (retry) where a long
        read kept the old pages in use.
        """
        with self._transaction():
            present = self._present(rowids)
            if present:
                self._delete(present)
                columns.purge(self._db, present)
                self._db.execute("INSERT OR REPLACE INTO meta (name, value) VALUES (?, 'due')", (_SCRUB,))
        if self._scrub_is_due():
            self._scrub(meanwhile)

    def tidy(self) -> bool:
        """Merge a few segments, for when there is nothing else to do; True while more is worth it.

        Batches merge sixteen at a time, for cheap imports; four at a time are quicker to search.
        """
        with self._transaction():
            before = self._db.total_changes()
            self._db.execute("INSERT INTO ft (ft, rank) VALUES ('merge', ?)", (_TIDY_PAGES,))
            # The statement counts as one change itself.
            return self._db.total_changes() - before >= 2

    def clear(self) -> None:
        """Empty the index and give the space back, for a rebuild."""
        with self._transaction():
            self._db.execute("INSERT INTO ft (ft) VALUES ('delete-all')")
            self._db.execute("DELETE FROM doc; DELETE FROM doc_tag; DELETE FROM label")
            self._db.execute("DELETE FROM word; DELETE FROM ending")
            columns.clear(self._db)
            self._db.execute("INSERT OR REPLACE INTO meta (name, value) VALUES (?, 'due')", (_SCRUB,))
            self._known_words.clear()
            self._known_labels.clear()
        with self._turn, own_errors():
            self._db.execute("VACUUM")
        self._scrub()

    def _scrub_is_due(self) -> bool:
        with self._turn, own_errors():
            return self._db.execute("SELECT 1 FROM meta WHERE name = ?", (_SCRUB,)).get is not None

    def _scrub(self, meanwhile: Callable[[], object] | None = None) -> None:
        """Rewrite the postings without deleted rows, drop words and labels left over, and empty the log."""
        # A negative number starts a merge of everything; each further step goes on with it. Steps of
        # their own keep the log short and let captures in between.
        step = -_MERGE_PAGES
        while True:
            with self._transaction():
                before = self._db.total_changes()
                self._db.execute("INSERT INTO ft (ft, rank) VALUES ('merge', ?)", (step,))
                done = self._db.total_changes() - before < 2
            if done and step > 0:
                break
            step = _MERGE_PAGES
            if meanwhile is not None:
                meanwhile()
        with self._transaction():
            terms.drop_unused(self._db)
            self._known_words.clear()
            # Those too that were taken off before, while a message that bore them was still there.
            self._db.execute(
                "DELETE FROM label WHERE NOT EXISTS (SELECT 1 FROM doc_tag WHERE doc_tag.tag = label.id)"
            )
            self._known_labels.clear()
        self._take_out_free_pages()
        self._checkpoint()
        with self._transaction():
            self._db.execute("DELETE FROM meta WHERE name = ?", (_SCRUB,))

    def _take_out_free_pages(self) -> None:
        """Make the file as small as what is in use: a free page still says what stood on it."""
        while True:
            with self._transaction():
                if not self._db.pragma("freelist_count"):
                    return
                self._db.execute(f"PRAGMA incremental_vacuum({_MERGE_PAGES})").fetchall()

    def _checkpoint(self) -> None:
        with self._turn, own_errors():
            busy = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()[0][0]
        if busy:
            raise IndexLocked("A long read keeps removed words in the index files; try the removal again")

    def close(self) -> None:
        """Close the file and let the next writer in. Calling it again does nothing."""
        with self._turn:
            self._db.close()
            self._lock.release()


def unlink_index(folder: Path) -> None:
    """Delete the files of an index; the caller holds its lock."""
    # The file before the log: without its log, which holds the newest mail, it would pass for a whole one.
    # A log without its file is nobody's: SQLite deletes it where it makes a new file.
    for suffix in ("", "-wal", "-shm"):
        (folder / f"{FILE_NAME}{suffix}").unlink(missing_ok=True)


def _changing(tag: str) -> str:
    label = label_of(tag)
    if not changes(label):
        raise ValueError("labels of this kind are fixed with their message")
    return label


def _texts(document: IndexDocument) -> tuple[str, ...]:
    """Return the texts in the order of TEXT_COLUMNS, as the tokenizer gets them."""
    texts = (
        document.subject,
        document.body,
        document.attachment,
        document.filename,
        document.from_,
        document.to,
        document.cc,
        document.bcc,
        document.recipient,
        document.header,
    )
    return tuple(as_indexed(text) for text in texts)


def erase_index(folder: Path) -> None:
    """Delete the files of the index in use. Raises IndexLocked."""
    with WriterLock(folder):
        unlink_index(in_use(folder))
