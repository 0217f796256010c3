"""The FTS5 index on disk: sealed, authenticated, durable, and free of what was removed."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import apsw
import pytest

from search.engine import database
from search.engine.fts import FtsReader, FtsWriter, erase_index
from search.engine.ports import IndexDocument
from search.errors import IndexDamaged, IndexLocked, SearchError
from search.language import parse
from search.language.tree import Query

KEY = bytes(range(32))
MARKER = "qzxvplumbago"
OTHER = "wkjyhellebore"


def tree(text: str) -> Query:
    return parse(text, now=datetime(2024, 1, 1, tzinfo=UTC)).tree


def marked(rowid: int, word: str) -> IndexDocument:
    return IndexDocument(
        rowid, 1, word, f"body {word}", f"{word} scan", f"{word}.pdf", f"{word}@a", f"{word}@b",
        f"{word}@c", f"{word}@d", f"{word}@e", f"X-{word}: {word}",
        (f"patient:{word}", f"message-id:{word}@x", "source:s"),
    )  # fmt: skip


def fillers(count: int, start: int = 1_000) -> list[IndexDocument]:
    bodies = (" ".join(f"word{n * 7 + k}" for k in range(30)) for n in range(count))
    return [
        IndexDocument(start + n, n, f"filler {n}", body, tags=("source:s",)) for n, body in enumerate(bodies)
    ]


def everything_on_disk(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir())).lower()


def decrypted(folder: Path, to: Path) -> bytes:
    """The bytes of the main database file, all pages, free ones too, without its encryption."""
    to.mkdir()
    shutil.copy(folder / "index.db", to / "index.db")
    db = apsw.Connection(str(to / "index.db"))
    for setting in (
        "cipher = 'sqlcipher'",
        f"key = \"x'{KEY.hex()}'\"",
        "journal_mode = delete",
        "rekey = ''",
    ):
        db.execute(f"PRAGMA {setting}").fetchall()
    db.close()
    plain = (to / "index.db").read_bytes()
    assert plain.startswith(b"SQLite format 3")
    return plain.lower()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "index"


@pytest.fixture
def writer(folder: Path) -> Iterator[FtsWriter]:
    writer = FtsWriter(folder, KEY)
    yield writer
    writer.close()


def test_no_word_is_readable_on_disk_at_any_time(folder: Path, writer: FtsWriter, tmp_path: Path) -> None:
    marker = MARKER[2:].encode()
    writer.add([marked(5, MARKER), *fillers(50)])
    writer.tag(f"hold:{MARKER}", [5])
    reader = FtsReader(folder, KEY)
    assert reader.count(tree(MARKER)) == 1
    assert reader.count(tree(f"hold:{MARKER}")) == 1
    assert (folder / "index.db-wal").stat().st_size > 0
    assert marker not in everything_on_disk(folder)
    reader.close()
    writer.close()
    assert marker not in everything_on_disk(folder)
    # The scan would see it: it is there once the encryption is off.
    assert marker in decrypted(folder, tmp_path / "plain")


def test_removed_words_leave_the_files(folder: Path, writer: FtsWriter, tmp_path: Path) -> None:
    writer.add([marked(5, MARKER), marked(6, OTHER), *fillers(300)])
    writer.add(fillers(300, 5_000))
    writer.add([marked(5, MARKER)])
    writer.remove([5])
    assert (folder / "index.db-wal").stat().st_size < 64_000
    writer.close()
    plain = decrypted(folder, tmp_path / "plain")
    assert MARKER[2:].encode() not in plain
    assert OTHER[2:].encode() in plain
    # Endings are found by the words back to front.
    assert MARKER[:1:-1].encode() not in plain
    assert OTHER[:1:-1].encode() in plain
    reader = FtsReader(folder, KEY)
    assert reader.count(tree(OTHER)) == 1
    assert reader.count(tree("filler")) == 600
    assert reader.words_like(tree(MARKER)) == {MARKER}
    with pytest.raises(SearchError):
        FtsReader(folder, bytes(32)).count(tree("*"))
    reader.close()


def test_removed_words_and_labels_leave_an_index_in_the_midst_of_merging(
    folder: Path, writer: FtsWriter, tmp_path: Path
) -> None:
    label = "qzlabelmarker"
    for batch in range(40):
        writer.add(fillers(30, 1_000 + 100 * batch))
        if batch % 9 == 4:
            bearer = IndexDocument(batch, 1, MARKER, tags=(f"patient:{label}", f"hold:{label}"))
            writer.add([bearer, marked(500 + batch, OTHER)])
    writer._checkpoint()
    before = decrypted(folder, tmp_path / "before")
    assert MARKER[2:].encode() in before
    assert MARKER[:1:-1].encode() in before
    assert label[2:].encode() in before
    writer.remove(range(40))
    writer.close()
    plain = decrypted(folder, tmp_path / "plain")
    assert MARKER[2:].encode() not in plain
    assert MARKER[:1:-1].encode() not in plain
    assert label[2:].encode() not in plain
    assert OTHER[2:].encode() in plain
    reader = FtsReader(folder, KEY)
    assert reader.count(tree("filler")) == 1_200
    assert reader.count(tree(f"patient:{label} OR hold:{label}")) == 0
    reader.check()
    reader.close()


def test_without_the_scrub_the_words_would_stay(
    folder: Path, writer: FtsWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer.add([marked(5, MARKER), *fillers(300)])
    monkeypatch.setattr(FtsWriter, "_scrub", lambda *_: None)
    writer.remove([5])
    writer.close()
    assert MARKER[2:].encode() in decrypted(folder, tmp_path / "plain")
    # The removal was cut short, as by a crash: the next writer finishes it.
    monkeypatch.undo()
    FtsWriter(folder, KEY).close()
    assert MARKER[2:].encode() not in decrypted(folder, tmp_path / "again")


def test_a_cleared_index_keeps_no_words(folder: Path, writer: FtsWriter, tmp_path: Path) -> None:
    writer.add([marked(5, MARKER), *fillers(300)])
    writer.clear()
    writer.close()
    plain = decrypted(folder, tmp_path / "plain")
    assert MARKER[2:].encode() not in plain
    assert MARKER[:1:-1].encode() not in plain


def test_a_long_read_delays_the_scrub_and_says_so(folder: Path, writer: FtsWriter, tmp_path: Path) -> None:
    writer.add([marked(5, MARKER), *fillers(300)])
    held = database.open_database(folder, KEY, create=False, cache_mib=1)
    held.execute("BEGIN")
    held.execute("SELECT count(*) FROM doc").fetchall()
    writer._db.set_busy_timeout(50)
    with pytest.raises(IndexLocked) as refusal:
        writer.remove([5])
    assert refusal.value.retry
    held.execute("ROLLBACK")
    held.close()
    reader = FtsReader(folder, KEY)
    assert reader.count(tree(MARKER)) == 0
    reader.close()
    writer.remove([5])
    writer.close()
    assert MARKER[2:].encode() not in decrypted(folder, tmp_path / "plain")


def test_another_key_opens_nothing(folder: Path, writer: FtsWriter) -> None:
    writer.add(fillers(3))
    with pytest.raises(IndexDamaged):
        FtsReader(folder, bytes(32)).count(tree("*"))
    writer.close()
    with pytest.raises(IndexDamaged):
        FtsWriter(folder, bytes(32))
    # The failed try let go of the lock.
    FtsWriter(folder, KEY).close()


def test_one_flipped_bit_is_noticed(folder: Path, writer: FtsWriter) -> None:
    writer.add(fillers(400))
    writer.close()
    path = folder / "index.db"
    whole = path.read_bytes()
    chance = random.Random(7)
    reader = FtsReader(folder, KEY)
    reader.check()
    reader.close()
    pages = len(whole) // 8192
    assert pages > 10
    for page in range(pages):
        place = page * 8192 + chance.randrange(8192)
        spoiled = bytearray(whole)
        spoiled[place] ^= 1 << chance.randrange(8)
        path.write_bytes(spoiled)
        reader = FtsReader(folder, KEY)
        with pytest.raises(IndexDamaged):
            reader.check()
        reader.close()
    path.write_bytes(whole)
    erase_index(folder)
    FtsWriter(folder, KEY).close()


@pytest.mark.parametrize("content", [b"", b"no database at all" * 1000, b"SQLite format 3\0" + bytes(8176)])
def test_a_file_that_is_no_index_raises_only_our_error(folder: Path, content: bytes) -> None:
    folder.mkdir()
    (folder / "index.db").write_bytes(content)
    with pytest.raises(SearchError):
        FtsReader(folder, KEY).count(tree("*"))


def test_a_reader_follows_a_rebuilt_index(folder: Path, writer: FtsWriter) -> None:
    writer.add(fillers(3))
    reader = FtsReader(folder, KEY)
    assert reader.count(tree("*")) == 3
    writer.close()
    erase_index(folder)
    fresh = FtsWriter(folder, KEY)
    fresh.add(fillers(5))
    assert reader.count(tree("*")) == 5
    reader.close()
    fresh.close()


def test_files_are_nobody_elses(folder: Path, writer: FtsWriter) -> None:
    writer.add(fillers(1))
    assert {path.stat().st_mode & 0o077 for path in (folder, *folder.iterdir())} == {0}


def test_what_was_added_outlives_a_kill(folder: Path) -> None:
    code = """
