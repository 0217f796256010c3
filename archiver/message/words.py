"""RFC 2047 encoded words in header text."""

from __future__ import annotations

import binascii
import re

from archiver.message.charsets import codec_name, decode_bytes
from archiver.message.transfer import decode_base64

# A word may hold a few stray question marks; the bound keeps unclosed words from costing square time.
_WORD = re.compile(r"=\?([^?\s]{1,60})\?([bBqQ])\?([^?]*(?:\?(?!=)[^?]*){0,20})\?=")
_BLANKS = frozenset(" \t\r\n")


def decode_words(text: str) -> tuple[str, bool]:
    """Return header text with its encoded words decoded, and whether all of them were sound.

    White space between two encoded words is dropped (RFC 2047 6.2), and neighbours of one charset are
    joined before decoding, because senders split multi-byte characters across them.
    """
    if "=?" not in text:
        return text, True
    out: list[str] = []
    pending = b""
    charset = ""
    position = 0
    good = True
    for match in _WORD.finditer(text):
        between = text[position : match.start()]
        name = match.group(1).partition("*")[0]
        joined = position > 0 and _BLANKS.issuperset(between)
        if pending and not (joined and name.lower() == charset.lower()):
            decoded, fine = decode_bytes(pending, charset)
            out.append(decoded)
            good = good and fine
            pending = b""
        if not joined:
            out.append(between)
        data, fine = _word_bytes(match.group(2), match.group(3), name)
        good = good and fine
        pending += data
        charset = name
        position = match.end()
    if pending:
        decoded, fine = decode_bytes(pending, charset)
        out.append(decoded)
        good = good and fine
    out.append(text[position:])
    return "".join(out), good


def _word_bytes(kind: str, text: str, charset: str) -> tuple[bytes, bool]:
    if text.isascii():
        data = text.encode("ascii")
    else:
        # 8-bit text inside a word is against the rules; it is put back as the word's own charset has it.
        data = text.encode(codec_name(charset) or "utf-8", "replace")
    if kind in "bB":
        return decode_base64(data)
    return binascii.a2b_qp(data.replace(b" ", b"_"), header=True), True
