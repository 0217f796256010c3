"""Reads Outlook's `.msg` ([MS-OXMSG]): an OLE file with a stream for each property."""

from __future__ import annotations

import io
import struct
from typing import Any, cast

import olefile

from archiver.capture.files.items import FileItem, Spot
from archiver.capture.files.mapi import CODEPAGE, DEEPEST, METHOD, MapiAttachment, MapiItem, Props, to_mime
from archiver.capture.files.mapi_values import OBJECT, STRING8, read_value, settle

_PROPERTIES = "__properties_version1.0"
_STREAM = "__substg1.0_"
_RECIPIENT = "__recip_version1.0_"
_ATTACHMENT = "__attach_version1.0_"
_MOST_CHILDREN = 20_000
"""Recipients or attachments of one item; Outlook itself stops at 2,048."""


class BadMsg(ValueError):
    """An OLE file that holds no message."""


def msg_item(spot: Spot, data: bytes) -> FileItem:
    """Return the message that an `.msg` file converts to, the file itself kept beside it.

    Refused as `bad_msg` where it is no OLE file, holds no message (a Word document), or is too damaged.
    """
    try:
        item = read_msg(data)
        raw = to_mime(item, "msg")
    except Exception:  # olefile answers hostile files with a dozen kinds of its own and Python's
        return spot.refused("bad_msg")
    notes = (("converted", ",".join(sorted({"from_msg", *item.problems}))),)
    return spot.found(raw, size=len(data), original=data, notes=notes)


def read_msg(data: bytes) -> MapiItem:
    """Read the item. Raises BadMsg, or whatever olefile and struct raise for damaged bytes."""
    with olefile.OleFileIO(io.BytesIO(data)) as ole:
        return _Reader(ole).item((), 0)


class _Reader:
    """One OLE file, its directory read once."""

    def __init__(self, ole: Any) -> None:
        self._ole = ole
        self._children: dict[tuple[str, ...], dict[str, str]] = {}
        for path in ole.listdir(streams=True, storages=True):
            self._children.setdefault(tuple(path[:-1]), {})[path[-1].upper()] = path[-1]

    def item(self, at: tuple[str, ...], depth: int) -> MapiItem:
        if depth > DEEPEST + 1:
            raise BadMsg("too deep")
        # The header before the properties: 32 bytes in a file's own item, 24 in an enclosed one (2.4.1).
        props = self._props(at, 24 if at else 32, None)
        recipients = [self._props(child, 8, props) for child in self._folders(at, _RECIPIENT)]
        attachments = [self._attachment(child, depth, props) for child in self._folders(at, _ATTACHMENT)]
        return MapiItem(props, recipients, attachments)

    def _folders(self, at: tuple[str, ...], prefix: str) -> list[tuple[str, ...]]:
        names = sorted(n for n in self._children.get(at, {}) if n.startswith(prefix.upper()))
        if len(names) > _MOST_CHILDREN:
            raise BadMsg("too many")
        return [(*at, self._children[at][name]) for name in names]

    def _attachment(self, at: tuple[str, ...], depth: int, owner: Props) -> MapiAttachment:
        props = self._props(at, 8, owner)
        found = MapiAttachment(props)
        inner = self._children.get(at, {}).get(f"{_STREAM}3701000D".upper())
        if inner is not None and props.get(METHOD) == 5:
            found.item = self.item((*at, inner), depth + 1)
        elif props.get(METHOD, 1) == 1:
            found.data = self._stream(at, f"{_STREAM}37010102")
        return found

    def _props(self, at: tuple[str, ...], skip: int, owner: Props | None) -> Props:
        listed = self._stream(at, _PROPERTIES)
        if listed is None:
            raise BadMsg("no properties")
        props: Props = {}
        texts: set[int] = set()
        for place in range(skip, len(listed) - 15, 16):
            tag, _, inline = struct.unpack_from("<II8s", listed, place)
            key, kind = tag >> 16, tag & 0xFFFF
            if kind == OBJECT or kind & 0x1000 or key == 0x3701:
                continue
            value = read_value(kind, inline)
            if isinstance(value, bytes | str):
                stored = self._stream(at, f"{_STREAM}{key:04X}{kind:04X}")
                value = None if stored is None else read_value(kind, stored)
                if kind == STRING8:
                    texts.add(key)
            if value is not None:
                props.setdefault(key, value)
        if owner is not None and CODEPAGE not in props and CODEPAGE in owner:
            props[CODEPAGE] = owner[CODEPAGE]
        return settle(props, texts)

    def _stream(self, at: tuple[str, ...], name: str) -> bytes | None:
        actual = self._children.get(at, {}).get(name.upper())
        if actual is None:
            return None
        with self._ole.openstream([*at, actual]) as stream:
            return cast("bytes", stream.read())
