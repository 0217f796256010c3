"""A real file system that is nearly full: a tmpfs of a few MiB, where the tests may mount one."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

BALLAST = "ballast"


@contextmanager
def small_disk(at: Path, mebibytes: int) -> Iterator[Path]:
    """Mount a file system of this size at a new folder; skips the test where that isn't permitted."""
    at.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "holdfast-test", str(at)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system is not permitted here")
    try:
        yield at
    finally:
        subprocess.run(["umount", "-l", str(at)], check=True)


def fill_up(disk: Path) -> None:
    """Leave no free byte."""
    size = 1 << 20
    with (disk / BALLAST).open("ab", buffering=0) as file:
        while size:
            try:
                if file.write(b"\0" * size) < size:
                    size //= 2
            except OSError:
                size //= 2


def make_room(disk: Path) -> None:
    """Free what `fill_up` took."""
    (disk / BALLAST).unlink(missing_ok=True)
