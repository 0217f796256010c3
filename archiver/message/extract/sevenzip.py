"""7z archives (7zFormat.txt of the LZMA SDK): headers read here, unpacked by the standard library's codecs.

Read are LZMA, LZMA2, bzip2, Deflate and stored files, with the usual filters; PPMd and BCJ2 are not.
"""

from __future__ import annotations

import bz2
import lzma
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from archiver.message.extract.archives import short_name
from archiver.message.extract.faults import Damaged, Encrypted, NotSupported, TooLarge, Unreadable
from archiver.message.extract.sniff import sniff

if TYPE_CHECKING:
    from archiver.message.extract.context import Context

MAX_HEADER = 8 * 2**20
MAX_CODERS = 8
MAX_DICTIONARY = 256 * 2**20

_END, _HEADER, _MAIN, _FILES, _PACK, _UNPACK, _SUBSTREAMS = 0x00, 0x01, 0x04, 0x05, 0x06, 0x07, 0x08
_SIZE, _CRC, _FOLDER, _CODER_SIZES, _COUNTS = 0x09, 0x0A, 0x0B, 0x0C, 0x0D
_EMPTY, _NAMES, _ENCODED = 0x0E, 0x11, 0x17

_COPY, _LZMA, _LZMA2, _DELTA = b"\x00", b"\x03\x01\x01", b"\x21", b"\x03"
_BZIP2, _DEFLATE, _AES = b"\x04\x02\x02", b"\x04\x01\x08", b"\x06\xf1\x07\x01"
_BRANCH = {
    b"\x03\x03\x01\x03": lzma.FILTER_X86, b"\x04": lzma.FILTER_X86,
    b"\x03\x03\x02\x05": lzma.FILTER_POWERPC, b"\x05": lzma.FILTER_POWERPC,
    b"\x03\x03\x04\x01": lzma.FILTER_IA64, b"\x06": lzma.FILTER_IA64,
    b"\x03\x03\x05\x01": lzma.FILTER_ARM, b"\x07": lzma.FILTER_ARM,
    b"\x03\x03\x07\x01": lzma.FILTER_ARMTHUMB, b"\x08": lzma.FILTER_ARMTHUMB,
    b"\x03\x03\x08\x05": lzma.FILTER_SPARC, b"\x09": lzma.FILTER_SPARC,
}  # fmt: skip


@dataclass(slots=True)
class _Folder:
    """Files packed together: the coders from the packed bytes outwards, and the sizes of what comes out."""

    coders: list[tuple[bytes, bytes]] = field(default_factory=list)
    size: int = 0
    packed: int = 0
    streams: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Streams:
    position: int = 0
    packed: list[int] = field(default_factory=list)
    folders: list[_Folder] = field(default_factory=list)


def read_7z(data: bytes, context: Context) -> None:
    """Read every file of the archive; encrypted ones are listed. Raises Unreadable."""
    try:
        streams, names = _open(data, context)
    except (struct.error, IndexError):
        raise Damaged from None
    position = 32 + streams.position
    files = iter(names)
    for folder in streams.folders:
        context.check_time()
        packed = data[position : position + folder.packed]
        position += folder.packed
        _read_folder(folder, packed, files, context)


def _read_folder(folder: _Folder, packed: bytes, files: Any, context: Context) -> None:
    fault: Unreadable | None = None
    content = b""
    try:
        content = _unpack(folder, packed, context.room(len(packed)))
        context.unpacked(len(content))
    except Unreadable as why:
        fault = why
    start = 0
    for size in folder.streams:
        context.entry()
        name = next(files, "unnamed")
        part = content[start : start + size]
        start += size
        if len(part) == size:
            context.nested(name, sniff(part, name), part)
        elif fault is not None:
            context.listed(name, fault.status, size)
        else:
            context.listed(name, "damaged" if len(content) < min(folder.size, 2**20) else "too_large", size)


