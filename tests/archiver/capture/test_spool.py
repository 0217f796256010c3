"""The spool: exact bytes back, nothing readable on disk, a flipped bit noticed."""

from __future__ import annotations

import hashlib
import os
import pickle
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archiver.capture.spool import CHUNK, SealedFile, SealedSpool, spool_content, sweep
from archiver.errors import SealError, StoreError
from archiver.message.content import whole

sizes = st.lists(st.sampled_from([0, 1, 1000, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK]), max_size=5)


@given(sizes)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_bytes_come_back_in_order(tmp_path: Path, pieces: list[int]) -> None:
    spool = SealedSpool(tmp_path)
    written = b""
    for number, size in enumerate(pieces):
        piece = bytes([number]) * size
        spool.write(piece)
        written += piece
        assert b"".join(spool.chunks()) == written
    assert spool.size == len(written)
    spool.close()


def test_the_file_is_nameless_and_sealed(tmp_path: Path) -> None:
    spool = SealedSpool(tmp_path)
    spool.write(b"marker-zebra" * 100_000)
    assert list(tmp_path.iterdir()) == []
    on_disk = os.pread(spool._file.fileno(), 10_000_000, 0)
    assert len(on_disk) > 1_000_000
    assert b"zebra" not in on_disk
    spool.close()


@pytest.mark.parametrize("damage", ["flip", "swap", "cut"])
def test_changed_bytes_are_noticed(tmp_path: Path, damage: str) -> None:
    spool = SealedSpool(tmp_path)
    spool.write(os.urandom(3 * CHUNK))
    descriptor = spool._file.fileno()
    sealed = CHUNK + 16
    if damage == "flip":
        byte = os.pread(descriptor, 1, 1000)
        os.pwrite(descriptor, bytes([byte[0] ^ 1]), 1000)
    elif damage == "swap":
        first, second = os.pread(descriptor, sealed, 0), os.pread(descriptor, sealed, sealed)
        os.pwrite(descriptor, second + first, 0)
    else:
        os.ftruncate(descriptor, 2 * sealed)
    with pytest.raises(SealError):
        list(spool.chunks())
    spool.close()


def test_a_closed_spool_says_so(tmp_path: Path) -> None:
    spool = SealedSpool(tmp_path)
    spool.write(b"x" * CHUNK)
    spool.close()
    spool.close()
    with pytest.raises(StoreError):
        spool.write(b"y")
    # An empty answer would pass for an empty message.
    with pytest.raises(StoreError):
        list(spool.chunks())


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError):
        SealedSpool(tmp_path / "file" / "spool")


def test_ranges_are_read_without_what_is_before(tmp_path: Path) -> None:
    spool = SealedSpool(tmp_path)
    raw = os.urandom(2 * CHUNK + 100)
    spool.write(raw)
    for start, end in (
        (0, 0),
        (5, 6),
        (CHUNK - 1, CHUNK + 1),
        (CHUNK, 2 * CHUNK + 50),
        (3, None),
        (10**9, None),
    ):
        assert b"".join(spool.chunks(start, end)) == raw[start:end]
    assert len(spool) == len(raw)
    spool.close()


def test_small_content_stays_in_memory_and_large_is_sealed(tmp_path: Path) -> None:
    assert spool_content(iter([b"a", b"b"]), tmp_path) == b"ab"
    large = spool_content((bytes(1000) for _ in range(30)), tmp_path, in_memory=5_000)
    assert isinstance(large, SealedSpool)
    assert whole(large) == bytes(30_000)
    assert list(tmp_path.iterdir()) == []
    large.close()


def test_a_sealed_file_goes_to_another_process(tmp_path: Path) -> None:
    file = SealedFile(tmp_path)
    first, digest = file.append(iter([b"one", b"two"]))
    second, _ = file.append(iter([b"three" * 100_000]))
    assert whole(first) == b"onetwo"
    assert digest == hashlib.sha256(b"onetwo").digest()
    assert list(tmp_path.iterdir()) == []
    packed = pickle.dumps([first, second])
    (named,) = tmp_path.iterdir()
    assert named.stat().st_mode & 0o777 == 0o600
    taken = pickle.loads(packed)
    assert list(tmp_path.iterdir()) == []
    assert [whole(one) for one in taken] == [b"onetwo", b"three" * 100_000]
    gone = pickle.loads(packed)
    with pytest.raises(StoreError):
        whole(gone[0])
    assert whole(first) == b"onetwo"


def test_what_nobody_took_is_swept(tmp_path: Path) -> None:
    file = SealedFile(tmp_path)
    pickle.dumps(file)
    sweep(tmp_path)
    (named,) = tmp_path.iterdir()
    os.utime(named, (0, 0))
    (tmp_path / "other").touch()
    sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["other"]
    sweep(tmp_path / "nowhere")
