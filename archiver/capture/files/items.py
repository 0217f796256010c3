"""What the file doors yield: one item for each message, or for each thing that isn't taken and why."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

from archiver.capture.spool import spool_content
from archiver.errors import CaptureError
from archiver.message.content import WHOLE_UP_TO, Raw

Why = Literal[
    "bad_msg",
    "bad_pst",
    "bad_tar",
    "bad_zip",
    "damaged",
    "empty",
    "encrypted",
    "loop",
    "needs_pst_extra",
    "nested_too_deep",
    "no_permission",
    "not_a_file",
    "not_a_message",
    "not_found",
    "symlink",
    "too_deep",
    "too_large",
    "unpack_first",
    "unpacks_too_large",
    "unreadable",
    # Left alone, counted apart, never refused:
    "being_delivered",
    "mail_program_file",
    "not_mail",
    "system_file",
]
"""Why an item was refused or left alone. Short and stable; never text of the item (docs/importing.md)."""

IGNORED: frozenset[Why] = frozenset({"being_delivered", "mail_program_file", "not_mail", "system_file"})
"""What is no mail and never was: left alone and counted as `ignored`, not as read."""

MAX_MESSAGE = 200 * 1024 * 1024
"""Largest message taken from a file, in bytes; the SMTP door's limit too."""


class Readable(Protocol):
    """A stream of bytes, seekable or not."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class FileItem:
    """One message, or one refusal: exactly one of `raw` and `why` is given.

    `where` names the place for people (a path, with `!name` inside an archive and `@offset` inside an
    mbox): it may hold patient names, so it goes to the operator's screen and never into a log. `folder`
    is the folder or mailbox inside what was given. `key` is stable as long as the file is unchanged
    and tells nothing of the name. `original`, `received_at` and `notes` are as in `Arrival`.
    """

    where: str
    raw: Raw | None
    why: Why | None
    folder: str
    key: str
    original: bytes | None = None
    received_at: datetime | None = None
    notes: tuple[tuple[str, str], ...] = ()

    @property
    def ignored(self) -> bool:
        """True for what is no mail and is left alone."""
        return self.why in IGNORED


class FileRefused(CaptureError):
    """A file can't be opened or read; `why` is the reason for the list of refusals."""

    code = "file_refused"

    def __init__(self, why: Why) -> None:
        super().__init__(f"refused: {why}")
        self.why: Why = why


@dataclass(slots=True)
class Meter:
    """How far the reading has come, in bytes of the files on disk. Read by another thread.

    `containers` holds (where, SHA-256) of each file that messages were converted from and that isn't
    itself kept (PST): with it, whoever keeps the file can show which one it was.
    """

    finished: int = 0
    inside: int = 0
    containers: list[tuple[str, str]] = field(default_factory=list)

    @property
    def done(self) -> int:
        return self.finished + self.inside


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a stream of bytes stands: a file, or an entry of an archive. It makes the items found there.

    `mark` is what keys are made of: the file as it is now, and the way inside it.
    """

    where: str
    name: str
    folder: str
    mark: bytes
    limit: int = field(default_factory=lambda: MAX_MESSAGE)

    @classmethod
    def of(cls, path: Path, status: os.stat_result | None, folder: str) -> Spot:
        mark = f"{status.st_size}:{status.st_mtime_ns}" if status else "-"
        full = os.path.abspath(os.fsencode(path))  # noqa: PTH100  # half the time of Path.absolute()
        return cls(shown(path), shown(path.name), folder, b"%s\0%s\0" % (full, mark.encode()))

    def found(
        self,
        raw: Raw,
        place: str = "",
        folder: str | None = None,
        *,
        size: int | None = None,
        original: bytes | None = None,
        received_at: datetime | None = None,
        notes: tuple[tuple[str, str], ...] = (),
    ) -> FileItem:
        """One message, at a place inside this file; `size` is how many of its bytes it took."""
        key = self.mark + f"{place}\0{len(raw) if size is None else size}".encode("utf-8", "backslashreplace")
        return FileItem(
            self.where + place,
            raw,
            None,
            self.folder if folder is None else folder,
            hashlib.sha256(key).hexdigest()[:40],
            original,
            received_at,
            notes,
        )

    def refused(self, why: Why, place: str = "", folder: str | None = None) -> FileItem:
        """What says why something here wasn't taken."""
        key = self.mark + f"{place}\0{why}".encode("utf-8", "backslashreplace")
        inside = self.folder if folder is None else folder
        return FileItem(self.where + place, None, why, inside, hashlib.sha256(key).hexdigest()[:40])

    def entry(self, name: str, place: str) -> Spot:
        """An entry of this archive; `place` tells two of one name apart. Names are text, never paths."""
        parts = [part for part in re.split(r"[/\\]", name) if part not in ("", ".", "..")]
        last = parts.pop() if parts else ""
        if parts and parts[-1] in ("cur", "new"):
            parts.pop()
        folder = join(self.folder, "/".join(parts))
        mark = self.mark + f"{place}:{name}\0".encode("utf-8", "backslashreplace")
        return Spot(f"{self.where}!{shown(name)}", shown(last), shown(folder), mark, self.limit)

    def unpacked(self) -> Spot:
        """What is inside this compressed file."""
        name = self.name.rpartition(".")[0] or self.name
        return Spot(self.where, name, self.folder, self.mark + b"unpacked\0", self.limit)

    @property
    def as_folder(self) -> str:
        """This file as a folder of its own: an mbox, a PST."""
        stem, dot, _ = self.name.rpartition(".")
        return join(self.folder, stem if dot and stem else self.name)


