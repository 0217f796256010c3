"""The index file: one SQLite database of encrypted, authenticated pages, and its schema.

Cipher scheme `sqlcipher` (AES-256-CBC with an HMAC per page); temporary data stays in memory and the
file is never mapped, since neither would be encrypted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import apsw

from search.engine import columns
from search.engine.labels import COLUMN
from search.errors import (
    IndexDamaged,
    IndexLocked,
    IndexMissing,
    IndexOutdated,
    IndexUnavailable,
    SearchError,
)
from search.language.words import TOKENIZER

FILE_NAME: Final = "index.db"
KEY_BYTES: Final = 32
VERSION: Final = 3
READABLE: Final = frozenset({VERSION})
"""Layouts that this version can search; it writes its own only. An index of an older one that is named here
goes on answering while a new one is built beside it."""
TEXT_COLUMNS: Final = (
    "subject",
    "body",
    "attachment",
    "filename",
    "from_",
    "to_",
    "cc",
    "bcc",
    "recipient",
    "header",
)

_PAGE_BYTES: Final = 8192
# The cipher takes 80 bytes of each page; an FTS5 leaf that doesn't fit the rest would spill over.
_LEAF_BYTES: Final = 8000
_HASH_BYTES: Final = 32 << 20
# Sixteen segments at once instead of four: a posting is written anew log16 times, not log4. A crisis would
# merge a whole level in one transaction; the steady merging beside each batch keeps far below it.
_MERGE_AT: Final = 16
_CRISIS_AT: Final = 64
_CHECKPOINT_PAGES: Final = 8_000
_BUSY_MS: Final = 10_000
# bm25 weights in column order: a word in the subject says more than one in a header, a label nothing.
_RANK: Final = "bm25(4.0, 1.0, 1.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0, 0.2, 0.0)"

_SCHEMA: Final = f"""
CREATE VIRTUAL TABLE ft USING fts5(
    {", ".join(TEXT_COLUMNS)}, {COLUMN}, content='', contentless_delete=1, tokenize="{" ".join(TOKENIZER)}");
INSERT INTO ft(ft, rank) VALUES ('pgsz', {_LEAF_BYTES});
INSERT INTO ft(ft, rank) VALUES ('hashsize', {_HASH_BYTES});
INSERT INTO ft(ft, rank) VALUES ('automerge', {_MERGE_AT});
INSERT INTO ft(ft, rank) VALUES ('crisismerge', {_CRISIS_AT});
INSERT INTO ft(ft, rank) VALUES ('rank', '{_RANK}');
CREATE VIRTUAL TABLE vocabulary USING fts5vocab(ft, row);
CREATE TABLE doc (id INTEGER PRIMARY KEY, size INTEGER NOT NULL);
CREATE TABLE label (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE doc_tag (tag INTEGER NOT NULL, doc INTEGER NOT NULL, PRIMARY KEY (tag, doc)) WITHOUT ROWID;
CREATE INDEX doc_tag_by_doc ON doc_tag (doc, tag);
CREATE TABLE word (word TEXT PRIMARY KEY, stem TEXT) WITHOUT ROWID;
CREATE TABLE ending (backward TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE INDEX word_by_stem ON word (stem, word) WHERE stem IS NOT NULL;
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
{columns.SCHEMA}
PRAGMA user_version = {VERSION};
"""


@contextmanager
def own_errors() -> Iterator[None]:
    """Turn SQLite's errors into ours. Their texts are dropped: an FTS5 text can quote the query."""
    try:
        yield
    except (apsw.CorruptError, apsw.NotADBError, apsw.FormatError):
        raise IndexDamaged("The index is damaged, or this isn't its key; rebuild it with reindex") from None
    except (apsw.BusyError, apsw.LockedError):
        raise IndexLocked("The index is busy; try again") from None
    except (apsw.IOError, apsw.FullError, apsw.CantOpenError, apsw.ReadOnlyError, apsw.NoMemError):
        raise IndexUnavailable("The index can't be read or written now; check its folder and disk") from None
    except apsw.Error:
        raise SearchError("The index engine refused a statement; this is a fault of ours") from None


def open_database(folder: Path, key: bytes, *, create: bool, cache_mib: int) -> apsw.Connection:
    """Open the index in `folder`, making it where `create` is True and there is none.

    `key` is 32 raw bytes, used as they are. Raises IndexDamaged (also for a wrong key), IndexOutdated (a
    file of another layout), IndexMissing (where `create` is False) and IndexUnavailable.
    """
    if len(key) != KEY_BYTES:
        raise ValueError("the index key must be 32 bytes")
    path = folder / FILE_NAME
    if create:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # SQLite would make the file with the process's umask; nobody else needs even its size.
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    elif not path.exists():
        raise IndexMissing("There is no index yet; start the indexer or run reindex")
    with own_errors():
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            _prepare(connection, key, create=create, cache_mib=cache_mib)
        except BaseException:
            connection.close()
            raise
    return connection


def _prepare(db: apsw.Connection, key: bytes, *, create: bool, cache_mib: int) -> None:
    settings = [
        "cipher = 'sqlcipher'",
        # A raw key: what the key provider gives is uniform already, so stretching would only cost time.
        f"""key = "x'{key.hex()}'" """,
        "temp_store = memory",
        "mmap_size = 0",
        f"cache_size = {-1024 * cache_mib}",
    ]
    if create:
        settings += [
            f"page_size = {_PAGE_BYTES}",
            # Whole pages that merging frees aren't overwritten, which is half of what an import writes.
            # Scrubbing takes all free pages out of the file instead, as this kind of file can.
            "auto_vacuum = incremental",
            "secure_delete = fast",
            "journal_mode = wal",
            f"wal_autocheckpoint = {_CHECKPOINT_PAGES}",
            # FULL: the outbox forgets a message once `add` returns, so a power cut mustn't undo it.
            "synchronous = full",
        ]
    db.set_busy_timeout(_BUSY_MS)
    for setting in settings:
        # A statement that answers with a row is only done once the row is read.
        db.execute(f"PRAGMA {setting}").fetchall()
    version = db.pragma("user_version")
    if version == 0 and create:
        with db:
            db.execute(_SCHEMA)
    elif version == 0:
        raise IndexMissing("There is no index yet; start the indexer or run reindex")
    elif version != VERSION and (create or version not in READABLE):
        raise IndexOutdated(
            "The index is of another version of Holdfast and can't be used by this one. A new one is built"
            " from the archive, and nothing is lost: `holdfast reindex` does it, or shows how far it is"
        )
    if not create:
        db.pragma("query_only", True)
