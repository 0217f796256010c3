"""Items of Outlook as MSG, TNEF and PST files carry them: MAPI properties ([MS-OXPROPS]) and their values."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from archiver.message.charsets import codec_name, decode_bytes

Value = int | bool | float | str | bytes | datetime | None
Props = dict[int, Value]
"""Property id (the tag's upper 16 bits) to value; strings decoded, times in UTC."""

IMPORTANCE, MESSAGE_CLASS, SUBJECT, CLIENT_SUBMIT_TIME = 0x0017, 0x001A, 0x0037, 0x0039
TRANSPORT_HEADERS, SENT_REPRESENTING_NAME, SENT_REPRESENTING_ADDRESS = 0x007D, 0x0042, 0x0065
SENT_REPRESENTING_SMTP, SENDER_NAME, SENDER_ADDRESS, SENDER_SMTP = 0x5D02, 0x0C1A, 0x0C1F, 0x5D01
DISPLAY_BCC, DISPLAY_CC, DISPLAY_TO, DELIVERY_TIME = 0x0E02, 0x0E03, 0x0E04, 0x0E06
BODY, RTF_COMPRESSED, HTML, INTERNET_MESSAGE_ID = 0x1000, 0x1009, 0x1013, 0x1035
REFERENCES, IN_REPLY_TO = 0x1039, 0x1042
RECIPIENT_TYPE, DISPLAY_NAME, EMAIL_ADDRESS, SMTP_ADDRESS = 0x0C15, 0x3001, 0x3003, 0x39FE
ATTACH_DATA, ATTACH_FILENAME, ATTACH_METHOD = 0x3701, 0x3704, 0x3705
ATTACH_LONG_FILENAME, ATTACH_MIME_TAG, ATTACH_CONTENT_ID = 0x3707, 0x370E, 0x3712
INTERNET_CODEPAGE, MESSAGE_CODEPAGE = 0x3FDE, 0x3FFD

TYPE_SHORT, TYPE_LONG, TYPE_FLOAT, TYPE_DOUBLE = 0x0002, 0x0003, 0x0004, 0x0005
TYPE_BOOLEAN, TYPE_OBJECT, TYPE_LONGLONG = 0x000B, 0x000D, 0x0014
TYPE_STRING8, TYPE_UNICODE, TYPE_TIME, TYPE_CLSID, TYPE_BINARY = 0x001E, 0x001F, 0x0040, 0x0048, 0x0102

MAX_DEPTH = 16
"""Items within items."""
MAX_ITEMS = 20_000
"""Recipients, and attachments, of one item; Outlook itself stops at 2,048."""

_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_CODEPAGES = {
    932: "shift_jis", 936: "gb2312", 949: "ks_c_5601-1987", 950: "big5", 1200: "utf-16le", 20127: "us-ascii",
    20866: "koi8-r", 21866: "koi8-u", 50220: "iso-2022-jp", 51932: "euc-jp", 51949: "euc-kr",
    54936: "gb18030", 65001: "utf-8",
}  # fmt: skip


@dataclass(slots=True)
class Attachment:
    """An attachment: its bytes, or the item it is, or neither where it is only a link or an OLE object."""

    properties: Props
    data: bytes | None = None
    item: Item | None = None

    @property
    def filename(self) -> str:
        """Its name as Outlook shows it, or ``""``."""
        names = (ATTACH_LONG_FILENAME, ATTACH_FILENAME, DISPLAY_NAME)
        return next(filter(None, (text_of(self.properties, name) for name in names)), "")

    @property
    def content_type(self) -> str:
        """Its declared MIME type in lower case, or ``""``."""
        return text_of(self.properties, ATTACH_MIME_TAG).strip().lower()


@dataclass(slots=True)
class Item:
    """One item: properties by id, one property map a recipient, and the attachments in order.

    `problems` are codes of what a conversion couldn't take along.
    """

    properties: Props
    recipients: list[Props] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def text(self, name: int) -> str:
        """A string property, or ``""``."""
        return text_of(self.properties, name)


def read_props(entries: Iterable[tuple[int, int, bytes]], charset: str = "") -> Props:
    """Values of (id, type, bytes); of two with one id the first counts, and types nobody needs are left out.

    8-bit text is in the code page that the entries themselves state; where they state none, in `charset`.
    """
    found: Props = {}
    texts: dict[int, tuple[int, bytes]] = {}
    for name, kind, raw in entries:
        if kind in (TYPE_STRING8, TYPE_UNICODE, TYPE_BINARY):
            texts.setdefault(name, (kind, raw))
        elif (value := fixed_value(kind, raw)) is not None:
            found.setdefault(name, value)
    charset = charset_in(found) or charset
    return found | {name: variable_value(kind, raw, charset) for name, (kind, raw) in texts.items()}


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
        return filetime(int(struct.unpack_from("<Q", raw)[0]))
    return None


def variable_value(kind: int, raw: bytes, charset: str) -> Value:
    """The value of a property of any length; `charset` is that of the message's 8-bit strings."""
    if kind == TYPE_UNICODE:
        return raw.decode("utf-16-le", "replace").rstrip("\0")
    if kind == TYPE_STRING8:
        return decode_bytes(raw, charset)[0].rstrip("\0")
    return raw


def charset_of(codepage: Value) -> str:
    """A Windows code page number as MIME names that charset; ``""`` where it is none, or none we know."""
    if not isinstance(codepage, int) or isinstance(codepage, bool) or codepage <= 0:
        return ""
    if 28591 <= codepage <= 28605:
        return f"iso-8859-{codepage - 28590}"
    if 1250 <= codepage <= 1258:
        return f"windows-{codepage}"
    name = _CODEPAGES.get(codepage, f"cp{codepage}")
    return name if codec_name(name) else ""


def charset_in(properties: Props) -> str:
    """The charset of an item's 8-bit text, as the item states it, or ``""``."""
    return charset_of(properties.get(MESSAGE_CODEPAGE)) or charset_of(properties.get(INTERNET_CODEPAGE))


def text_of(properties: Props, name: int) -> str:
    """A string property, or ``""``."""
    value = properties.get(name)
    return value if isinstance(value, str) else ""


def time_of(properties: Props, name: int) -> datetime | None:
    """A time, or None."""
    value = properties.get(name)
    return value if isinstance(value, datetime) else None


def filetime(ticks: int) -> datetime | None:
    """A FILETIME ([MS-DTYP] 2.3.3: 100 ns since 1601) in UTC; None where unset or beyond the calendar."""
    if ticks <= 0:
        return None
    try:
        return _EPOCH + timedelta(microseconds=ticks // 10)
    except OverflowError:
        return None
