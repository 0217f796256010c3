"""ZIP, tar and compressed files: what is in them, read one by one within the bounds, in memory only."""

from __future__ import annotations

import bz2
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Protocol

from archiver.message.extract.faults import Damaged, NotSupported, TooLarge
from archiver.message.extract.sniff import magic, sniff

if TYPE_CHECKING:
    from archiver.message.extract.context import Context

MAX_NAME = 300
XZ_MEMORY = 128 * 2**20


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def read_archive(archive: zipfile.ZipFile, context: Context) -> None:
    """Read every file of an open ZIP: its name is text too. Encrypted ones are listed."""
    for member in archive.infolist():
        name = short_name(member.filename)
        context.entry()
        if member.is_dir():
            continue
        if member.flag_bits & 0x41:
            context.listed(name, "encrypted", member.file_size)
            continue
        try:
            with archive.open(member) as stream:
                data = bounded(stream, context, member.compress_size)
        except TooLarge:
            context.listed(name, "too_large", member.file_size)
            continue
        except NotImplementedError:
            context.listed(name, "not_supported", member.file_size)
            continue
        except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, ValueError):
            context.listed(name, "damaged", member.file_size)
            continue
        context.nested(name, sniff(data, name), data)


def read_tar(data: bytes, context: Context) -> None:
    """Read every file of a tar (not compressed)."""
    read = 0
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            for member in archive:
                context.entry()
                read += 1
                if not member.isreg():
                    continue
                name = short_name(member.name)
                stream = archive.extractfile(member)
                if stream is None:
                    continue
                content = stream.read(min(member.size, len(data)))
                context.nested(name, sniff(content, name), content)
    except tarfile.TarError:
        if not read:
            raise Damaged from None
        context.listed("(the rest)", "damaged")


def read_gzip(data: bytes, context: Context) -> None:
    """Read what one gzip holds (RFC 1952)."""
    inflater = zlib.decompressobj(wbits=31)
    _read_compressed(data, inflater.decompress, context, (".gz", ".tgz"))


def read_bzip2(data: bytes, context: Context) -> None:
    """Read what one bzip2 file holds."""
    _read_compressed(data, bz2.BZ2Decompressor().decompress, context, (".bz2", ".tbz2"))


def read_xz(data: bytes, context: Context) -> None:
    """Read what one xz file holds."""
    unpacker = lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=XZ_MEMORY)
    _read_compressed(data, unpacker.decompress, context, (".xz", ".txz"))


def _read_compressed(
    data: bytes, unpack: Callable[[bytes, int], bytes], context: Context, suffixes: tuple[str, ...]
) -> None:
    most = context.room(len(data))
    try:
        found = unpack(data, most + 1)
    except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError):
        raise Damaged from None
    if len(found) > most:
        raise TooLarge
    context.unpacked(len(found))
    context.entry()
    if magic(found) == "tar":
        # A compressed tar is one container, not two.
        read_tar(found, context)
        return
    name = context.name.rpartition("/")[2]
    for suffix in suffixes:
        if name.lower().endswith(suffix):
            name = name[: -len(suffix)]
            break
    else:
        name = ""
    kind = sniff(found, name)
    if not kind and not name:
        raise NotSupported
    context.nested(name or "content", kind, found)


def bounded(stream: _Readable | IO[bytes], context: Context, packed: int) -> bytes:
    """All of a stream that claims to hold what `packed` bytes pack. Raises TooLarge; no claim is believed."""
    most = context.room(packed)
    data = stream.read(most + 1)
    if len(data) > most:
        raise TooLarge
    context.unpacked(len(data))
    return data


def short_name(name: str) -> str:
    """A name from inside a container as it may be shown: bounded, without control characters."""
    name = "".join(c if c.isprintable() else "_" for c in name.replace("\\", "/"))
    return name[-MAX_NAME:].lstrip("/") or "unnamed"
