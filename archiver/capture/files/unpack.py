"""Streams out of compressed and archive files: flat in memory, bounded against bombs, nothing on disk."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import sys
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, cast

from archiver.capture.files.items import FileRefused, Readable
from archiver.capture.files.sniff import HEAD, Kind
from archiver.errors import CaptureError

if sys.version_info >= (3, 14):
    from compression.zstd import ZstdError, ZstdFile
else:
    from backports.zstd import ZstdError, ZstdFile

MOST_MEMORY = 128 * 1024 * 1024
"""Bytes an xz stream may ask for; its own highest preset takes 65 MiB."""
LEAST_ALLOWANCE = 1024**3
RATIO = 200
"""How many times its size a file may unpack to. Mail compresses 2 to 20 times; a bomb 1,000."""
_LONGEST_NAME = 1024 * 1024
_BLOCK = 512

DAMAGE = (zlib.error, lzma.LZMAError, ZstdError, EOFError, struct.error, OSError, ValueError, MemoryError)
"""What the standard library's readers raise for damaged input."""


class Spent(CaptureError):
    """An archive has unpacked to more than it may."""


class Allowance:
    """Bytes that may still be unpacked out of one file on disk, its nested archives included."""

    def __init__(self, size: int, least: int = LEAST_ALLOWANCE) -> None:
        self.left = max(least, size * RATIO)

    def spend(self, size: int) -> None:
        """Raises Spent."""
        self.left -= size
        if self.left < 0:
            raise Spent


class Peeked:
    """A stream whose first bytes were looked at; what is read counts against the allowance."""

    def __init__(self, stream: Readable, allowance: Allowance) -> None:
        self._stream = stream
        self._allowance = allowance
        self._again = io.BytesIO()
        self.head = b""
        while len(self.head) < HEAD and (block := self.read(HEAD - len(self.head))):
            self.head += block
        self._again = io.BytesIO(self.head)

    @property
    def damaged(self) -> bool:
        """True once the stream ended too early."""
        return bool(getattr(self._stream, "damaged", False))

    def read(self, size: int, /) -> bytes:
        if block := self._again.read(size):
            return block
        block = self._stream.read(size)
        self._allowance.spend(len(block))
        return block


class Unpacked:
    """The bytes inside a gzip, bzip2, xz or zstd stream, of any number of members.

    Where it is cut short or damaged, the stream ends there and `damaged` becomes True: what came before
    is still somebody's mail.
    """

    def __init__(self, stream: Readable, kind: Kind) -> None:
        self.damaged = False
        source = cast("Any", stream)
        self._inner: Any
        if kind == "gzip":
            self._inner = gzip.GzipFile(fileobj=source)
        elif kind == "bzip2":
            self._inner = bz2.BZ2File(source)
        elif kind == "zstd":
            self._inner = ZstdFile(source)
        else:
            self._inner = _Xz(stream)

    def read(self, size: int, /) -> bytes:
        if self.damaged:
            return b""
        try:
            # One step of the decompressor: a longer read would lose what it had when it met the damage.
            return cast("bytes", self._inner.read1(size))
        except Spent:
            raise
        except DAMAGE:
            self.damaged = True
            return b""


class _Xz:
    """xz within bounds of memory, which `lzma.LZMAFile` has not."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._decoder: lzma.LZMADecompressor | None = lzma.LZMADecompressor(memlimit=MOST_MEMORY)
        self._rest = b""

    def read1(self, size: int) -> bytes:
        while True:
            if self._decoder is None or self._decoder.eof:
                left = self._decoder.unused_data if self._decoder else b""
                self._rest = (left or self._stream.read(HEAD)).lstrip(b"\0")
                if not self._rest:
                    self._decoder = None
                    return b""
                self._decoder = lzma.LZMADecompressor(memlimit=MOST_MEMORY)
            elif self._decoder.needs_input and not self._rest:
                self._rest = self._stream.read(HEAD)
                if not self._rest:
                    raise EOFError
            given, self._rest = self._rest, b""
            if block := self._decoder.decompress(given, size):
                return block


@dataclass(frozen=True, slots=True)
class TarEntry:
    """One file of a tar: its bytes are in `stream` until the next entry is asked for."""

    name: str
    offset: int
    size: int
    regular: bool
    stream: IO[bytes]


class _Bounded(io.RawIOBase):
    """The next `left` bytes of a stream."""

    def __init__(self, stream: Readable, size: int) -> None:
        self._stream = stream
        self.left = size

    def read(self, size: int = -1, /) -> bytes:
        wanted = min(self.left, size if size >= 0 else self.left, 1024 * 1024)
        block = self._stream.read(wanted) if wanted else b""
        if wanted and not block:
            raise FileRefused("damaged")
        self.left -= len(block)
        return block


def tar_entries(stream: Readable) -> Iterator[TarEntry]:
    """Yield the entries of a tar (ustar, GNU, pax) in order, without seeking.

    Written here since the standard library's reader takes names of any length into memory. Raises
    FileRefused `bad_tar` where a header can't be read, `damaged` where the file is cut short.
    """
    offset = 0
    long_name: str | None = None
    long_size: int | None = None
    while True:
        start = offset
        header = _exactly(stream, _BLOCK)
        offset += _BLOCK
        if header.count(0) == _BLOCK:
            return
        try:
            info = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
        except tarfile.HeaderError as error:
            raise FileRefused("bad_tar") from error
        if info.size < 0:
            raise FileRefused("bad_tar")
        size = info.size if long_size is None or info.type in (b"x", b"g", b"L", b"K") else long_size
        padded = -(-size // _BLOCK) * _BLOCK
        if info.type in (tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE):
            if size > _LONGEST_NAME:
                raise FileRefused("bad_tar")
            data = _exactly(stream, padded)[:size]
            if info.type == tarfile.GNUTYPE_LONGNAME:
                long_name = data.rstrip(b"\0").decode("utf-8", "surrogateescape")
            else:
                long_name, long_size = _pax(data, long_name)
        else:
            bounded = _Bounded(stream, size)
            if info.type not in (tarfile.XGLTYPE, tarfile.GNUTYPE_LONGLINK, tarfile.DIRTYPE):
                name = info.name if long_name is None else long_name
                yield TarEntry(
                    name, start, size, info.type in tarfile.REGULAR_TYPES, cast("IO[bytes]", bounded)
                )
            if info.type not in (tarfile.XGLTYPE, tarfile.GNUTYPE_LONGLINK):
                long_name = long_size = None
            while bounded.left:
                bounded.read()
            _exactly(stream, padded - size)
        offset += padded


def _pax(data: bytes, name: str | None) -> tuple[str | None, int | None]:
    """Read a pax header's records (POSIX.1-2001 pax): `length key=value`."""
    size = None
    while data:
        digits, _, _ = data.partition(b" ")
        if not digits.isdigit() or not len(digits) < int(digits[:9]) <= len(data):
            raise FileRefused("bad_tar")
        record, data = data[len(digits) + 1 : int(digits) - 1], data[int(digits) :]
        key, _, value = record.partition(b"=")
        if key == b"path":
            name = value.decode("utf-8", "surrogateescape")
        elif key == b"size" and value[:15].isdigit():
            size = int(value[:15])
    return name, size


def _exactly(stream: Readable, size: int) -> bytes:
    data = b""
    while len(data) < size:
        block = stream.read(size - len(data))
        if not block:
            raise FileRefused("damaged")
        data += block
    return data
