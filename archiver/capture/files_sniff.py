"""Tells what a file or folder is, by its first bytes before its name."""

from __future__ import annotations

import os
import re
from itertools import islice
from pathlib import Path
from typing import Literal, get_args

from archiver.capture.files_items import open_regular
from archiver.capture.files_mbox import split_mbox

Format = Literal["auto", "eml", "folder", "mbox", "mboxo", "maildir", "zip", "pst", "msg"]
FORMATS: tuple[str, ...] = get_args(Format)

Kind = Literal["eml", "folder", "mbox", "maildir", "zip", "pst", "msg", "compressed", "empty", "unknown"]

_HEAD = 64 * 1024
_MAGIC: tuple[tuple[bytes, Kind], ...] = (
    (b"!BDN", "pst"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "msg"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\x1f\x8b", "compressed"),
    (b"BZh", "compressed"),
    (b"\xfd7zXZ\x00", "compressed"),
    (b"7z\xbc\xaf\x27\x1c", "compressed"),
    (b"\x28\xb5\x2f\xfd", "compressed"),
)
_SUFFIXES: dict[str, Kind] = {".pst": "pst", ".ost": "pst", ".eml": "eml"}
_OFFICE = (".docx", ".docm", ".xlsx", ".xlsm", ".pptx", ".pptm", ".odt", ".ods", ".odp", ".jar")
_MBOX_SUFFIXES = (".mbox", ".mbx", ".mboxrd", ".mboxo")
_MAILDIR_NAME = re.compile(r"\d+\.[^/]+")
_FIRST_HEADER = re.compile(rb"(?:\xef\xbb\xbf)?[\r\n]*(?:>?From [^\r\n]*(?:\r\n|\n|\r))?[!-9;-~]+[ \t]*:")


def is_maildir(path: Path) -> bool:
    """True when a folder has two or more of a Maildir's `cur`, `new` and `tmp`.

    Copies often lose the empty ones, so `cur` or `new` alone is enough where a file in it has a
    Maildir name (seconds, a dot, something unique).
    """
    try:
        boxes = [path / name for name in ("cur", "new", "tmp") if (path / name).is_dir()]
    except OSError:
        # A folder that can't be looked into is refused by whoever enters it.
        return False
    return len(boxes) >= 2 or any(box.name != "tmp" and _has_maildir_names(box) for box in boxes)


def _has_maildir_names(box: Path) -> bool:
    try:
        with os.scandir(box) as entries:
            names = [entry.name for entry in islice(entries, 10)]
    except OSError:
        return False
    return bool(names) and all(_MAILDIR_NAME.match(name) for name in names)


def named_mbox(name: str) -> bool:
    """True when a file's name says that it is an mbox, even of one message."""
    lower = name.lower()
    return lower == "mbox" or lower.endswith(_MBOX_SUFFIXES)


def looks_like_mail(head: bytes) -> bool:
    """True when the first line (after blank lines and an mbox envelope line) is a header field."""
    return _FIRST_HEADER.match(head) is not None


def kind_of_bytes(head: bytes, name: str) -> Kind:
    """Return what a file is from its first bytes and its name; `mbox` where it begins with `From `."""
    if not head:
        return "empty"
    suffix = Path(name).suffix.lower()
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            # Office documents are ZIP archives as well; nobody keeps mail in them.
            return kind if kind != "zip" or suffix not in _OFFICE else "unknown"
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    if named_mbox(name) or head.startswith(b"From "):
        return "mbox"
    return "eml" if looks_like_mail(head) else "unknown"


def detect_format(path: Path, *, follow: bool = True) -> Kind:
    """Return what a path is. Raises FileRefused when it can't be opened.

    A file that begins with `From ` is an mbox when its name says so or when a second separator
    follows; with only one it is a single message, the envelope line part of its bytes. A file named
    `.eml` is always one message.
    """
    if path.is_dir():
        return "maildir" if is_maildir(path) else "folder"
    file, _ = open_regular(path, follow=follow)
    with file:
        kind = kind_of_bytes(file.read(_HEAD), path.name)
        if kind == "mbox" and not named_mbox(path.name):
            file.seek(0)
            if len(list(islice(split_mbox(file), 2))) < 2:
                return "eml"
        return kind
