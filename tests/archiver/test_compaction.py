"""Compaction: what was disposed of leaves the packs, what lives stays readable, whenever it is killed."""

from __future__ import annotations

import fcntl
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text

from archiver import compaction
from archiver.compaction import Compactor
from archiver.errors import DamagedStore, DestructionRefused, StoreError
from archiver.ledger import canonical, log
from archiver.store import places
from archiver.store.packs import MAGIC, PackTail, PackWriter, Place
from archiver.store.schema import messages, packs, parts, reports
from archiver.vault import Vault, open_vault
from config.settings import Settings
from tests.support.dying import DIED, run
from tests.support.shared_parts import SCAN, destroy, faults, mail, report, store


@pytest.fixture
def source(vault: Vault) -> str:
    return vault.sources.add("import", "desk").id


def noise(number: int, size: int = 3_000) -> bytes:
    """A message that doesn't compress, unlike every other."""
    letters = random.Random(number).randbytes(size).hex()
    return mail(f"number {number} {letters}")


def fill(vault: Vault, source: str, first: int = 0) -> dict[int, bytes]:
    """Mail of every form: plain, with shared and own parts, journalled, large; by row key."""
    own = [random.Random(100 + first + n) for n in range(4)]
    raws = [noise(first + n) for n in range(12)]
    raws += [mail(f"scan {first + n}", SCAN, own[n].randbytes(9_000)) for n in range(4)]
    raws += [report(mail(f"journalled {first + n}", SCAN), f"r{n}@law.example") for n in range(3)]
    raws.append(mail(f"large {first}", own[0].randbytes(3 * 2**20)))
    done = store(vault, raws, source, reports=True)
    return {one.pk: vault.archive.scan(one.pk).raw for one in done}


def dispose(vault: Vault, pks: list[int]) -> list[bytes]:
    """Destroy messages; stretches of their sealed bytes, as they lie in the packs."""
    found = []
    with vault.records.read() as connection:
        rows = connection.execute(select(messages).where(messages.c.pk.in_(pks))).all()
    for row in rows:
        blob = vault.packs.read(Place(row.pack_id, row.pack_offset, row.pack_length), row.id)
        found.append(blob[60:100])
    for pk in pks:
        destroy(vault, pk)
    return found


def on_disk(vault: Vault, needle: bytes) -> list[str]:
    files = (p for p in vault.settings.home.rglob("*") if p.is_file())
    return [path.name for path in files if needle in path.read_bytes()]


def all_read(vault: Vault, kept: dict[int, bytes]) -> None:
    for pk, raw in kept.items():
        assert vault.archive.scan(pk).raw == raw
    for name in report_ids(vault, list(kept)):
        assert b"X-MS-Journal-Report" in vault.archive.scan_report(name).raw


def report_ids(vault: Vault, pks: list[int]) -> list[str]:
    with vault.records.read() as connection:
        return list(connection.scalars(select(reports.c.id).where(reports.c.message_pk.in_(pks))))


def known_packs(vault: Vault) -> set[str]:
    with vault.records.read() as connection:
        return set(connection.scalars(select(packs.c.id)))


def files(vault: Vault) -> set[str]:
    return {path.stem for path in vault.packs.directory.glob("*.pack")}


# --- what it does ---------------------------------------------------------------------------------


def test_what_was_disposed_of_leaves_the_disk(vault: Vault, source: str) -> None:
    raws = fill(vault, source)
    reported = report_ids(vault, list(raws))
    gone = [pk for number, pk in enumerate(raws) if number % 2]
    needles = dispose(vault, gone)
    kept = {pk: raw for pk, raw in raws.items() if pk not in gone}
    assert all(on_disk(vault, needle) for needle in needles)
    before = known_packs(vault)
    size = sum(p.stat().st_size for p in vault.packs.directory.iterdir())

    done = Compactor(vault).run(20)
    assert (done.packs, done.busy, done.damaged) == (len(before), 0, [])
    assert not [name for needle in needles for name in on_disk(vault, needle)]
    after = sum(p.stat().st_size for p in vault.packs.directory.iterdir())
    assert size - after == pytest.approx(done.freed, abs=100)
    assert done.freed > 15_000
    assert not known_packs(vault) & before
    assert known_packs(vault) == files(vault)
    all_read(vault, kept)
    assert faults(vault) == []
    assert len(report_ids(vault, list(kept))) < len(reported)
    assert all(share.percent < 1 for share in Compactor(vault).shares())
    # Nothing left to do; and mail goes on coming in.
    assert Compactor(vault).run(20).packs == 0
    (one,) = store(vault, [noise(999)], source)
    assert vault.archive.scan(one.pk).raw == noise(999)
    assert faults(vault) == []


