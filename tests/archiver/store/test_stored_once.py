"""What messages share is stored once, comes back to the byte, and lives as long as one of them needs it."""

from __future__ import annotations

import base64
import random
import sqlite3
from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sqlalchemy import func, select, text, update

from archiver.archive import Destroyed
from archiver.capture.ports import Arrival
from archiver.commit import Committed, GroupCommitter
from archiver.errors import DestructionRefused, KeyDestroyed, StoreError
from archiver.store import dialect
from archiver.store.schema import SKELETON, data_keys, messages, part_keys, part_refs, parts, reports
from archiver.vault import Vault, create, open_vault
from archiver.verify import Scrubber
from config.settings import load

SCAN = random.Random(7).randbytes(30_000)
LETTER = random.Random(8).randbytes(9_000)


def mail(subject: str, *attached: bytes, line: int = 76, eol: bytes = b"\r\n") -> bytes:
    lines = [
        b"From: lee@clinic.example",
        b"To: nurse@clinic.example",
        b"Subject: " + subject.encode(),
        b"Date: Tue, 03 Feb 2026 10:00:00 +0000",
        b"MIME-Version: 1.0",
        b'Content-Type: multipart/mixed; boundary="sep"',
        b"",
        b"--sep",
        b"Content-Type: text/plain",
        b"",
        b"see the attached file",
    ]
    for number, data in enumerate(attached):
        letters = base64.b64encode(data)
        lines += [
            b"--sep",
            b"Content-Type: application/octet-stream; name=file%d.bin" % number,
            b"Content-Transfer-Encoding: base64",
            b"",
            *(letters[at : at + line] for at in range(0, len(letters), line)),
            b"",
        ]
    return eol.join([*lines, b"--sep--", b""])


def report(original: bytes, recipient: str = "x@law.example") -> bytes:
    return (
        b"From: <>\r\nX-MS-Journal-Report:\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/mixed; boundary="b1"\r\n\r\n--b1\r\nContent-Type: text/plain\r\n\r\n'
        b"Sender: lee@clinic.example\r\nSubject: x\r\nMessage-Id: <m1@clinic.example>\r\n"
        + f"Bcc: {recipient}\r\n\r\n--b1\r\nContent-Type: message/rfc822\r\n\r\n".encode()
        + original
        + b"\r\n--b1--\r\n"
    )


def store(vault: Vault, raws: Sequence[bytes], source: str, **more: Any) -> list[Committed]:
    return vault.archive.commit(
        [vault.preparer.prepare(Arrival(raw=raw, source_id=source, **more)) for raw in raws]
    )


def destroy(vault: Vault, pk: int) -> Destroyed:
    with vault.records.write(dialect.LOCK_ARCHIVE) as connection:
        due = date(2000, 1, 1)
        connection.execute(update(messages).where(messages.c.pk == pk).values(disposal_date=due))
        return vault.archive.destroy(connection, pk, "d1")


def count(vault: Vault, table: Any, *where: Any) -> int:
    with vault.records.read() as connection:
        return int(connection.scalar(select(func.count()).select_from(table).where(*where)) or 0)


def pack_bytes(vault: Vault) -> int:
    return sum(path.stat().st_size for path in vault.packs.directory.iterdir())


def faults(vault: Vault) -> list[Any]:
    return list(Scrubber(vault, full=True).run())


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
        vault.archive.destroy(connection, done.pk, "d1")
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


# --- the store as a model ---------------------------------------------------------------------------

FILES = [random.Random(n).randbytes(5_000 + n) for n in range(4)]


class Shared(RuleBasedStateMachine):
    """Any order of arrivals and disposals: what lives opens to the byte, what ended has no key."""

    def __init__(self) -> None:
        super().__init__()
        import tempfile
        from pathlib import Path

        self.folder = tempfile.TemporaryDirectory()
        base = Path(self.folder.name)
        settings = load(
            {
                "home": base / "home",
                "database_url": f"sqlite:///{base / 'home' / 'records.db'}",
                "root_key": f"file:{base / 'keys' / 'root.key'}",
            },
            environ={},
        )
        create(settings)
        self.vault = open_vault(settings)
        self.source = self.vault.sources.add("import", "desk").id
        self.alive: dict[int, bytes] = {}
        self.reports: dict[int, set[bytes]] = {}

    batches = st.lists(
        st.tuples(st.integers(0, 5), st.sets(st.sampled_from(range(4)), max_size=3), st.booleans()),
        min_size=1,
        max_size=4,
    )

    @rule(batch=batches)
    def arrive(self, batch: list[tuple[int, set[int], bool]]) -> None:
        raws, arrivals = [], []
        for subject, files, journalled in batch:
            raw = mail(str(subject), *(FILES[n] for n in sorted(files)))
            raws.append(raw)
            outer = report(raw, f"{len(self.alive)}@x.example") if journalled else raw
            arrivals.append(Arrival(outer, self.source, reports=journalled))
        done = self.vault.archive.commit([self.vault.preparer.prepare(a) for a in arrivals])
        for raw, arrival, one in zip(raws, arrivals, done, strict=True):
            self.alive[one.pk] = raw
            if arrival.reports:
                assert isinstance(arrival.raw, bytes)
                self.reports.setdefault(one.pk, set()).add(arrival.raw)

    @rule(number=st.integers(0, 50))
    def dispose(self, number: int) -> None:
        if self.alive:
            pk = sorted(self.alive)[number % len(self.alive)]
            destroy(self.vault, pk)
            del self.alive[pk]
            self.reports.pop(pk, None)

    @invariant()
    def what_lives_opens_and_nothing_else_has_a_key(self) -> None:
        used = set()
        for pk, raw in self.alive.items():
            opened = self.vault.archive.scan(pk)
            assert opened.raw == raw
            ids = {d.report_id for d in opened.record.deliveries if d.report_id}
            assert {self.vault.archive.scan_report(i).raw for i in ids} == self.reports.get(pk, set())
            used |= {n for n, data in enumerate(FILES) if base64.b64encode(data)[:60] in raw}
        assert count(self.vault, part_keys) == len(used)
        assert count(self.vault, data_keys) == len(self.alive)

    def teardown(self) -> None:
        assert faults(self.vault) == []
        self.vault.close()
        self.folder.cleanup()


TestShared = Shared.TestCase
TestShared.settings = hypothesis_settings(
    max_examples=8, stateful_step_count=10, deadline=None, suppress_health_check=list(HealthCheck)
)


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
