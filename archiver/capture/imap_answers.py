"""Reads a mailbox server's answers to LIST, EXAMINE and FETCH (RFC 3501, 7): no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from archiver.capture.imap_names import BadNameError, decode_name

_LIST = re.compile(rb'\((?P<flags>[^)]*)\) (?:"(?:[^"\\]|\\.)*"|NIL) (?P<name>.*)\Z', re.DOTALL)
_LITERAL = re.compile(rb"\{\d+\}\Z")
_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_RECORD = re.compile(rb"\d+ FETCH \(")
_BODY_FOLLOWS = re.compile(rb"BODY\[\] \{\d+\}\Z")
_QUOTED_BODY = re.compile(rb'BODY\[\] "((?:[^"\\]|\\.)*)"')
_UID = re.compile(rb"\bUID (\d{1,10})\b")
_SIZE = re.compile(rb"\bRFC822\.SIZE (\d{1,20})\b")
_DATE = re.compile(
    rb'\bINTERNALDATE "[ ]?(\d{1,2})-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)"'
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_HIDDEN = {b"\\noselect", b"\\nonexistent"}


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder that can be opened. `wire` is its name as the server writes it, `name` as people do.

    `problem` is set instead of `wire` where the name can't be read back to the server.
    """

    name: str
    wire: str = ""
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class FolderState:
    """What EXAMINE said; `uidvalidity` 0 and `uidnext` None where the server didn't say."""

    exists: int
    uidvalidity: int
    uidnext: int | None


@dataclass(frozen=True, slots=True)
class Fetched:
    """One message of a FETCH answer; each value is None where it wasn't in the answer."""

    uid: int | None
    size: int | None
    internal_date: datetime | None
    body: bytes | None


def read_folders(lines: Sequence[bytes | bytearray]) -> Iterator[Folder]:
    """Yield the folders of a LIST answer, without those that can't be opened."""
    for number, line in enumerate(lines):
        match = None if isinstance(line, bytearray) else _LIST.match(line)
        if match is None or _HIDDEN & {flag.lower() for flag in match["flags"].split()}:
            continue
        raw = match["name"]
        if _LITERAL.match(raw) and number + 1 < len(lines) and isinstance(lines[number + 1], bytearray):
            raw = bytes(lines[number + 1])
        elif quoted := _QUOTED.fullmatch(raw):
            raw = _ESCAPED.sub(rb"\1", quoted[1])
        try:
            yield Folder(decode_name(raw), raw.decode("utf-8"))
        except (BadNameError, UnicodeDecodeError):
            yield Folder(raw.decode("utf-8", "backslashreplace"), problem="bad_name")


def read_state(lines: Sequence[bytes | bytearray]) -> FolderState:
    """Return what the untagged lines of an EXAMINE answer say."""
    text = b"\n".join(bytes(line) for line in lines)
    return FolderState(
        exists=_number(rb"(?m)^(\d{1,10}) EXISTS", text) or 0,
        uidvalidity=_number(rb"(?i)\[UIDVALIDITY (\d{1,10})\]", text) or 0,
        uidnext=_number(rb"(?i)\[UIDNEXT (\d{1,10})\]", text),
    )


def read_fetched(lines: Sequence[bytes | bytearray]) -> Iterator[Fetched]:
    """Yield the messages of a FETCH answer, unsolicited flag updates among them (with no body).

    Only the server's own words are searched: message bytes come as literals, or in a quoted string
    that is cut out first.
    """
    text = b""
    body: bytes | None = None
    for line in lines[:-1]:
        if isinstance(line, bytearray):
            if _BODY_FOLLOWS.search(text):
                body = bytes(line)
            continue
        if _RECORD.match(line):
            if text:
                yield _record(text, body)
            text, body = line, None
        elif text:
            text += b" " + line
    if text:
        yield _record(text, body)


def _record(text: bytes, body: bytes | None) -> Fetched:
    if body is None and (quoted := _QUOTED_BODY.search(text)):
        body = _ESCAPED.sub(rb"\1", quoted[1])
        text = text[: quoted.start()] + text[quoted.end() :]
    uid = _UID.search(text)
    size = _SIZE.search(text)
    return Fetched(
        uid=int(uid[1]) if uid else None,
        size=int(size[1]) if size else None,
        internal_date=_internal_date(text),
        body=body,
    )


def _internal_date(text: bytes) -> datetime | None:
    """Return INTERNALDATE in UTC, or None when absent or no such date."""
    match = _DATE.search(text)
    if match is None:
        return None
    day, month, year, hour, minute, second, sign, east_hours, east_minutes = match.groups()
    east = timedelta(hours=int(east_hours), minutes=int(east_minutes))
    try:
        zone = timezone(east if sign == b"+" else -east)
        number = _MONTHS.index(month.decode("ascii").lower()) + 1
        local = datetime(int(year), number, int(day), int(hour), int(minute), int(second), tzinfo=zone)
        return local.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _number(pattern: bytes, text: bytes) -> int | None:
    found = re.findall(pattern, text)
    # The last one counts: EXISTS is repeated when mail comes in meanwhile.
    return int(found[-1]) if found else None
