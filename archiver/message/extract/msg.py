"""Reads Outlook's MSG files ([MS-OXMSG]): an OLE file with a stream for each property.

The importer of files makes mail of what it gives, the extraction child makes text.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

import olefile

from archiver.message.extract import mapi
from archiver.message.extract.faults import Damaged, TooDeep, TooLarge
from archiver.message.extract.mapi import MAX_DEPTH, MAX_ITEMS, Attachment, Item, Props

MAX_STREAM = 256 * 2**20
"""Bytes of all values of one file, at least; a larger file may give as many as it has itself."""

_PROPERTIES = "__properties_version1.0"
_STREAM = "__substg1.0_"
_VARIABLE = (mapi.TYPE_STRING8, mapi.TYPE_UNICODE, mapi.TYPE_BINARY)


def open_msg(data: bytes) -> Item:
    """Read a MSG file. Raises Damaged, TooDeep or TooLarge, and nothing else, for any bytes."""
    try:
        with olefile.OleFileIO(io.BytesIO(data)) as ole:
            if not is_msg(ole):
                raise Damaged
            return read_msg(ole, max(MAX_STREAM, len(data)))
    except (Damaged, TooDeep, TooLarge):
        raise
    except Exception as error:  # olefile meets damage with whatever its own code trips over
        raise Damaged from error


def is_msg(ole: olefile.OleFileIO) -> bool:
    """True for a compound file that is a message."""
    return bool(ole.exists(_PROPERTIES))


def read_msg(ole: olefile.OleFileIO, most: int = MAX_STREAM) -> Item:
    """Read the message in an open compound file. Raises as `open_msg`, and what olefile raises."""
    return _Reader(ole, most).item((), 32, 0)


class _Reader:
    def __init__(self, ole: olefile.OleFileIO, most: int) -> None:
        self._ole = ole
        self._below: dict[tuple[str, ...], dict[str, str]] = {}
        """Names in each storage: lower case, and as written."""
        self._left = most
        for path in ole.listdir(streams=True, storages=True):
            self._below.setdefault(tuple(p.lower() for p in path[:-1]), {})[path[-1].lower()] = path[-1]

    def item(self, where: tuple[str, ...], header: int, depth: int) -> Item:
        """`header` is what stands before the properties: 32 bytes in a file's own item, 24 in an enclosed
        one, 8 for recipients and attachments (2.4)."""
        if depth > MAX_DEPTH:
            raise TooDeep
        found = Item(self._props(where, header, ""))
        charset = mapi.charset_in(found.properties)
        names = sorted(self._below.get(where, {}))
        recipients = [name for name in names if name.startswith("__recip_version1.0_")]
        attachments = [name for name in names if name.startswith("__attach_version1.0_")]
        if max(len(recipients), len(attachments)) > MAX_ITEMS:
            raise TooLarge
        found.recipients = [self._props((*where, name), 8, charset) for name in recipients]
        found.attachments = [self._attachment((*where, name), charset, depth) for name in attachments]
        return found

    def _attachment(self, where: tuple[str, ...], charset: str, depth: int) -> Attachment:
        properties = self._props(where, 8, charset)
        data = properties.pop(mapi.ATTACH_DATA, None)
        found = Attachment(properties, data if isinstance(data, bytes) else None)
        embedded = (*where, f"{_STREAM}{mapi.ATTACH_DATA:04x}{mapi.TYPE_OBJECT:04x}")
        inside = self._below.get(embedded, {})
        if _PROPERTIES in inside:
            found.item = self.item(embedded, 24, depth + 1)
        elif not found.data:
            # An OLE object: the stream that holds its file, where there is one.
            known = (name for name in ("contents", "package", "\1ole10native") if name in inside)
            found.data = next((self._stream((*embedded, name)) for name in known), found.data)
        return found

    def _props(self, where: tuple[str, ...], header: int, charset: str) -> Props:
        return mapi.read_props(self._entries(where, header), charset)

    def _entries(self, where: tuple[str, ...], header: int) -> Iterator[tuple[int, int, bytes]]:
        """Properties of fixed size from the table after `header` bytes; others from a stream each, its tag
        for a name."""
        below = self._below.get(where, {})
        if _PROPERTIES in below:
            table = self._stream((*where, _PROPERTIES))
            for offset in range(header, len(table) - 15, 16):
                kind, name = struct.unpack_from("<HH", table, offset)
                if kind not in _VARIABLE:
                    yield name, kind, table[offset + 8 : offset + 16]
        for written in below:
            tag = written.removeprefix(_STREAM)
            if len(tag) != 8 or tag == written:
                continue
            try:
                name, kind = int(tag[:4], 16), int(tag[4:], 16)
            except ValueError:
                continue
            if kind in _VARIABLE:
                yield name, kind, self._stream((*where, written))

    def _stream(self, path: tuple[str, ...]) -> bytes:
        written = list(path)
        size = self._ole.get_size(written)
        if size > self._left:
            raise TooLarge
        self._left -= size
        return bytes(self._ole.openstream(written).read())
