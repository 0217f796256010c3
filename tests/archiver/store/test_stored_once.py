"""What messages share is stored once, comes back to the byte, and lives as long as one of them needs it."""

from __future__ import annotations

import base64
import random
import sqlite3
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import select, text

from archiver.capture.ports import Arrival
from archiver.commit import GroupCommitter
from archiver.errors import DestructionRefused, KeyDestroyed, KeyUnavailable, StoreError
from archiver.seal.root import FileRootKey, open_root_key
from archiver.seal.rotation import change_root_key
from archiver.store import dialect
from archiver.store.keystore import RecordsKeyStore
from archiver.store.schema import SKELETON, messages, part_keys, part_refs, parts, reports
from archiver.vault import Vault, open_vault
from tests.support import disposing
from tests.support.shared_parts import LETTER, SCAN, count, destroy, faults, mail, pack_bytes, report, store


@pytest.fixture
def source(vault: Vault) -> str:
    return vault.sources.add("import", "desk").id


# --- once -------------------------------------------------------------------------------------------


def test_a_file_in_many_messages_is_one_blob(vault: Vault, source: str) -> None:
    raws = [mail(f"number {n}", SCAN) for n in range(8)]
    raws.append(mail("other lines", SCAN, line=60, eol=b"\n"))
    raws.append(mail("twice in one", SCAN, LETTER, SCAN))
    done = store(vault, raws[:5], source) + store(vault, raws[5:], source)
    assert [vault.archive.scan(one.pk).raw for one in done] == raws
    assert [b"".join(vault.archive.scan(one.pk).chunks()) for one in done] == raws
    assert count(vault, parts) == 2
    assert count(vault, part_refs) == 11
    assert pack_bytes(vault) < 2 * len(SCAN)
    assert faults(vault) == []


def test_parts_open_after_keys_were_rotated(vault: Vault, source: str) -> None:
    """A new epoch takes new parts, the old ones stay readable; so they do under another root key."""
    old = mail("old", SCAN)
    store(vault, [old], source)
    epoch = vault.keyring.start_epoch()
    new = mail("new", SCAN, LETTER)
    store(vault, [new], source)
    with vault.records.read() as connection:
        epochs = list(connection.scalars(select(part_keys.c.epoch_id)))
    assert epochs.count(epoch) == 1
    assert len(epochs) == 2
    reference = vault.settings.root_key
    next_key = vault.settings.home.parent / "keys" / "next.key"
    changed = change_root_key(
        RecordsKeyStore(vault.records, vault.clock),
        vault.archive_id,
        open_root_key(reference, vault.settings.home),
        FileRootKey.create(next_key),
    )
    assert changed >= len(set(epochs))
    with pytest.raises(KeyUnavailable):
        open_vault(vault.settings)
    again = open_vault(vault.settings.model_copy(update={"root_key": f"file:{next_key}"}))
    try:
        with again.records.read() as connection:
            pks = list(connection.scalars(select(messages.c.pk).order_by(messages.c.pk)))
        assert sorted(again.archive.scan(pk).raw for pk in pks) == sorted([old, new])
        assert faults(again) == []
    finally:
        again.close()


def test_a_report_is_stored_as_what_stands_around_its_message(vault: Vault, source: str) -> None:
    original = mail("journalled", SCAN)
    raws = [report(original, f"r{n}@law.example") for n in range(3)]
    done = store(vault, raws[:1], source, reports=True) + store(vault, raws[1:], source, reports=True)
    assert {one.pk for one in done} == {done[0].pk}
    opened = vault.archive.scan(done[0].pk)
    assert opened.raw == original
    kept = [vault.archive.scan_report(str(d.report_id)).raw for d in opened.record.deliveries]
    assert kept == raws
    assert count(vault, reports, reports.c.form == SKELETON) == 3
    assert count(vault, parts) == 1
    assert pack_bytes(vault) < 1.2 * len(SCAN) + 8_000
    assert faults(vault) == []


def test_a_report_with_an_encoded_message_shares_its_parts(vault: Vault, source: str) -> None:
    original = mail("encoded", SCAN)
    coded = base64.encodebytes(original).replace(b"\n", b"\r\n").rstrip()
    raw = report(b"@@").replace(
        b"message/rfc822\r\n\r\n@@", b"message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n" + coded
    )
    (done,) = store(vault, [raw], source, reports=True)
    opened = vault.archive.scan(done.pk)
    assert opened.raw == original
    (delivery,) = opened.record.deliveries
    assert vault.archive.scan_report(str(delivery.report_id)).raw == raw
    assert faults(vault) == []


def test_equal_messages_in_a_batch_are_written_once(vault: Vault, source: str) -> None:
    raw = b"Subject: x\r\n\r\n" + random.Random(1).randbytes(5_000).hex().encode()
    done = store(vault, [raw, raw, raw], source)
    assert [one.receipt.outcome for one in done] == ["stored", "duplicate", "duplicate"]
    assert pack_bytes(vault) < len(raw)
    assert faults(vault) == []


