"""Reads messages out of ZIP archives: entry by entry, within bounds, nothing written to disk."""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
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
from archiver.capture.files_sniff import looks_like_mail, named_mbox, named_message

MAX_ENTRIES = 1_000_000
MAX_UNPACKED = 64 * 1024**3
"""Bytes unpacked from one archive before the rest is refused."""

_DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, struct.error, OSError, ValueError, OverflowError)


class _Spent(Exception):  # noqa: N818
    """The archive has unpacked to more than it may."""


class _Metered:
    """An entry's stream that counts against what the whole archive may unpack to."""

    def __init__(self, stream: IO[bytes], left: int) -> None:
        self._stream = stream
        self.left = left

    def read(self, size: int, /) -> bytes:
        block = self._stream.read(size)
        self.left -= len(block)
        if self.left < 0:
            raise _Spent
        return block


def zip_items(path: Path, folder: str, *, follow: bool, limit: int = MAX_MESSAGE) -> Iterator[FileItem]:
    """Yield the messages in a ZIP of EML or mbox files, in the order of its directory.

    Encrypted, damaged, nested and oversized entries are refused one by one; a file that is no ZIP is
    refused whole. Entry names are shown, never used as paths.
    """
    try:
        file, status = open_regular(path, follow=follow)
    except FileRefused as error:
        yield refusal(path, error.why, folder)
        return
    with file:
        try:
            archive = zipfile.ZipFile(file)
            entries = archive.infolist()
        except (*_DAMAGE, NotImplementedError):
            yield refusal(path, "bad_zip", folder)
            return
        left = MAX_UNPACKED
        for number, entry in enumerate(entries):
            if entry.is_dir():
                continue
            place = _Place(path, folder, entry, f"{number}:{entry.header_offset}:{entry.CRC}")
            if left <= 0 or number >= MAX_ENTRIES:
                yield place.refused("zip_too_large")
                continue
            try:
                if entry.flag_bits & 1:
                    yield place.refused("encrypted")
                    continue
                with archive.open(entry) as stream:
                    metered = _Metered(stream, left)
                    for item in _entry_items(metered, place, limit):
                        yield item.with_key(item_key, status) if isinstance(item, _Found) else item
                    left = metered.left
            except _Spent:
                left = 0
                yield place.refused("zip_too_large")
            except (NotImplementedError, RuntimeError):
                # zipfile's words for an unknown compression method and for encryption of newer kinds.
                yield place.refused("encrypted" if entry.flag_bits & 0x41 else "unreadable")
            except _DAMAGE:
                yield place.refused("damaged")
