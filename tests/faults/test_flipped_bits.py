"""One bit flipped in each kind of file, a cut tail, a changed row: `verify --full` names each."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from archiver.capture.ports import Arrival
from tests.support.damage import cut, flip, flip_inside
from tests.support.golden import fill, store
from tests.support.holdfast import Home
from tests.support.mail import numbered

Damage = Callable[[Home], object]
Expected = dict[str, str]


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A sound archive; each test damages a copy of it."""
    home = Home(tmp_path_factory.mktemp("golden"))
    fill(home)
    assert home.verify() == []
    return home


@pytest.fixture
def copy(golden: Home, tmp_path: Path) -> Home:
    shutil.copytree(golden.base, tmp_path, dirs_exist_ok=True)
    return Home(tmp_path)


def pack_of(home: Home) -> Path:
    (pack,) = (home.home / "packs").glob("*.pack")
    return pack


def value(home: Home, sql: str) -> bytes:
    with closing(sqlite3.connect(home.home / "records.db")) as db:
        return bytes(db.execute(sql).fetchone()[0])


def in_database(sql: str) -> Damage:
    """Flip a bit where the database file holds what this query gives."""

    def damage(home: Home) -> None:
        flip_inside(home.home / "records.db", value(home, sql))

    return damage


def by_sql(*statements: str) -> Damage:
    """Change rows as somebody would who owns the database: guards off."""

    def damage(home: Home) -> None:
        with closing(sqlite3.connect(home.home / "records.db")) as db:
            for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                db.execute(f'DROP TRIGGER "{name}"')
            for statement in statements:
                assert db.execute(statement).rowcount != 0, "nothing was changed"
            db.commit()

    return damage


def in_file(pattern: str, offset: int) -> Damage:
    """Flip a bit of a file; of several partial tiles of the widest, which is the one in use."""

    def damage(home: Home) -> None:
        flip(widest(home, pattern), offset)

    return damage


def widest(home: Home, pattern: str) -> Path:
    return max(home.home.glob(pattern), key=lambda path: (len(path.name), path.name))


def flip_report(home: Home) -> None:
    with closing(sqlite3.connect(home.home / "records.db")) as db:
        (offset,) = db.execute("SELECT pack_offset FROM reports").fetchone()
    flip(pack_of(home), offset + 60)


def cut_entries(home: Home) -> None:
    cut(widest(home, "ledger/captures/tile/entries/001.p/*"), 3)


def cut_records_tail(home: Home) -> None:
    """The newest message and everything that told of it, taken out together."""
    last = "(SELECT max(idx) FROM ledger_entries WHERE log = 1)"
    by_sql(f"DELETE FROM ledger_entries WHERE log = 1 AND idx = {last}")(home)


ONE = "WHERE seq = 7"
FIRST_KEY = "SELECT wrapped FROM data_keys WHERE message_pk = (SELECT pk FROM messages WHERE seq = 7)"
MINE = "(SELECT pk FROM messages WHERE seq = 7)"