def test_blobs_are_copied_to_the_byte(vault: Vault, source: str) -> None:
    raws = fill(vault, source)

    def blobs() -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        with vault.records.read() as connection:
            for table in (messages, reports, parts):
                for row in connection.execute(select(table)):
                    if not getattr(row, "disposed_us", None):
                        place = Place(row.pack_id, row.pack_offset, row.pack_length)
                        found[row.id] = vault.packs.read(place, row.id)
        return found

    before = blobs()
    dispose(vault, [next(iter(raws))])
    Compactor(vault).run(0)
    after = blobs()
    assert after == {name: blob for name, blob in before.items() if name in after}
    assert len(after) == len(before) - 1


def test_a_pack_under_the_bound_is_left_alone(vault: Vault, source: str) -> None:
    raws = fill(vault, source)
    before = files(vault)
    dispose(vault, [next(iter(raws))])
    (share,) = [share for share in Compactor(vault).shares() if share.dead]
    assert 0 < share.percent < 5
    assert Compactor(vault).run(20).packs == 0
    assert files(vault) == before
    assert Compactor(vault).run(int(share.percent)).packs == 1


def test_a_pack_without_living_blobs_just_goes(vault: Vault, source: str) -> None:
    raws = fill(vault, source)
    dispose(vault, list(raws))
    vault.archive.give_up_packs(files(vault))
    for pack_id in files(vault):
        with vault.packs.path(pack_id).open("ab") as file:
            file.write(b"HFbl" + b"\xff" * 40)  # a damaged header: no file is so long
    done = Compactor(vault).run(20)
    assert (done.packs, done.moved) == (1, 0)
    assert files(vault) == known_packs(vault) == set()
    assert faults(vault) == []


def test_another_process_keeps_the_pack_it_writes_to(vault: Vault, source: str) -> None:
    raws = fill(vault, source)
    dispose(vault, list(raws)[:10])
    vault.archive.close()
    (pack,) = files(vault)
    held = vault.packs.take(pack)
    assert held is not None
    assert vault.packs.take(pack) is None
    done = Compactor(vault).run(0)
    assert (done.packs, done.busy) == (0, 1)
    os.close(held)
    assert Compactor(vault).run(0).packs == 1
    assert faults(vault) == []


def test_progress_and_a_bounded_rate(vault: Vault, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    raws = fill(vault, source)
    dispose(vault, list(raws)[:8])
    slept: list[float] = []
    monkeypatch.setattr("archiver.compaction.time.sleep", slept.append)
    monkeypatch.setattr(compaction, "SLICE", 3)
    told: list[tuple[int, int]] = []
    Compactor(vault).run(0, 2**20, lambda done, total: told.append((done, total)))
    assert sum(slept) > 5
    assert max(slept) <= compaction.REST
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1][0] == told[-1][1]
    assert len(told) > 4


# --- readers --------------------------------------------------------------------------------------


def test_who_reads_meanwhile_goes_on(vault: Vault, source: str) -> None:
    raws = fill(vault, source)
    big = random.Random(9).randbytes(12 * 2**20)
    (large,) = store(vault, [b"Subject: large\r\n\r\n" + big.hex().encode()], source)
    gone = list(raws)[:6]
    opened = vault.archive.scan(large.pk)
    reading = opened.chunks()
    first = next(reading)
    with vault.records.read() as connection:
        rows = connection.execute(select(messages).where(messages.c.pk.not_in(gone))).all()
    dispose(vault, gone)
    assert Compactor(vault).run(0).packs == 1
    # One that is in the middle of it, one that knew an old place, and one that never existed.
    assert first + b"".join(reading) == b"Subject: large\r\n\r\n" + big.hex().encode()
    for row in rows:
        assert vault.packs.read(Place(row.pack_id, row.pack_offset, row.pack_length), row.id)
    with pytest.raises(DamagedStore, match="missing"):
        vault.packs.read(Place("p0", 44, 5), "mnothing")
    with pytest.raises(DamagedStore, match="missing"):
        vault.packs.read(Place("p0", 44, 5), "xnothing")