def _open(data: bytes, context: Context) -> tuple[_Streams, list[str]]:
    offset, size = struct.unpack_from("<QQ", data, 12)
    header = data[32 + offset : 32 + offset + size]
    if len(header) < size:
        raise Damaged
    if not header:
        return _Streams(), []
    for _ in range(4):  # a packed header may be packed again
        reader = _Reader(header)
        kind = reader.byte()
        if kind == _HEADER:
            return reader.header()
        if kind != _ENCODED:
            raise Damaged
        streams = reader.streams()
        if len(streams.folders) != 1 or streams.folders[0].size > MAX_HEADER:
            raise TooLarge if streams.folders else Damaged
        folder = streams.folders[0]
        start = 32 + streams.position
        header = _unpack(folder, data[start : start + folder.packed], MAX_HEADER)
    raise Damaged


def _unpack(folder: _Folder, packed: bytes, most: int) -> bytes:
    """What a folder holds, or its beginning when that is more than `most` bytes."""
    most = min(most, folder.size)
    for run in _runs(folder.coders):
        try:
            packed = run(packed, most)
        except (lzma.LZMAError, zlib.error, OSError, EOFError, ValueError):
            raise Damaged from None
    return packed[:most]


def _runs(coders: list[tuple[bytes, bytes]]) -> list[Callable[[bytes, int], bytes]]:
    """Decoders in the order they are applied; coders of liblzma that follow one another become one."""
    found: list[Callable[[bytes, int], bytes]] = []
    filters: list[dict[str, Any]] = []

    def close() -> None:
        if filters:
            chain = list(reversed(filters))
            filters.clear()
            found.append(
                lambda data, most: lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=chain).decompress(
                    data, most
                )
            )

    for method, properties in coders:
        if method == _AES:
            raise Encrypted
        if method in (_LZMA, _LZMA2):
            close()
            filters.append(_lzma_filter(method, properties))
        elif method == _DELTA and filters:
            filters.append({"id": lzma.FILTER_DELTA, "dist": properties[0] + 1 if properties else 1})
        elif method in _BRANCH and filters:
            filters.append({"id": _BRANCH[method]})
        elif method == _BZIP2:
            close()
            found.append(lambda data, most: bz2.BZ2Decompressor().decompress(data, most))
        elif method == _DEFLATE:
            close()
            found.append(lambda data, most: zlib.decompressobj(wbits=-15).decompress(data, most))
        elif method != _COPY:
            raise NotSupported
    close()
    return found


