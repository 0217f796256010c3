"""A folder elsewhere that gets one file a checkpoint, made once and never written again.

    <folder>/<archive id>/<log>[.<generation>]/<size, 20 digits>.checkpoint

Best on a share or volume that lets nobody change or delete for years: an object store's write-once mount, a
NAS with snapshots, another machine's folder to which this one may only add.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from archiver.ledger.log import Log
from archiver.witnessing.web import OutsideError

SUFFIX = ".checkpoint"
NEWEST = 3
"""So many of the newest files are looked at."""


def log_folder(which: Log, generation: int) -> str:
    """The name of the folder of a log's generation."""
    return which.folder if generation == 1 else f"{which.folder}.{generation}"


class Copies:
    """The write-once folder of one archive."""

    def __init__(self, folder: Path, archive_id: str) -> None:
        self._top = folder
        self._folder = folder / archive_id

    def add(self, which: Log, generation: int, size: int, checkpoint: bytes) -> bool:
        """Write one checkpoint, durably; False where it is there already. Raises OutsideError."""
        if not self._top.is_dir():
            # Made by whoever set it up: a share that isn't mounted must not be taken for an empty one.
            raise OutsideError("folder_missing", "the folder of copies isn't there; is it mounted?")
        folder = self._folder / log_folder(which, generation)
        path = folder / f"{size:020}{SUFFIX}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            try:
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
            except FileExistsError:
                return False
            try:
                view = memoryview(checkpoint)
                while view:
                    view = view[os.write(descriptor, view) :]
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            for up in (folder, self._folder, self._top):
                _sync(up)
        except OSError:
            raise OutsideError("folder_unwritable", "the folder of copies can't be written") from None
        return True

    def age(self, which: Log, generation: int) -> float | None:
        """Seconds since the newest file of a log's generation was made; None where there is none."""
        folder = self._folder / log_folder(which, generation)
        try:
            newest = max(folder.glob(f"*{SUFFIX}"), default=None)
            return None if newest is None else time.time() - newest.stat().st_mtime
        except OSError:
            raise OutsideError("folder_unreadable", "the folder of copies can't be read") from None

    def newest(self, which: Log) -> list[tuple[int, bytes]]:
        """The newest files of each generation of a log: `(generation, signed checkpoint)`.

        Several: one that a crash cut short says nothing, then the one before it does. Raises OutsideError.
        """
        if not self._top.is_dir():
            raise OutsideError("folder_missing", "the folder of copies isn't there; is it mounted?")
        found = []
        try:
            folders = list(self._folder.iterdir()) if self._folder.is_dir() else []
            for folder in folders:
                name, dot, number = folder.name.partition(".")
                if name != which.folder or (dot and not number.isdigit()):
                    continue
                newest = sorted(folder.glob(f"*{SUFFIX}"), reverse=True)[:NEWEST]
                found += [(int(number or 1), path.read_bytes()) for path in newest]
        except OSError:
            raise OutsideError("folder_unreadable", "the folder of copies can't be read") from None
        return found


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
