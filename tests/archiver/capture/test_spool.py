"""The spool: exact bytes back, nothing readable on disk, a flipped bit noticed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archiver.capture.spool import CHUNK, SealedSpool
from archiver.errors import SealError, StoreError

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
    assert list(spool.chunks()) == []


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError):
        SealedSpool(tmp_path / "file" / "spool")
