"""Walks folders of message files and Maildirs in a fixed order; what can't be taken is listed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from archiver.capture.files.items import FileItem, join, refusal, shown
from archiver.capture.files.sniff import ignorable, is_maildir
from archiver.capture.imap.names import decode_name
from archiver.errors import CaptureError

ReadFile = Callable[[Path, str], Iterator[FileItem]]
"""Yields the items of one file, given its path and the folder it is in."""

_DEEPEST = 64
_MAILDIR_BOXES = ("cur", "new", "tmp")
# Files mail servers keep beside the messages: indexes, subscriptions, quotas. They hold no mail.
_MAILDIR_CONTROL = ("dovecot", "courier", "subscriptions", "maildirsize", "maildirfolder", ".")


class Walk:
    """One pass over a tree: depth first, names in byte order.

    `read_file` reads a file of any kind, `read_message` one that is a message whatever it looks like.
    """

    def __init__(self, read_file: ReadFile, read_message: ReadFile) -> None:
        self._read_file = read_file
        self._read_message = read_message
        self._inside: list[tuple[int, int]] = []

    def folder(self, path: Path, name: str = "") -> Iterator[FileItem]:
        """Yield the items of a folder of files, and of the Maildirs and folders under it."""
        yield from self._enter(path, name, self._plain)

    def maildir(self, path: Path, name: str = "") -> Iterator[FileItem]:
        """Yield the messages of a Maildir and of the folders inside it (`.Sub.Folder`, or plain folders).

        `cur` comes before `new`. `tmp` is left alone: what lies there is still being delivered. A
        message is its whole file; what else lies about is read for what it is.
        """
        yield from self._enter(path, name, self._maildir)

    def _enter(self, path: Path, name: str, visit: ReadFile) -> Iterator[FileItem]:
        """Visit a folder, unless it is too deep or one that we are in already (a loop made by mounts)."""
        try:
            status = path.stat()
        except OSError:
            yield refusal(path, "unreadable", name)
            return
        mark = (status.st_dev, status.st_ino)
        if mark in self._inside or len(self._inside) > _DEEPEST:
            yield refusal(path, "loop" if mark in self._inside else "too_deep", name)
            return
        self._inside.append(mark)
        try:
            yield from visit(path, name)
        except PermissionError:
            yield refusal(path, "no_permission", name)
        except OSError:
            yield refusal(path, "unreadable", name)
        finally:
            self._inside.pop()

    def _plain(self, path: Path, name: str) -> Iterator[FileItem]:
        for entry in _entries(path):
            inner = Path(entry.path)
            if entry.is_symlink():
                # A link may lead out of what the operator named, or round in a circle.
                yield refusal(inner, "symlink", name)
            elif entry.is_dir():
                # Thunderbird keeps the folders inside `Inbox` in `Inbox.sbd`.
                inner_name = join(name, shown(entry.name.removesuffix(".sbd")))
                visit = self._maildir if is_maildir(inner) else self._plain
                yield from self._enter(inner, inner_name, visit)
            else:
                yield from self._read_file(inner, name)

    def _maildir(self, path: Path, name: str) -> Iterator[FileItem]:
        for box, visit in (("cur", self._box), ("new", self._box), ("tmp", self._unfinished)):
            if (path / box).is_symlink():
                yield refusal(path / box, "symlink", name)
            elif (path / box).is_dir():
                yield from self._enter(path / box, name, visit)
        for entry in _entries(path):
            inner = Path(entry.path)
            if entry.name in _MAILDIR_BOXES:
                continue
            if entry.is_symlink():
                yield refusal(inner, "symlink", name)
            elif entry.is_dir():
                yield from self._enter(inner, join(name, _maildir_name(entry.name)), self._maildir)
            elif entry.name.startswith(_MAILDIR_CONTROL) and not ignorable(entry.name):
                yield refusal(inner, "mail_program_file", name)
            else:
                yield from self._read_file(inner, name)

    def _box(self, path: Path, name: str) -> Iterator[FileItem]:
        for entry in _entries(path):
            if entry.is_dir(follow_symlinks=False):
                yield refusal(Path(entry.path), "not_a_file", name)
            elif why := ignorable(entry.name):
                yield refusal(Path(entry.path), why, name)
            else:
                yield from self._read_message(Path(entry.path), name)

    def _unfinished(self, path: Path, name: str) -> Iterator[FileItem]:
        for entry in _entries(path):
            yield refusal(Path(entry.path), "being_delivered", name)


def _maildir_name(name: str) -> str:
    """Return the folder a Maildir++ directory stands for: `.Sub.Folder` is `Sub/Folder` (modified UTF-7)."""
    if not name.startswith("."):
        return shown(name)
    try:
        return "/".join(decode_name(part) for part in os.fsencode(name[1:]).split(b"."))
    except CaptureError:
        return shown(name[1:])


def _entries(path: Path) -> list[os.DirEntry[str]]:
    """Return a folder's entries in the byte order of their names, the same on every machine."""
    with os.scandir(path) as entries:
        return sorted(entries, key=lambda entry: os.fsencode(entry.name))
