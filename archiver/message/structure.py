"""Where everything is in a message: one scanner over the raw bytes gives the MIME tree with exact offsets.

The parser and the journal unwrapper share it, so they can't disagree about what a part is. It copies
nothing and its depth, part count and header size are bounded: hostile nesting costs linear time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from archiver.message.charsets import decode_bytes
from archiver.message.content import Apart
from archiver.message.params import parse_value
from archiver.message.transfer import decode_transfer, is_identity

MAX_DEPTH = 50
MAX_PARTS = 5_000
MAX_HEADER = 2 * 2**20

_BLANK_LINE = re.compile(rb"\n\r*\n")
_LEADING_BLANKS = re.compile(rb"(?:[ \t\r]*\n)*")
_DELIMITER_TAIL = re.compile(rb"(--)?[ \t\r]*(?:\n|\Z)")
_FIELD_NAME = re.compile(r"([!-9;-~]{1,200})[ \t]*:")
_CHARSET_HINT = re.compile(rb"(?i)charset[ \t]*=[ \t]*\"?([\w.:+-]{1,40})")
_FIRST_DELIMITER = re.compile(rb"[ \t\r\n]*--([!-~][ -~]{0,199}?)[ \t\r]{0,100}\n")

_USUAL = """
Received Date From To Cc Bcc Subject Message-ID In-Reply-To References Reply-To Sender Return-Path
MIME-Version Content-Type Content-Transfer-Encoding Content-Disposition Content-Language Content-ID
Received-SPF Delivered-To DKIM-Signature Authentication-Results User-Agent Thread-Topic Thread-Index
Importance Precedence List-Id List-Unsubscribe ARC-Seal ARC-Message-Signature ARC-Authentication-Results
X-Mailer X-Priority X-Received X-Originating-IP X-Spam-Status X-Spam-Level X-From X-To X-cc X-bcc X-Folder
X-Origin X-FileName
"""
_USUAL_NAMES = frozenset(
    written
    for name in _USUAL.split()
    for written in (name, name.lower(), name.capitalize(), name.title(), name.replace("-ID", "-Id"))
)
"""Names that are sure to be ones: spares nearly all lines of a header the regular expression."""

Field = tuple[str, str]
"""Name as written and unfolded value; a line that is no field has the name ``""``."""


@dataclass(slots=True)
class Entity:
    """One MIME entity (RFC 2045 2.4): a message or body part, as offsets into `buffer`.

    `start` is the first byte of its header, `body` the first byte after the blank line, `end` is past
    its last byte: the CRLF that belongs to the next delimiter is not part of it (RFC 2046 5.1.1).
    `fault` says why an entity was not taken apart further.
    """

    path: str
    buffer: bytes
    start: int
    body: int
    end: int
    fields: list[Field]
    content_type: str = "text/plain"
    params: dict[str, str] = field(default_factory=dict)
    parent_type: str = ""
    children: list[Entity] = field(default_factory=list)
    loose: list[tuple[int, int]] = field(default_factory=list)
    fault: str = ""
    apart: Apart | None = None
    """The body, or the beginning of it, where `buffer` is a skeleton that leaves it out."""
    absent: int = 0
    """Bytes of the body that are not in `buffer`, those of nested parts included."""
    _by_name: dict[str, str] | None = field(default=None, repr=False, compare=False)

    def get(self, name: str) -> str:
        """Return the first value of a field, by its lower-case name, or ``""``."""
        if self._by_name is None:
            # From the end, so that the first of several stays.
            self._by_name = {key.lower(): value for key, value in reversed(self.fields)}
        return self._by_name.get(name, "")

    @property
    def content(self) -> bytes:
        """The body's bytes as they stand, transfer encoding not undone; without what is kept apart."""
        return self.buffer[self.body : self.end]

    @property
    def extent(self) -> int:
        """Bytes of the body as it stands in the message."""
        return self.end - self.body + self.absent

    @property
    def encoding(self) -> str:
        """The declared Content-Transfer-Encoding in lower case, or ``""``."""
        return self.get("content-transfer-encoding").split(";")[0].strip().strip('"').lower()


@dataclass(slots=True)
class _State:
    problems: list[str]
    parts: int = 0
    skeleton: bytes = b""
    apart: Mapping[int, Apart] = field(default_factory=dict)


def scan(
    raw: bytes, limit: int | None = None, apart: Mapping[int, Apart] | None = None
) -> tuple[Entity, list[str]]:
    """Return the tree of a whole message and the problems met. Never raises.

    `apart` tells what a skeleton leaves out, by the place where it would be.

    `limit` cuts the body after that many bytes. A file of bare CRs is read as if they were LFs, which
    moves no offset; an mbox `From ` line, a byte order mark and blank lines before the header are skipped.
    """
    if b"\n" not in raw and b"\r" in raw:
        raw = raw.replace(b"\r", b"\n")
    state = _State([], skeleton=raw, apart=apart or {})
    entity = _entity(raw, _header_start(raw), len(raw), "", "text/plain", 0, state, limit, message=True)
    return entity, state.problems


