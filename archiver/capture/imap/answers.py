"""Reads a mailbox server's answers to LIST, EXAMINE and FETCH (RFC 3501, 7): no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from archiver.capture.imap.names import BadNameError, decode_name, label
from archiver.capture.imap.protocol import Oversize

_LIST = re.compile(rb'\((?P<flags>[^)]*)\) (?:"(?:[^"\\]|\\.)*"|NIL) (?P<name>.*)\Z', re.DOTALL)
_LITERAL = re.compile(rb"\{\d+\}\Z")
_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_RECORD = re.compile(rb"\d+ FETCH \(")
_TOKEN = re.compile(rb'\s*(?:([()])|"((?:[^"\\]|\\.)*)"|~?(\{\d+\})\Z|([^\s()"{]+)|.)', re.DOTALL)
_STATUS = re.compile(rb'STATUS (?P<name>"(?:[^"\\]|\\.)*"|[^ ]+) \((?P<values>[^()]*)\)', re.DOTALL)
_DATE = re.compile(rb"\s?(\d{1,2})-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)\s*")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_USES = {b"\\all", b"\\archive", b"\\drafts", b"\\flagged", b"\\important", b"\\junk", b"\\sent", b"\\trash"}
_HIDDEN = {b"\\noselect", b"\\nonexistent"}


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder that can be opened. `wire` is its name as the server writes it, `name` as people do.

    `uses` are its special uses in small letters, such as `\\all` (RFC 6154). `problem` is set where the name
    can't be written back to the server.
    """

    name: str
    wire: str = ""
    uses: frozenset[str] = frozenset()
    problem: str | None = None

    @property
    def key(self) -> str:
        """What tells this folder from every other of its mailbox; INBOX is one in any case of letters."""
        return "INBOX" if self.wire.upper() == "INBOX" else self.wire


@dataclass(frozen=True, slots=True)
class FolderState:
    """What EXAMINE said; `uidvalidity` 0 and `uidnext` None where the server didn't say."""

    exists: int
    uidvalidity: int
    uidnext: int | None


@dataclass(frozen=True, slots=True)
class Fetched:
    """One message of a FETCH answer; each value is None where it wasn't in the answer.

    `labels` are Gmail's (X-GM-LABELS); `oversize` says that the body was longer than wanted.
    """

    uid: int | None = None
    size: int | None = None
    internal_date: datetime | None = None
    body: bytes | None = None
    flags: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    oversize: bool = False


def read_folders(lines: Sequence[bytes | bytearray]) -> Iterator[Folder]:
    """Yield the folders of a LIST answer, without those that can't be opened, each once."""
    seen: set[str] = set()
    for number, line in enumerate(lines):
        match = None if isinstance(line, bytearray) else _LIST.match(line)
        if match is None:
            continue
        flags = {flag.lower() for flag in match["flags"].split()}
        raw = _name(match["name"], lines[number + 1 : number + 2])
        wire = raw.decode("utf-8", "surrogateescape")
        if _HIDDEN & flags or wire in seen:
            continue
        seen.add(wire)
        uses = frozenset(flag.decode("ascii") for flag in flags & _USES)
        problem = "bad_name" if any(c in wire for c in "\0\r\n") else None
        try:
            yield Folder(decode_name(raw), wire, uses, problem)
        except BadNameError:
            # No name people could read; the server knows it all the same.
            yield Folder(raw.decode("utf-8", "backslashreplace"), wire, uses, problem)


def read_statuses(lines: Sequence[bytes | bytearray]) -> dict[str, FolderState]:
    """Return what STATUS lines say of folders, by their name on the wire; `exists` is 0 there."""
    found: dict[str, FolderState] = {}
    for number, line in enumerate(lines):
        if isinstance(line, bytearray):
            continue
        text = line if line.startswith(b"STATUS ") else b"STATUS " + line
        if _LITERAL.search(line) and number + 2 < len(lines) and isinstance(lines[number + 1], bytearray):
            text, values = b"STATUS", bytes(lines[number + 2])
            name = bytes(lines[number + 1])
        elif match := _STATUS.match(text):
            name, values = _name(match["name"], []), match["values"]
        else:
            continue
        found[name.decode("utf-8", "surrogateescape")] = FolderState(
            exists=0,
            uidvalidity=_number(rb"(?i)\bUIDVALIDITY (\d{1,10})\b", values) or 0,
            uidnext=_number(rb"(?i)\bUIDNEXT (\d{1,10})\b", values),
        )
    return found