@pytest.mark.parametrize("size", [0, 4_095, 4_096])
def test_only_what_is_worth_it_is_kept_apart(vault: Vault, source: str, size: int) -> None:
    (done,) = store(vault, [mail("m", SCAN[:size])], source)
    assert vault.archive.scan(done.pk).raw == mail("m", SCAN[:size])
    assert count(vault, parts) == (1 if size >= 4_096 else 0)


def test_damaged_base64_is_kept_as_it_stands(vault: Vault, source: str) -> None:
    good = mail("d", SCAN)
    raws = [
        good.replace(b"\r\n\r\n--sep--", b"\r\nfooter of a list\r\n--sep--"),
        good[:-2_000],
        good + b"\r\ntail",
    ]
    done = store(vault, raws, source)
    assert [vault.archive.scan(one.pk).raw for one in done] == raws
    assert faults(vault) == []


# --- ends -------------------------------------------------------------------------------------------


def test_the_last_message_takes_the_part_with_it(vault: Vault, source: str) -> None:
    one, two = store(vault, [mail("one", SCAN, LETTER), mail("two", SCAN)], source)
    ended = destroy(vault, one.pk)
    assert (ended.parts, ended.kept) == (1, 1)
    assert vault.archive.scan(two.pk).raw == mail("two", SCAN)
    assert count(vault, part_keys) == 1
    assert faults(vault) == []
    ended = destroy(vault, two.pk)
    assert (ended.parts, ended.kept) == (1, 0)
    assert count(vault, part_keys) == count(vault, part_refs) == 0
    assert count(vault, parts, parts.c.destroyed_us.is_(None)) == 0
    assert faults(vault) == []
    (again,) = store(vault, [mail("three", SCAN)], source)
    assert vault.archive.scan(again.pk).raw == mail("three", SCAN)
    assert faults(vault) == []


def test_a_part_that_ends_while_a_commit_is_under_way_is_written_anew(
    vault: Vault, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (old,) = store(vault, [mail("old", SCAN)], source)
    real = GroupCommitter._write_blobs

    def and_then_it_ends(self: GroupCommitter, *args: Any) -> Any:
        places = real(self, *args)
        destroy(vault, old.pk)
        return places

    monkeypatch.setattr(GroupCommitter, "_write_blobs", and_then_it_ends)
    (new,) = store(vault, [mail("new", SCAN)], source)
    monkeypatch.undo()
    assert vault.archive.scan(new.pk).raw == mail("new", SCAN)
    with pytest.raises(KeyDestroyed):
        vault.archive.scan(old.pk)
    assert count(vault, parts) == 2
    assert faults(vault) == []


def test_another_process_may_be_first_with_a_part(vault: Vault, source: str) -> None:
    prepared = [vault.preparer.prepare(Arrival(mail(s, SCAN), source)) for s in ("mine", "theirs")]
    other = open_vault(vault.settings)
    real = GroupCommitter._write_blobs

    def and_then_they_commit(self: GroupCommitter, *args: Any) -> Any:
        places = real(self, *args)
        if self is vault.archive._committer:
            other.archive.commit(prepared[1:])
        return places

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GroupCommitter, "_write_blobs", and_then_they_commit)
        (done,) = vault.archive.commit(prepared[:1])
    other.close()
    assert vault.archive.scan(done.pk).raw == mail("mine", SCAN)
    assert count(vault, parts) == 1
    assert faults(vault) == []


def test_a_failed_disposal_leaves_every_key(vault: Vault, source: str) -> None:
    (done,) = store(vault, [mail("m", SCAN)], source)
    with pytest.raises(DestructionRefused), vault.records.write(dialect.LOCK_ARCHIVE) as connection:
        vault.archive.destroy(connection, done.pk, disposing.approved(connection, [done.pk]))
    assert vault.archive.scan(done.pk).raw == mail("m", SCAN)
    assert faults(vault) == []


# --- guards -----------------------------------------------------------------------------------------

ATTACKS = (
    "DELETE FROM keys.part_keys",
    "UPDATE keys.part_keys SET wrapped = wrapped",
    "UPDATE keys.part_keys SET part_id = 'a'",
    "DELETE FROM part_refs",
    "UPDATE part_refs SET part_id = part_id",
    "UPDATE part_refs SET message_pk = message_pk + 1",
    "DELETE FROM parts",
    "UPDATE parts SET token = token",
    "UPDATE parts SET blob_sha256 = blob_sha256",
    "UPDATE parts SET destroyed_us = 1",
)


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_sql_takes_a_part_from_a_living_message(vault: Vault, source: str, attack: str) -> None:
    one, two = store(vault, [mail("one", SCAN), mail("two", SCAN)], source)
    destroy(vault, one.pk)
    if vault.records.dialect == "sqlite":
        attack = attack.replace("keys.", "")
    with pytest.raises(DestructionRefused), vault.records.write() as connection:
        connection.execute(text(attack))
    assert vault.archive.scan(two.pk).raw == mail("two", SCAN)


