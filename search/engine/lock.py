"""The one-writer rule: an operating-system lock on a file beside the index."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

from search.errors import IndexLocked

LOCK_NAME: Final = "index.lock"
BUILD_LOCK_NAME: Final = "index.building"
"""Held by whoever builds an index beside the one in use."""


class WriterLock:
    """Held from construction to `release`; the system frees it when the process dies.

    Raises IndexLocked where another writer, in this process or another, holds it.
    """

    def __init__(self, folder: Path, name: str = LOCK_NAME) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._descriptor = os.open(folder / name, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._descriptor)
            self._descriptor = -1
            raise IndexLocked("Another process is writing the index; try again when it is done") from None

    def __enter__(self) -> WriterLock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Let the next writer in. Calling it again does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