def test_one_disposed_of_while_it_is_moved(
    vault: Vault, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    raws = fill(vault, source)
    dispose(vault, list(raws)[:6])
    late = list(raws)[7]
    real = places.move
    calls: list[int] = []

    def destroyed_first(*args: Any) -> None:
        if not calls:
            calls.append(1)
        real(*args)

    class Once(Compactor):
        def _move(self, blobs: Any) -> None:
            if not calls:
                calls.append(1)
                destroy(vault, late)
            super()._move(blobs)

    monkeypatch.setattr(places, "move", destroyed_first)
    assert Once(vault).run(0).packs == 1
    kept = {pk: raw for pk, raw in raws.items() if pk not in [*list(raws)[:6], late]}
    all_read(vault, kept)
    assert faults(vault) == []
    # Its bytes were copied a moment ago; they are known to be dead, and go with the next run.
    (share,) = [share for share in Compactor(vault).shares() if share.dead]
    assert share.dead > 2_000
    Compactor(vault).run(0)
    assert not [share for share in Compactor(vault).shares() if share.dead]


# --- damage ---------------------------------------------------------------------------------------


def test_a_damaged_blob_is_left_where_it_is(vault: Vault, source: str) -> None:
    raws = fill(vault, source)
    bad = list(raws)[9]
    with vault.records.read() as connection:
        row = connection.execute(select(messages).where(messages.c.pk == bad)).one()
    dispose(vault, list(raws)[:6])
    path = vault.packs.path(row.pack_id)
    data = bytearray(path.read_bytes())
    data[row.pack_offset + 100] ^= 1
    path.write_bytes(data)
    done = Compactor(vault).run(0)
    assert (done.packs, done.damaged) == (0, [row.pack_id])
    assert row.pack_id in files(vault)
    kept = {pk: raw for pk, raw in raws.items() if pk not in [*list(raws)[:6], bad]}
    all_read(vault, kept)
    assert [fault.where for fault in faults(vault)] == [row.id]
    # Repaired, it follows.
    data[row.pack_offset + 100] ^= 1
    path.write_bytes(data)
    assert Compactor(vault).run(0).packs == 1
    assert faults(vault) == []


@pytest.mark.parametrize("marked", [False, True])
def test_what_a_row_was_turned_away_from_stays(vault: Vault, source: str, marked: bool) -> None:
    """A place altered by hand, within what the guards let: the blob it named is the only one there is."""
    raws = fill(vault, source)
    vault.archive.give_up_packs(files(vault))
    other = store(vault, [noise(700, 9_000)], source)[0]
    turned = list(raws)[9]
    with vault.records.read() as connection:
        row = connection.execute(select(messages).where(messages.c.pk == turned)).one()
        there = connection.execute(select(messages).where(messages.c.pk == other.pk)).one()
    gone = [pk for pk in raws if pk != turned] if marked else list(raws)[:6]
    dispose(vault, gone)
    with vault.packs.path(row.pack_id).open("ab") as file:
        file.write(b"HFbl" + b"\0" * 7 + b"\xff" * 30)  # as a write that was cut short
    with vault.records.write() as connection:
        to = messages.update().where(messages.c.pk == turned)
        connection.execute(to.values(pack_id=there.pack_id, pack_offset=there.pack_offset))
        if marked:
            connection.execute(packs.update().where(packs.c.id == row.pack_id).values(retired_us=1))
    done = Compactor(vault).run(0)
    assert (done.packs, done.damaged) == (0, [row.pack_id])
    assert row.pack_id in files(vault)
    assert [fault.where for fault in faults(vault)] == [row.id]
    with vault.records.write() as connection:
        connection.execute(to.values(pack_id=row.pack_id, pack_offset=row.pack_offset))
    assert vault.archive.scan(turned).raw == raws[turned]
    assert Compactor(vault).run(0).packs == 1
    assert vault.archive.scan(turned).raw == raws[turned]
    assert faults(vault) == []


def test_what_reads_back_otherwise_is_not_believed(
    vault: Vault, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    raws = fill(vault, source)
    dispose(vault, list(raws)[:6])
    real = os.fsync

    def spoil(descriptor: int) -> None:
        name = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        if name.suffix == ".pack" and os.fstat(descriptor).st_size > 5_000:
            os.pwrite(descriptor, b"\0" * 8, 3_000)
        real(descriptor)

    with monkeypatch.context() as broken:
        broken.setattr("archiver.store.packs.os.fsync", spoil)
        with pytest.raises(StoreError, match="read back"):
            Compactor(vault).run(0)
    assert faults(vault) == []
    assert Compactor(vault).run(0).packs >= 1
    assert faults(vault) == []


# --- failures, and their twins that persisted ------------------------------------------------------


@contextmanager
def failing(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, *, persists: bool) -> Iterator[None]:
    """Let the second call of a method fail, before or after it did its work."""
    real = getattr(owner, name)
    calls: list[int] = []

    def call(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) == 2 and not persists:
            raise StoreError("the database can't be reached")
        result = real(*args, **kwargs)
        if len(calls) == 2:
            raise StoreError("the database can't be reached")
        return result

    with monkeypatch.context() as broken:
        broken.setattr(owner, name, call)
        yield
    assert len(calls) >= 2


@pytest.mark.parametrize("persists", [False, True], ids=["lost", "failed but persisted"])
@pytest.mark.parametrize("step", ["move", "append", "retire"])
def test_a_failing_step(
    vault: Vault, source: str, monkeypatch: pytest.MonkeyPatch, step: str, persists: bool
) -> None:
    monkeypatch.setattr(compaction, "SLICE", 5)
    raws = fill(vault, source)
    vault.archive.give_up_packs(files(vault))
    raws |= fill(vault, source, 50)
    gone = [pk for number, pk in enumerate(raws) if number % 2]
    dispose(vault, gone)
    kept = {pk: raw for pk, raw in raws.items() if pk not in gone}
    owner, name = {
        "move": (places, "move"),
        "append": (compaction.PackWriter, "append"),
        "retire": (compaction.PackFolder, "delete"),
    }[step]
    with failing(monkeypatch, owner, name, persists=persists), pytest.raises(StoreError):
        Compactor(vault).run(0)
    assert faults(vault) == []
    all_read(vault, kept)
    Compactor(vault).run(0)
    Compactor(vault).run(0)
    assert known_packs(vault) == files(vault)
    assert not [share for share in Compactor(vault).shares() if share.dead]
    assert faults(vault) == []
    all_read(vault, kept)


POINTS = [
    ("archiver.store.packs:PackWriter.settle", "after", 1),
    ("archiver.compaction:Compactor._begin", "after", 1),
    ("archiver.store.packs:PackWriter._write", "after", 1),
    ("archiver.store.packs:PackWriter.append", "after", 1),
    ("archiver.store.places:move", "after", 1),
    ("archiver.compaction:Compactor._move", "after", 1),
    ("archiver.compaction:Compactor._move", "after", 2),
    ("archiver.compaction:Compactor._retire", "before", 1),
    ("archiver.store.packs:PackFolder.delete", "before", 1),
    ("archiver.store.packs:PackFolder.delete", "after", 1),
]


def test_a_pack_that_was_marked_and_not_deleted_takes_no_mail(vault: Vault, source: str) -> None:
    """Killed between the two: who captures next would else write into a file that is about to go."""
    raws = fill(vault, source)
    dispose(vault, list(raws))
    vault.archive.close()
    marked = ("archiver.store.packs:PackFolder.delete", "before", 1)
    assert run(compact, vault.settings, marked) == DIED
    (one,) = store(vault, [noise(999)], source)
    assert Compactor(vault).run(100).packs == 1
    assert vault.archive.scan(one.pk).raw == noise(999)
    assert faults(vault) == []
    assert known_packs(vault) == files(vault)


def test_a_mark_on_a_pack_in_use_is_not_believed(vault: Vault, source: str) -> None:
    raws = fill(vault, source)
    vault.archive.close()
    with vault.records.write() as connection:
        connection.execute(packs.update().values(retired_us=1))
    assert Compactor(vault).run(20).packs == 0
    all_read(vault, raws)
    with vault.records.read() as connection:
        assert connection.scalars(select(packs.c.retired_us)).all() == [None]
        size = log.state(connection, log.Log.AUDIT).size
        leaves = [canonical.loads(leaf) for leaf in log.read(connection, log.Log.AUDIT, size - 1, size)]
    assert [(leaf["action"], leaf["outcome"], leaf["reason"]) for leaf in leaves] == [  # type: ignore[index,call-overload]
        ("pack.retire", "failed", "in_use")
    ]
    # One that is being written to stays marked, and stays.
    store(vault, [noise(998)], source)
    with vault.records.write() as connection:
        connection.execute(packs.update().values(retired_us=1))
    assert Compactor(vault).run(20).packs == 0
    all_read(vault, raws)
    assert files(vault) == known_packs(vault)


def test_a_file_deleted_under_who_waits_for_it_is_not_taken(
    vault: Vault, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(vault, source)
    vault.archive.close()
    (pack,) = files(vault)
    real = fcntl.flock

    def too_late(descriptor: int, how: int) -> None:
        vault.packs.path(pack).unlink(missing_ok=True)
        real(descriptor, how)

    monkeypatch.setattr("archiver.store.packs.fcntl.flock", too_late)
    assert vault.packs.take(pack) is None
    writer = PackWriter(vault.packs, [PackTail(pack, 0)])
    assert writer.pack_id != pack
    writer.close()


def compact(settings: Settings) -> None:
    """The work of a process that is killed."""
    compaction.SLICE = 3
    vault = open_vault(settings)
    Compactor(vault).run(0)


def test_killed_at_each_step(vault: Vault, source: str) -> None:
    raws = fill(vault, source)
    gone = [pk for number, pk in enumerate(raws) if number % 3 == 0]
    dispose(vault, gone)
    vault.archive.close()
    kept = {pk: raw for pk, raw in raws.items() if pk not in gone}
    for point in POINTS:
        assert run(compact, vault.settings, point) == DIED, point
        assert faults(vault) == [], point
        all_read(vault, kept)
    assert run(compact, vault.settings) == 0
    assert run(compact, vault.settings) == 0
    assert faults(vault) == []
    all_read(vault, kept)
    # All that is left over is a file of one kill, which no row ever named: it holds nothing.
    assert known_packs(vault) <= files(vault)
    assert all(vault.packs.path(p).read_bytes() == MAGIC for p in files(vault) - known_packs(vault))
    assert not [share for share in Compactor(vault).shares() if share.dead]


# --- guards ---------------------------------------------------------------------------------------

TRIES = (
    "UPDATE messages SET pack_id = 'p0'",
    "UPDATE messages SET pack_offset = pack_offset + 1000000000",
    "UPDATE messages SET pack_length = pack_length - 1",
    "UPDATE messages SET blob_sha256 = sha256",
    "UPDATE messages SET size = size + 1",
    "UPDATE reports SET pack_id = 'p0'",
    "UPDATE reports SET pack_offset = -1",
    "UPDATE reports SET blob_sha256 = sha256",
    "DELETE FROM reports",
    "UPDATE parts SET pack_id = 'p0'",
    "UPDATE parts SET pack_length = 1",
    "DELETE FROM packs",
    "UPDATE packs SET committed = committed - 1",
)


@pytest.mark.parametrize("sql", TRIES)
def test_nothing_but_its_place_changes_and_only_to_where_it_can_be(
    vault: Vault, source: str, sql: str
) -> None:
    raws = fill(vault, source)
    with pytest.raises(DestructionRefused), vault.records.write() as connection:
        connection.execute(text(sql))
    all_read(vault, raws)


def test_a_blob_does_not_move_into_a_pack_that_is_to_go(vault: Vault, source: str) -> None:
    fill(vault, source)
    with vault.records.write() as connection:
        connection.execute(packs.insert().values(id="p1", committed=2**40, created_us=1, retired_us=1))
    with pytest.raises(DestructionRefused), vault.records.write() as connection:
        connection.execute(text("UPDATE messages SET pack_id = 'p1'"))
    with vault.records.read() as connection:
        assert connection.scalar(select(func.count()).where(messages.c.pack_id == "p1")) == 0
