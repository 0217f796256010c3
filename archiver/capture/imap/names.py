"""Mailbox names on the wire: modified UTF-7 (RFC 3501, 5.1.3) and quoted strings (RFC 3501, 9)."""

from __future__ import annotations

import binascii
import re

from archiver.errors import CaptureError

_SHIFTED = re.compile(rb"&([A-Za-z0-9+,]*)-")


class BadNameError(CaptureError):
    """A mailbox name can't be written or read in the way IMAP wants it."""

    code = "bad_mailbox_name"


def decode_name(wire: bytes) -> str:
    """Return the name a server sent, as text. A name that isn't modified UTF-7 is read as UTF-8.

    Raises BadNameError when it is neither.
    """
    try:
        text = wire.decode("ascii")
    except UnicodeDecodeError:
        try:
            return wire.decode("utf-8")
        except UnicodeDecodeError as error:
            raise BadNameError("a mailbox name is neither modified UTF-7 nor UTF-8") from error
    if "&" not in text:
        return text
    pieces: list[str] = []
    last = 0
    for match in _SHIFTED.finditer(wire):
        between = wire[last : match.start()]
        if b"&" in between:
            raise BadNameError("a mailbox name is not modified UTF-7")
        pieces.append(between.decode("ascii"))
        pieces.append(_unshift(match[1]) if match[1] else "&")
        last = match.end()
    if b"&" in wire[last:]:
        raise BadNameError("a mailbox name is not modified UTF-7")
    pieces.append(wire[last:].decode("ascii"))
    return "".join(pieces)


def label(wire: bytes) -> str:
    """Return a flag or Gmail label as text, whatever its bytes are (labels are modified UTF-7)."""
    try:
        return decode_name(wire)
    except BadNameError:
        return wire.decode("utf-8", "backslashreplace")


def encode_name(name: str) -> bytes:
    """Return a name as modified UTF-7."""
    pieces: list[bytes] = []
    for run in re.findall(r"[\x20-\x7e]+|[^\x20-\x7e]+", name):
        if run[0].isascii() and run[0].isprintable():
            pieces.append(run.encode("ascii").replace(b"&", b"&-"))
        else:
            coded = binascii.b2a_base64(run.encode("utf-16-be"), newline=False)
            pieces.append(b"&" + coded.rstrip(b"=").replace(b"/", b",") + b"-")
    return b"".join(pieces)


def quote(text: str) -> str:
    """Return text as a quoted string for a command. Raises BadNameError for what needs a literal."""
    if any(character in text for character in "\0\r\n"):
        raise BadNameError("control characters can't be sent to a mailbox server")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _unshift(coded: bytes) -> str:
    padded = coded.replace(b",", b"/") + b"=" * (-len(coded) % 4)
    try:
        return binascii.a2b_base64(padded, strict_mode=True).decode("utf-16-be")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise BadNameError("a mailbox name is not modified UTF-7") from error
