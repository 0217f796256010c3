"""Compressed RTF, as Outlook keeps message text in MSG and TNEF (MS-OXRTFCP)."""

from __future__ import annotations

import struct

from archiver.message.extract.faults import Damaged, TooLarge

MAX_RTF = 64 * 2**20

_PREBUFFER = (
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript "
    b"\\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par "
    b"\\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"
)
_WINDOW = 4096
_COMPRESSED, _PLAIN = b"LZFu", b"MELA"


def decompress_rtf(data: bytes) -> bytes:
    """Return the RTF in a PidTagRtfCompressed value. Raises Damaged or TooLarge.

    The checksum is not asked for: what can be read of a damaged message is worth having.
    """
    if len(data) < 16:
        raise Damaged
    _, raw_size, magic = struct.unpack_from("<II4s", data)
    if raw_size > MAX_RTF:
        raise TooLarge
    if magic == _PLAIN:
        return data[16 : 16 + raw_size]
    if magic != _COMPRESSED:
        raise Damaged
    return _inflate(memoryview(data)[16:], raw_size)


def _inflate(source: memoryview, raw_size: int) -> bytes:
    window = bytearray(_PREBUFFER.ljust(_WINDOW, b"\0"))
    write = len(_PREBUFFER)
    out = bytearray()
    position, end = 0, len(source)
    while position < end and len(out) < raw_size:
        flags = source[position]
        position += 1
        for bit in range(8):
            if position >= end or len(out) >= raw_size:
                break
            if not flags >> bit & 1:
                byte = source[position]
                position += 1
                out.append(byte)
                window[write] = byte
                write = (write + 1) % _WINDOW
                continue
            if position + 2 > end:
                return bytes(out)
            token = source[position] << 8 | source[position + 1]
            position += 2
            offset, length = token >> 4, (token & 15) + 2
            if offset == write:
                return bytes(out[:raw_size])
            for step in range(length):
                byte = window[(offset + step) % _WINDOW]
                out.append(byte)
                window[write] = byte
                write = (write + 1) % _WINDOW
    return bytes(out[:raw_size])
