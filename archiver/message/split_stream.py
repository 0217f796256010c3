"""Takes a message apart that is too large for memory: two passes over its bytes, a window at a time.

The first pass finds the bodies of leaves: a stack of boundaries, one header block at a time, the outermost
delimiter first, as `archiver.message.structure` does with the whole in hand. It refuses nothing: where it
loses its way, everything to the end is one region. The second pass hashes the regions and copies the rest.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from archiver.message import base64_form
from archiver.message.base64_form import Decoder, NotCanonical
from archiver.message.content import Content, Raw, Slice, clipped, pieces
from archiver.message.split import MAX_REGIONS, Region, Split, worth_apart
from archiver.message.structure import MAX_DEPTH, MAX_HEADER, MAX_PARTS, Entity, scan
from archiver.message.transfer import is_identity

MAX_SKELETON: Final = 8 * 2**20
"""Bytes of a skeleton; what would come after them is one region."""

_LONGEST_DELIMITER: Final = 1_000
_HELD: Final = 128
_TAIL: Final = re.compile(rb"(--)?[ \t\r]*\Z")
_WHITE: Final = b" \t\r\n"

Span = tuple[int, int, str]


class Base64Slice:
    """What a stretch of another content holds in base64, decoded whenever it is read."""

    def __init__(self, of: Slice, size: int, line: int, eol: bytes) -> None:
        self._of = of
        self._size = size
        self._line = line
        self._eol = eol

    def __len__(self) -> int:
        return self._size

    def chunks(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """See `Content.chunks`."""
        yield from clipped(base64_form.decoded(self._of.chunks(), self._line, self._eol), start, end)


def split_stream(content: Raw) -> tuple[Split, bytes]:
    """Take a message of any size apart; return it and the SHA-256 of the message.

    Memory: the skeleton (at most 8 MiB and a header) and a window. The regions' contents are read from
    `content` when they are wanted. Raises what `content.chunks` raises.
    """
    scanner = _Scanner()
    digest = hashlib.sha256()
    for chunk in pieces(content):
        digest.update(chunk)
        scanner.feed(chunk)
    spans = scanner.finish()
    return _cut(content, _bounded(spans, len(content))), digest.digest()


def one_region(content: Raw, digest: bytes) -> Split:
    """All of a message as one region: what is left when a split went wrong."""
    return Split(b"", (Region(0, len(content), "verbatim", digest, len(content), content),))


# --- first pass ---------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Scanner:
    """Finds the bodies worth keeping apart. `base` is the place of the window's first byte."""

    spans: list[Span] = field(default_factory=list)
    window: bytearray = field(default_factory=bytearray)
    base: int = 0
    stack: list[tuple[bytes, str]] = field(default_factory=list)
    default: str = "text/plain"
    depth: int = 0
    parts: int = 0
    # None while a header is read; in a body: the leaf it is of, or None where it is nobody's.
    in_header: bool = True
    top: bool = True
    leaf: Entity | None = None
    body: int = 0
    lost: bool = False

    def feed(self, chunk: bytes) -> None:
        if self.lost or (not self.in_header and not self.stack):
            # Nothing can end this body but the end of the message: only its tail is still of interest.
            self.window += chunk
            self._drop(len(self.window) - _HELD)
            return
        self.window += chunk
        self._run(final=False)

    def finish(self) -> list[Span]:
        if not self.lost:
            self._run(final=True)
        if not self.lost and self.leaf is not None:
            self._close(len(self.window))
        return self.spans

    def _run(self, *, final: bool) -> None:
        while not self.lost:
            if self.in_header:
                if not self._header(final):
                    return
            elif not self.stack or not self._body(final):
                return

    def _drop(self, size: int) -> None:
        if size > 0:
            del self.window[:size]
            self.base += size

    # --- headers --------------------------------------------------------------------------------

    def _header(self, final: bool) -> bool:
        """Read a header block; False when more bytes are needed."""
        window, at, begun = self.window, 0, not self.top
        while True:
            stop = window.find(b"\n", at)
            if stop < 0:
                if len(window) > MAX_HEADER:
                    self.lost = True
                    return False
                if not final:
                    return False
                stop = len(window) - 1
            line = bytes(window[at : stop + 1])
            if begun and line.startswith(b"--") and (found := self._match(line.rstrip(b"\n"))):
                self._delimiter(at, stop + 1, found)
                return True
            at = stop + 1
            blank = not line.strip(b"\r\n")
            if (blank and begun) or at >= len(window):
                if not blank and not final:
                    return False
                self._opened(bytes(window[:at]))
                return not (final and not self.window)
            begun = begun or not blank

    def _opened(self, block: bytes) -> None:
        """A header block is complete: what does it begin?"""
        entity, _ = scan(block)
        if not self.top and not block.strip(b"\r\n"):
            entity.body = len(block)
        kind = entity.content_type if entity.get("content-type") else self.default
        boundary = entity.params.get("boundary", "").rstrip().encode("utf-8", "replace")
        self.top = False
        self.parts += 1
        self._drop(entity.body)
        if self.parts > MAX_PARTS:
            self.lost = True
        elif kind in ("message/rfc822", "message/global") and is_identity(entity.encoding):
            self.depth += 1
            self.default = "text/plain"
            self.lost = self.depth > MAX_DEPTH
        elif kind.startswith("multipart/") and boundary and len(self.stack) < MAX_DEPTH:
            self.stack.append((b"--" + boundary, kind))
            self.in_header, self.leaf, self.body = False, None, self.base
        else:
            entity.content_type = kind
            if not block.endswith((b"\n\n", b"\n\r\n")) or entity.body < len(block):
                # Without its body the header's end would be sought further down.
                entity.fault = "bad_header"
            self.in_header, self.leaf, self.body = False, entity, self.base

    # --- bodies ---------------------------------------------------------------------------------

    def _body(self, final: bool) -> bool:
        """Look for the delimiter that ends this body; False when more bytes are needed."""
        window = self.window
        # A line begins with the body, and behind each line end.
        first = self.base == self.body and window.startswith(b"--")
        at = 0 if first else window.find(b"\n--") + 1 or -1
        while at >= 0:
            stop = window.find(b"\n", at, at + _LONGEST_DELIMITER)
            if stop < 0 and len(window) - at < _LONGEST_DELIMITER:
                if not final:
                    self._drop(at - _HELD)
                    return False
                stop = len(window)
            found = self._match(bytes(window[at:stop])) if stop >= 0 else None
            if found:
                self._delimiter(at, min(stop + 1, len(window)), found)
                return True
            at = window.find(b"\n--", at) + 1 or -1
        # The window keeps what a delimiter, and the end of the body before it, may begin with.
        keep = len(window) - _HELD
        if keep > 0 and not final:
            self._drop(keep)
        return False

    def _match(self, line: bytes) -> tuple[int, bool] | None:
        """The level whose delimiter a line is, outermost first, and whether it is the closing one."""
        for level, (delimiter, _) in enumerate(self.stack):
            if line.startswith(delimiter) and (tail := _TAIL.match(line, len(delimiter))):
                return level, bool(tail.group(1))
        return None

    def _delimiter(self, at: int, after: int, found: tuple[int, bool]) -> None:
        level, closing = found
        if self.leaf is not None and not self.in_header:
            self._close(_before_line_end(self.window, at))
        self.leaf = None
        del self.stack[level + (0 if closing else 1) :]
        self._drop(after)
        self.in_header = not closing
        self.body = self.base
        if not closing:
            kind = self.stack[level][1]
            self.default = "message/rfc822" if kind == "multipart/digest" else "text/plain"

    def _close(self, stop: int) -> None:
        """The leaf's body ends at `stop` in the window."""
        leaf = self.leaf
        assert leaf is not None
        end = max(self.base + stop, self.body)
        if not worth_apart(leaf, end - self.body):
            return
        how = "verbatim"
        if leaf.encoding == "base64":
            how = "base64"
            # Line ends after the last line are no part of the form: they stay in the skeleton.
            tail = bytes(self.window[max(stop - _HELD, 0) : stop])
            end -= len(tail) - len(tail.rstrip(_WHITE))
        self.spans.append((self.body, end, how))
        self.lost = len(self.spans) >= MAX_REGIONS


