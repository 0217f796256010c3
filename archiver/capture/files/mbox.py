"""Splits mbox files into messages while reading, never holding more than one message.

Which bytes are a message: those after its separator line up to the next separator line, without the
one blank line that a writer puts before a separator and at the end of the file. There are four ways to
write one, and no file says which (`MboxStyle`):

- `rd` quotes every line of `>`s followed by `From ` with one more `>`. Taking one off again is exact.
- `o` quotes only `From `. A `>From ` in the file may have been either: lines stay as they stand.
- `cl`, `cl2` state each body's size in `Content-Length`, quoting as `o` does or not at all. Where a
  separator, or the end of the file, stands just where the size says, these very bytes are the message;
  else separators count as everywhere.
- `auto`: by sizes when the first message's own size is right; `rd` otherwise, except that a message with
  an unquoted `From ` line in it was written by something that doesn't quote, and stays as it stands.

Lines end in LF, CRLF, or in CR alone where a file has no LF.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from archiver.capture.files.items import MAX_MESSAGE, Readable
from archiver.capture.spool import SealedSpool, spool_content
from archiver.message.content import WHOLE_UP_TO, Raw

MboxStyle = Literal["auto", "o", "rd", "cl", "cl2"]

_BLOCK = 1024 * 1024
_LONGEST_SEPARATOR = 4096
_LONGEST_HEADER = 256 * 1024
_MONTH = rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_TIME = rb"\d{1,2}:\d\d(?::\d\d)?"
_DATED = re.compile(
    rb"From (?:.*[ \t])?(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)(?:"
    # ctime, perhaps with a zone or two: `Thu Jan  1 00:00:00 2004`; or as in a Date: header.
    rb"[ \t]+" + _MONTH + rb"[ \t]+\d{1,2}[ \t]+" + _TIME + rb"(?:[ \t]+[A-Za-z0-9+-]+){0,2}[ \t]+\d{4}\b"
    rb"|,[ \t]+\d{1,2}[ \t]+" + _MONTH + rb"[ \t]+\d{4}[ \t]+" + _TIME + rb")",
)
_QUOTED = re.compile(rb"^>(>*From )", re.MULTILINE)
_QUOTED_CR = re.compile(rb"((?:\A|\r))>(>*From )")
_LENGTH = re.compile(rb"(?:\A|[\r\n])content-length[ \t]*:[ \t]*(\d{1,12})[ \t]*(?=[\r\n])", re.IGNORECASE)
# A writer ends each message with one line end; two would mean that the size cuts a line of the message.
_AFTER = re.compile(rb"(?:\r\n|\n|\r)?")


@dataclass(frozen=True, slots=True)
class MboxMessage:
    """One message of an mbox, its separator at `offset`; `raw` is None where it is above the limit."""

    offset: int
    size: int
    raw: Raw | None


def is_separator(line: bytes) -> bool:
    """True for a separator line as writers make it: `From `, a sender, a weekday, a date, a time."""
    return _DATED.match(line) is not None


def unquote(raw: bytes, eol: bytes = b"\n") -> bytes:
    """Take one `>` off each line of `>`s followed by `From ` (mboxrd)."""
    if b">From " not in raw:
        return raw
    return _QUOTED.sub(rb"\1", raw) if eol == b"\n" else _QUOTED_CR.sub(rb"\1\2", raw)


def split_mbox(
    stream: Readable, style: MboxStyle = "auto", *, limit: int | None = None, spool: Path | None = None
) -> Iterator[MboxMessage]:
    """Yield the messages of an mbox in order.

    A line that begins with `From ` separates when it has a date, wherever it stands; in a file whose
    first line has none, any such line after a blank line separates. Bytes before the first separator
    are yielded as a message of their own: they are somebody's mail too. A message above `limit` bytes
    (default: `MAX_MESSAGE`) is passed over without being kept; one too large for memory waits sealed in
    the folder `spool`, where one is given. Raises OSError from the stream, StoreError from the spool.
    """
    limit = MAX_MESSAGE if limit is None else limit
    reader = _Lines(stream, spool)
    started = reader.starts_with(b"From ")
    reader.dated = not started or is_separator(reader.first_line())
    if started:
        reader.skip_line()
    by_size = style in ("cl", "cl2")
    if style == "auto" and started:
        by_size = reader.sized_end(limit) is not None
    offset = 0
    while True:
        exact = reader.sized_end(limit) if by_size else None
        if exact is not None:
            raw: Raw | None = reader.take(*exact)
            size = exact[0]
        else:
            raw, size = reader.up_to_separator(limit)
            if isinstance(raw, bytes):
                if style == "rd" or (style == "auto" and reader.eol + b"From " not in raw):
                    raw = unquote(raw, reader.eol)
            elif raw is not None and spool is not None:
                raw = _unquoted_content(raw, style, reader.eol, spool)
        if started or raw is None or not isinstance(raw, bytes) or raw.strip():
            yield MboxMessage(offset, size, raw)
        if reader.at_end():
            return
        offset = reader.position
        started = True
        reader.skip_line()


def _unquoted_content(raw: SealedSpool, style: MboxStyle, eol: bytes, spool: Path) -> Raw:
    """The same for a spooled message, in pieces of whole lines."""
    quoted = bare = False
    for piece in _whole_lines(raw, eol):
        quoted = quoted or b">From " in piece
        bare = bare or piece.startswith(b"From ") or eol + b"From " in piece
    if not quoted or not (style == "rd" or (style == "auto" and not bare)):
        return raw
    done = spool_content((unquote(piece, eol) for piece in _whole_lines(raw, eol)), spool)
    raw.close()
    return done


def _whole_lines(raw: SealedSpool, eol: bytes) -> Iterator[bytes]:
    rest = b""
    for chunk in raw.chunks():
        whole, found, rest_of_chunk = (rest + chunk).rpartition(eol)
        if found:
            yield whole + found
        rest = rest_of_chunk
    if rest:
        yield rest


def _without_blank_end(body: bytes, eol: bytes) -> bytes:
    """Take off the blank line at the end, if there is one."""
    if body in (b"\n", b"\r\n") or body == eol:
        return b""
    if body.endswith(b"\r\n\r\n"):
        return body[:-2]
    return body[:-1] if body.endswith(eol + eol) else body


class _Lines:
    """A window on the stream; `position` is the stream offset of its beginning."""

    def __init__(self, stream: Readable, spool: Path | None) -> None:
        self._stream = stream
        self._spool = spool
        self._window = bytearray()
        self._ended = False
        self._at_line_start = True
        self.position = 0
        self.dated = True
        self._fill(_LONGEST_SEPARATOR)
        # Of the first bytes alone: however the stream is cut into reads, the answer is the same.
        head = self._window[:_LONGEST_SEPARATOR]
        self.eol = b"\r" if b"\r" in head and b"\n" not in head else b"\n"
        self._from = self.eol + b"From "
        self._blank = (b"\r\r",) if self.eol == b"\r" else (b"\n\n", b"\n\r\n")

    def _fill(self, size: int) -> None:
        """Read on until the window has `size` bytes or the stream ends."""
        while len(self._window) < size and not self._ended:
            block = self._stream.read(_BLOCK)
            self._ended = not block
            self._window += block

    def at_end(self) -> bool:
        self._fill(1)
        return not self._window

    def starts_with(self, text: bytes) -> bool:
        return self._window.startswith(text)

    def first_line(self) -> bytes:
        return self._line_at(0)

    def skip_line(self) -> None:
        """Drop a separator line, however long."""
        while (end := self._window.find(self.eol)) < 0:
            self._drop(len(self._window))
            if self._ended:
                return
            self._fill(1)
        self._drop(end + 1)
        self._at_line_start = True

    def sized_end(self, limit: int) -> tuple[int, int] | None:
        """Where `Content-Length` says the message ends, and where the separator is; None if it is wrong."""
        body = self._header_end()
        if body is None:
            return None
        header = bytes(self._window[:body])
        for stated in {int(digits) for digits in _LENGTH.findall(header)}:
            end = body + stated
            if end > limit:
                continue
            self._fill(end + 2 * _LONGEST_SEPARATOR)
            if len(self._window) < end:
                continue
            blank = _AFTER.match(self._window, end)
            after = blank.end() if blank else end
            if after == len(self._window) and self._ended:
                return end, after
            if self._window.startswith(b"From ", after) and (
                not self.dated or is_separator(self._line_at(after))
            ):
                return end, after
        return None

    def take(self, end: int, after: int) -> bytes:
        """Take a message whose end is known, and the blank line after it."""
        body = bytes(self._window[:end])
        self._drop(after)
        self._at_line_start = True
        return body

    def _header_end(self) -> int | None:
        """The offset of the body, if the header ends within bounds and before the next separator."""
        size = _LONGEST_SEPARATOR
        while True:
            self._fill(size)
            # No header goes past the next separator: looking further cost seconds a megabyte of those.
            next_from = self._window.find(self._from, 0, _LONGEST_HEADER)
            stop = _LONGEST_HEADER if next_from < 0 else next_from + len(self._from)
            ends = [at + len(b) for b in self._blank if (at := self._window.find(b, 0, stop)) >= 0]
            if ends or next_from >= 0 or self._ended or size > _LONGEST_HEADER:
                break
            size *= 4
        if not ends:
            return None
        return None if self._window.find(self._from, 0, min(ends)) >= 0 else min(ends)

    def up_to_separator(self, limit: int) -> tuple[bytes | SealedSpool | None, int]:
        """Take the bytes before the next separator, without the blank line at their end.

        Returns (bytes, size), their size as it is in the file; (None, size) above the limit.
        """
        dropped = 0
        searched = 0
        spilled: SealedSpool | None = None
        while True:
            found = self._find_separator(searched)
            if found is None and self._ended:
                found = len(self._window)
            if found is not None:
                size = dropped + found
                end = _without_blank_end(bytes(self._window[:found]), self.eol)
                self._drop(found)
                self._at_line_start = True
                if size > limit:
                    return None, size
                if spilled is not None:
                    spilled.write(end)
                return spilled if spilled is not None else end, size
            # Keep enough to see a separator line, and the blank line before it, that isn't whole yet.
            surplus = len(self._window) - 2 * _LONGEST_SEPARATOR
            held = dropped + len(self._window)
            if surplus > 0 and (held > limit or (self._spool is not None and held > WHOLE_UP_TO)):
                if held > limit and spilled is not None:
                    spilled.close()
                elif held <= limit and self._spool is not None:
                    spilled = spilled or SealedSpool(self._spool)
                    spilled.write(self._window[:surplus])
                dropped += surplus
                self._drop(surplus)
            searched = max(len(self._window) - _LONGEST_SEPARATOR, 0)
            self._fill(len(self._window) + 1)

    def _find_separator(self, start: int) -> int | None:
        """Return where the next separator line begins, or None if the window shows none yet."""
        at = 0 if start == 0 and self._at_line_start and self.starts_with(b"From ") else -1
        if at < 0:
            at = self._next_from(max(start - len(self._from), 0))
        while at >= 0:
            line = self._line_at(at)
            whole = len(line) == _LONGEST_SEPARATOR or at + len(line) < len(self._window) or self._ended
            if not whole:
                return None
            if is_separator(line) if self.dated else self._after_blank(at):
                return at
            at = self._next_from(at)
        return None

    def _line_at(self, at: int) -> bytes:
        """Return the line at a place in the window without its end, at most 4096 bytes of it."""
        end = self._window.find(self.eol, at, at + _LONGEST_SEPARATOR)
        return bytes(self._window[at : end if end >= 0 else at + _LONGEST_SEPARATOR])

    def _next_from(self, start: int) -> int:
        found = self._window.find(self._from, start)
        return found + 1 if found >= 0 else -1

    def _after_blank(self, at: int) -> bool:
        before = bytes(self._window[max(at - 3, 0) : at])
        # A window that begins a line may begin with the blank one.
        first = self._at_line_start and at == len(before) and before in (b"", self.eol, b"\r\n")
        return first or before.endswith(self._blank)

    def _drop(self, size: int) -> None:
        if size:
            del self._window[:size]
            self.position += size
            self._at_line_start = False
