"""Splits mbox files into messages while reading, never holding more than one message.

Which bytes are a message: those after its separator line up to the next separator line, without the
one blank line (LF or CRLF) that a writer puts before a separator and at the end of the file. In the
`mbox` (mboxrd) reading one `>` is taken off each line of `>`s followed by `From `; as a writer puts one
on every such line, doing so again gives the file's bytes back: nothing is lost by it. In the `mboxo`
reading lines stay as they stand, since that writer's quoting can't be undone with certainty.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from archiver.capture.files_items import MAX_MESSAGE

_BLOCK = 1024 * 1024
_LONGEST_SEPARATOR = 4096
_MONTH = rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_TIME = rb"\d{1,2}:\d\d(?::\d\d)?"
_DATED = re.compile(
    rb"From (?:.*[ \t])?(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)(?:"
    # ctime, perhaps with a zone or two: `Thu Jan  1 00:00:00 2004`; or as in a Date: header.
    rb"[ \t]+" + _MONTH + rb"[ \t]+\d{1,2}[ \t]+" + _TIME + rb"(?:[ \t]+[A-Za-z0-9+-]+){0,2}[ \t]+\d{4}\b"
    rb"|,[ \t]+\d{1,2}[ \t]+" + _MONTH + rb"[ \t]+\d{4}[ \t]+" + _TIME + rb")",
)
_QUOTED = re.compile(rb"^>(>*From )", re.MULTILINE)


class Readable(Protocol):
    """A stream of bytes, seekable or not."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class MboxMessage:
    """One message of an mbox, its separator at `offset`; `raw` is None where it is above the limit."""

    offset: int
    size: int
    raw: bytes | None


def is_separator(line: bytes) -> bool:
    """True for a separator line as writers make it: `From `, a sender, a weekday, a date, a time."""
    return _DATED.match(line) is not None


def unquote(raw: bytes) -> bytes:
    """Take one `>` off each line of `>`s followed by `From ` (mboxrd)."""
    return _QUOTED.sub(rb"\1", raw) if b">From " in raw else raw


def split_mbox(stream: Readable, *, quoting: bool = True, limit: int = MAX_MESSAGE) -> Iterator[MboxMessage]:
    """Yield the messages of an mbox in order.

    A line that begins with `From ` separates when it has a date, wherever it stands; in a file whose
    first line has none, any such line after a blank line separates. Bytes before the first separator
    are yielded as a message of their own: they are somebody's mail too. Raises OSError from the stream.
    """
    reader = _Lines(stream)
    reader.fill(_LONGEST_SEPARATOR)
    started = reader.starts_with(b"From ")
    dated = not started or is_separator(reader.first_line())
    if started:
        reader.skip_line()
    offset = 0
    while True:
        body, size = reader.up_to_separator(dated, limit)
        raw = None if body is None else _without_blank_end(body)
        if started or raw is None or raw.strip():
            yield MboxMessage(offset, size, unquote(raw) if raw and quoting else raw)
        if reader.at_end():
            return
        offset = reader.position
        started = True
        reader.skip_line()


def _without_blank_end(body: bytes) -> bytes:
    """Take off the blank line at the end, if there is one."""
    if body in (b"\n", b"\r\n"):
        return b""
    if body.endswith(b"\r\n\r\n"):
        return body[:-2]
    return body[:-1] if body.endswith(b"\n\n") else body


class _Lines:
    """A window on the stream; `position` is the stream offset of its beginning."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._window = bytearray()
        self._ended = False
        self._at_line_start = True
        self.position = 0

    def fill(self, size: int) -> None:
        """Read on until the window has `size` bytes or the stream ends."""
        while len(self._window) < size and not self._ended:
            block = self._stream.read(_BLOCK)
            self._ended = not block
            self._window += block

    def at_end(self) -> bool:
        self.fill(1)
        return not self._window

    def starts_with(self, text: bytes) -> bool:
        return self._window.startswith(text)

    def first_line(self) -> bytes:
        return self._line_at(0)

    def skip_line(self) -> None:
        """Drop a separator line, however long."""
        while (end := self._window.find(b"\n")) < 0:
            self._drop(len(self._window))
            if self._ended:
                return
            self.fill(1)
        self._drop(end + 1)
        self._at_line_start = True

    def up_to_separator(self, dated: bool, limit: int) -> tuple[bytes | None, int]:
        """Take the bytes before the next separator: (bytes, size), or (None, size) above the limit."""
        dropped = 0
        searched = 0
        while True:
            found = self._find_separator(searched, dated)
            if found is None and self._ended:
                found = len(self._window)
            if found is not None:
                size = dropped + found
                body = bytes(self._window[:found]) if size <= limit else None
                self._drop(found)
                self._at_line_start = True
                return body, size
            # Keep enough to see a separator line, and the blank line before it, that isn't whole yet.
            surplus = len(self._window) - 2 * _LONGEST_SEPARATOR
            if dropped + len(self._window) > limit and surplus > 0:
                dropped += surplus
                self._drop(surplus)
            searched = max(len(self._window) - _LONGEST_SEPARATOR, 0)
            self.fill(len(self._window) + 1)

    def _find_separator(self, start: int, dated: bool) -> int | None:
        """Return where the next separator line begins, or None if the window shows none yet."""
        at = 0 if start == 0 and self._at_line_start and self.starts_with(b"From ") else -1
        if at < 0:
            at = self._next_from(max(start - len(b"\nFrom "), 0))
        while at >= 0:
            line = self._line_at(at)
            whole = len(line) == _LONGEST_SEPARATOR or at + len(line) < len(self._window) or self._ended
            if not whole:
                return None
            if is_separator(line) if dated else self._after_blank(at):
                return at
            at = self._next_from(at)
        return None

    def _line_at(self, at: int) -> bytes:
        """Return the line at a place in the window without its end, at most 4096 bytes of it."""
        end = self._window.find(b"\n", at, at + _LONGEST_SEPARATOR)
        return bytes(self._window[at : end if end >= 0 else at + _LONGEST_SEPARATOR])

    def _next_from(self, start: int) -> int:
        found = self._window.find(b"\nFrom ", start)
        return found + 1 if found >= 0 else -1

    def _after_blank(self, at: int) -> bool:
        before = bytes(self._window[max(at - 3, 0) : at])
        # A window that begins a line may begin with the blank one.
        first = self._at_line_start and at == len(before) and before in (b"", b"\n", b"\r\n")
        return first or before.endswith((b"\n\n", b"\n\r\n"))

    def _drop(self, size: int) -> None:
        if size:
            del self._window[:size]
            self.position += size
            self._at_line_start = False
