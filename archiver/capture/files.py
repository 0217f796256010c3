"""The file door: mbox, Maildir, EML files, folders and ZIPs of them, as a stream of messages to import.

PST and MSG are refused by name until their readers come.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from archiver.capture.files_items import FileItem, FileRefused, Why, item_key, open_regular, refusal, shown
from archiver.capture.files_mbox import split_mbox
from archiver.capture.files_sniff import FORMATS, Format, Kind, detect_format, is_maildir
from archiver.capture.files_walk import ReadFile, Walk, whole_file
from archiver.capture.files_zip import zip_items
from archiver.errors import CaptureError

__all__ = ["FORMATS", "FileItem", "Format", "Why", "detect_format", "open_items"]

_NOT_TAKEN: dict[Kind, Why] = {
    "empty": "empty",
    "compressed": "compressed",
    "pst": "pst_not_supported_yet",
    "msg": "msg_not_supported_yet",
    "unknown": "not_a_message",
}


def open_items(paths: Iterable[Path], format: Format = "auto") -> Iterator[FileItem]:
    """Yield every message under the paths, and a refusal for everything else found there.

    The order is fixed: paths as given, names in byte order, offsets upwards. `auto` looks at each file
    (see `detect_format`); another format is taken as the operator's word for every file. `eml` takes
    any file as one message, whatever it looks like; `mboxo` is an mbox whose `>From ` lines stay as
    they are. Raises CaptureError for an unknown format, and nothing for what the files contain.
    """
    if format not in FORMATS:
        raise CaptureError("unknown format: use one of " + ", ".join(FORMATS))
    return _open_items(paths, format)


def _open_items(paths: Iterable[Path], format: Format) -> Iterator[FileItem]:
    for path in paths:
        # The operator named this path, so a link is followed here, and only here.
        if not path.is_dir():
            yield from _file_items(path, "", format, follow=True)
        elif format == "maildir" or (format == "auto" and is_maildir(path)):
            yield from Walk(_reader(format)).maildir(path)
        else:
            yield from Walk(_reader(format)).folder(path)


def _reader(format: Format) -> ReadFile:
    """Return what reads the files of a walk in one format."""

    def read(path: Path, folder: str) -> Iterator[FileItem]:
        return _file_items(path, folder, format, follow=False)

    return read


def _file_items(path: Path, folder: str, format: Format, *, follow: bool) -> Iterator[FileItem]:
    try:
        kind = _kind(path, format, follow=follow)
    except FileRefused as error:
        yield refusal(path, error.why, folder)
        return
    if kind in _NOT_TAKEN:
        yield refusal(path, _NOT_TAKEN[kind], folder)
    elif kind == "mbox":
        yield from _mbox_items(path, folder, quoting=format != "mboxo", follow=follow)
    elif kind == "zip":
        yield from zip_items(path, folder, follow=follow)
    else:
        yield from whole_file(path, folder, follow=follow)


def _kind(path: Path, format: Format, *, follow: bool) -> Kind:
    if format == "auto" or format == "folder" or format == "maildir":
        return detect_format(path, follow=follow)
    return "mbox" if format == "mboxo" else format


def _mbox_items(path: Path, folder: str, *, quoting: bool, follow: bool) -> Iterator[FileItem]:
    """Yield an mbox's messages; the file itself is a folder by its name."""
    mailbox = "/".join(part for part in (folder, shown(path.stem)) if part)
    try:
        file, status = open_regular(path, follow=follow)
    except FileRefused as error:
        yield refusal(path, error.why, folder)
        return
    with file:
        if not status.st_size:
            yield refusal(path, "empty", folder)
            return
        try:
            for message in split_mbox(file, quoting=quoting):
                place = f"@{message.offset}"
                if message.raw:
                    key = item_key(path, status, place, message.size)
                    yield FileItem(shown(path) + place, message.raw, None, mailbox, key)
                else:
                    why: Why = "too_large" if message.raw is None else "empty"
                    yield refusal(path, why, mailbox, place)
        except OSError:
            yield refusal(path, "unreadable", mailbox)
