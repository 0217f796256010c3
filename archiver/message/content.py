"""Bytes that may be too many for memory: either plain `bytes`, or a `Content` that is read in pieces.

Ordinary mail stays plain bytes. From `WHOLE_UP_TO` on nothing may ask for all of a message at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final, Protocol, runtime_checkable

WHOLE_UP_TO: Final = 8 * 2**20
"""Messages of at most this many bytes are read, parsed and stored whole in memory."""

PIECE: Final = 256 * 1024
"""Bytes handed on at a time."""


@runtime_checkable
class Content(Protocol):
    """Bytes read in order, as often as wanted, from any thread. `len()` is their number.

    `chunks` raises an ArchiverError where they can't be read any more.
    """

    def __len__(self) -> int: ...

    def chunks(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield the bytes of `[start, end)` in order, in pieces of any size, none of them empty."""
        ...


class Apart(Protocol):
    """A stretch of a message that its skeleton leaves out; see `archiver.message.split.Region`."""

    @property
    def extent(self) -> int: ...
    @property
    def form(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def content(self) -> Raw: ...


Raw = bytes | Content
"""What a door hands over: one message, in memory or spooled."""


class Slice:
    """A range of another content, read from it whenever it is asked for."""

    def __init__(self, of: Raw, start: int, end: int) -> None:
        self._of = of
        self._start = start
        self._end = max(end, start)

    def __len__(self) -> int:
        return self._end - self._start

    def chunks(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """See `Content.chunks`."""
        stop = self._end if end is None else min(self._start + end, self._end)
        yield from pieces(self._of, self._start + start, stop)


def pieces(raw: Raw, start: int = 0, end: int | None = None) -> Iterator[bytes]:
    """Yield the bytes of `[start, end)` in order, whatever holds them."""
    if not isinstance(raw, bytes):
        yield from raw.chunks(start, end)
        return
    stop = len(raw) if end is None else min(end, len(raw))
    for at in range(start, stop, PIECE):
        yield raw[at : min(at + PIECE, stop)]


def clipped(chunks: Iterator[bytes], start: int, end: int | None) -> Iterator[bytes]:
    """Yield `[start, end)` of what `chunks` yields; the way of a content that can't jump."""
    at = 0
    for chunk in chunks:
        if end is not None and at >= end:
            return
        piece = chunk[max(start - at, 0) : None if end is None else end - at]
        at += len(chunk)
        if piece:
            yield piece


def whole(raw: Raw) -> bytes:
    """All the bytes in memory: only for what is known to be small, or was asked for as one."""
    return raw if isinstance(raw, bytes) else b"".join(raw.chunks())


def head(raw: Raw, limit: int) -> bytes:
    """The first bytes, at most `limit`."""
    return raw[:limit] if isinstance(raw, bytes) else b"".join(raw.chunks(0, limit))


def sha256(raw: Raw) -> bytes:
    """The SHA-256 of all the bytes."""
    if isinstance(raw, bytes):
        return hashlib.sha256(raw).digest()
    digest = hashlib.sha256()
    for chunk in raw.chunks():
        digest.update(chunk)
    return digest.digest()
