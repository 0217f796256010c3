"""Content-Transfer-Encodings (RFC 2045 6), read leniently: what can be decoded is, and damage is told."""

from __future__ import annotations

import binascii
import io
import re

_IDENTITY = frozenset({"", "7bit", "8bit", "binary", "7-bit", "8-bit", "7bits", "8bits"})
_UUENCODE = frozenset({"uuencode", "x-uuencode", "uue", "x-uue"})
_WHITE = b" \t\r\n\x0b\x0c"
_BASE64_RUN = re.compile(rb"[A-Za-z0-9+/]+")
_BASE64_LINE = re.compile(rb"[ \t]*[A-Za-z0-9+/]*={0,2}[ \t\r]*\n?\Z")


def is_identity(encoding: str) -> bool:
    """True when the bytes stand as they are."""
    return encoding in _IDENTITY


def is_known(encoding: str) -> bool:
    """True for the encodings `decode_transfer` understands."""
    return encoding in _IDENTITY or encoding in _UUENCODE or encoding in ("base64", "quoted-printable")


def decode_transfer(data: bytes, encoding: str) -> tuple[bytes, bool]:
    """Return the decoded bytes and whether they were sound. An unknown encoding leaves them as they are."""
    if encoding == "quoted-printable":
        return binascii.a2b_qp(data), True
    if encoding == "base64":
        decoded, good = decode_base64(data)
        # A header that lies: read as base64, every word of plain text would be lost to the search.
        return (decoded, good) if good or not _is_plain(data) else (data, False)
    if encoding in _UUENCODE:
        return _decode_uu(data)
    return data, True


def decode_base64(data: bytes) -> tuple[bytes, bool]:
    """Decode base64 and say whether it was sound.

    Damaged input gives all that can be had: each run of the alphabet between paddings is decoded by
    itself. Lines that hold other characters (a list's footer, say) are left out.
    """
    compact = data.translate(None, _WHITE)
    try:
        return binascii.a2b_base64(compact, strict_mode=True), True
    except binascii.Error:
        pass
    kept = bytearray()
    for line in io.BytesIO(data):
        if _BASE64_LINE.match(line):
            kept += line.translate(None, _WHITE)
    out = bytearray()
    for match in _BASE64_RUN.finditer(kept or compact):
        run = match.group()
        usable = len(run) - 1 if len(run) % 4 == 1 else len(run)
        out += binascii.a2b_base64(run[:usable] + b"=" * (-usable % 4))
    return bytes(out), False


def _is_plain(data: bytes) -> bool:
    """True for lines of words with spaces between them, hardly any of them in base64's alphabet alone."""
    words = coded = 0
    for line in io.BytesIO(data[:65_536]):
        if _BASE64_LINE.match(line):
            coded += len(line)
        else:
            words += len(line)
    return coded * 5 < words and data.count(b" ", 0, 65_536) * 20 > words


def _decode_uu(data: bytes) -> tuple[bytes, bool]:
    out = []
    good = True
    inside = False
    for written in io.BytesIO(data):
        line = written.rstrip(b"\r\n")
        if not inside:
            inside = line.startswith(b"begin ")
            continue
        if line == b"end":
            break
        try:
            out.append(binascii.a2b_uu(line))
        except binascii.Error:
            good = False
    return b"".join(out), good and inside
