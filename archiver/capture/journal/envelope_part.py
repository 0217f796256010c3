"""Reads the envelope part of a journal report ([MS-XJRNL] 2.1): its lines, in any charset, order and fold.

Exchange 2007 to 2019, Microsoft 365, other exporters' variants and our own milter wrapper are read by
the same code. Names match in any case, unknown lines are ignored, and nothing here raises.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from archiver.message.charsets import decode_bytes
from archiver.message.envelope import merge_recipients
from archiver.message.model import Envelope, Recipient, Role
from archiver.message.tags import strip_tags

LINES_BEFORE_SENDER = 5
"""Lines that are no field and may come before `Sender:`, such as a gateway's banner."""
MAX_MARKUP = 4 * 2**20
"""Bytes of an envelope part in HTML; 5,000 recipients take about 1 MB."""

_LINE = re.compile(r"([A-Za-z][A-Za-z-]{0,39})[ \t]*:[ \t]*(.*)", re.DOTALL)
_ROLES: dict[str, Role] = {"to": "to", "cc": "cc", "bcc": "bcc", "recipient": "recipient"}
_KNOWN_LINES = frozenset({"message-id", "subject", "on-behalf-of", "recipients", *_ROLES})
_VIA = re.compile(r",\s*(Expanded|Forwarded)\s*:", re.IGNORECASE)
_REDIRECTION = re.compile(r"(?:Expanded|Forwarded)\s*:", re.IGNORECASE)
_ANGLE = re.compile(r"<([^<>]*)>")
_PIECE = re.compile(r"\"(?:[^\"\\]|\\.)*\"|[,;]|[^,;\"]+|\"")
_SLASHED = re.compile(
    r"(\d{1,4})[/.-](\d{1,2})[/.-](\d{1,4})[ T,]+(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?"
    r"\s*([AaPp]\.?[Mm]\.?)?"
)


@dataclass(slots=True)
class EnvelopePart:
    """What the envelope part of a report says. Times are UTC, None when absent or unreadable."""

    envelope: Envelope
    problems: list[str] = field(default_factory=list)
    sent_at: datetime | None = None
    received_at: datetime | None = None
    label: str = ""
    mailbox: str = ""


def read_envelope_part(data: bytes, charset: str, *, html: bool = False) -> EnvelopePart | None:
    """Read the decoded bytes of an envelope part; None when it has no `Sender:` line, or nothing but it, or
    is HTML above `MAX_MARKUP`.

    A wrong charset is looked through where UTF-16 was meant; else the text is guessed and `bad_charset`
    told. `problems` may also hold `no_sender`, `no_recipients`, `bad_date`.
    """
    if html and len(data) > MAX_MARKUP:
        return None
    text, good = _text(data, charset)
    # Tags are dropped by code of ours: no parser in C meets a stranger's bytes in this process.
    part = _read(strip_tags(text) if html else text)
    if part is not None and not good:
        part.problems.append("bad_charset")
    return part


def _text(data: bytes, charset: str) -> tuple[str, bool]:
    """Decode, telling UTF-16 by its zero bytes when the label or the byte order mark is wrong or missing."""
    text, good = decode_bytes(data, charset)
    if b"\0" in data[:400] and not data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        for codec in ("utf-16-be", "utf-16-le"):
            wide = data.decode(codec, "replace")
            if re.search(r"(?i)sender[ \t]*:", wide):
                return wide, charset.lower().replace("_", "-").startswith("utf-16")
    return text.removeprefix("\ufeff"), good


def _read(text: str) -> EnvelopePart | None:
    senders: list[str] = []
    behalf: str | None = None
    recipients: list[Recipient] = []
    times: dict[str, str] = {}
    labels: dict[str, str] = {}
    known = before = 0
    for name, value in _lines(text):
        if not name:
            before += 0 if senders else 1
        elif name == "sender":
            if before > LINES_BEFORE_SENDER:
                return None
            senders.append(_address(value))
        elif name in _ROLES or name == "recipients":
            known += 1
            for piece in value.split("\n"):
                recipients += _line_recipients(piece.strip(), _ROLES.get(name, "recipient"))
        elif name in ("sentutc", "sent", "receivedutc", "received"):
            times.setdefault(name.removesuffix("utc"), value)
        elif name in ("label", "mailbox"):
            labels.setdefault(name, value[:255])
        elif name in _KNOWN_LINES:
            known += 1
            if name == "on-behalf-of":
                behalf = _address(value) or behalf
    if not senders or not known:
        return None
    envelope = Envelope(senders[0] or None, behalf, merge_recipients(recipients), "journal")
    part = EnvelopePart(envelope, label=labels.get("label", ""), mailbox=labels.get("mailbox", ""))
    part.sent_at, part.received_at = (read_time(times.get(name, "")) for name in ("sent", "received"))
    if not senders[0]:
        part.problems.append("no_sender")
    if not recipients:
        part.problems.append("no_recipients")
    if sum(1 for found in (part.sent_at, part.received_at) if found) < len(times):
        part.problems.append("bad_date")
    return part


