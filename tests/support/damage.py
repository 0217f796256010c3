"""Damage, done as a disk or a thief would do it: a flipped bit, a cut tail, a file gone."""

from __future__ import annotations

import shutil
from pathlib import Path


def flip(path: Path, offset: int, bit: int = 0) -> None:
    """Flip one bit of a file; a negative offset counts from its end."""
    with path.open("r+b") as file:
        size = path.stat().st_size
        at = offset if offset >= 0 else size + offset
        assert 0 <= at < size, "the file is too short to be damaged there"
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ (1 << bit)]))


def flip_inside(path: Path, content: bytes, at: int | None = None) -> None:
    """Flip one bit of every place in a file where `content` stands; it must stand somewhere."""
    data = path.read_bytes()
    found = data.find(content)
    assert found >= 0, "the file doesn't hold these bytes"
    while found >= 0:
        flip(path, found + (len(content) // 2 if at is None else at))
        found = data.find(content, found + 1)


def cut(path: Path, size: int) -> None:
    """Cut `size` bytes off a file's end."""
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - size)


def copy_of(home: Path, to: Path) -> Path:
    """Copy a folder, as a thief or a crash would: byte for byte, whatever runs on it."""
    shutil.copytree(home, to)
    return to
