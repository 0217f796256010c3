"""Decompresses the RTF that Outlook keeps: LZFu, [MS-OXRTFCP]."""

from __future__ import annotations

import struct

_DICTIONARY = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}"
    rb"{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor MS Sans SerifSymbolArialTimes New RomanCourier"
    rb"{\colortbl\red0\green0\blue0" + b"\r\n" + rb"\par \pard\plain\f0\fs20\b\i\u\tab\tx"
)
LARGEST = 64 * 1024 * 1024


def decompress_rtf(data: bytes) -> bytes | None:
    """Return the RTF, or None where the input is no LZFu or broken. Never raises.

    The size that the header states is a bound, and so is `LARGEST`; the sum is not checked, as Outlook
    itself shows text whose sum is wrong.
    """
    if len(data) < 16:
        return None
    _, size, magic, _ = struct.unpack_from("<IIII", data)
    if magic == 0x414C454D:  # "MELA": not compressed
        return data[16 : 16 + size]
    if magic != 0x75465A4C or size > LARGEST:  # "LZFu"
        return None
    window = bytearray(_DICTIONARY.ljust(4096, b" "))
    write = len(_DICTIONARY)
    out = bytearray()
    at = 16
    while at < len(data):
        control = data[at]
        at += 1
        for bit in range(8):
            if not control >> bit & 1:
                if at >= len(data):
                    return bytes(out)
                chunk = data[at : at + 1]
                at += 1
            else:
                if at + 2 > len(data):
                    return bytes(out)
                token = data[at] << 8 | data[at + 1]
                at += 2
                offset, length = token >> 4, (token & 0xF) + 2
                if offset == write:
                    return bytes(out)
                chunk = b""
                for _ in range(length):
                    byte = window[offset]
                    chunk += bytes((byte,))
                    window[write] = byte
                    write, offset = (write + 1) & 0xFFF, (offset + 1) & 0xFFF
                out += chunk
                if len(out) > LARGEST:
                    return None
                continue
            window[write] = chunk[0]
            write = (write + 1) & 0xFFF
            out += chunk
            if len(out) > LARGEST:
                return None
    return bytes(out)