def _header_start(raw: bytes) -> int:
    start = 3 if raw.startswith(b"\xef\xbb\xbf") else 0
    start = _LEADING_BLANKS.match(raw, start).end()  # type: ignore[union-attr]  # matches anything
    if raw.startswith((b"From ", b">From "), start):
        start = raw.find(b"\n", start) + 1 or len(raw)
    return start


def _entity(
    buffer: bytes,
    start: int,
    end: int,
    path: str,
    default_type: str,
    depth: int,
    state: _State,
    limit: int | None = None,
    message: bool = False,
) -> Entity:
    fields, body = _read_header(buffer, start, end, state)
    if limit is not None and end - body > limit:
        state.problems.append("too_large")
        end = body + limit
    entity = Entity(path, buffer, start, body, end, fields)
    if state.apart and buffer is state.skeleton:
        entity.apart = state.apart.get(body)
        entity.absent = sum(a.extent for at, a in state.apart.items() if body <= at <= end)
    declared = entity.get("content-type")
    entity.content_type, entity.params = parse_value(declared) if declared else (default_type, {})
    kind, slash, rest = entity.content_type.partition("/")
    if not (kind and slash and rest):
        entity.content_type = "text/plain"
        if declared:
            state.problems.append("bad_content_type")
    if message and kind != "multipart":
        # As in IMAP (RFC 9051 6.4.5.1): a message's only part is number 1 of it.
        entity.path = f"{path}.1" if path else "1"
    if kind == "multipart":
        _open_multipart(entity, depth, state)
    elif entity.content_type in ("message/rfc822", "message/global"):
        _open_message(entity, depth, state)
    return entity


def _read_header(buffer: bytes, start: int, end: int, state: _State) -> tuple[list[Field], int]:
    """Return the fields of the header at `start` and the offset of the body."""
    head = buffer[start : start + 2]
    if head[:1] == b"\n" or head == b"\r\n":
        return [], start + (1 if head[:1] == b"\n" else 2)
    blank = _BLANK_LINE.search(buffer, start, end)
    stop, body = (blank.start(), blank.end()) if blank else (end, end)
    if stop - start > MAX_HEADER:
        state.problems.append("header_too_large")
        stop = start + MAX_HEADER
    block = buffer[start:stop]
    text = _decode_header_block(block, state)
    fields, lines_used = _split_fields(text, state)
    if lines_used is not None:
        offset = start
        for _ in range(lines_used):
            offset = buffer.find(b"\n", offset, end) + 1
        return fields, offset
    return fields, body


def _decode_header_block(block: bytes, state: _State) -> str:
    """RFC 6532 makes UTF-8 headers legal; anything else 8-bit is guessed line by line and flagged."""
    if block.isascii():
        return block.decode("ascii")
    try:
        return block.decode("utf-8")
    except UnicodeDecodeError:
        state.problems.append("bad_charset")
    hint = _CHARSET_HINT.search(block)
    charset = hint.group(1).decode("ascii") if hint else ""
    lines = []
    for line in block.split(b"\n"):
        try:
            lines.append(line.decode("utf-8"))
        except UnicodeDecodeError:
            # A decoder may yield line ends of its own (UTF-7, UTF-16): they would shift the offsets.
            lines.append(decode_bytes(line, charset)[0].replace("\n", " "))
    return "\n".join(lines)


def _split_fields(text: str, state: _State) -> tuple[list[Field], int | None]:
    """Unfold a header block into fields (RFC 5322 2.2.3).

    The second value is None, or the number of lines after which the body begins without a blank line.
    A line that is no field in the midst of fields is kept under the name ``""``, so no text is lost.
    """
    fields: list[Field] = []
    folds: list[str] = []
    last_field = -1
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if line.startswith((" ", "\t")) and fields:
            folds.append(line.strip(" \t\r"))
            continue
        name, _, value = line.partition(":")
        if name in _USUAL_NAMES and len(name) < len(line):
            if folds:
                folds = _unfold(fields, folds)
            fields.append((name, value.strip(" \t\r")))
            continue
        match = _FIELD_NAME.match(line)
        if match is None:
            if not line.strip(" \t\r") and number == len(lines) - 1:
                break
            state.problems.append("bad_header")
            if last_field < 0:
                last_field = _last_field(lines)
            folds = _unfold(fields, folds)
            if not fields or number > last_field:
                return fields, number
            fields.append(("", line.strip(" \t\r")))
            continue
        folds = _unfold(fields, folds)
        fields.append((match.group(1), line[match.end() :].strip(" \t\r")))
    _unfold(fields, folds)
    return fields, None


