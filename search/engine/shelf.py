"""The indexes of an archive: the one in use, and one that is built beside it (docs/adr/0019).

index/index.db             the first one
index/index.in-use         the name of the folder in use since
index/built-<hex>/index.db an index that was, or is being, built
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from pathlib import Path
from typing import Final

from archiver.store import durable
from search.engine import places
from search.engine.database import FILE_NAME, VERSION, open_database
from search.engine.lock import BUILD_LOCK_NAME, WriterLock
from search.engine.ports import Standing
from search.engine.reader import FtsReader
from search.engine.writer import FtsWriter, unlink_index
from search.errors import IndexDamaged, IndexLocked, IndexMissing, IndexOutdated

_GROWTH: Final = 1.5
"""What an index may take while it grows, by what it takes in the end: merging writes before it deletes."""
_LOG_BYTES: Final = 128 * 2**20
_MESSAGE_BYTES: Final = 2_500
"""What a message takes in the index where there is none to measure by."""


class FtsShelf:
    """`IndexShelf` over folders of SQLite files. Safe from any thread and in any number of processes."""

    layout = VERSION

    def __init__(self, folder: Path, key: bytes) -> None:
        self._folder = folder
        self._key = key

    def standing(self) -> Standing:
        """How the index in use stands, as far as opening it shows. Raises IndexUnavailable where that can't
        be told now (busy, no more files to be opened, a disk's fault): such an index isn't lost."""
        try:
            folder = places.in_use(self._folder)
            if not (folder / FILE_NAME).exists():
                return "missing"
            db = open_database(folder, self._key, create=False, cache_mib=1)
            version = db.pragma("user_version")
            db.close()
        except IndexOutdated:
            return "outdated"
        except IndexDamaged:
            return "damaged"
        except IndexMissing:
            return "missing"
        return "sound" if version == VERSION else "outdated"

    def in_use(self) -> str:
        """The name of the index in use; one that can't be known is `""`."""
        try:
            return places.name_in_use(self._folder)
        except IndexDamaged:
            return ""

    def alone(self) -> WriterLock:
        """The right to write the index in use, or to put another in its place. Raises IndexLocked."""
        return WriterLock(self._folder)

    def building(self) -> WriterLock:
        """The right to build an index beside the one in use. Raises IndexLocked."""
        try:
            return WriterLock(self._folder, BUILD_LOCK_NAME)
        except IndexLocked:
            raise IndexLocked("Another process is building the index anew already") from None

    @staticmethod
    def new_name() -> str:
        """A name for an index to be built."""
        return f"built-{secrets.token_hex(4)}"

    def has(self, name: str) -> bool:
        """True where files of a built index are there."""
        return places.is_built(name) and (self._folder / name / FILE_NAME).exists()

    def writer(self, name: str) -> FtsWriter:
        """The writer of an index that is being built, made where there is none."""
        durable.make_dir(self._folder / name)
        return FtsWriter(self._folder / name, self._key)

    def reader(self, name: str) -> FtsReader:
        """A reader of an index that is being built."""
        return FtsReader(self._folder / name, self._key)

    def put_in_use(self, name: str) -> None:
        """Let a built index be the one in use: at once, and durably on return. The caller has it `alone`,
        and has closed its writer and readers."""
        folder = self._folder / name
        with (folder / FILE_NAME).open("rb+") as file:
            os.fsync(file.fileno())
        durable.fsync_dir(folder)
        places.put_in_use(self._folder, name)

    def sweep(self, keep: str = "") -> None:
        """Delete the files of all indexes but the one in use and `keep`. Whoever has one open reads on, since
        POSIX keeps a file until it is closed."""
        used = self.in_use()
        for folder in self._folder.glob("built-*"):
            if folder.name not in (used, keep) and places.is_built(folder.name):
                shutil.rmtree(folder, ignore_errors=True)
        if used:
            unlink_index(self._folder)
        durable.fsync_dir(self._folder)

    def drop(self) -> None:
        """Delete the index in use. Raises IndexLocked while somebody writes it."""
        with self.alone():
            used = self.in_use()
            if used:
                unlink_index(self._folder / used)
            # The first one too: where a kill kept it from being swept it would be in use again.
            unlink_index(self._folder)
            # Last: until then whoever comes finds that the index is missing.
            (self._folder / places.IN_USE_NAME).unlink(missing_ok=True)
            durable.fsync_dir(self._folder)

    def needed_bytes(self, messages: int, name: str = "") -> int:
        """About how much disk building takes at its height, beyond what `name` has already."""
        used = self.in_use()
        measured = _bytes(self._folder / used if used else self._folder)
        most = int(max(measured, messages * _MESSAGE_BYTES) * _GROWTH) + _LOG_BYTES
        return max(most - (_bytes(self._folder / name) if name else 0), 0)

    def free_bytes(self) -> int:
        """How much disk there is where the index lies."""
        durable.make_dir(self._folder)
        return shutil.disk_usage(self._folder).free


def _bytes(folder: Path) -> int:
    total = 0
    for path in folder.glob("index.db*"):
        with contextlib.suppress(OSError):
            total += path.stat().st_size
    return total
