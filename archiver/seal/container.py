"""Sealed objects, format 1 (docs/FORMAT.md, section 1): compress, then encrypt, chunked and key-committing.

The encryption is c2sp.org/chunked-encryption, instance Cobblestone-256, by the `cryptography` package.
"""

from __future__ import annotations

import sys
import threading
from typing import Final

import zstandard
from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
from cryptography.exceptions import InvalidTag

from archiver.errors import SealError
from archiver.seal import dictionary as shared
from archiver.seal.dictionary import Dictionaries, Dictionary, DictionaryLost

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

FORMAT: Final = b"\x01"
KEY_BYTES: Final = 32
MAX_DECOMPRESSED: Final = 1 << 30

_STORED: Final = b"\x00"
_ZSTD: Final = b"\x01"
_SHARED: Final = b"\x02"
_LEVEL: Final = 3
_SMALLEST_TO_SHARE: Final = 16
# What is short and much shorter with a dictionary is hardly so without: only else both ways are tried.
_SHORT: Final = 8192
_SURELY: Final = 0.6
# Below this a zstd frame's own header eats what it saves.
_SMALLEST_TO_COMPRESS: Final = 64
# format byte, salt, commitment, one empty chunk's tag, and the byte that says how the body is kept
_SHORTEST: Final = 1 + 24 + 32 + 16 + 1

BROKEN: Final = "a sealed object doesn't open: wrong key or context, or changed bytes; run `holdfast verify`"


class _Contexts(threading.local):
    """One zstd context each way a thread: making one costs more than packing or unpacking a small message."""

    def __init__(self) -> None:
        self.compressor = zstd.ZstdCompressor(level=_LEVEL)
        # The standard library's opens one frame only: of a page of results a tenth was making them.
        self.decompressor = zstandard.ZstdDecompressor()


_contexts = _Contexts()


def seal(
    key: bytes,
    context: bytes,
    plain: bytes | memoryview,
    *,
    compress: bool = True,
    dictionary: Dictionary | None = None,
) -> bytes:
    """Seal `plain` under a 32-byte data key, bound to `context`; a fresh random salt each time.

    A small object is compressed with the `dictionary`, where one is given and that makes it smaller.

    The result is at most 58 bytes and 16 for each 16 KiB begun longer than `plain`. The same key may
    seal any number of objects. Raises SealError for a key of another length. Pure: nothing is durable.
    """
    encryptor = _encryptor(key, context)
    head, body = _packed(plain, dictionary) if compress else (_STORED, plain)
    return b"".join((FORMAT, encryptor.update(head), encryptor.update(body), encryptor.finalize()))


def open_sealed(
    key: bytes, context: bytes, sealed: bytes | memoryview, dictionaries: Dictionaries | None = None
) -> bytes:
    """Return what was sealed, whole and authenticated, or raise SealError; no other error for any bytes.

    Only for an authentic object that was sealed with a dictionary: what `dictionaries` raises, and
    DictionaryLost where none are given.

    The key commitment is compared in constant time before anything is decrypted; nothing is returned
    before the last chunk is authenticated.
    """
    if len(key) != KEY_BYTES:
        raise SealError("a data key must be 32 bytes")
    if len(sealed) < _SHORTEST or sealed[:1] != FORMAT:
        raise SealError(BROKEN)
    decryptor = Cobblestone256Decryptor(key, context)
    try:
        first = decryptor.update(memoryview(sealed)[1:])
        last = decryptor.finalize()
    except InvalidTag:
        raise SealError(BROKEN) from None
    # A short object comes wholly from finalize(). Slices are views, so that a large one is copied once.
    pieces = [memoryview(piece) for piece in (first, last) if piece]
    if not pieces:
        raise SealError(BROKEN)
    head = bytes(pieces[0][:1])
    body = b"".join((pieces[0][1:], *pieces[1:]))
    if head == _STORED:
        return body
    if head == _ZSTD:
        return _decompressed(body, _contexts.decompressor)
    if head == _SHARED:
        number, frame = shared.split(body)
        if dictionaries is None:
            raise DictionaryLost("an object needs a compression dictionary where there can be none")
        return _decompressed(frame, dictionaries.find(number).decompressor())
    raise SealError("a sealed object keeps its content in a way this version doesn't know; upgrade Holdfast")


def _encryptor(key: bytes, context: bytes) -> Cobblestone256Encryptor:
    if len(key) != KEY_BYTES:
        raise SealError("a data key must be 32 bytes")
    return Cobblestone256Encryptor(key, context)


def _packed(plain: bytes | memoryview, dictionary: Dictionary | None) -> tuple[bytes, bytes | memoryview]:
    """How the content is kept, and the body that keeps it."""
    if dictionary is not None and _SMALLEST_TO_SHARE <= len(plain) <= shared.LARGEST_OBJECT:
        packed = dictionary.packed(plain)
        if len(plain) <= _SHORT and len(packed) < len(plain) * _SURELY:
            return _SHARED, packed
        alone = _compressed(plain)
        if len(packed) < len(plain) and (alone is None or len(packed) < len(alone)):
            return _SHARED, packed
    else:
        alone = _compressed(plain)
    return (_STORED, plain) if alone is None else (_ZSTD, alone)


def _compressed(plain: bytes | memoryview) -> bytes | None:
    """Return one zstd frame with its content size, or None where it wouldn't be smaller."""
    if not _SMALLEST_TO_COMPRESS <= len(plain) <= MAX_DECOMPRESSED:
        return None
    compressor = _contexts.compressor
    try:
        compressor.set_pledged_input_size(len(plain))
        frame = compressor.compress(plain, zstd.ZstdCompressor.FLUSH_FRAME)
    except BaseException:
        # An interrupted compressor holds half a frame, which must not lead the next object's.
        _contexts.compressor = zstd.ZstdCompressor(level=_LEVEL)
        raise
    return frame if len(frame) < len(plain) else None


def _decompressed(body: bytes, decompressor: zstandard.ZstdDecompressor) -> bytes:
    """Return the content of exactly one frame. Its stated size bounds the work before it starts."""
    try:
        frame = zstd.get_frame_info(body)
        size = frame.decompressed_size
        if frame.dictionary_id:
            raise SealError(BROKEN)
        if size is None or size > MAX_DECOMPRESSED:
            raise SealError("a sealed object claims more than 1 GiB of content, or doesn't say how much")
        if not size:
            return _empty(body, decompressor)
        plain = decompressor.decompress(body, max_output_size=size, allow_extra_data=False)
    except (zstd.ZstdError, zstandard.ZstdError):
        raise SealError(BROKEN) from None
    if len(plain) != size:
        raise SealError(BROKEN)
    return plain


def _empty(body: bytes, decompressor: zstandard.ZstdDecompressor) -> bytes:
    """Nothing, if that is what the frame holds: in one go zstandard would believe its header."""
    reader = decompressor.decompressobj()
    if reader.decompress(body) or not reader.eof or reader.unused_data:
        raise SealError(BROKEN)
    return b""