def read_state(lines: Sequence[bytes | bytearray]) -> FolderState:
    """Return what the untagged lines of an EXAMINE answer say."""
    text = b"\n".join(bytes(line) for line in lines)
    return FolderState(
        exists=_number(rb"(?m)^(\d{1,10}) EXISTS", text) or 0,
        uidvalidity=_number(rb"(?i)\[UIDVALIDITY (\d{1,10})\]", text) or 0,
        uidnext=_number(rb"(?i)\[UIDNEXT (\d{1,10})\]", text),
    )


def read_fetched(lines: Sequence[bytes | bytearray]) -> Iterator[Fetched]:
    """Yield the messages of a FETCH answer, unsolicited flag updates among them (with no body)."""
    record: list[bytes | bytearray] = []
    for line in lines[:-1]:
        if not isinstance(line, bytearray) and _RECORD.match(line):
            if record:
                yield _record(record)
            record = [line]
        elif record:
            record.append(line)
    if record:
        yield _record(record)


def _name(raw: bytes, following: Sequence[bytes | bytearray]) -> bytes:
    """Return a folder's name as it is meant: an atom, a quoted string, or the literal that follows."""
    if _LITERAL.match(raw) and following and isinstance(following[0], bytearray):
        return bytes(following[0])
    quoted = _QUOTED.fullmatch(raw)
    return _ESCAPED.sub(rb"\1", quoted[1]) if quoted else raw


def _record(record: Sequence[bytes | bytearray]) -> Fetched:
    values = dict(_values(record))
    body = (values.get(b"BODY[]") or [b"NIL"])[0]
    oversize = isinstance(body, Oversize)
    date = (values.get(b"INTERNALDATE") or [b""])[0]
    return Fetched(
        uid=_integer(values.get(b"UID"), 10),
        size=_integer(values.get(b"RFC822.SIZE"), 20),
        internal_date=_internal_date(bytes(date)),
        # NIL is a bare word; a body comes as a string or a literal.
        body=bytes(body) if isinstance(body, bytearray) and not oversize else None,
        flags=tuple(label(bytes(flag)) for flag in values.get(b"FLAGS", [])),
        labels=tuple(label(bytes(name)) for name in values.get(b"X-GM-LABELS", [])),
        oversize=oversize,
    )


def _values(record: Sequence[bytes | bytearray]) -> Iterator[tuple[bytes, list[bytes | bytearray]]]:
    """Yield the names and values of a record; a value that is a list comes as its members, flat."""
    depth = 0
    name: bytes | None = None
    members: list[bytes | bytearray] = []
    for token in _tokens(record):
        if token == b"(" and not isinstance(token, bytearray):
            depth += 1
            members = [] if depth == 2 else members
            continue
        if token == b")" and not isinstance(token, bytearray):
            depth -= 1
            if depth <= 0:
                return
            if depth == 1 and name is not None:
                yield name, members
                name = None
        elif depth > 1:
            members.append(token)
        elif depth == 1 and name is None:
            name = bytes(token).upper()
        elif depth == 1 and name is not None:
            yield name, [token]
            name = None


class _Text(bytearray):
    """A quoted string of the server's, told from its bare words as literals are."""


def _tokens(record: Sequence[bytes | bytearray]) -> Iterator[bytes | bytearray]:
    """Yield words and parentheses as `bytes`, strings and literals as `bytearray`."""
    for number, piece in enumerate(record):
        if isinstance(piece, bytearray):
            yield piece
            continue
        literal_next = isinstance(record[number + 1], bytearray) if number + 1 < len(record) else False
        for match in _TOKEN.finditer(piece, piece.index(b"(") if number == 0 else 0):
            mark, quoted, literal, word = match.groups()
            if mark is not None:
                yield mark
            elif quoted is not None:
                yield _Text(_ESCAPED.sub(rb"\1", quoted))
            elif word is not None:
                yield word
            elif (literal is not None and not literal_next) or match[0].endswith(b'"'):
                return  # a literal or a string that never comes: what follows means nothing


def _integer(value: Sequence[bytes | bytearray] | None, digits: int) -> int | None:
    text = bytes(value[0]) if value else b""
    return int(text) if text.isdigit() and len(text) <= digits else None


def _internal_date(text: bytes) -> datetime | None:
    """Return INTERNALDATE in UTC, or None when absent or no such date."""
    match = _DATE.fullmatch(text)
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
