"""Tiles on disk: shape, growth, crashes, damage."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.errors import LedgerError, StoreError
from archiver.ledger.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from archiver.ledger.tilepath import decode_entries, encode_entries, entries_path, tile_path
from archiver.ledger.tiles import TileReader, TileWriter

ROOT = Path(__file__).resolve().parents[3]


def entry(number: int) -> bytes:
    return b'{"n":%d}' % number


class Source:
    """Entries 0, 1, 2 ..., as many as asked for; `first` is the oldest it still gives."""

    def __init__(self, end: int = 1 << 40, first: int = 0) -> None:
        self.end, self.first = end, first

    def entries(self, start: int, end: int) -> list[bytes]:
        assert start >= self.first
        return [entry(number) for number in range(start, min(end, self.end))]


def root_of(size: int) -> bytes:
    frontier = Frontier()
    for number in range(size):
        frontier.append(leaf_hash(entry(number)))
    return frontier.root()


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_paths_are_those_of_the_specification() -> None:
    assert tile_path(0, 1234067) == "tile/0/x001/x234/067"
    assert tile_path(3, 0, 5) == "tile/3/000.p/5"
    assert tile_path(1, 999) == "tile/1/999"
    assert tile_path(1, 1000, 255) == "tile/1/x001/000.p/255"
    assert entries_path(42) == "tile/entries/042"
    for bad in ((0, -1, 256), (0, 0, 0), (0, 0, 257), (64, 0, 256), (-1, 0, 256)):
        with pytest.raises(LedgerError):
            tile_path(*bad)


def test_a_tree_of_70000_has_the_tiles_the_specification_counts(tmp_path: Path) -> None:
    root = TileWriter(tmp_path).publish(Source(), 0, 70_000)
    assert root == root_of(70_000)
    found = files_in(tmp_path)
    assert sum(path.startswith("tile/0/") and ".p/" not in path for path in found) == 273
    assert {path for path in found if ".p/" in path} == {
        "tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1", "tile/entries/273.p/112",
    }  # fmt: skip
    assert (tmp_path / "tile/1/000").stat().st_size == 8192
    reader = TileReader(tmp_path, 70_000)
    assert reader.check() == root
    for index in (0, 255, 256, 65_535, 65_536, 69_887, 69_888, 69_999):
        verify_inclusion(leaf_hash(entry(index)), index, 70_000, inclusion_proof(reader, index, 70_000), root)
        assert reader.entries(index, index + 1) == [entry(index)]


@settings(max_examples=25, deadline=None)
@given(sizes=st.lists(st.integers(0, 900), min_size=1, max_size=5).map(sorted), data=st.data())
def test_growth_step_by_step(tmp_path_factory, sizes: list[int], data) -> None:
    folder = tmp_path_factory.mktemp("log")
    writer, old = TileWriter(folder), 0
    for size in sizes:
        # Only the last level-0 tile's entries are asked for again.
        assert writer.publish(Source(first=old // 256 * 256), old, size) == root_of(size)
        proof = consistency_proof(TileReader(folder, size), old, size)
        verify_consistency(old, root_of(old), size, root_of(size), proof)
        old = size
    reader = TileReader(folder, old)
    assert reader.check() == root_of(old)
    start = data.draw(st.integers(0, old))
    end = data.draw(st.integers(start, old))
    assert reader.entries(start, end) == Source().entries(start, end)
    # Every tree published before is still there to be proven from.
    for size in sizes:
        assert TileReader(folder, size).check() == root_of(size)
    assert not any(path.endswith(".tmp") for path in files_in(folder))


def test_an_empty_log_has_no_tiles(tmp_path: Path) -> None:
    assert TileWriter(tmp_path).publish(Source(), 0, 0) == EMPTY_ROOT
    assert not files_in(tmp_path)


def test_partial_tiles_go_when_the_full_one_is_there(tmp_path: Path) -> None:
    writer = TileWriter(tmp_path)
    for old, new in ((0, 10), (10, 200), (200, 256)):
        writer.publish(Source(), old, new)
    assert files_in(tmp_path) == {"tile/0/000", "tile/entries/000", "tile/1/000.p/1"}
    assert TileReader(tmp_path, 200).root() == root_of(200)


def test_a_rewritten_log_is_refused(tmp_path: Path) -> None:
    class Forked(Source):
        def entries(self, start: int, end: int) -> list[bytes]:
            return [b"forged" if number == 100 else entry(number) for number in range(start, end)]

    writer = TileWriter(tmp_path)
    writer.publish(Source(), 0, 300)
    before = {path: (tmp_path / path).read_bytes() for path in files_in(tmp_path)}
    with pytest.raises(LedgerError, match="other content"):
        writer.publish(Forked(), 0, 300)
    assert {path: (tmp_path / path).read_bytes() for path in files_in(tmp_path)} == before

    other = TileWriter(tmp_path / "other")
    other.publish(Source(), 0, 150)
    with pytest.raises(LedgerError, match="rewritten"):
        other.publish(Forked(), 150, 160)
    with pytest.raises(LedgerError, match="shrink"):
        writer.publish(Source(), 300, 299)


def test_missing_entries_and_missing_tiles_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="end before"):
        TileWriter(tmp_path).publish(Source(end=99), 0, 100)
    with pytest.raises(LedgerError, match="missing"):
        TileWriter(tmp_path / "none").publish(Source(), 50, 60)
    with pytest.raises(LedgerError, match="65,535"):
        encode_entries([b"x" * 65_536])


def test_a_disk_that_refuses_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "tile").write_bytes(b"a file where the folder belongs")
    with pytest.raises(StoreError, match="nothing was signed"):
        TileWriter(tmp_path).publish(Source(), 0, 10)


CRASH = """
import os, sys
from pathlib import Path
from archiver.ledger.tiles import TileWriter

folder, old, new, steps = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])

class Source:
    def entries(self, start, end):
        return [b'{"n":%d}' % number for number in range(start, end)]

left = steps
def watch(event, arguments):
    global left
    if event in ("os.rename", "os.mkdir", "os.remove", "os.rmdir") or (
        event == "open" and str(folder) in str(arguments[0])
    ):
        left -= 1
        if left < 0:
            os._exit(9)
sys.addaudithook(watch)
TileWriter(folder).publish(Source(), old, new)
print(steps - left)
"""


def crash_after(steps: int, folder: Path, old: int, new: int) -> subprocess.CompletedProcess[str]:
    arguments = [sys.executable, "-c", CRASH, str(folder), str(old), str(new), str(steps)]
    return subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)


def test_killed_at_any_file_operation_it_completes_on_the_next_try(tmp_path: Path) -> None:
    """The process dies by _exit before its n-th file operation, for every n; nothing is cleaned up."""
    whole = tmp_path / "whole"
    TileWriter(whole).publish(Source(), 0, 250)
    done = crash_after(1 << 30, whole, 250, 530)
    assert done.returncode == 0, done.stderr
    total = int(done.stdout)
    assert total > 20
    for steps in range(total):
        folder = tmp_path / str(steps)
        TileWriter(folder).publish(Source(), 0, 250)
        assert crash_after(steps, folder, 250, 530).returncode == 9
        # What was signed before stays provable whatever happened.
        assert TileReader(folder, 250).check() == root_of(250)
        again = 530 if steps % 2 else 600
        assert TileWriter(folder).publish(Source(first=0), 250, again) == root_of(again)
        assert TileReader(folder, again).check() == root_of(again)
        # The rest of a partial tile never finished goes with its folder, once the full tile is there.
        TileWriter(folder).publish(Source(), again, 768)
        assert not any(path.endswith(".tmp") for path in files_in(folder) if "tile/1/" not in path)


def test_every_flipped_byte_of_small_tiles_is_found(tmp_path: Path) -> None:
    root = TileWriter(tmp_path).publish(Source(), 0, 20)
    for path in files_in(tmp_path):
        data = (tmp_path / path).read_bytes()
        for position in range(len(data)):
            changed = bytearray(data)
            changed[position] ^= 1 << (position % 8)
            (tmp_path / path).write_bytes(changed)
            with pytest.raises(LedgerError):
                TileReader(tmp_path, 20).check()
        for bad in (data[:-1], data + b"\0", b""):
            (tmp_path / path).write_bytes(bad)
            with pytest.raises(LedgerError):
                TileReader(tmp_path, 20).check()
        (tmp_path / path).unlink()
        with pytest.raises(LedgerError, match="missing"):
            TileReader(tmp_path, 20).check()
        (tmp_path / path).write_bytes(data)
    assert TileReader(tmp_path, 20).check() == root


def test_a_flipped_bit_in_every_hash_of_full_tiles_is_found(tmp_path: Path) -> None:
    TileWriter(tmp_path).publish(Source(), 0, 300)
    for path in ("tile/0/000", "tile/1/000.p/1", "tile/0/001.p/44"):
        data = (tmp_path / path).read_bytes()
        for start in range(0, len(data), 32):
            changed = bytearray(data)
            changed[start + start // 32 % 32] ^= 0x10
            (tmp_path / path).write_bytes(changed)
            with pytest.raises(LedgerError):
                TileReader(tmp_path, 300).check()
        (tmp_path / path).write_bytes(data)


def test_a_changed_entry_is_named(tmp_path: Path) -> None:
    TileWriter(tmp_path).publish(Source(), 0, 300)
    bundle = tmp_path / "tile/entries/000"
    bundle.write_bytes(bundle.read_bytes().replace(entry(77), b'{"n":78}'))
    with pytest.raises(LedgerError, match="entry 77 "):
        TileReader(tmp_path, 300).entries(77, 78)


def test_nothing_is_read_beyond_the_published_tree(tmp_path: Path) -> None:
    TileWriter(tmp_path).publish(Source(), 0, 300)
    reader = TileReader(tmp_path, 300)
    for level, index in ((0, 300), (8, 1), (9, 0), (-1, 0), (0, -1)):
        with pytest.raises(LedgerError):
            reader.read(level, index)
    for start, end in ((0, 301), (5, 4), (-1, 3)):
        with pytest.raises(LedgerError):
            reader.entries(start, end)
    with pytest.raises(LedgerError):
        reader.tile(0, 2)


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_bundles_round_trip(entries: list[bytes]) -> None:
    assert decode_entries(encode_entries(entries)) == entries


@given(st.binary(max_size=60))
def test_hostile_bundles_raise_only_ledger_errors(data: bytes) -> None:
    try:
        entries = decode_entries(data)
    except LedgerError:
        return
    assert encode_entries(entries) == data
