"""What lies in the folders of real mail, as the standard library sees it: nothing here is Holdfast's.

Every file is one of: a message of its own, a container of messages, a conversion (MSG, PST), or nothing
that anybody would call mail.
"""

from __future__ import annotations

import email
import hashlib
import re
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_SEPARATOR = re.compile(rb"From [^\r\n]*\r?\n")
_MAIL_FIELDS = {"from", "to", "subject", "date", "received", "message-id", "return-path", "content-type"}
PST_MESSAGES = {"dist-list.pst": 1, "testPST_variousBodyTypes.pst": 4}
"""Messages that libpff finds in each PST; no other reader has confirmed it."""


def sha256(raw: bytes) -> str:
    """In hex."""
    return hashlib.sha256(raw).hexdigest()


def files(folder: Path) -> Iterator[Path]:
    """Every file below, in byte order."""
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())


def has_mail_header(raw: bytes) -> bool:
    """True where the standard library finds a field of mail in the first header block."""
    text = raw.lstrip(b"\r\n").removeprefix(b"\xef\xbb\xbf")
    if text.startswith(b"From "):
        text = text.partition(b"\n")[2]
    return any(name.lower() in _MAIL_FIELDS for name in email.message_from_bytes(text).keys())  # noqa: SIM118


def in_mbox(raw: bytes) -> list[bytes]:
    """The messages of an mboxrd: a `From ` line at the start or after a blank line begins each.

    The one blank line before the next is no part of a message; nor is one at the end of the file.
    """
    starts = [
        m
        for m in _SEPARATOR.finditer(raw)
        if m.start() == 0 or raw[max(m.start() - 3, 0) : m.start()].endswith((b"\n\n", b"\n\r\n"))
    ]
    ends = [m.start() for m in starts[1:]] + [len(raw)]
    bodies = [raw[m.end() : end] for m, end in zip(starts, ends, strict=True)]
    return [re.sub(rb"(?m)^>(>*From )", rb"\1", _without_blank_end(body)) for body in bodies]


def _without_blank_end(body: bytes) -> bytes:
    if body.endswith(b"\r\n\r\n"):
        return body[:-2]
    return body[:-1] if body.endswith(b"\n\n") or body == b"\n" else body


def is_converted(raw: bytes) -> bool:
    """True for a compound file that holds an Outlook message's properties."""
    return raw.startswith(_OLE) and "__properties_version1.0".encode("utf-16-le") in raw


def entries(path: Path) -> int:
    """How many files a ZIP or tar holds by its directory; 0 where it is neither."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return sum(not entry.is_dir() for entry in archive.infolist())
        if tarfile.is_tarfile(path):
            with tarfile.open(path) as tape:
                return sum(entry.isfile() for entry in tape)
    except (OSError, tarfile.TarError, zipfile.BadZipFile):
        return 0
    return 0