def _unfold(fields: list[Field], folds: list[str]) -> list[str]:
    """Add the lines that follow the last field's first one to it, one space between; return no lines."""
    if folds:
        name, first = fields[-1]
        fields[-1] = (name, " ".join(filter(None, (first, *folds))))
    return []


def _last_field(lines: list[str]) -> int:
    for number in range(len(lines) - 1, -1, -1):
        if _FIELD_NAME.match(lines[number]):
            return number
    return 0


def _open_multipart(entity: Entity, depth: int, state: _State) -> None:
    if depth >= MAX_DEPTH:
        entity.fault = "too_deep"
        state.problems.append("too_deep")
        return
    boundary = entity.params.get("boundary", "").rstrip().encode("utf-8", "replace")
    spans, closed = split_multipart(entity, boundary) if boundary else ([], False)
    if not spans:
        state.problems.append("bad_boundary")
        sniffed = _FIRST_DELIMITER.match(entity.buffer, entity.body, entity.end)
        if sniffed is not None:
            spans, closed = split_multipart(entity, sniffed.group(1))
    if not spans:
        entity.fault = "bad_boundary"
        return
    if not closed:
        state.problems.append("unclosed_multipart")
    default = "message/rfc822" if entity.content_type == "multipart/digest" else "text/plain"
    prefix = f"{entity.path}." if entity.path else ""
    for number, (start, end) in enumerate(spans, 1):
        path = f"{prefix}{number}"
        if state.parts >= MAX_PARTS:
            state.problems.append("too_many_parts")
            rest = Entity(path, entity.buffer, start, start, entity.end, [], "application/octet-stream")
            rest.fault = "too_many_parts"
            entity.children.append(rest)
            return
        state.parts += 1
        child = _entity(entity.buffer, start, end, path, default, depth + 1, state)
        child.parent_type = entity.content_type
        entity.children.append(child)


def split_multipart(entity: Entity, boundary: bytes) -> tuple[list[tuple[int, int]], bool]:
    """Return the spans of a multipart's parts and whether its close delimiter was there (RFC 2046 5.1.1).

    Text before the first and after the last delimiter is noted in `entity.loose`.
    """
    buffer, end = entity.buffer, entity.end
    delimiter = b"--" + boundary
    spans: list[tuple[int, int]] = []
    loose: list[tuple[int, int]] = []
    part_start = -1
    position = entity.body
    while (found := buffer.find(delimiter, position, end)) >= 0:
        position = found + len(delimiter)
        if found != entity.body and buffer[found - 1] != 0x0A:
            continue
        tail = _DELIMITER_TAIL.match(buffer, position, end)
        if tail is None:
            continue
        if part_start < 0:
            loose.append((entity.body, found))
        else:
            spans.append((part_start, _before_line_end(buffer, part_start, found)))
        part_start = position = tail.end()
        if tail.group(1):
            if not spans and len(loose) == 1 and loose[0][1] == found:
                # A close delimiter alone encloses nothing: the text before it is all there is.
                return [], True
            loose.append((part_start, end))
            entity.loose = loose
            return spans, True
    if part_start >= 0:
        spans.append((part_start, end))
        entity.loose = loose
    return spans, False


def _before_line_end(buffer: bytes, start: int, position: int) -> int:
    """Step back over the one line end that belongs to the delimiter at `position`."""
    if position > start:
        position -= 1
        if position > start and buffer[position - 1] == 0x0D:
            position -= 1
    return position


def _open_message(entity: Entity, depth: int, state: _State) -> None:
    if depth >= MAX_DEPTH:
        entity.fault = "too_deep"
        state.problems.append("too_deep")
        return
    if state.parts >= MAX_PARTS:
        entity.fault = "too_many_parts"
        state.problems.append("too_many_parts")
        return
    state.parts += 1
    buffer, start, end = entity.buffer, entity.body, entity.end
    if not is_identity(entity.encoding):
        # RFC 2046 5.2.1 forbids encoding a message, exporters do it all the same.
        if entity.apart is None:
            buffer, good = decode_transfer(entity.content, entity.encoding)
        else:
            buffer, good = _read_apart(entity, state)
        if not good:
            state.problems.append("bad_base64")
        start, end = 0, len(buffer)
    inner = _entity(buffer, start, end, entity.path, "text/plain", depth + 1, state, message=True)
    inner.parent_type = entity.content_type
    entity.children.append(inner)


def _read_apart(entity: Entity, state: _State) -> tuple[bytes, bool]:
    """An encoded message that the skeleton leaves out."""
    from archiver.message.leaf import read_leaf  # it reads what this module scans

    leaf = read_leaf(entity)
    if leaf.cut:
        state.problems.append("too_large")
    return leaf.data, leaf.good
