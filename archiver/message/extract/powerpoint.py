"""Text of PowerPoint's binary files (MS-PPT): a tree of records, three kinds of which hold text."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

from archiver.message.extract.faults import Damaged, Encrypted, TooLarge
from archiver.message.extract.sniff import sniff

if TYPE_CHECKING:
    import olefile

    from archiver.message.extract.context import Context

MAX_RECORDS = 500_000
MAX_DEPTH = 50
_TEXT_CHARS, _TEXT_BYTES, _CSTRING, _OLE_OBJECT, _CRYPT = 4000, 4008, 4026, 4113, 12052
_MAIN_MASTER, _TAG_DATA = 1016, 5003
_NOT_SAID = frozenset({"___PPT10", "___PPT9", "___PPT12", "Default Design", "___PPTMac11", "*"})


def read_powerpoint(ole: olefile.OleFileIO, context: Context) -> None:
    """Add the text of slides, notes, headers, footers and comments, and read embedded objects."""
    from archiver.message.extract.ole import stream

    if ole.exists("EncryptedSummary"):
        raise Encrypted
    data = stream(ole, ["PowerPoint Document"], context)
    found: list[str] = []
    objects: list[tuple[int, bytes]] = []
    sound = _walk(data, found, objects)
    context.add("\n".join(dict.fromkeys(found)))
    for number, (packed, body) in enumerate(objects, 1):
        context.entry()
        context.check_time()
        inner = _unpack(body, packed, context)
        if inner is None:
            context.listed(f"object-{number}", "damaged")
        else:
            context.nested(f"object-{number}", sniff(inner, ""), inner)
    if not sound:
        raise Damaged


def _walk(data: bytes, found: list[str], objects: list[tuple[int, bytes]]) -> bool:
    """Gather text in the order of the file; False where the records don't fill it."""
    ends = [len(data)]
    position = records = 0
    while position + 8 <= len(data):
        while len(ends) > 1 and position >= ends[-1]:
            ends.pop()
        records += 1
        if records > MAX_RECORDS:
            raise TooLarge
        version, kind, size = struct.unpack_from("<HHI", data, position)
        position += 8
        end = position + size
        if end > len(data):
            return False
        if kind == _CRYPT:
            raise Encrypted
        if (version & 0xF == 0xF or kind == _TAG_DATA) and kind != _MAIN_MASTER:
            if len(ends) > MAX_DEPTH:
                return False
            ends.append(end)
            continue
        if kind in (_TEXT_CHARS, _CSTRING):
            text = data[position:end].decode("utf-16-le", "replace")
            if text not in _NOT_SAID:
                found.append(_clean(text))
        elif kind == _TEXT_BYTES:
            found.append(_clean(data[position:end].decode("latin-1")))
        elif kind == _OLE_OBJECT:
            objects.append((version >> 4, data[position:end]))
        position = end
    return True


def _unpack(body: bytes, packed: int, context: Context) -> bytes | None:
    """An embedded object's compound file: its size, then zlib, where the instance says so."""
    if not packed:
        return body
    try:
        most = context.room(len(body))
        inner = zlib.decompressobj().decompress(body[4:], most + 1)
    except zlib.error:
        return None
    if len(inner) > most:
        raise TooLarge
    context.unpacked(len(inner))
    return inner


def _clean(text: str) -> str:
    return text.replace("\r", "\n").replace("\x0b", "\n")
