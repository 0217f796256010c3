"""Outlook's winmail.dat (MS-OXTNEF): attributes, MAPI properties among them, and attachments."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from archiver.message.charsets import decode_bytes
from archiver.message.extract import mapi, mapimail
from archiver.message.extract.faults import Damaged, TooDeep, TooLarge, Unreadable
from archiver.message.extract.mapi import MAX_DEPTH, MAX_ITEMS, Attachment, Item, Props

if TYPE_CHECKING:
    from archiver.message.extract.context import Context

MAX_PROPERTIES = 10_000
MAX_VALUES = 100_000
SIGNATURE = 0x223E9F78

_LEVEL_MESSAGE, _LEVEL_ATTACHMENT = 1, 2
_SUBJECT, _BODY, _FROM = 0x8004, 0x800C, 0x8000
_ATTACH_DATA, _ATTACH_TITLE, _ATTACH_START, _ATTACH_MAPI = 0x800F, 0x8010, 0x9002, 0x9005
_MAPI, _CODEPAGE, _RECIPIENTS = 0x9003, 0x9007, 0x9004
_MULTIPLE, _NAMED = 0x1000, 0x8000
_SIZES = {
    mapi.TYPE_SHORT: 4, mapi.TYPE_LONG: 4, mapi.TYPE_FLOAT: 4, mapi.TYPE_DOUBLE: 8, mapi.TYPE_BOOLEAN: 4,
    mapi.TYPE_LONGLONG: 8, mapi.TYPE_TIME: 8, 0x0001: 4, 0x0006: 8, 0x0007: 8, 0x000A: 4, mapi.TYPE_CLSID: 16,
}  # fmt: skip
_VARIABLE = frozenset({mapi.TYPE_STRING8, mapi.TYPE_UNICODE, mapi.TYPE_OBJECT, mapi.TYPE_BINARY})
_IID_MESSAGE = bytes.fromhex("0703020000000000c000000000000046")


def read_tnef(data: bytes, context: Context) -> None:
    """Add a TNEF part's message text and read its attachments; `damaged` when it ends too early."""
    message, whole = open_tnef(data)
    mapimail.read_message(message, context)
    if not whole:
        raise Damaged


def open_tnef(data: bytes, depth: int = 0) -> tuple[Item, bool]:
    """Return the message in a TNEF stream, and whether it was read to its end.

    Raises Damaged where it is no TNEF, TooDeep and TooLarge past the bounds, nothing else for any bytes.
    """
    if depth > MAX_DEPTH:
        raise TooDeep
    if len(data) < 6 or struct.unpack_from("<I", data)[0] != SIGNATURE:
        raise Damaged
    reader = _Reader(depth)
    position = 6
    whole = True
    while position + 9 <= len(data):
        level, attribute, size = data[position], *struct.unpack_from("<HxxI", data, position + 1)
        if level not in (_LEVEL_MESSAGE, _LEVEL_ATTACHMENT):
            break  # padding and footers of gateways after the last attribute
        body = data[position + 9 : position + 9 + size]
        if len(body) < size:
            whole = False
            break
        try:
            reader.take(level, attribute, body)
        except (Damaged, struct.error):
            whole = False  # one attribute; the sizes still tell where the next begins
        position += 9 + size + 2
    return reader.message, whole and reader.whole


