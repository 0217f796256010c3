"""What the file doors yield: one item for each message, or for each thing that can't be taken and why."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from archiver.errors import CaptureError

Why = Literal[
    "bad_zip",
    "compressed",
    "damaged",
    "empty",
    "encrypted",
    "loop",
    "msg_not_supported_yet",
    "nested_archive",
    "no_permission",
    "not_a_file",
    "not_a_message",
    "not_found",
    "pst_not_supported_yet",
    "symlink",
    "too_deep",
    "too_large",
    "unreadable",
    "zip_too_large",
]
"""Why an item was refused. Short and stable; never text of the item."""

MAX_MESSAGE = 200 * 1024 * 1024
"""Largest message taken from a file, in bytes; the SMTP door's limit too."""


@dataclass(frozen=True, slots=True)
class FileItem:
    """One message, or one refusal: exactly one of `raw` and `why` is given.

    `where` names the place for people (a path, with `!name` inside a ZIP and `@offset` inside an
    mbox): it may hold patient names, so it goes to the operator's screen and never into a log. `folder`
    is the folder or mailbox inside what was given. `key` is stable as long as the file is unchanged
    and tells nothing of the name.
    """

    where: str
    raw: bytes | None
    why: Why | None
    folder: str
    key: str


class FileRefused(CaptureError):
    """A file can't be opened or read; `why` is the reason for the list of refusals."""

    code = "file_refused"

    def __init__(self, why: Why) -> None:
        super().__init__(f"refused: {why}")
        self.why: Why = why


def shown(path: Path | str) -> str:
    """Return a path as text that can always be printed and encoded, whatever bytes it is made of."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def item_key(path: Path, status: os.stat_result | None, inner: str = "", size: int = 0) -> str:
    """Return the key of a message: from the file's path, size and change time, and the place inside it."""
    mark = f"{status.st_size}:{status.st_mtime_ns}" if status else "-"
    text = os.fsencode(path.absolute()) + f"\0{mark}\0{inner}\0{size}".encode("utf-8", "backslashreplace")
    return hashlib.sha256(text).hexdigest()[:40]


def refusal(path: Path, why: Why, folder: str = "", inner: str = "") -> FileItem:
    """Return the item that says why something wasn't taken."""
    return FileItem(shown(path) + inner, None, why, folder, item_key(path, None, inner + why))


def open_regular(path: Path, *, follow: bool) -> tuple[BinaryIO, os.stat_result]:
    """Open a regular file for reading. Raises FileRefused, for pipes, devices and links too."""
    flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    # Without O_NONBLOCK opening a pipe would wait for a writer for ever.
    flags |= getattr(os, "O_NONBLOCK", 0)
    if not follow:
        flags |= getattr(os, "O_NOFOLLOW", 0)
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        raise FileRefused(_why(error, path)) from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise FileRefused("not_a_file")
    return os.fdopen(descriptor, "rb"), status


def read_whole(path: Path, *, follow: bool) -> tuple[bytes, os.stat_result]:
    """Return a message file's bytes. Raises FileRefused when empty, too large or unreadable."""
    file, status = open_regular(path, follow=follow)
    with file:
        try:
            raw = file.read(MAX_MESSAGE + 1)
        except OSError as error:
            raise FileRefused("unreadable") from error
    if not raw:
        raise FileRefused("empty")
    if len(raw) > MAX_MESSAGE:
        raise FileRefused("too_large")
    return raw, status


def _why(error: OSError, path: Path) -> Why:
    if isinstance(error, PermissionError):
        return "no_permission"
    if isinstance(error, FileNotFoundError):
        return "not_found"
    return "symlink" if path.is_symlink() else "unreadable"
