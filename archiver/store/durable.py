"""The only way to publish a file: write aside, fsync, rename, fsync the folder.

POSIX promises that data survives a crash only after fsync of the file, and that a new name does only
after fsync of its folder; a rename within one folder is atomic. After a failed fsync the kernel may
have dropped the dirty pages, so the same descriptor is never trusted again.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def fsync_dir(directory: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_dir(directory: Path) -> None:
    """Create a private folder (0700) and its parents, durably; an existing one is left as it is."""
    if directory.is_dir():
        return
    make_dir(directory.parent)
    directory.mkdir(mode=0o700, exist_ok=True)
    fsync_dir(directory.parent)


def write(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Replace `path` by `data` so that a crash leaves the old or the new content, never a mixture.

    Durable on return. Raises OSError; the temporary file is removed then.
    """
    write_pieces(path, (data,), mode=mode)


def write_pieces(path: Path, pieces: Iterable[bytes], *, mode: int = 0o600) -> None:
    """The same for data that comes in pieces; raises also what they raise."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        try:
            for piece in pieces:
                view = memoryview(piece)
                while view:
                    view = view[os.write(descriptor, view) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    fsync_dir(path.parent)
