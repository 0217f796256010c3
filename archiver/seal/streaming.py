"""Sealing and opening in pieces: the same format as `archiver.seal.container`, for what memory can't hold."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Final

from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
from cryptography.exceptions import InvalidTag

from archiver.errors import SealError
from archiver.seal.container import BROKEN, FORMAT, KEY_BYTES, MAX_DECOMPRESSED

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_STORED: Final = b"\x00"
_ZSTD: Final = b"\x01"
_LEVEL: Final = 3
_SAMPLE: Final = 256 * 1024
# What saves less than this at its beginning is a picture, a PDF, an archive: not worth the work.
_WORTH: Final = 0.96
_PIECE: Final = 256 * 1024


def seal_chunks(key: bytes, context: bytes, chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Seal what `chunks` yield, `size` bytes in all, and yield the sealed object in pieces.

    Whether it is compressed is decided by its first 256 KiB. Raises SealError for a key of another length,
    or where `chunks` yield another number of bytes: what was yielded until then must be thrown away.
    """
    if len(key) != KEY_BYTES:
        raise SealError("a data key must be 32 bytes")
    encryptor = Cobblestone256Encryptor(key, context)
    source = _counted(chunks, size)
    first = _first(source)
    compress = size <= MAX_DECOMPRESSED and len(zstd.compress(first, _LEVEL)) < len(first) * _WORTH
    yield FORMAT + encryptor.update(_ZSTD if compress else _STORED)
    body = _frame(first, source, size) if compress else _joined(first, source)
    for piece in body:
        if sealed := encryptor.update(piece):
            yield bytes(sealed)
    yield bytes(encryptor.finalize())


def open_chunks(key: bytes, context: bytes, sealed: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what was sealed, piece by piece, each authenticated before it is yielded.

    That nothing is missing at the end shows only there: whoever hands the pieces on must treat a SealError
    as the end of a broken copy. No other error for any bytes.
    """
    if len(key) != KEY_BYTES:
        raise SealError("a data key must be 32 bytes")
    decryptor = Cobblestone256Decryptor(key, context)
    body = _opened(decryptor, sealed)
    head = b""
    for piece in body:
        head = bytes(piece[:1])
        rest = _joined(bytes(piece[1:]), body)
        if head == _STORED:
            yield from rest
        elif head == _ZSTD:
            yield from _decompressed(rest)
        else:
            raise SealError(
                "a sealed object keeps its content in a way this version doesn't know; upgrade Holdfast"
            )
    if not head:
        raise SealError(BROKEN)


def _opened(decryptor: Cobblestone256Decryptor, sealed: Iterable[bytes]) -> Iterator[bytes]:
    begun = False
    try:
        for piece in sealed:
            if not begun and piece:
                if piece[:1] != FORMAT:
                    raise SealError(BROKEN)
                begun, piece = True, piece[1:]
            if plain := decryptor.update(piece):
                yield plain
        if plain := decryptor.finalize():
            yield plain
    except InvalidTag:
        raise SealError(BROKEN) from None


def _decompressed(body: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the content of exactly one frame, whose header must tell how long it is."""
    decompressor = zstd.ZstdDecompressor()
    size: int | None = None
    head = b""
    try:
        for piece in body:
            if size is None:
                head += piece
                if len(head) < 18:  # the longest frame header (RFC 8878, 3.1.1.1)
                    continue
                size, piece, head = _frame_size(head), head, b""
            yield from _drained(decompressor, piece)
        if size is None:
            size = _frame_size(head)
            yield from _drained(decompressor, head)
    except (zstd.ZstdError, EOFError):
        raise SealError(BROKEN) from None
    if not decompressor.eof or decompressor.unused_data:
        raise SealError(BROKEN)


def _frame_size(head: bytes) -> int:
    size = zstd.get_frame_info(head).decompressed_size
    if size is None or size > MAX_DECOMPRESSED:
        raise SealError("a sealed object claims more than 1 GiB of content, or doesn't say how much")
    return int(size)


def _drained(decompressor: zstd.ZstdDecompressor, piece: bytes) -> Iterator[bytes]:
    # Bounded output: a few bytes may unfold to a gigabyte.
    data = decompressor.decompress(piece, max_length=_PIECE)
    while data:
        yield data
        if decompressor.eof:
            return
        data = decompressor.decompress(b"", max_length=_PIECE)


def _frame(first: bytes, rest: Iterator[bytes], size: int) -> Iterator[bytes]:
    compressor = zstd.ZstdCompressor(level=_LEVEL)
    compressor.set_pledged_input_size(size)
    for piece in _joined(first, rest):
        if packed := compressor.compress(piece):
            yield packed
    yield compressor.flush(zstd.ZstdCompressor.FLUSH_FRAME)


def _counted(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    left = size
    for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            break
        yield chunk
    if left:
        raise SealError("what was to be sealed is not as long as it was said to be; it was not stored")


def _first(source: Iterator[bytes]) -> bytes:
    found = bytearray()
    for chunk in source:
        found += chunk
        if len(found) >= _SAMPLE:
            break
    return bytes(found)


def _joined(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest
