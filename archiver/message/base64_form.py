"""Base64 bodies (RFC 2045 6.8) in the one form that can be made again to the byte from what they hold.

The form is: lines of one length, one kind of line end between them, none after the last, standard
alphabet, padding only at the end, unused bits zero. `line` 0 means a single line. Anything else isn't
of this form, however well it decodes, and is kept as it stands.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterable, Iterator
from typing import Final

EOLS: Final = (b"\r\n", b"\n")
LONGEST_LINE: Final = 1_000

_BLOCK: Final = 192 * 1024


class NotCanonical(Exception):
    """These bytes are not of the form; only raised and caught within this package."""


def shape(body: bytes) -> tuple[int, bytes]:
    """Return the line length and line end that `body` (or its first kilobyte) seems to have.

    Raises NotCanonical where they can't be those of the form.
    """
    first = body.find(b"\n", 0, LONGEST_LINE + 3)
    if first < 0:
        return 0, b""
    eol = b"\r\n" if body[first - 1 : first] == b"\r" else b"\n"
    line = first + 1 - len(eol)
    if line == 0 or line % 4:
        raise NotCanonical
    return line, eol


def decode(body: bytes) -> tuple[bytes, int, bytes] | None:
    """Return what a whole body holds, its line length and line end; None where it isn't of the form."""
    try:
        line, eol = shape(body)
        return _block(body, line, eol, last=True), line, eol
    except NotCanonical:
        return None


class Decoder:
    """Decodes a body of the form as it comes. Every call raises NotCanonical at the body's first fault."""

    def __init__(self, line: int, eol: bytes) -> None:
        self._line = line
        self._eol = eol
        self._width = line + len(eol) if line else 4
        self._held = bytearray()

    def feed(self, chunk: bytes) -> bytes:
        """Take some of the body, return what is sure of its content."""
        self._held += chunk
        # The last line stays back: only it may be shorter and hold padding.
        ready = (len(self._held) - 1) // self._width * self._width
        if ready < _BLOCK:
            return b""
        block = bytes(self._held[:ready])
        del self._held[:ready]
        return _block(block, self._line, self._eol, last=False)

    def finish(self) -> bytes:
        """The body has ended: return the rest."""
        return _block(bytes(self._held), self._line, self._eol, last=True)


def decoded(chunks: Iterable[bytes], line: int, eol: bytes) -> Iterator[bytes]:
    """Yield what a body in the form holds, piece by piece; raises NotCanonical at its first fault."""
    decoder = Decoder(line, eol)
    for chunk in chunks:
        if data := decoder.feed(chunk):
            yield data
    if data := decoder.finish():
        yield data


def encoded_size(size: int, line: int, eol: bytes) -> int:
    """How many bytes the form takes for `size` bytes of content."""
    letters = (size + 2) // 3 * 4
    return letters + ((letters - 1) // line * len(eol) if line and letters else 0)


def encoded(chunks: Iterable[bytes], line: int, eol: bytes) -> Iterator[bytes]:
    """Yield the body that holds what `chunks` yields; the inverse of `decoded`."""
    unit = line // 4 * 3 if line else 3
    held = bytearray()
    follows = False
    for chunk in chunks:
        held += chunk
        ready = len(held) // unit * unit
        if ready >= _BLOCK:
            if follows:
                yield eol
            yield _lines(bytes(held[:ready]), line, eol)
            follows = True
            del held[:ready]
    if held:
        if follows and eol:
            yield eol
        yield _lines(bytes(held), line, eol)


def _lines(data: bytes, line: int, eol: bytes) -> bytes:
    letters = binascii.b2a_base64(data, newline=False)
    if not line or len(letters) <= line:
        return letters
    return eol.join([letters[at : at + line] for at in range(0, len(letters), line)])


def _block(body: bytes, line: int, eol: bytes, *, last: bool) -> bytes:
    """Decode whole lines. Every byte is accounted for: line ends stand where they must and nowhere else."""
    letters = body
    if line:
        width = line + len(eol)
        lines, rest = divmod(len(body), width)
        if (not 0 < rest <= line) if last else rest:
            raise NotCanonical
        for place, byte in enumerate(eol, line):
            if body[place::width] != bytes((byte,)) * lines:
                raise NotCanonical
        letters = body.translate(None, eol)
        if len(letters) != len(body) - lines * len(eol):
            raise NotCanonical
    try:
        data = binascii.a2b_base64(letters, strict_mode=True)
    except binascii.Error:
        raise NotCanonical from None
    # Unused bits that aren't zero, or padding in the midst, would not come back.
    padded = not last and len(data) * 4 != len(letters) * 3
    if padded or binascii.b2a_base64(data, newline=False) != letters:
        raise NotCanonical
    return data
