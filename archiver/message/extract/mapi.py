"""MAPI properties as MSG and TNEF both carry them: names of the few we read, and their values as text."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from archiver.message.charsets import decode_bytes

Value = int | bool | float | str | bytes | datetime | None
Properties = Mapping[int, Value]
"""Property id (the tag's upper 16 bits) to value; strings decoded, times in UTC."""

MESSAGE_CLASS, SUBJECT, CLIENT_SUBMIT_TIME = 0x001A, 0x0037, 0x0039
TRANSPORT_HEADERS, SENT_REPRESENTING_NAME, SENT_REPRESENTING_ADDRESS = 0x007D, 0x0042, 0x0065
SENDER_NAME, SENDER_ADDRESS, SENDER_SMTP = 0x0C1A, 0x0C1F, 0x5D01
DISPLAY_BCC, DISPLAY_CC, DISPLAY_TO, DELIVERY_TIME = 0x0E02, 0x0E03, 0x0E04, 0x0E06
BODY, RTF_COMPRESSED, HTML, INTERNET_MESSAGE_ID = 0x1000, 0x1009, 0x1013, 0x1035
RECIPIENT_TYPE, DISPLAY_NAME, EMAIL_ADDRESS, SMTP_ADDRESS = 0x0C15, 0x3001, 0x3003, 0x39FE
ATTACH_DATA, ATTACH_EXTENSION, ATTACH_FILENAME, ATTACH_METHOD = 0x3701, 0x3703, 0x3704, 0x3705
ATTACH_LONG_FILENAME, ATTACH_MIME_TAG, ATTACH_CONTENT_ID = 0x3707, 0x370E, 0x3712
INTERNET_CODEPAGE, MESSAGE_CODEPAGE = 0x3FDE, 0x3FFD

TYPE_SHORT, TYPE_LONG, TYPE_FLOAT, TYPE_DOUBLE = 0x0002, 0x0003, 0x0004, 0x0005
TYPE_BOOLEAN, TYPE_OBJECT, TYPE_LONGLONG = 0x000B, 0x000D, 0x0014
TYPE_STRING8, TYPE_UNICODE, TYPE_TIME, TYPE_CLSID, TYPE_BINARY = 0x001E, 0x001F, 0x0040, 0x0048, 0x0102

_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_CODEPAGES = {65001: "utf-8", 20127: "ascii", 28591: "latin-1", 50220: "iso-2022-jp", 51949: "euc-kr"}


def fixed_value(kind: int, raw: bytes) -> Value:
    """The value of a property that fits eight bytes (padded); None for kinds that don't."""
    raw = raw.ljust(8, b"\0")
    if kind == TYPE_SHORT:
        return int(struct.unpack_from("<h", raw)[0])
    if kind == TYPE_LONG:
        return int(struct.unpack_from("<i", raw)[0])
    if kind == TYPE_FLOAT:
        return float(struct.unpack_from("<f", raw)[0])
    if kind == TYPE_DOUBLE:
        return float(struct.unpack_from("<d", raw)[0])
    if kind == TYPE_BOOLEAN:
        return raw[0] != 0
    if kind == TYPE_LONGLONG:
        return int(struct.unpack_from("<q", raw)[0])
    if kind == TYPE_TIME:
        return _time(int(struct.unpack_from("<Q", raw)[0]))
    return None


def variable_value(kind: int, raw: bytes, charset: str) -> Value:
    """The value of a property of any length; `charset` is that of the message's 8-bit strings."""
    if kind == TYPE_UNICODE:
        return raw.decode("utf-16-le", "replace").rstrip("\0")
    if kind == TYPE_STRING8:
        return decode_bytes(raw, charset)[0].rstrip("\0")
    return raw


def charset_of(codepage: Value) -> str:
    """A Windows code page number as a charset name, or ``""``."""
    if not isinstance(codepage, int) or isinstance(codepage, bool) or codepage <= 0:
        return ""
    return _CODEPAGES.get(codepage, f"cp{codepage}")


def text_of(properties: Properties, name: int) -> str:
    """A string property, or ``""``."""
    value = properties.get(name)
    return value if isinstance(value, str) else ""


def _time(ticks: int) -> datetime | None:
    try:
        return _EPOCH + timedelta(microseconds=ticks // 10)
    except OverflowError:
        return None
