"""A place for bytes too large to wait in memory: a nameless file, sealed with a key only this process has.

It is no store: nothing in it is acknowledged, and after a crash there is neither a file nor a key.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from archiver.errors import SealError, StoreError
from archiver.message.content import WHOLE_UP_TO, Raw, Slice
from archiver.store import durable

CHUNK = 256 * 1024
"""Plain bytes in one sealed chunk."""

_HANDED = "handed-"
_ABANDONED_SECONDS = 24 * 3600


class SealedSpool:
    """Bytes appended in order, read back as often as wanted, by this process only: a `Content`.

    Each chunk is AES-256-GCM under a key drawn for this spool and kept in memory; the nonce is the
    chunk's number, so chunks can't be swapped, and a key is never used twice for one number. The file
    has no name (or loses it at once, as the platform allows). Calls exclude each other, so that `close`
    can't take the file from under a write in another thread. Raises StoreError when the disk refuses,
    SealError when the bytes read are not those written.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._file = _nameless(directory)
        self._aead = AESGCM(AESGCM.generate_key(bit_length=256))
        self._lock = threading.Lock()
        self._pending = bytearray()
        self._sealed_sizes: list[int] = []
        self.size = 0

    def __len__(self) -> int:
        return self.size

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append bytes. They reach the disk sealed, in chunks of 256 KiB; nothing is durable."""
        with self._lock:
            if self._file.closed:
                raise StoreError("the spool has been closed")
            self._pending += data
            self.size += len(data)
            while len(self._pending) >= CHUNK:
                self._flush(bytes(self._pending[:CHUNK]))
                del self._pending[:CHUNK]

    def chunks(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield what was written so far of `[start, end)`, in order, in pieces of at most 256 KiB."""
        stop = self.size if end is None else min(end, self.size)
        while start < stop:
            number, skip = divmod(start, CHUNK)
            piece = self._chunk(number)[skip : skip + stop - start]
            if not piece:
                raise SealError("a spooled chunk was changed on disk")
            yield piece
            start += len(piece)

    def close(self) -> None:
        """Forget the bytes and the key. May be called again."""
        with self._lock:
            self._file.close()
            self._pending = bytearray()
            self._sealed_sizes = []

    def _flush(self, chunk: bytes) -> None:
        sealed = memoryview(self._aead.encrypt(_nonce(len(self._sealed_sizes)), chunk, None))
        self._sealed_sizes.append(len(sealed))
        try:
            while sealed:
                sealed = sealed[self._file.write(sealed) or 0 :]
        except OSError as error:
            raise StoreError("the spool folder is full or can't be written") from error

    def _chunk(self, number: int) -> bytes:
        with self._lock:
            if self._file.closed:
                raise StoreError("the spool has been closed")
            if number >= len(self._sealed_sizes):
                return bytes(self._pending)
            # Every chunk on disk is a full one.
            size = self._sealed_sizes[number]
            sealed = _read_at(self._file.fileno(), number * size, size)
        try:
            return self._aead.decrypt(_nonce(number), sealed, None)
        except InvalidTag as error:
            raise SealError("a spooled chunk was changed on disk") from error


class SealedFile:
    """Bytes that were sealed for the archive already, waiting in a nameless file to be appended to a pack.

    A `Content`. It may be pickled for another process of this server: then the file has a name until that
    process takes it. Raises StoreError when the disk refuses.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._descriptor = _linkable(directory)
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def append(self, pieces: Iterable[bytes]) -> tuple[Slice, bytes]:
        """Append what `pieces` yield; return where it is, and its SHA-256. Raises also what they raise."""
        start = self._size
        digest = hashlib.sha256()
        try:
            for piece in pieces:
                digest.update(piece)
                self._size += len(piece)
                view = memoryview(piece)
                while view:
                    view = view[os.write(self._descriptor, view) :]
        except OSError as error:
            raise StoreError("the spool folder is full or can't be written") from error
        return Slice(self, start, self._size), digest.digest()

    def chunks(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """See `Content.chunks`."""
        stop = self._size if end is None else min(end, self._size)
        while start < stop:
            piece = _read_at(self._descriptor, start, min(CHUNK, stop - start))
            if not piece:
                raise StoreError("the spool can't be read back")
            yield piece
            start += len(piece)

    def __del__(self) -> None:
        if getattr(self, "_descriptor", -1) >= 0:
            os.close(self._descriptor)

    def __reduce__(self) -> tuple[object, ...]:
        path = self._directory / f"{_HANDED}{secrets.token_hex(8)}"
        try:
            try:
                os.link(f"/proc/self/fd/{self._descriptor}", path, follow_symlinks=True)
            except OSError:  # another kind of file system, or of system
                durable.write(path, b"".join(self.chunks()))
        except OSError as error:
            raise StoreError("the spool folder is full or can't be written") from error
        return _taken_over, (str(path), self._size)


def _taken_over(path: str, size: int) -> SealedFile:
    """Take a file that another process handed on. Where it is gone, that shows when it is read."""
    file = SealedFile.__new__(SealedFile)
    file._directory = Path(path).parent
    file._size = size
    try:
        file._descriptor = os.open(path, os.O_RDONLY)
        Path(path).unlink()
    except OSError:
        file._descriptor = -1
    return file


def sweep(directory: Path) -> None:
    """Remove what was handed to a process that died before it took it: sealed, its key gone with it."""
    with contextlib.suppress(OSError):
        for path in directory.glob(f"{_HANDED}*"):
            if path.stat().st_mtime < time.time() - _ABANDONED_SECONDS:
                path.unlink()


def spool_content(chunks: Iterable[bytes], directory: Path, *, in_memory: int = WHOLE_UP_TO) -> Raw:
    """Gather what `chunks` yield: as bytes while it is small, else in a `SealedSpool` in `directory`.

    Raises StoreError when the disk refuses.
    """
    held = bytearray()
    source = iter(chunks)
    for chunk in source:
        held += chunk
        if len(held) > in_memory:
            break
    else:
        return bytes(held)
    spool = SealedSpool(directory)
    try:
        spool.write(held)
        for chunk in source:
            spool.write(chunk)
    except BaseException:
        spool.close()
        raise
    return spool


def _linkable(directory: Path) -> int:
    """A nameless file that could be given a name, unlike Python's own."""
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            return os.open(directory, os.O_TMPFILE | os.O_RDWR, 0o600)
        except (OSError, AttributeError):
            descriptor, path = tempfile.mkstemp(dir=directory)
            Path(path).unlink()
            return descriptor
    except OSError as error:
        raise StoreError("the spool folder can't be written") from error


def _nameless(directory: Path) -> IO[bytes]:
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Unbuffered: a buffer would only hold a second copy of what is sealed already.
        return tempfile.TemporaryFile(dir=directory, buffering=0)
    except OSError as error:
        raise StoreError("the spool folder can't be written") from error


def _read_at(descriptor: int, offset: int, size: int) -> bytes:
    """Return `size` bytes, or fewer where the file was cut short."""
    parts: list[bytes] = []
    try:
        while size and (part := os.pread(descriptor, size, offset)):
            parts.append(part)
            size -= len(part)
            offset += len(part)
    except OSError as error:
        raise StoreError("the spool can't be read back") from error
    return b"".join(parts)


def _nonce(number: int) -> bytes:
    return number.to_bytes(12, "big")
