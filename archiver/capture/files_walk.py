"""Walks folders of message files and Maildirs in a fixed order; what can't be taken is listed, not passed over."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from archiver.capture.files_items import FileItem, FileRefused, item_key, read_whole, refusal, shown
from archiver.capture.imap_names import decode_name
from archiver.errors import CaptureError

_DEEPEST = 64
_MAILDIR_BOX = ("cur", "new")
# Files mail servers keep beside the messages: indexes, subscriptions, quotas. They hold no mail.
_MAILDIR_CONTROL = ("dovecot", "courier", "subscriptions", "maildirsize", "maildirfolder", ".", "tmp")


def is_maildir(path: Path) -> bool:
    """True when a folder has the shape of a Maildir: `cur` beside `new` or `tmp`, or `new` beside `tmp`."""
    present = [name for name in ("cur", "new", "tmp") if (path / name).is_dir()]
    return len(present) >= 2


def maildir_items(path: Path, folder: str = "") -> Iterator[FileItem]:
    """Yield the messages of a Maildir and of the folders inside it (`.Sub.Folder`, or plain folders).

    `cur` comes before `new`, file names in order. `tmp` is left out: what lies there is still being
    delivered. A message is its whole file.
    """
    yield from _walk(path, folder, _maildir_folder, set(), 0)


def folder_items(path: Path, read_file: Callable[[Path, str], Iterator[FileItem]]) -> Iterator[FileItem]:
    """Yield what `read_file(path, folder)` yields for each file under a folder, names in byte order."""
    yield from _walk(path, "", lambda at, name, seen, deep: _plain_folder(at, name, seen, deep, read_file), set(), 0)


_Visit = Callable[[Path, str, set[tuple[int, int]], int], Iterator[FileItem]]


def _walk(path: Path, folder: str, visit: _Visit, seen: set[tuple[int, int]], depth: int) -> Iterator[FileItem]:
    """Enter one folder unless it is too deep, or one we are in already (a loop made by mounts)."""
    try:
        status = path.stat()
    except OSError:
        yield refusal(path, "unreadable", folder)
        return
    mark = (status.st_dev, status.st_ino)
    if mark in seen or depth > _DEEPEST:
        yield refusal(path, "loop" if mark in seen else "too_deep", folder)
        return
    try:
        yield from visit(path, folder, seen | {mark}, depth)
    except PermissionError:
        yield refusal(path, "no_permission", folder)
    except OSError:
        yield refusal(path, "unreadable", folder)


def _plain_folder(
    path: Path,
    folder: str,
    seen: set[tuple[int, int]],
    depth: int,
    read_file: Callable[[Path, str], Iterator[FileItem]],
) -> Iterator[FileItem]:
    def again(at: Path, name: str, seen: set[tuple[int, int]], depth: int) -> Iterator[FileItem]:
        return _plain_folder(at, name, seen, depth, read_file)

    for entry in _entries(path):
        inner = Path(entry.path)
        if entry.is_symlink():
            # A link may lead out of what the operator named, or round in a circle.
            yield refusal(inner, "symlink", folder)
        elif entry.is_dir():
            name = f"{folder}/{shown(entry.name)}" if folder else shown(entry.name)
            if is_maildir(inner):
                yield from _walk(inner, name, _maildir_folder, seen, depth + 1)
            else:
                yield from _walk(inner, name, again, seen, depth + 1)
        else:
            yield from read_file(inner, folder)


def _maildir_folder(path: Path, folder: str, seen: set[tuple[int, int]], depth: int) -> Iterator[FileItem]:
    for box in _MAILDIR_BOX:
        if (path / box).is_symlink():
            yield refusal(path / box, "symlink", folder)
        elif (path / box).is_dir():
            yield from _walk(path / box, folder, _box, seen, depth + 1)
    for entry in _entries(path):
        inner = Path(entry.path)
        if entry.name in ("cur", "new", "tmp"):
            continue
        if entry.is_symlink():
            yield refusal(inner, "symlink", folder)
        elif entry.is_dir():
            name = _subfolder(entry.name)
            name = f"{folder}/{name}" if folder else name
            if is_maildir(inner) or not entry.name.startswith("."):
                yield from _walk(inner, name, _maildir_folder, seen, depth + 1)
        elif not entry.name.startswith(_MAILDIR_CONTROL):
            yield refusal(inner, "not_a_message", folder)


def _box(path: Path, folder: str, seen: set[tuple[int, int]], depth: int) -> Iterator[FileItem]:
    for entry in _entries(path):
        yield whole_file(Path(entry.path), folder, follow=False)


def whole_file(path: Path, folder: str, *, follow: bool) -> FileItem:
    """Return a file as one message, byte for byte, or the refusal that says why not."""
    try:
        raw, status = read_whole(path, follow=follow)
    except FileRefused as error:
        return refusal(path, error.why, folder)
    return FileItem(shown(path), raw, None, folder, item_key(path, status, "", len(raw)))


def _subfolder(name: str) -> str:
    """Return the folder name of a Maildir++ directory: `.Sub.Folder` is `Sub/Folder` (modified UTF-7)."""
    if not name.startswith("."):
        return shown(name)
    parts = os.fsencode(name[1:]).split(b".")
    try:
        return "/".join(decode_name(part) for part in parts)
    except CaptureError:
        return shown(name[1:])


def _entries(path: Path) -> list[os.DirEntry[str]]:
    """Return a folder's entries in the byte order of their names, the same on every machine."""
    with os.scandir(path) as entries:
        return sorted(entries, key=lambda entry: os.fsencode(entry.name))
