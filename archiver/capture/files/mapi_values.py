"""MAPI property values from their bytes ([MS-OXCDATA] 2.11), the same for MSG and PST."""

from __future__ import annotations

import struct

from archiver.capture.files.mapi import CODEPAGE, INTERNET_CODEPAGE, Props, Value, charset
from archiver.message.charsets import decode_bytes

STRING8, UNICODE, BINARY, OBJECT = 0x001E, 0x001F, 0x0102, 0x000D
FIXED = {0x0002: "<h", 0x0003: "<i", 0x0014: "<q", 0x0040: "<Q"}
BOOLEAN = 0x000B


def read_value(kind: int, data: bytes) -> Value | None:
    """Return a value, or None for a type that no message needs. 8-bit text stays bytes: see `settle`."""
    if kind == UNICODE:
        return data[: len(data) & ~1].decode("utf-16-le", "replace")
    if kind in (STRING8, BINARY):
        return data
    if kind == BOOLEAN:
        return bool(data[:1] not in (b"", b"\0"))
    form = FIXED.get(kind)
    if form is None or len(data) < struct.calcsize(form):
        return None
    value: int = struct.unpack_from(form, data)[0]
    return value


def settle(props: Props, texts: set[int]) -> Props:
    """Decode the properties that were 8-bit text, by the code page that the item itself states."""
    page = props.get(CODEPAGE) or props.get(INTERNET_CODEPAGE)
    name = charset(page) if isinstance(page, int) and page else "windows-1252"
    for key in texts:
        value = props.get(key)
        if isinstance(value, bytes):
            props[key] = decode_bytes(value, name)[0]
    return props
