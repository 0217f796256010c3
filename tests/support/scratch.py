"""Where a test run puts its files: in memory where there is plenty, since a disk takes 5 ms for each fsync.

Each run has a folder of its own. That of pytest is shared by all runs of a user, and closed to other users
when a run begins: servers of an earlier run that work as another user then lose their files.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from pathlib import Path

MEMORY = Path("/dev/shm")
ROOM = 6 << 30
"""Bytes that must be free to use memory: many times what a run has at once."""
DISK = "TESTS_ON_DISK"
"""The environment's name for the folder of tests that want a real disk."""
_PREFIX = "hf-"
_OLD = 3600.0


def begin() -> Path:
    """Make the folder of this run, for every temporary file of it and of what it starts."""
    disk = Path(tempfile.gettempdir())
    parent = MEMORY if _roomy(MEMORY) else disk
    _sweep(parent)
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=parent))
    # Servers that tests start as other users go through it.
    folder.chmod(0o711)
    os.environ.setdefault(DISK, str(disk))
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    return folder


def _roomy(folder: Path) -> bool:
    """Whether files there are in memory, may be executed, and have room."""
    mounts = (line.split() for line in Path("/proc/mounts").read_text().splitlines())
    if not any(at == str(folder) and kind == "tmpfs" for _, at, kind, *_ in mounts):
        return False
    disk = os.statvfs(folder)
    memory = next(
        int(line.split()[1]) * 1024
        for line in Path("/proc/meminfo").read_text().splitlines()
        if line.startswith("MemAvailable:")
    )
    free = min(disk.f_bavail * disk.f_frsize, memory)
    return free >= ROOM and not disk.f_flag & os.ST_NOEXEC and os.access(folder, os.W_OK)


def _sweep(parent: Path) -> None:
    """Remove what runs left behind that failed or were killed, an hour later."""
    for left in parent.glob(f"{_PREFIX}*-*"):
        pid = left.name.removeprefix(_PREFIX).partition("-")[0]
        # Another run that begins may be at it too.
        with contextlib.suppress(FileNotFoundError):
            if not Path("/proc", pid).exists() and time.time() - left.stat().st_mtime > _OLD:
                shutil.rmtree(left, ignore_errors=True)
