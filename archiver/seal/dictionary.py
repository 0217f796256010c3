"""Compression dictionaries: what small objects have in common, kept once (docs/FORMAT.md, section 1).

A dictionary outlives the messages it was learnt from, so it is built from fragments that may be kept
(`archiver.seal.fragments`, docs/adr/0016) and is itself sealed.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from typing import Any, Final, Protocol

import zstandard

from archiver.errors import DamagedStore, SealError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LEVEL: Final = 3
LARGEST_OBJECT: Final = 32 * 1024
"""Larger objects have enough in common with themselves."""
CONTENT_BYTES: Final = 64 * 1024
_TABLES_BYTES: Final = 4 * 1024
_ID_BYTES: Final = 4
_LARGEST_ID: Final = 2**32 - 1


class DictionaryLost(DamagedStore):
    """A dictionary that objects were sealed with is missing or doesn't open; its messages can't be read."""

    code = "dictionary"
    audit_code = "dictionary"


class Dictionary:
    """A dictionary ready for use. Safe from any thread; each has contexts of its own."""

    def __init__(self, number: int, data: bytes) -> None:
        """`number` names it in sealed objects, `data` is in zstd's form. Raises SealError otherwise."""
        if not 0 < number <= _LARGEST_ID:
            raise SealError("a compression dictionary's number must fit into four bytes and not be 0")
        try:
            self._dictionary = zstd.ZstdDict(data)
        except (zstd.ZstdError, ValueError):
            raise SealError("the bytes of a compression dictionary are not in zstd's form") from None
        self.number = number
        self._prefix = number.to_bytes(_ID_BYTES, "big")
        self._threads = threading.local()
        self._opening = zstandard.ZstdCompressionDict(data)
        self.decompressor()  # makes the tables that all threads share

    @property
    def data(self) -> bytes:
        """The dictionary in zstd's own form (RFC 8878, section 5)."""
        return self._dictionary.dict_content

    def packed(self, plain: bytes | memoryview) -> bytes:
        """Return the body of a sealed object: the dictionary's number and one frame."""
        compressor = getattr(self._threads, "compressor", None) or self._fresh()
        try:
            compressor.set_pledged_input_size(len(plain))
            frame: bytes = compressor.compress(plain, zstd.ZstdCompressor.FLUSH_FRAME)
        except BaseException:
            # An interrupted compressor holds half a frame, which must not lead the next object's.
            self._fresh()
            raise
        return self._prefix + frame

    def decompressor(self) -> zstandard.ZstdDecompressor:
        """This thread's own, for any number of frames."""
        found: zstandard.ZstdDecompressor | None = getattr(self._threads, "decompressor", None)
        if found is None:
            found = self._threads.decompressor = zstandard.ZstdDecompressor(dict_data=self._opening)
        return found

    def _fresh(self) -> Any:
        # The number stands before the frame, so the frame needn't tell it again.
        options: dict[int, int] = {
            zstd.CompressionParameter.compression_level: LEVEL,
            zstd.CompressionParameter.dict_id_flag: 0,
        }
        compressor = zstd.ZstdCompressor(options=options, zstd_dict=self._dictionary.as_digested_dict)
        self._threads.compressor = compressor
        return compressor


class Dictionaries(Protocol):
    """Where a reader finds the dictionary that an object was sealed with."""

    def find(self, number: int) -> Dictionary:
        """Raises DictionaryLost, KeyUnavailable, StoreError."""
        ...


def split(body: bytes) -> tuple[int, bytes]:
    """Take `Dictionary.packed` apart: number and frame. Raises SealError where it is too short."""
    number = int.from_bytes(body[:_ID_BYTES], "big")
    if len(body) <= _ID_BYTES or number == 0:
        raise SealError("a sealed object names no compression dictionary; run `holdfast verify`")
    return number, body[_ID_BYTES:]


def finalised(content: bytes, texts: Sequence[bytes]) -> bytes | None:
    """Put zstd's tables before `content`; from `texts` come only how often which byte and length is.

    None where that can't be done: too little content, or texts that zstd learns nothing from.
    """
    room = len(content) + _TABLES_BYTES
    try:
        data = zstd.finalize_dict(zstd.ZstdDict(content, is_raw=True), texts, room, LEVEL).dict_content
    except (zstd.ZstdError, ValueError):
        return None
    # Nothing but the tables may have come in.
    return data if data.endswith(content) and len(data) <= room else None
