"""Outlook's MSG files (MS-OXMSG): messages, recipients and attachments as MAPI properties.

`open_msg` is shared: the importer of files makes mail out of it, the extraction child makes text.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass, field

import olefile

from archiver.message.extract import mapi
from archiver.message.extract.faults import Damaged, TooDeep, TooLarge
from archiver.message.extract.mapi import Value

MAX_ITEMS = 5_000
"""Recipients, and attachments, of one message."""
MAX_DEPTH = 10
"""Messages embedded in messages."""
MAX_STREAM = 256 * 2**20

_PROPERTIES = "__properties_version1.0"
_STREAM = "__substg1.0_"


@dataclass(slots=True)
class MsgAttachment:
    """One attachment: its properties, its bytes, or the message that it embeds."""

    properties: dict[int, Value]
    data: bytes = b""
    message: Msg | None = None

    @property
    def filename(self) -> str:
        """Its name as Outlook shows it, or ``""``."""
        for name in (mapi.ATTACH_LONG_FILENAME, mapi.ATTACH_FILENAME, mapi.DISPLAY_NAME):
            if found := mapi.text_of(self.properties, name):
                return found
        return ""

    @property
    def content_type(self) -> str:
        """Its declared MIME type in lower case, or ``""``."""
        return mapi.text_of(self.properties, mapi.ATTACH_MIME_TAG).strip().lower()


@dataclass(slots=True)
class Msg:
    """A message: properties by id, one property map a recipient, and the attachments in order."""

    properties: dict[int, Value]
    recipients: list[dict[int, Value]] = field(default_factory=list)
    attachments: list[MsgAttachment] = field(default_factory=list)

    def text(self, name: int) -> str:
        """A string property, or ``""``."""
        return mapi.text_of(self.properties, name)


def open_msg(data: bytes) -> Msg:
    """Read a MSG file. Raises Damaged, TooDeep or TooLarge, and nothing else, for any bytes."""
    try:
        with olefile.OleFileIO(io.BytesIO(data)) as ole:
            return read_msg(ole)
    except (Damaged, TooDeep, TooLarge):
        raise
    except Exception as error:  # olefile meets damage with whatever its own code trips over
        raise Damaged from error


def is_msg(ole: olefile.OleFileIO) -> bool:
    """True for a compound file that is a message."""
    return bool(ole.exists(_PROPERTIES))


def read_msg(ole: olefile.OleFileIO) -> Msg:
    """Read the message in an open compound file. Raises as `open_msg`, and what olefile raises."""
    return _Reader(ole).message((), 32, 0)


class _Reader:
    def __init__(self, ole: olefile.OleFileIO) -> None:
        self._ole = ole
        self._below: dict[tuple[str, ...], dict[str, str]] = {}
        """Names in each storage: lower case, and as written."""
        self._left = MAX_STREAM
        for path in ole.listdir(streams=True, storages=True):
            self._below.setdefault(tuple(p.lower() for p in path[:-1]), {})[path[-1].lower()] = path[-1]

    def message(self, where: tuple[str, ...], header: int, depth: int) -> Msg:
        if depth > MAX_DEPTH:
            raise TooDeep
        fixed = self._fixed(where, header)
        charset = mapi.charset_of(fixed.get(mapi.MESSAGE_CODEPAGE)) or mapi.charset_of(
            fixed.get(mapi.INTERNET_CODEPAGE)
        )
        found = Msg(fixed | self._variable(where, charset))
        names = sorted(self._below.get(where, {}))
        recipients = [name for name in names if name.startswith("__recip_version1.0_")]
        attachments = [name for name in names if name.startswith("__attach_version1.0_")]
        if max(len(recipients), len(attachments)) > MAX_ITEMS:
            raise TooLarge
        for name in recipients:
            place = (*where, name)
            found.recipients.append(self._fixed(place, 8) | self._variable(place, charset))
        for name in attachments:
            found.attachments.append(self._attachment((*where, name), charset, depth))
        return found

    def _attachment(self, where: tuple[str, ...], charset: str, depth: int) -> MsgAttachment:
        properties = self._fixed(where, 8) | self._variable(where, charset)
        data = properties.pop(mapi.ATTACH_DATA, None)
        found = MsgAttachment(properties, data if isinstance(data, bytes) else b"")
        embedded = f"{_STREAM}{mapi.ATTACH_DATA:04x}{mapi.TYPE_OBJECT:04x}"
        inside = self._below.get((*where, embedded), {})
        if _PROPERTIES in inside:
            found.message = self.message((*where, embedded), 24, depth + 1)
        elif not found.data and inside:
            found.data = self._object((*where, embedded), inside)
        return found

    def _object(self, where: tuple[str, ...], inside: dict[str, str]) -> bytes:
        """The bytes of an OLE object: the stream that holds its file, where there is one."""
        for name in ("contents", "package", "\1ole10native"):
            if name in inside:
                return self._stream((*where, name))
        return b""

    def _fixed(self, where: tuple[str, ...], header: int) -> dict[int, Value]:
        """The properties of fixed size, from the table after `header` bytes."""
        found: dict[int, Value] = {}
        if _PROPERTIES in self._below.get(where, {}):
            table = self._stream((*where, _PROPERTIES))
            for offset in range(header, len(table) - 15, 16):
                kind, name = struct.unpack_from("<HH", table, offset)
                value = mapi.fixed_value(kind, table[offset + 8 : offset + 16])
                if value is not None:
                    found[name] = value
        return found

    def _variable(self, where: tuple[str, ...], charset: str) -> dict[int, Value]:
        """Strings and binaries: one stream each, named by its tag."""
        found: dict[int, Value] = {}
        for written in self._below.get(where, {}):
            tag = written.removeprefix(_STREAM)
            if len(tag) != 8 or tag == written:
                continue
            try:
                name, kind = int(tag[:4], 16), int(tag[4:], 16)
            except ValueError:
                continue
            if kind in (mapi.TYPE_STRING8, mapi.TYPE_UNICODE, mapi.TYPE_BINARY):
                found[name] = mapi.variable_value(kind, self._stream((*where, written)), charset)
        return found

    def _stream(self, path: tuple[str, ...]) -> bytes:
        written = list(path)
        size = self._ole.get_size(written)
        if size > self._left:
            raise TooLarge
        self._left -= size
        return bytes(self._ole.openstream(written).read())
