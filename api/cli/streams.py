"""What a command reads and prints with: made the same everywhere, whatever started it."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Final

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})
"""What a write to stdout fails with; where it is the archive's own write, a StoreError was made of it."""


def prepare() -> None:
    """Make names of files, arguments and output UTF-8, and every standard stream one that is open.

    Where the locale has another encoding (LC_ALL=C with PYTHONUTF8=0, ISO 8859) the program starts anew in
    UTF-8 mode: a name that can't be decoded can't be asked for, and JSON is UTF-8 (RFC 8259, 8.1).
    """
    if sys.getfilesystemencoding() != "utf-8" and os.environ.get("PYTHONUTF8") != "1":
        os.environ["PYTHONUTF8"] = "1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606  # the same program
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # Else the next file opened, the database perhaps, would be what is printed into.
            os.open(os.devnull, os.O_RDWR)
    for name, number in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, os.fdopen(number, "w", encoding="utf-8", closefd=False))
        elif isinstance(stream, io.TextIOWrapper):
            # A lone surrogate comes out as JSON escapes it, and stops nothing.
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def cannot_print(error: OSError) -> bool:
    """Whether it is stdout that takes nothing more: a full disk behind it, say."""
    return error.errno in _FULL


def discard_output() -> None:
    """Drop what stdout still holds: at the end Python would try to print it once more, and complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