def shown(path: Path | str) -> str:
    """Return a path as text that can always be printed and encoded, whatever bytes it is made of."""
    text = path if isinstance(path, str) else str(path)
    if text.isascii():
        return text
    return text.encode("utf-8", "surrogateescape" if _escaped(text) else "backslashreplace").decode(
        "utf-8", "backslashreplace"
    )


def _escaped(text: str) -> bool:
    """True when all lone surrogates are those that undecodable file names are made of."""
    return all("\udc80" <= c <= "\udcff" for c in text if "\ud800" <= c <= "\udfff")


def join(outer: str, inner: str) -> str:
    """Join two folder names."""
    return f"{outer}/{inner}" if outer and inner else outer or inner


def refusal(path: Path, why: Why, folder: str = "", inner: str = "") -> FileItem:
    """Return the item that says why a path wasn't taken."""
    return Spot.of(path, None, folder).refused(why, inner)


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


def read_message(stream: Readable, limit: int, expected: int = 0) -> bytes:
    """Read a stream whole. Raises FileRefused when it is empty or too large, OSError from the stream."""
    # Asked for the limit at once, a file object would make room for all of it.
    raw = stream.read(min(expected, limit) + 1)
    more = stream.read(1)
    if raw and not more and len(raw) <= limit:
        return raw
    pieces = [raw, more]
    size = len(raw) + len(more)
    while more and size <= limit and (block := stream.read(1024 * 1024)):
        pieces.append(block)
        size += len(block)
    if size > limit:
        raise FileRefused("too_large")
    if not size:
        raise FileRefused("empty")
    return b"".join(pieces)


def read_content(stream: Readable, limit: int, expected: int, spool: Path | None) -> Raw:
    """The same, sealed on disk in `spool` where the message is too large for memory.

    Raises StoreError too, when the disk refuses.
    """
    if spool is None or 0 < expected <= WHOLE_UP_TO:
        return read_message(stream, limit, expected)
    raw = spool_content(_bounded(stream, limit), spool)
    if not raw:
        raise FileRefused("empty")
    return raw


def _bounded(stream: Readable, limit: int) -> Iterator[bytes]:
    left = limit
    while block := stream.read(1024 * 1024):
        left -= len(block)
        if left < 0:
            raise FileRefused("too_large")
        yield block


def _why(error: OSError, path: Path) -> Why:
    if isinstance(error, PermissionError):
        return "no_permission"
    if isinstance(error, FileNotFoundError):
        return "not_found"
    return "symlink" if path.is_symlink() else "unreadable"