def _before_line_end(window: bytearray, at: int) -> int:
    """Step back over the one line end that belongs to the delimiter at `at`."""
    if at > 0:
        at -= 1
        if at > 0 and window[at - 1] == 0x0D:
            at -= 1
    return at


# --- second pass --------------------------------------------------------------------------------------


def _bounded(spans: list[Span], size: int) -> list[Span]:
    """The spans, and one more from where the skeleton would outgrow its limit to the message's end."""
    found: list[Span] = []
    last = used = 0
    for start, end, how in [*spans, (size, size, "")]:
        if used + start - last > MAX_SKELETON:
            return [*found, (last + MAX_SKELETON - used, size, "verbatim")]
        used += start - last
        last = end
        if how:
            found.append((start, end, how))
    return found


class _Measure:
    """Hashes one region both ways at once, so that it needs no second reading if it isn't canonical."""

    def __init__(self, span: Span) -> None:
        self.start, self.end, how = span
        self._raw = hashlib.sha256()
        self._data = hashlib.sha256()
        self._size = 0
        self._decoder: Decoder | None = None
        self._canonical = how == "base64"
        self._first = bytearray()
        self._line, self._eol = 0, b""

    def feed(self, chunk: bytes) -> None:
        self._raw.update(chunk)
        if not self._canonical:
            return
        try:
            if self._decoder is None:
                self._first += chunk
                if len(self._first) <= base64_form.LONGEST_LINE + 3:
                    return
                self._begin()
            else:
                self._take(self._decoder.feed(chunk))
        except NotCanonical:
            self._canonical = False

    def region(self, content: Raw, at: int) -> Region:
        extent = self.end - self.start
        where = Slice(content, self.start, self.end)
        if self._canonical:
            try:
                if self._decoder is None:
                    self._begin()
                assert self._decoder is not None
                self._take(self._decoder.finish())
                inner: Content = Base64Slice(where, self._size, self._line, self._eol)
                digest = self._data.digest()
                return Region(at, extent, "base64", digest, self._size, inner, self._line, self._eol)
            except NotCanonical:
                pass
        return Region(at, extent, "verbatim", self._raw.digest(), extent, where)

    def _begin(self) -> None:
        self._line, self._eol = base64_form.shape(bytes(self._first))
        self._decoder = Decoder(self._line, self._eol)
        self._take(self._decoder.feed(bytes(self._first)))
        self._first = bytearray()

    def _take(self, data: bytes) -> None:
        self._data.update(data)
        self._size += len(data)


def _cut(content: Raw, spans: list[Span]) -> Split:
    skeleton = bytearray()
    regions: list[Region] = []
    waiting = [_Measure(span) for span in reversed(spans)]
    place = 0
    for chunk in pieces(content):
        at = 0
        while at < len(chunk) or (waiting and waiting[-1].end == place):
            if not waiting or place < waiting[-1].start:
                stop = len(chunk) if not waiting else min(len(chunk), at + waiting[-1].start - place)
                skeleton += chunk[at:stop]
            else:
                stop = min(len(chunk), at + waiting[-1].end - place)
                if stop > at:
                    waiting[-1].feed(chunk[at:stop])
            place += stop - at
            at = stop
            if waiting and place == waiting[-1].end:
                regions.append(waiting.pop().region(content, len(skeleton)))
    return Split(bytes(skeleton), tuple(regions))
