"""The entries of a ZIP, one after the other; zip64, every method the standard library has."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from archiver.capture.files.items import FileRefused, Why
from archiver.capture.files.unpack import DAMAGE

MAX_ENTRIES = 1_000_000


@dataclass(frozen=True, slots=True)
class ZipEntry:
    """One file of a ZIP: its stream, or why it has none."""

    name: str
    offset: int
    size: int
    stream: IO[bytes] | None
    why: Why | None


def zip_entries(file: IO[bytes], max_entries: int = MAX_ENTRIES) -> Iterator[ZipEntry]:
    """Yield the entries in the order of the directory. Raises FileRefused `bad_zip` for what is no ZIP.

    Encrypted entries, and methods nobody here can read, come without a stream. A stream checks its sum
    when read to its end, and raises one of `DAMAGE`. Names are shown, never used as paths.
    """
    try:
        archive = zipfile.ZipFile(file)
    except (*DAMAGE, zipfile.BadZipFile, NotImplementedError) as error:
        raise FileRefused("bad_zip") from error
    with archive:
        for number, info in enumerate(archive.infolist()):
            if info.is_dir():
                continue
            name, offset, size = info.filename, info.header_offset, info.file_size
            if number >= max_entries:
                yield ZipEntry(name, offset, size, None, "unpacks_too_large")
                continue
            try:
                stream = archive.open(info)
            except (NotImplementedError, RuntimeError):
                # zipfile's answers to an unknown compression method and to an encrypted entry.
                yield ZipEntry(name, offset, size, None, "encrypted" if info.flag_bits & 1 else "unreadable")
            except (*DAMAGE, zipfile.BadZipFile):
                yield ZipEntry(name, offset, size, None, "damaged")
            else:
                with stream:
                    yield ZipEntry(name, offset, size, stream, None)