class _Reader:
    def __init__(self, depth: int) -> None:
        self.message = Item({})
        self.whole = True
        self._depth = depth
        self._charset = "cp1252"

    def take(self, level: int, attribute: int, body: bytes) -> None:
        """Take one attribute."""
        if attribute == _CODEPAGE and len(body) >= 4:
            self._charset = mapi.charset_of(struct.unpack_from("<I", body)[0]) or self._charset
        elif attribute == _MAPI:
            properties, _ = self._properties(body, 0, None)
            self.message.properties = {**self.message.properties, **properties}
        elif attribute == _RECIPIENTS:
            self._recipients(body)
        elif attribute in (_SUBJECT, _BODY) and level == _LEVEL_MESSAGE:
            name = mapi.SUBJECT if attribute == _SUBJECT else mapi.BODY
            self.message.properties.setdefault(name, self._string(body))
        elif attribute == _ATTACH_START:
            if len(self.message.attachments) >= MAX_ITEMS:
                raise TooLarge
            self.message.attachments.append(Attachment({}))
        elif level == _LEVEL_ATTACHMENT:
            self._attachment(attribute, body)

    def _attachment(self, attribute: int, body: bytes) -> None:
        if not self.message.attachments:
            self.message.attachments.append(Attachment({}))
        attachment = self.message.attachments[-1]
        if attribute == _ATTACH_TITLE:
            attachment.properties.setdefault(mapi.ATTACH_FILENAME, self._string(body))
        elif attribute == _ATTACH_DATA:
            attachment.data = body
        elif attribute == _ATTACH_MAPI:
            properties, _ = self._properties(body, 0, attachment)
            data = properties.pop(mapi.ATTACH_DATA, None)
            if isinstance(data, bytes) and data and not attachment.data:
                attachment.data = data
            attachment.properties |= properties

    def _recipients(self, body: bytes) -> None:
        (rows,) = struct.unpack_from("<I", body)
        position = 4
        for _ in range(min(rows, MAX_ITEMS)):
            row, position = self._properties(body, position, None)
            self.message.recipients.append(row)

    def _properties(self, body: bytes, position: int, attachment: Attachment | None) -> tuple[Props, int]:
        """A list of MAPI properties (2.1.3.4) and where it ends. Raises Damaged; what came before is lost."""
        found: Props = {}
        (count,) = struct.unpack_from("<I", body, position)
        position += 4
        for _ in range(min(count, MAX_PROPERTIES)):
            if position + 4 > len(body):
                self.whole = False
                return found, position
            kind, name = struct.unpack_from("<HH", body, position)
            position += 4
            if name >= _NAMED:
                position = _skip_name(body, position)
            base = kind & ~_MULTIPLE
            values = 1
            if base in _VARIABLE or kind & _MULTIPLE:
                (values,) = struct.unpack_from("<I", body, position)
                position += 4
            if values > MAX_VALUES or (base not in _VARIABLE and base not in _SIZES):
                self.whole = False
                return found, len(body)
            for _ in range(values):
                if base not in _VARIABLE:
                    raw = body[position : position + _SIZES[base]]
                    position += _SIZES[base]
                    value = mapi.fixed_value(base, raw)
                else:
                    (size,) = struct.unpack_from("<I", body, position)
                    raw = body[position + 4 : position + 4 + size]
                    if len(raw) < size:
                        self.whole = False
                        return found, len(body)
                    position += 4 + (size + 3) // 4 * 4
                    value = mapi.variable_value(base, raw, self._charset)
                    if base == mapi.TYPE_OBJECT and isinstance(value, bytes):
                        value = self._object(value, name, attachment)
                if value is not None and not kind & _MULTIPLE:
                    found[name] = value
        return found, position

    def _object(self, value: bytes, name: int, attachment: Attachment | None) -> bytes | None:
        """An embedded object: an interface's id, then a message as TNEF or the object's own bytes."""
        inner = value[16:]
        if attachment is not None and name == mapi.ATTACH_DATA and value.startswith(_IID_MESSAGE):
            try:
                attachment.item, whole = open_tnef(inner, self._depth + 1)
                self.whole = self.whole and whole
            except Unreadable:
                self.whole = False
            return None
        return inner

    def _string(self, body: bytes) -> str:
        return decode_bytes(body, self._charset)[0].rstrip("\0")


def _skip_name(body: bytes, position: int) -> int:
    """Step over a named property's name (2.1.3.4.1): a set's id, then a number or a string."""
    kind, size = struct.unpack_from("<II", body, position + 16)
    position += 24
    return position if kind == 0 else position + (int(size) + 3) // 4 * 4