def _lzma_filter(method: bytes, properties: bytes) -> dict[str, Any]:
    if method == _LZMA2:
        bits = properties[0] if properties else 0
        size = 0xFFFFFFFF if bits >= 40 else (2 | bits & 1) << bits // 2 + 11
        known: dict[str, Any] = {"id": lzma.FILTER_LZMA2}
    else:
        if len(properties) < 5 or properties[0] >= 225:
            raise Damaged
        first, size = struct.unpack_from("<BI", properties)
        known = {"id": lzma.FILTER_LZMA1, "lc": first % 9, "lp": first // 9 % 5, "pb": first // 45}
    if size > MAX_DICTIONARY:
        raise TooLarge
    return {**known, "dict_size": max(size, 4096)}


class _Reader:
    """Reads a header. Counts are checked against the bytes left, so none can ask for much memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def take(self, size: int) -> bytes:
        if size > len(self._data) - self._at:
            raise Damaged
        self._at += size
        return self._data[self._at - size : self._at]

    def number(self) -> int:
        """A number of one to nine bytes: the first byte's leading ones say how many follow."""
        first = self.byte()
        mask, value = 0x80, 0
        for shift in range(0, 64, 8):
            if not first & mask:
                return value | (first & mask - 1) << shift
            value |= self.byte() << shift
            mask >>= 1
        return value

    def count(self) -> int:
        """A number of things that each take some of the bytes left."""
        value = self.number()
        if value > len(self._data):
            raise Damaged
        return value

    def bits(self, count: int, optional: bool) -> list[bool]:
        if optional and self.byte():
            return [True] * count
        packed = self.take((count + 7) // 8)
        return [bool(packed[n // 8] & 0x80 >> n % 8) for n in range(count)]

    def digests(self, count: int) -> None:
        self.take(4 * sum(self.bits(count, optional=True)))

    def header(self) -> tuple[_Streams, list[str]]:
        streams, names = _Streams(), []
        while (kind := self.byte()) != _END:
            if kind == _MAIN:
                streams = self.streams()
            elif kind == _FILES:
                names = self.files()
            else:
                raise NotSupported
        return streams, names

    def streams(self) -> _Streams:
        found = _Streams()
        while (kind := self.byte()) != _END:
            if kind == _PACK:
                self._packed(found)
            elif kind == _UNPACK:
                self._folders(found)
            elif kind == _SUBSTREAMS:
                self._substreams(found)
            else:
                raise Damaged
        packed = iter(found.packed)
        for folder in found.folders:
            folder.packed = next(packed, 0)
            if not folder.streams:
                folder.streams = [folder.size]
        return found

    def _packed(self, found: _Streams) -> None:
        found.position = self.number()
        count = self.count()
        while (kind := self.byte()) != _END:
            if kind == _SIZE:
                found.packed = [self.number() for _ in range(count)]
            elif kind == _CRC:
                self.digests(count)
            else:
                raise Damaged

    def _folders(self, found: _Streams) -> None:
        if self.byte() != _FOLDER:
            raise Damaged
        count = self.count()
        if self.byte():
            raise NotSupported  # kept elsewhere
        found.folders = [self._folder() for _ in range(count)]
        while (kind := self.byte()) != _END:
            if kind == _CODER_SIZES:
                for folder in found.folders:
                    sizes = [self.number() for _ in folder.coders]
                    folder.size = max(sizes, default=0)
            elif kind == _CRC:
                self.digests(count)
            else:
                raise Damaged

    def _folder(self) -> _Folder:
        """Coders in a line; what branches (BCJ2) is not read."""
        coders: list[tuple[bytes, bytes]] = []
        branches = False
        count = self.number()
        if not 0 < count <= MAX_CODERS:
            raise Damaged
        for _ in range(count):
            flags = self.byte()
            method = self.take(flags & 0xF)
            if flags & 0x10:
                branches = (self.number(), self.number()) != (1, 1) or branches
            coders.append((method, self.take(self.number()) if flags & 0x20 else b""))
        if branches:
            raise NotSupported
        feeds = {self.number(): self.number() for _ in range(count - 1)}
        order = next((n for n in range(count) if n not in feeds.values()), 0)
        line = []
        for _ in range(count):
            if order >= count:
                raise Damaged
            line.append(coders[order])
            order = feeds.get(order, 0)
        return _Folder(coders=line[::-1])

    def _substreams(self, found: _Streams) -> None:
        counts = [1] * len(found.folders)
        kind = self.byte()
        if kind == _COUNTS:
            counts = [self.count() for _ in found.folders]
            kind = self.byte()
        for folder, count in zip(found.folders, counts, strict=True):
            sizes = [self.number() for _ in range(count - 1)] if kind == _SIZE else []
            if count:
                sizes.append(max(0, folder.size - sum(sizes)))
            folder.streams = sizes
        if kind == _SIZE:
            kind = self.byte()
        while kind != _END:
            if kind != _CRC:
                raise Damaged
            # Digests only of streams that have none yet: how many isn't needed, nothing follows that is.
            return self._skip_to_files()
        return None

    def _skip_to_files(self) -> None:
        at = self._data.find(bytes([_END, _END, _FILES]), self._at)
        self._at = len(self._data) if at < 0 else at + 1

    def files(self) -> list[str]:
        """Names of the files that have bytes, in order."""
        count = self.count()
        names: list[str] = []
        empty = [False] * count
        while (kind := self.number()) != _END:
            body = _Reader(self.take(self.number()))
            if kind == _EMPTY:
                empty = body.bits(count, optional=False)
            elif kind == _NAMES and not body.byte():
                text = body._data[1:].decode("utf-16-le", "replace")
                names = [short_name(name) for name in text.split("\0")[:count]]
        return [name for name, nothing in zip(names, empty, strict=False) if not nothing]