def _lines(text: str) -> Iterator[tuple[str, str]]:
    """Yield (name in lower case, value); the name is empty for a line that is no field.

    An indented line continues the one before it. Among recipients it may also be another entry, as in
    the `Recipients:` block of other exporters: entries are joined by LF.
    """
    name, pieces = "", list[str]()
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        bare = line.strip(" \t\ufeff\x00")
        if not bare:
            continue
        if line[0] in " \t" and name:
            pieces.append(bare)
            continue
        match = _LINE.fullmatch(bare)
        if match is None and not name:
            yield "", bare
            continue
        if name:
            yield name, _unfolded(name, pieces)
        if match is None:
            # Neither a field nor indented: a line somebody broke, or text after the envelope.
            name, pieces = "", []
            yield "", bare
        else:
            name, pieces = match.group(1).lower(), [match.group(2).strip()]
    if name:
        yield name, _unfolded(name, pieces)


def _unfolded(name: str, pieces: list[str]) -> str:
    if name not in _ROLES and name != "recipients":
        return " ".join(filter(None, pieces))
    entries: list[str] = []
    for piece in filter(None, pieces):
        if not entries:
            entries.append(piece)
        elif _REDIRECTION.match(piece):
            entries[-1] = f"{entries[-1].rstrip(', ')}, {piece}"
        elif entries[-1].endswith((",", ":")) or piece[0] in ",<" or "@" not in entries[-1]:
            entries[-1] += piece if piece[0] == "@" else f" {piece}"
        else:
            entries.append(piece)
    return "\n".join(entries)


def _line_recipients(value: str, role: Role) -> list[Recipient]:
    """Read `addr[, Expanded: addr][, Forwarded: addr]`; other exporters list several addresses."""
    pieces = _VIA.split(value)
    via = {kind.lower(): _address(text) for kind, text in zip(pieces[1::2], pieces[2::2], strict=True)}
    found = []
    for written in _split_addresses(pieces[0]):
        # `bob@example.com (To)`, as other exporters place a recipient.
        bare, bracket, place = written.strip().rpartition("(")
        placed = _ROLES.get(place.removesuffix(")").strip().lower()) if bracket else None
        address = _address(bare if placed else written)
        if address:
            expanded, forwarded = via.get("expanded") or None, via.get("forwarded") or None
            found.append(Recipient(address, placed or role, expanded, forwarded))
    return found


def _split_addresses(value: str) -> list[str]:
    """Split at commas and semicolons outside quotes, in time linear in the line."""
    if "," not in value and ";" not in value:
        return [value]
    pieces = [""]
    for match in _PIECE.finditer(value):
        if match.group() in (",", ";"):
            pieces.append("")
        else:
            pieces[-1] += match.group()
    # A comma in an unquoted name, `Doe, John <jd@x>`, ends no address; without any @ all is one name.
    return [piece for piece in pieces if "@" in piece] or [value]


def _address(value: str) -> str:
    """Return the bare address of `addr`, `<addr>` or `Name <addr>`; `<>` gives ``""``."""
    angle = _ANGLE.findall(value)
    bare = (angle[-1] if angle else value).strip()
    if bare[:5].lower() == "smtp:":
        bare = bare[5:].strip()
    # A quoted local part keeps its quotes, `"a b"@x`; an address quoted as a whole loses them.
    return bare.strip("'") if bare[:1] == '"' and '"@' in bare else bare.strip("\"'").strip()


def read_time(text: str) -> datetime | None:
    """Read a report's time in UTC: ISO 8601, `2/3/2026 10:00:00 PM` or RFC 5322; None if unreadable.

    [MS-XJRNL] 2.1.9 leaves the form to the exporter. Where day and month can't be told apart the later
    reading is taken, so that what counts from this time never ends early.
    """
    text = text.strip()[:60]
    match = _SLASHED.match(text)
    try:
        if match is None:
            stamp = parsedate_to_datetime(text)
        elif len(match.group(1)) == 4 and not match.group(7):
            stamp = datetime.fromisoformat(text.replace("/", "-").removesuffix(" UTC"))
        else:
            return _later_reading(match)
    except (ValueError, TypeError, IndexError, OverflowError):
        return _later_reading(match) if match else None
    try:
        return stamp.replace(tzinfo=UTC) if stamp.tzinfo is None else stamp.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _later_reading(match: re.Match[str]) -> datetime | None:
    first, second, third = (int(match.group(n)) for n in (1, 2, 3))
    hour, minute, second_of = (int(match.group(n) or 0) for n in (4, 5, 6))
    half = (match.group(7) or "").lower()[:1]
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    if len(match.group(1)) == 4:
        orders = [(first, second, third)]
    else:
        orders = [(third, first, second), (third, second, first)]
    readings = []
    for year, month, day in orders:
        try:
            readings.append(datetime(year, month, day, hour, minute, second_of, tzinfo=UTC))
        except ValueError:
            continue
    return max(readings, default=None)