import sys
from pathlib import Path
from search.engine.fts import FtsWriter
from search.engine.ports import IndexDocument
writer = FtsWriter(Path(sys.argv[1]), bytes(range(32)))
for n in range(10_000):
    writer.add([IndexDocument(n, 1, body="kept")])
    print(n, flush=True)
"""
    root = Path(__file__).resolve().parents[3]
    child = subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, cwd=root)
    assert child.stdout is not None
    acknowledged = -1
    for line in child.stdout:
        acknowledged = int(line)
        if acknowledged == 20:
            child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    # The dead process's lock is gone, its rows are not.
    FtsWriter(folder, KEY).close()
    reader = FtsReader(folder, KEY)
    assert reader.count(tree("kept")) >= acknowledged + 1
    reader.check()
    reader.close()


def test_errors_carry_no_words(folder: Path, writer: FtsWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    writer.add([marked(5, MARKER)])
    reader = FtsReader(folder, KEY)

    def broken(*_: Any) -> str:
        return f'"{MARKER}'

    monkeypatch.setattr("search.engine.match._string", broken)
    with pytest.raises(SearchError) as fault:
        reader.count(tree(MARKER))
    assert MARKER not in str(fault.value)
    assert fault.value.__cause__ is None
    assert fault.value.__suppress_context__
    reader.close()