CASES: dict[str, tuple[Damage, Expected]] = {
    "pack: a message": (lambda home: flip(pack_of(home), 5_000), {"kind": "seal_broken"}),
    "pack: a frame": (lambda home: flip(pack_of(home), 17), {"kind": "store_damaged"}),
    "pack: its first bytes": (lambda home: flip(pack_of(home), 3), {"kind": "pack", "where": "pack p"}),
    "pack: a report": (flip_report, {"kind": "seal_broken", "where": "r"}),
    "pack: cut": (lambda home: cut(pack_of(home), 1), {"kind": "cut_tail", "where": "pack p"}),
    "pack: gone": (lambda home: pack_of(home).unlink(), {"kind": "pack", "where": "pack p"}),
    "records: a sealed description": (
        in_database(f"SELECT sealed_meta FROM messages {ONE}"),
        {"kind": "changed_row", "where": "captures/7"},
    ),
    "records: a delivery": (
        in_database(f"SELECT sealed_detail FROM deliveries {ONE}"),
        {"kind": "changed_row", "where": "captures/7"},
    ),
    "records: a SHA-256": (
        in_database(f"SELECT blob_sha256 FROM messages {ONE}"),
        {"kind": "changed_row", "where": "captures/7"},
    ),
    "records: a data key": (in_database(FIRST_KEY), {"kind": "seal_broken", "where": "m"}),
    "records: an epoch key": (
        in_database("SELECT wrapped FROM wrapped_keys WHERE kind = 'epoch'"),
        {"kind": "key_unavailable", "where": "m"},
    ),
    "records: a capture": (
        in_database("SELECT leaf FROM ledger_entries WHERE log = 1 AND idx = 7"),
        {"kind": "ledger_entry", "where": "captures"},
    ),
    "records: an audit entry": (
        in_database("SELECT leaf FROM ledger_entries WHERE log = 2 AND idx = 7"),
        {"kind": "ledger_entry", "where": "audit"},
    ),
    "records: an audit detail": (
        in_database("SELECT sealed FROM audit_details WHERE idx = 7"),
        {"kind": "seal_broken", "where": "audit/7"},
    ),
    "records: an audit salt": (
        in_database("SELECT salt FROM audit_details WHERE idx = 7"),
        {"kind": "changed_row", "where": "audit/7"},
    ),
    "records: a log's state": (
        in_database("SELECT frontier FROM ledger_state WHERE log = 1"),
        {"kind": "ledger_entry", "where": "captures"},
    ),
    "records: the audit log's state": (
        by_sql("UPDATE ledger_state SET size = size - 1 WHERE log = 2"),
        {"kind": "ledger_state", "where": "audit"},
    ),
    "records: a token": (
        in_database("SELECT token FROM borne_tokens WHERE field = 1 AND seq = 7"),
        {"kind": "tokens", "where": "m"},
    ),
    "records: a token gone": (
        by_sql("DELETE FROM borne_tokens WHERE field = 1 AND seq = 7"),
        {"kind": "tokens", "where": "m"},
    ),
    "records: a filed token gone": (
        by_sql(f"DELETE FROM message_tokens WHERE field = 1 AND message_pk = {MINE}"),
        {"kind": "tokens", "where": "m"},
    ),
    "records: a filed token changed": (
        by_sql(f"UPDATE message_tokens SET token = x'00' || token WHERE message_pk = {MINE}"),
        {"kind": "tokens", "where": "m"},
    ),
    "records: said to be filed, and isn't": (
        by_sql("DELETE FROM message_tokens", "UPDATE filed_tokens SET until = 8"),
        {"kind": "tokens", "where": "m"},
    ),
    "records: a size": (
        by_sql(f"UPDATE messages SET size = size + 1 {ONE}"),
        {"kind": "changed_row", "where": "captures/7"},
    ),
    "records: a capture time": (
        by_sql(f"UPDATE messages SET captured_us = captured_us - 1 {ONE}"),
        {"kind": "changed_row", "where": "captures/7"},
    ),
    "records: an anchor": (
        by_sql(f"UPDATE messages SET anchor = '2001-01-01' {ONE}"),
        {"kind": "changed_row", "where": "captures/7"},
    ),
    "records: a delivery's time": (
        by_sql(f"UPDATE deliveries SET at_us = at_us + 1 {ONE}"),
        {"kind": "changed_row", "where": "captures/7"},
    ),
    "records: a delivery moved": (
        by_sql(f"UPDATE deliveries SET message_pk = (SELECT pk FROM messages WHERE seq = 8) {ONE}"),
        {"kind": "changed_row", "where": "captures/7"},
    ),
    "records: a report": (
        by_sql("UPDATE reports SET size = size + 1"),
        {"kind": "changed_row", "where": "captures/300"},
    ),
    "records: a place in the pack": (
        by_sql(f"UPDATE messages SET pack_offset = pack_offset + 1 {ONE}"),
        {"kind": "store_damaged", "where": "m"},
    ),
    "records: a message removed": (
        by_sql(f"DELETE FROM messages {ONE}"),
        {"kind": "missing_row", "where": "captures/7"},
    ),
    "records: a message added": (
        by_sql(
            "INSERT INTO messages (pk, id, seq, sha256, size, captured_us, sent_us, anchor, anchor_basis,"
            " parse_failed, unsearchable_parts, sealed_meta, pack_id, pack_offset, pack_length, blob_sha256)"
            " SELECT pk + 1, 'mforged', 90000, x'00', size, captured_us, sent_us, anchor, anchor_basis,"
            " parse_failed, unsearchable_parts, sealed_meta, pack_id, pack_offset, pack_length, blob_sha256"
            f" FROM messages {ONE}"
        ),
        {"kind": "extra_row", "where": "messages"},
    ),
    "records: a key removed": (
        by_sql(f"DELETE FROM data_keys WHERE message_pk = {MINE}"),
        {"kind": "key", "where": "m"},
    ),
    "records: destroyed behind the log's back": (
        by_sql(
            f"DELETE FROM data_keys WHERE message_pk = {MINE}",
            f"UPDATE messages SET disposed_us = 1, sealed_meta = NULL {ONE}",
            f"UPDATE deliveries SET sealed_detail = NULL {ONE}",
        ),
        {"kind": "changed_row", "where": "m"},
    ),
    "records: a counter": (
        by_sql("UPDATE sources SET stored = stored + 1, received = received + 1 WHERE kind = 'import'"),
        {"kind": "reconciliation"},
    ),
    "records: the log's tail cut": (cut_records_tail, {"kind": "ledger_entry", "where": "captures"}),
    "ledger: a full tile": (in_file("ledger/captures/tile/0/000", 99), {"kind": "tile", "where": "captures"}),
    "ledger: a partial tile": (
        in_file("ledger/audit/tile/0/001.p/*", 5),
        {"kind": "tile", "where": "audit"},
    ),
    "ledger: an upper tile": (
        in_file("ledger/captures/tile/1/000.p/*", 5),
        {"kind": "tile", "where": "captures"},
    ),
    "ledger: a bundle of entries": (
        in_file("ledger/captures/tile/entries/000", 1_000),
        {"kind": "tile", "where": "captures"},
    ),
    "ledger: a bundle cut": (cut_entries, {"kind": "tile", "where": "captures"}),
    "ledger: a checkpoint": (
        in_file("ledger/captures/checkpoint", 90),
        {"kind": "checkpoint", "where": "captures"},
    ),
    "ledger: a checkpoint gone": (
        lambda home: (home.home / "ledger/audit/checkpoint").unlink(),
        {"kind": "checkpoint", "where": "audit"},
    ),
    "index: a page": (in_file("index/index.db", 60_000), {"kind": "index"}),
    "index: its tail": (lambda home: cut(home.home / "index/index.db", 8192), {"kind": "index"}),
}