def test_no_message_refers_to_a_part_without_a_key(vault: Vault, source: str) -> None:
    one, two = store(vault, [mail("one", SCAN), mail("two", LETTER)], source)
    destroy(vault, one.pk)
    with vault.records.read() as connection:
        ended = connection.scalar(select(parts.c.id).where(parts.c.destroyed_us.is_not(None)))
    with pytest.raises(DestructionRefused), vault.records.write() as connection:
        connection.execute(part_refs.insert().values(message_pk=two.pk, part_id=ended, seq=1))


def test_truncation_and_replacement_are_refused(vault: Vault, source: str) -> None:
    (done,) = store(vault, [mail("one", SCAN)], source)
    if vault.records.dialect == "postgresql":
        attacks = ["TRUNCATE keys.part_keys", "TRUNCATE part_refs", "TRUNCATE parts CASCADE"]
    else:
        attacks = [
            "INSERT OR REPLACE INTO part_keys SELECT part_id, epoch_id, x'00' FROM part_keys",
            "INSERT OR REPLACE INTO part_refs SELECT message_pk, part_id, 99 FROM part_refs",
            "INSERT OR REPLACE INTO parts SELECT * FROM parts",
        ]
    for attack in attacks:
        with pytest.raises(DestructionRefused), vault.records.write() as connection:
            connection.execute(text(attack))
    assert vault.archive.scan(done.pk).raw == mail("one", SCAN)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # only it has REPLACE
def test_the_database_s_own_shell_replaces_no_part_by_its_content(vault: Vault, source: str) -> None:
    path = vault.records.sqlite_path
    assert path is not None
    store(vault, [mail("one", SCAN)], source)
    with closing(sqlite3.connect(path)) as shell:
        columns = [row[1] for row in shell.execute("PRAGMA table_info(parts)")]
        values = ", ".join("'another'" if column == "id" else column for column in columns)
        with pytest.raises(sqlite3.IntegrityError, match="holdfast refuses"):
            shell.execute(f"INSERT OR REPLACE INTO parts SELECT {values} FROM parts")


# --- faults named -----------------------------------------------------------------------------------


def unguarded(vault: Vault, *statements: str) -> None:
    """Change the database behind the guards' back, as somebody with its file can."""
    assert vault.records.sqlite_path is not None
    with sqlite3.connect(vault.records.sqlite_path) as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f'DROP TRIGGER "{name}"')
        for statement in statements:
            assert database.execute(statement).rowcount > 0
    database.close()


TAMPERED = {
    "a part's row removed": (("DELETE FROM parts WHERE size = 9000",), {"missing_part", "changed_part"}),
    "a part's key removed": (("DELETE FROM part_keys",), {"key", "store_damaged"}),
    "a reference removed": (
        ("DELETE FROM part_refs WHERE seq = 0",),
        {"changed_part", "store_damaged"},
    ),
    "a reference added": (
        ("INSERT INTO part_refs SELECT r.message_pk, p.id, 1 FROM part_refs r, parts p "
         "WHERE r.seq = 1 AND p.size = 9000",),
        {"changed_part", "part_reference"},
    ),
    "a part's hash changed": (("UPDATE parts SET blob_sha256 = x'00'",), {"changed_part"}),
    "a part's token changed": (
        ("UPDATE parts SET token = randomblob(32) WHERE size = 9000",),
        {"changed_part", "store_damaged"},
    ),
    "a form changed": (("UPDATE messages SET form = 0 WHERE seq = 0",), {"seal_broken"}),
    "parts exchanged": (
        (
            "UPDATE part_refs SET seq = 5 WHERE part_id = (SELECT id FROM parts WHERE size = 9000)",
        ),
        {"changed_part"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("damage", TAMPERED)
def test_a_changed_part_is_named(vault: Vault, source: str, damage: str) -> None:
    store(vault, [mail("one", SCAN, LETTER)], source)
    store(vault, [mail("two", SCAN)], source)
    assert faults(vault) == []
    statements, kinds = TAMPERED[damage]
    unguarded(vault, *statements)
    assert kinds <= {fault.kind for fault in faults(vault)}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_flipped_bit_in_a_part_is_named(vault: Vault, source: str) -> None:
    store(vault, [mail("one", SCAN)], source)
    with vault.records.read() as connection:
        row = connection.execute(select(parts)).one()
    path = vault.packs.path(row.pack_id)
    data = bytearray(path.read_bytes())
    data[row.pack_offset + 5_000] ^= 1
    path.write_bytes(data)
    found = {(fault.kind, fault.where) for fault in faults(vault)}
    assert ("seal_broken", row.id) in found
    assert len(found) == 2


def test_a_full_disk_acknowledges_nothing(vault: Vault, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store(vault, [mail("before", SCAN)], source)
    with monkeypatch.context() as patch:
        patch.setattr("archiver.store.packs.os.fsync", _full)
        with pytest.raises(StoreError):
            store(vault, [mail("lost", LETTER)], source)
    assert count(vault, parts) == 1
    (done,) = store(vault, [mail("lost", LETTER)], source)
    assert vault.archive.scan(done.pk).raw == mail("lost", LETTER)
    assert faults(vault) == []


def _full(_descriptor: int) -> None:
    raise OSError(28, "No space left on device")
