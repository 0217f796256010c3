"""Tells what a file or folder is, by its first bytes before its name."""

from __future__ import annotations

import os
import re
from itertools import islice
from pathlib import Path
from typing import Literal, get_args

from archiver.capture.files.items import Why, open_regular
from archiver.capture.files.mbox import MboxStyle, split_mbox

Format = Literal[
    "auto", "eml", "emlx", "folder", "maildir", "mbox", "mboxo", "mboxrd", "mboxcl", "mboxcl2", "msg", "pst",
    "tar", "zip",
]  # fmt: skip
FORMATS: tuple[str, ...] = get_args(Format)

MBOX_STYLES: dict[str, MboxStyle] = {
    "mbox": "auto", "mboxo": "o", "mboxrd": "rd", "mboxcl": "cl", "mboxcl2": "cl2",
}  # fmt: skip

Kind = Literal[
    "eml", "emlx", "folder", "mbox", "maildir", "zip", "tar", "pst", "msg", "gzip", "bzip2", "xz", "zstd",
    "packed", "empty", "unknown",
]  # fmt: skip

COMPRESSED: tuple[Kind, ...] = ("gzip", "bzip2", "xz", "zstd")

HEAD = 64 * 1024
"""Bytes of a file that `kind_of_bytes` likes to see."""

_MAGIC: tuple[tuple[bytes, Kind], ...] = (
    (b"!BDN", "pst"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "msg"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    # No reader for these: they are named, to be unpacked first.
    (b"7z\xbc\xaf\x27\x1c", "packed"),
    (b"Rar!\x1a\x07", "packed"),
)
_SUFFIXES: dict[str, Kind] = {".pst": "pst", ".ost": "pst", ".eml": "eml", ".emlx": "emlx"}
_OFFICE = (".docx", ".docm", ".xlsx", ".xlsm", ".pptx", ".pptm", ".odt", ".ods", ".odp", ".jar")
_OFFICE_OLD = (".doc", ".dot", ".xls", ".xlt", ".ppt", ".pps", ".vsd", ".pub", ".msi", ".db")
_MBOX_SUFFIXES = (".mbox", ".mbx", ".mboxrd", ".mboxo", ".mboxcl", ".mboxcl2")
_MAILDIR_NAME = re.compile(r"\d+\.[^/]+")
# A calendar, a card and JSON begin like a header, and are no mail unless the operator says so.
_FIRST_HEADER = re.compile(
    rb"(?:\xef\xbb\xbf)?[\r\n]*(?:>?From [^\r\n]*(?:\r\n|\n|\r))?(?!BEGIN:V|\{[\"\s])[!-9;-~]+[ \t]*:"
)
_EMLX = re.compile(rb"[ \t]*\d{1,10}[ \t]*\r?\n[!-9;-~]+[ \t]*:")

_SYSTEM_NAMES = frozenset({".ds_store", "thumbs.db", "desktop.ini", ".localized", "icon\r"})
# What mail programs keep beside mail: indexes, filters, states. They hold no messages.
_PROGRAM_NAMES = frozenset(
    {
        "msgfilterrules.dat", "popstate.dat", "filterlog.html", "foldercache.json", "panacea.dat",
        "table_of_contents", "info.plist", ".mh_sequences", ".mh_profile", ".uidvalidity", ".mbsyncstate",
        ".notmuch", ".nnmaildir", "maildirsize", "maildirfolder",
    }
)  # fmt: skip
_PROGRAM_SUFFIXES = (".msf", ".emlxpart", ".pst.tmp")


def ignorable(name: str, head: bytes | None = None) -> Why | None:
    """Return why a file is no mail and never was, by its name (and first bytes), or None."""
    lower = name.lower()
    if lower in _SYSTEM_NAMES or (name.startswith("._") and head is not None and head[:3] == b"\0\5\x16"):
        return "system_file"
    if lower in _PROGRAM_NAMES or lower.endswith(_PROGRAM_SUFFIXES):
        return "mail_program_file"
    return None


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
            # Office documents are ZIP or OLE files as well; nobody keeps mail in them.
            office = {"zip": _OFFICE, "msg": _OFFICE_OLD}.get(kind, ())
            return "unknown" if suffix in office else kind
    if head[257:262] == b"ustar":
        return "tar"
    if suffix in _SUFFIXES and (suffix != ".emlx" or _EMLX.match(head)):
        return _SUFFIXES[suffix]
    if named_mbox(name) or head.startswith(b"From "):
        return "mbox"
    if looks_like_mail(head):
        return "eml"
    return "emlx" if _EMLX.match(head) else "unknown"


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
        kind = kind_of_bytes(file.read(HEAD), path.name)
        if kind == "mbox" and not named_mbox(path.name):
            file.seek(0)
            if len(list(islice(split_mbox(file), 2))) < 2:
                return "eml"
        return kind