@pytest.mark.parametrize("case", CASES)
def test_named_by_verify(copy: Home, case: str) -> None:
    damage, expected = CASES[case]
    damage(copy)
    faults = copy.verify()
    assert any(
        fault["kind"] == expected["kind"] and fault["where"].startswith(expected.get("where", ""))
        for fault in faults
    ), faults


def test_a_malformed_database(copy: Home) -> None:
    """Whole pages overwritten: the command ends with 1 and says so, whatever is still readable."""
    database = copy.home / "records.db"
    for page in range(3, database.stat().st_size // 4096, 2):
        with database.open("r+b") as file:
            file.seek(page * 4096)
            file.write(b"\xa5" * 512)
    ran = copy.run("verify", "--full", "--json")
    assert ran.code == 1
    assert b"database" in ran.out + ran.err
    assert b"Traceback" not in ran.err


def test_every_bit_of_the_key_file_counts(copy: Home) -> None:
    text = copy.key_file.read_bytes()
    begin = text.index(b"\nkey ") + 5
    for at in (begin, begin + 40, text.index(b"\ncheck ") + 7):
        flip(copy.key_file, at)
        ran = copy.run("verify", "--full", "--json")
        assert ran.code == 75
        assert b"root key" in ran.err
        assert ran.out == b""
        copy.key_file.write_bytes(text)
    assert copy.verify() == []


@pytest.mark.parametrize("how", ["flipped", "cut"])
def test_a_write_ahead_log(golden: Home, tmp_path: Path, how: str) -> None:
    """What a crash left in the log of the database is lost with one bit of it: the checkpoint tells."""
    live = Home(tmp_path / "live")
    shutil.copytree(golden.base, live.base, dirs_exist_ok=True)
    crashed = Home(tmp_path / "crashed")
    with live.app() as app:
        source = app.vault.sources.by_name("desk")
        assert source is not None
        store(app, [Arrival(numbered(n, stream="late"), source.id) for n in range(20)])
        app.publish()
        shutil.copytree(live.base, crashed.base, dirs_exist_ok=True)
    log = crashed.home / "records.db-wal"
    whole = log.read_bytes()
    assert crashed.verify() == []

    (crashed.home / "records.db").write_bytes((golden.home / "records.db").read_bytes())
    log.write_bytes(whole)
    (crashed.home / "records.db-shm").unlink(missing_ok=True)
    if how == "flipped":
        flip(log, 200)
    else:
        cut(log, len(whole) - 32)
    faults = crashed.verify()
    assert {"kind": "cut_tail", "where": "captures"}.items() <= {
        name: fault[name] for fault in faults if fault["where"] == "captures" for name in ("kind", "where")
    }.items(), faults
