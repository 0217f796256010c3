"""Text of Word's binary files (MS-DOC): the piece table says where each run of text stands."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

from archiver.message.charsets import decode_bytes
from archiver.message.extract.faults import Damaged, Encrypted, NotSupported

if TYPE_CHECKING:
    import olefile

    from archiver.message.extract.context import Context

MAX_CHARACTERS = 64 * 2**20
_WORD_97 = 0x00C1
_ENCRYPTED, _TABLE_1 = 0x0100, 0x0200
_FIB_RGLW, _FC_CLX = 0x40, 0x01A2
"""Offsets in the FIB of Word 97 and later: counts of characters by part, and where the piece table is."""

# A field is its instruction between U+0013 and U+0014, its result up to U+0015: readers see the result.
_INSTRUCTION = re.compile("\x13[^\x13\x14\x15]{0,4000}\x14")
_BARE_FIELD = re.compile("\x13[^\x13\x14\x15]{0,4000}\x15")
_SIGNS = str.maketrans({
    "\x07": "\t", "\x0b": "\n", "\x0c": "\n", "\r": "\n", "\x0e": "\n", "\x1e": "-", "\x1f": "", "\xa0": " ",
    "\x01": " ", "\x02": " ", "\x05": " ", "\x08": " ", "\x13": " ", "\x14": " ", "\x15": " ", "\x03": " ",
    "\x04": " ",
})  # fmt: skip


def read_word(ole: olefile.OleFileIO, context: Context, below: list[str] | None = None) -> None:
    """Add all text of a document: body, footnotes, headers, comments, endnotes and text boxes."""
    from archiver.message.extract.ole import stream

    main = stream(ole, [*(below or []), "WordDocument"], context)
    if len(main) < 0x60:
        raise Damaged
    magic, version, flags = struct.unpack_from("<HH6xH", main)
    if magic not in (0xA5EC, 0xA5DC, 0xA697, 0xA699):
        raise NotSupported if magic == 0xA59B or magic == 0xA59C else Damaged
    if flags & _ENCRYPTED:
        raise Encrypted
    if version < _WORD_97:
        _read_old(main, context)
        return
    name = "1Table" if flags & _TABLE_1 else "0Table"
    if not ole.exists([*(below or []), name]):
        raise Damaged
    table = stream(ole, [*(below or []), name], context)
    offset, size = struct.unpack_from("<II", main, _FC_CLX)
    context.add(_clean("".join(_pieces(main, table[offset : offset + size]))))


def _pieces(main: bytes, clx: bytes) -> list[str]:
    """The text of each piece (MS-DOC 2.8.35, 2.9.38): its characters' position and how they are kept."""
    position = 0
    while position < len(clx) and clx[position] == 1:  # properties, before the table
        (size,) = struct.unpack_from("<H", clx, position + 1)
        position += 3 + size
    if position + 5 > len(clx) or clx[position] != 2:
        raise Damaged
    (size,) = struct.unpack_from("<I", clx, position + 1)
    table = clx[position + 5 : position + 5 + size]
    count = (len(table) - 4) // 12
    if count < 1:
        raise Damaged
    starts = struct.unpack_from(f"<{count + 1}I", table)
    found = []
    total = 0
    for number in range(count):
        length = starts[number + 1] - starts[number]
        (where,) = struct.unpack_from("<I", table, 4 * (count + 1) + 8 * number + 2)
        total += length
        if length < 0 or total > MAX_CHARACTERS:
            raise Damaged
        if where & 0x40000000:
            start = (where & 0x3FFFFFFF) // 2
            found.append(main[start : start + length].decode("cp1252", "replace"))
        else:
            found.append(main[where : where + 2 * length].decode("utf-16-le", "replace"))
    return found


def _read_old(main: bytes, context: Context) -> None:
    """Word 6 and 95: one run of 8-bit text, unless saved fast."""
    start, end = struct.unpack_from("<II", main, 0x18)
    if not start < end <= len(main):
        raise Damaged
    text = main[start:end]
    context.add(_clean(decode_bytes(text, "cp1252")[0]))


def _clean(text: str) -> str:
    for _ in range(3):  # fields nest
        text, changed = _INSTRUCTION.subn("", text)
        text = _BARE_FIELD.sub("", text)
        if not changed:
            break
    return text.translate(_SIGNS)
