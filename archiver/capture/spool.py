"""A place for bytes too large to wait in memory: a nameless file, sealed with a key only this process has.

It is no store: nothing in it is acknowledged, and after a crash there is neither a file nor a key.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from archiver.errors import SealError, StoreError

CHUNK = 256 * 1024
"""Plain bytes in one sealed chunk."""


class SealedSpool:
    """Bytes appended in order, read back whole, by this process only.

    Each chunk is AES-256-GCM under a key drawn for this spool and kept in memory; the nonce is the
    chunk's number, so chunks can't be swapped, and a key is never used twice for one number. The file
    has no name (or loses it at once, as the platform allows). Calls exclude each other, so that `close`
    can't take the file from under a write in another thread. Raises StoreError when the disk refuses,
    SealError when the bytes read are not those written.
    """

    def __init__(self, directory: Path) -> None:
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Unbuffered: a buffer would only hold a second copy of what is sealed already.
            self._file = tempfile.TemporaryFile(dir=directory, buffering=0)  # noqa: SIM115
        except OSError as error:
            raise StoreError("the spool folder can't be written") from error
        self._aead = AESGCM(AESGCM.generate_key(bit_length=256))
        self._lock = threading.Lock()
        self._pending = bytearray()
        self._sealed_sizes: list[int] = []
        self.size = 0

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

    def chunks(self) -> Iterator[bytes]:
        """Yield everything written so far, in order, in pieces of at most 256 KiB."""
        position = 0
        for number, size in enumerate(list(self._sealed_sizes)):
            with self._lock:
                sealed = self._read(position, size)
            try:
                yield self._aead.decrypt(_nonce(number), sealed, None)
            except InvalidTag as error:
                raise SealError("a spooled chunk was changed on disk") from error
            position += size
        if self._pending:
            yield bytes(self._pending)

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

    def _read(self, position: int, size: int) -> bytes:
        """Return `size` sealed bytes, or fewer where the file was cut short."""
        if self._file.closed:
            raise StoreError("the spool has been closed")
        parts: list[bytes] = []
        try:
            self._file.seek(position)
            while size and (part := self._file.read(size)):
                parts.append(part)
                size -= len(part)
            self._file.seek(0, os.SEEK_END)
        except OSError as error:
            raise StoreError("the spool can't be read back") from error
        return b"".join(parts)


def _nonce(number: int) -> bytes:
    return number.to_bytes(12, "big")
