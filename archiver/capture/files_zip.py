"""Reads messages out of ZIP archives: entry by entry, within bounds, nothing written to disk."""

from __future__ import annotations

import io
import lzma
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from archiver.capture.files_items import (
    MAX_MESSAGE,
    FileItem,
    FileRefused,
    Why,
    item_key,
    open_regular,
    refusal,
    shown,
)
from archiver.capture.files_mbox import split_mbox
from archiver.capture.files_sniff import Kind, kind_of_bytes, named_mbox
from archiver.errors import CaptureError

MAX_ENTRIES = 1_000_000
MAX_UNPACKED = 64 * 1024**3
"""Bytes unpacked from one archive before the rest of it is refused."""

_HEAD = 64 * 1024
_DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, struct.error, OSError, ValueError)
_NOT_TAKEN: dict[Kind, Why] = {
    "empty": "empty",
    "zip": "nested_archive",
    "compressed": "nested_archive",
    "pst": "pst_not_supported_yet",
    "msg": "msg_not_supported_yet",
    "unknown": "not_a_message",
}


class _Spent(CaptureError):
    """The archive has unpacked to more than it may."""


class _Metered:
    """An entry's stream, its first bytes looked at already, counted against the whole archive's allowance."""

    def __init__(self, stream: IO[bytes], left: int) -> None:
        self._stream = stream
        self.left = left
        self.head = b""
        self.head = self.read(_HEAD)
        self._again = io.BytesIO(self.head)

    def read(self, size: int, /) -> bytes:
        if self.head and (block := self._again.read(size)):
            return block
        block = self._stream.read(size)
        self.left -= len(block)
        if self.left < 0:
            raise _Spent
        return block


@dataclass(frozen=True, slots=True)
class _Entry:
    """Where an entry stands: it makes the items."""

    path: Path
    status: os.stat_result
    folder: str
    info: zipfile.ZipInfo

    @property
    def _name(self) -> str:
        return shown(self.info.filename)

    def found(self, raw: bytes, offset: int | None = None) -> FileItem:
        place = "" if offset is None else f"@{offset}"
        inner = f"{self.info.header_offset}:{self._name}{place}"
        inside = self._name if offset is not None else self._name.rpartition("/")[0]
        return FileItem(
            where=f"{shown(self.path)}!{self._name}{place}",
            raw=raw,
            why=None,
            folder="/".join(part for part in (self.folder, inside) if part),
            key=item_key(self.path, self.status, inner, len(raw)),
        )

    def refused(self, why: Why, offset: int | None = None) -> FileItem:
        place = "" if offset is None else f"@{offset}"
        return refusal(self.path, why, self.folder, f"!{self._name}{place}")


def zip_items(
    path: Path,
    folder: str,
    *,
    follow: bool = False,
    limit: int = MAX_MESSAGE,
    max_unpacked: int = MAX_UNPACKED,
    max_entries: int = MAX_ENTRIES,
) -> Iterator[FileItem]:
    """Yield the messages in a ZIP of EML or mbox files, in the order of its directory.

    Encrypted, damaged, nested and oversized entries are refused one by one, a file that is no ZIP as a
    whole. Entry names are shown, never used as paths.
    """
    try:
        file, status = open_regular(path, follow=follow)
    except FileRefused as error:
        yield refusal(path, error.why, folder)
        return
    with file:
        try:
            archive = zipfile.ZipFile(file)
        except (*_DAMAGE, NotImplementedError):
            yield refusal(path, "bad_zip", folder)
            return
        left = max_unpacked
        for number, info in enumerate(archive.infolist()):
            entry = _Entry(path, status, folder, info)
            if info.is_dir():
                continue
            if left <= 0 or number >= max_entries:
                yield entry.refused("zip_too_large")
                continue
            try:
                with archive.open(info) as stream:
                    metered = _Metered(stream, left)
                    yield from _entry_items(entry, metered, limit)
                    left = metered.left
            except _Spent:
                left = 0
                yield entry.refused("zip_too_large")
            except (NotImplementedError, RuntimeError):
                # zipfile's answers to an unknown compression method and to an encrypted entry.
                yield entry.refused("encrypted" if info.flag_bits & 1 else "unreadable")
            except _DAMAGE:
                yield entry.refused("damaged")


def _entry_items(entry: _Entry, stream: _Metered, limit: int) -> Iterator[FileItem]:
    name = entry.info.filename.rpartition("/")[2]
    kind = kind_of_bytes(stream.head, name)
    if kind in _NOT_TAKEN:
        yield entry.refused(_NOT_TAKEN[kind])
    elif kind == "mbox" and named_mbox(name):
        for message in split_mbox(stream, limit=limit):
            if message.raw:
                yield entry.found(message.raw, message.offset)
            else:
                yield entry.refused("too_large" if message.raw is None else "empty", message.offset)
    else:
        whole = io.BytesIO()
        while whole.tell() <= limit and (block := stream.read(1024 * 1024)):
            whole.write(block)
        if whole.tell() > limit:
            yield entry.refused("too_large")
        else:
            yield entry.found(whole.getvalue())
