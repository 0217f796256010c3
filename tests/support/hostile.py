"""The museum's exhibits that are too large for a file: made anew each time, the same bytes each time."""

from __future__ import annotations

import io
import zipfile
from base64 import encodebytes
from collections.abc import Callable, Sequence
from pathlib import Path

MUSEUM = Path(__file__).parents[1] / "museum" / "mail"
MARKER = "quillmarker"

_HEAD = (
    b"From: Ann Example <ann@clinic.example>\r\nDate: Tue, 03 Feb 2026 10:00:00 +0000\r\n"
    b"Message-ID: <museum@clinic.example>\r\nSubject: x\r\n"
)
_TO = b"To: ben@clinic.example\r\n"
_MIXED = b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="edge"\r\n'
_WORDS = b"\r\nquillmarker\r\n"


def file_exhibits() -> dict[str, bytes]:
    """The exhibits in files, by name."""
    return {path.stem: path.read_bytes() for path in sorted(MUSEUM.glob("*.eml"))}


def line_of_a_megabyte() -> bytes:
    """One line of a million characters, and a word after it."""
    return _HEAD + _TO + b"\r\n" + b"x" * 1_000_000 + b" quillmarker\r\n"


def header_of_two_megabytes() -> bytes:
    """A header longer than what is read of one."""
    fields = b"".join(b"X-Filler-%d: %s\r\n" % (n, b"y" * 900) for n in range(2_400))
    return _HEAD + _TO + fields + _WORDS


def one_field_of_a_megabyte() -> bytes:
    """A References field that never wanted to end, folded."""
    ids = b"".join(b"\r\n <%020d@clinic.example>" % n for n in range(26_000))
    return _HEAD + _TO + b"References:" + ids + b"\r\n" + _WORDS


def ten_thousand_parts() -> bytes:
    """Twice as many parts as are listed."""
    part = b"--edge\r\nContent-Type: text/plain\r\n\r\nquillmarker\r\n"
    return _HEAD + _TO + _MIXED + b"\r\n" + part * 10_000 + b"--edge--\r\n"


def ten_thousand_addresses() -> bytes:
    """A To field that a mailing program wrote, folded."""
    people = b",\r\n ".join(b'"Person %d" <p%d@clinic.example>' % (n, n) for n in range(10_000))
    return _HEAD + b"To: " + people + b"\r\n" + _WORDS


def tags_of_a_hundred_thousand() -> bytes:
    """HTML that opens and never closes."""
    return _HEAD + _TO + b"Content-Type: text/html\r\n\r\n" + b"<div><b>" * 50_000 + b"quillmarker\r\n"


def comments_of_a_hundred_thousand() -> bytes:
    """HTML of comments that nearly end."""
    return (
        _HEAD + _TO + b"Content-Type: text/html\r\n\r\n<p>quillmarker</p>" + b"<!-- --!- " * 100_000 + b"\r\n"
    )


def parentheses_without_end() -> bytes:
    """An address field of nothing but comments opened."""
    return _HEAD + b"To: " + b"(" * 50_000 + b"\\" * 50_001 + b"\r\n" + _WORDS


def encoded_words_without_end() -> bytes:
    """A subject of encoded words that never close."""
    subject = b"Subject: " + b"=?utf-8?q?" * 20_000 + b"\r\n"
    return _HEAD.replace(b"Subject: x\r\n", subject) + _TO + _WORDS


def boundaries_that_almost_are() -> bytes:
    """Lines that begin as the boundary does."""
    return (
        _HEAD
        + _TO
        + _MIXED
        + b"\r\n"
        + b"--edgy\r\n--edge-\r\n" * 40_000
        + b"--edge\r\n"
        + _WORDS
        + b"--edge--\r\n"
    )


def zip_of_zeros() -> bytes:
    """A small archive that unpacks to 300 MB."""
    archive = io.BytesIO()
    info = zipfile.ZipInfo("zeros.txt")
    info.compress_type = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(archive, "w") as file, file.open(info, "w") as entry:
        for _ in range(300):
            entry.write(b"0" * 2**20)
    kind = b'Content-Type: application/zip; name="zeros.zip"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
    coded = encodebytes(archive.getvalue()).replace(b"\n", b"\r\n")
    return _HEAD + _TO + _MIXED + b"\r\n--edge\r\n" + _WORDS + b"--edge\r\n" + kind + coded + b"--edge--\r\n"


def report_of_recipients(number: int) -> bytes:
    """A journal report of so many recipients (MS-XJRNL 2.1); its original names one."""
    lines = b"".join(
        b"To: staff%d@clinic.example, Expanded: all@clinic.example\r\n" % n for n in range(number)
    )
    envelope = b"Sender: ann@clinic.example\r\nSubject: x\r\nMessage-ID: <museum@clinic.example>\r\n" + lines
    return (
        b"From: <>\r\nTo: feed@journal.example\r\nX-MS-Journal-Report:\r\n" + _MIXED
        + b"\r\n--edge\r\nContent-Type: text/plain\r\n\r\n" + envelope
        + b"\r\n--edge\r\nContent-Type: message/rfc822\r\n\r\n" + ORIGINAL + b"\r\n--edge--\r\n"
    )  # fmt: skip


ORIGINAL = _HEAD + b"To: all@clinic.example\r\n" + _WORDS

LARGE: Sequence[Callable[[], bytes]] = (
    boundaries_that_almost_are,
    comments_of_a_hundred_thousand,
    encoded_words_without_end,
    header_of_two_megabytes,
    line_of_a_megabyte,
    one_field_of_a_megabyte,
    parentheses_without_end,
    tags_of_a_hundred_thousand,
    ten_thousand_addresses,
    ten_thousand_parts,
    zip_of_zeros,
)


def all_exhibits() -> dict[str, bytes]:
    """Every exhibit by its name, those in files and those that are made."""
    return file_exhibits() | {make.__name__: make() for make in LARGE}
