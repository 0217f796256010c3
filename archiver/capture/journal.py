"""Unwraps journal reports: the envelope they state and the original they enclose, byte for byte.

The envelope part's grammar is [MS-XJRNL] 2.1; Exchange 2003's and other exporters' variants and our own
milter wrapper are read by the same code. Whether a report may be believed is for the caller to check
(allowed peer, journal address): anybody can forge its header.
"""

from __future__ import annotations

import re
from dataclasses import replace

from archiver.message.charsets import decode_bytes
from archiver.message.envelope import merge_envelopes, merge_recipients
from archiver.message.headers import filename_of
from archiver.message.mime_offsets import EmbeddedMessage, embedded_in
from archiver.message.model import Envelope, JournalReport, Recipient, Role
from archiver.message.structure import Entity, scan
from archiver.message.transfer import decode_transfer

__all__ = ["looks_like_report", "merge_envelopes", "unwrap"]

MAX_NDR_DEPTH = 3
MAX_ENVELOPE = 16 * 2**20
"""Bytes of an envelope part; 5,000 recipients take about 0.3 MB."""

_MARKERS = frozenset(
    {"x-ms-journal-report", "x-ms-exchange-organization-journal-report", "x-archive-journal"}
)
# Exchange 2003 misspelt it; the right spelling is accepted too.
_MARKERS_2003 = frozenset({"content-identifer", "content-identifier"})
_QUICK = (b"journal-report", b"x-archive-journal", b"exjournalreport", b"multipart/report")
_LINE = re.compile(r"([A-Za-z][A-Za-z-]{0,39})[ \t]*:[ \t]*(.*)")
_ROLES: dict[str, Role] = {"to": "to", "cc": "cc", "bcc": "bcc", "recipient": "recipient"}
_KNOWN_LINES = frozenset({"message-id", "subject", "on-behalf-of", "recipients", *_ROLES})
_VIA = re.compile(r",\s*(Expanded|Forwarded)\s*:", re.IGNORECASE)
_ANGLE = re.compile(r"<([^<>]*)>")
_OUTER_COMMA = re.compile(r",(?=(?:[^\"]*\"[^\"]*\")*[^\"]*\Z)")
_RIGHTS = re.compile(r"rpmsg", re.IGNORECASE)
_ENVELOPE_TYPES = ("text/plain", "text/html", "text/enriched")


def unwrap(raw: bytes) -> JournalReport | None:
    """Return the report that `raw` is, or None when it is ordinary mail or can't be unwrapped.

    Asked for are the marker header and the structure: a first text part with the envelope lines,
    `Sender:` among them, and an enclosed message. A report inside an undeliverable notice
    (`multipart/report`, from the alternate journaling mailbox) is unwrapped too, up to three deep.
    `problems` may hold `bad_charset`, `no_sender`, `no_recipients`, `several_originals`,
    `ndr_wrapped`. Never raises for any bytes.
    """
    if not _may_be_report(raw):
        return None
    return _unwrap(raw, 0)


def looks_like_report(raw: bytes) -> bool:
    """True when `raw` claims to be a journal report, or returns one undelivered: see `unwrap`.

    What claims it and can't be unwrapped is stored as it is and flagged `parse_failed`.
    """
    if not _may_be_report(raw):
        return False
    entity, _ = scan(raw)
    for _ in range(MAX_NDR_DEPTH + 1):
        if _claims(entity):
            return True
        inner = _returned(entity)
        if inner is None:
            return False
        entity = inner
    return False


def _may_be_report(raw: bytes) -> bool:
    """False for ordinary mail, at the cost of one short search: its header has none of the marks."""
    header = raw[: _header_length(raw)].lower()
    return any(mark in header for mark in _QUICK)


def _header_length(raw: bytes) -> int:
    """Where the header of the message surely ends."""
    ends = [at for at in (raw.find(b"\n\n", 4), raw.find(b"\n\r\n", 4)) if at >= 0]
    return min(ends) if ends else len(raw)


def _claims(entity: Entity) -> bool:
    for name, value in entity.fields:
        key = name.lower()
        if key in _MARKERS or (key in _MARKERS_2003 and value.strip().lower() == "exjournalreport"):
            return True
    return False


def _returned(entity: Entity) -> Entity | None:
    """The message, or its header, that an undeliverable notice (RFC 6522) gives back."""
    if entity.content_type != "multipart/report":
        return None
    for child in entity.children:
        if child.content_type in ("message/rfc822", "message/global") and child.children:
            return child.children[0]
        if child.content_type == "text/rfc822-headers":
            return scan(decode_transfer(child.content, child.encoding)[0])[0]
    return None


def _unwrap(raw: bytes, depth: int) -> JournalReport | None:
    entity, _ = scan(raw)
    if not _claims(entity):
        return _unwrap_notice(entity, raw, depth)
    if not entity.content_type.startswith("multipart/"):
        return None
    enclosed = embedded_in(entity, raw)
    found = _find_envelope(entity)
    if not enclosed or found is None:
        return None
    envelope, problems = found
    original, clear_copy = _choose(enclosed, problems)
    return JournalReport(original, envelope, clear_copy, tuple(dict.fromkeys(problems)))


def _unwrap_notice(entity: Entity, raw: bytes, depth: int) -> JournalReport | None:
    if depth >= MAX_NDR_DEPTH or entity.content_type != "multipart/report":
        return None
    for enclosed in embedded_in(entity, raw):
        report = _unwrap(enclosed.content, depth + 1)
        if report is not None:
            return replace(report, problems=tuple(dict.fromkeys((*report.problems, "ndr_wrapped"))))
    return None


def _find_envelope(entity: Entity) -> tuple[Envelope, list[str]] | None:
    """Read the envelope from the first text part outside the enclosed messages."""
    waiting = [entity]
    while waiting:
        current = waiting.pop()
        if current.content_type.startswith("multipart/"):
            waiting.extend(reversed(current.children))
        elif current.content_type in _ENVELOPE_TYPES:
            data, _ = decode_transfer(current.content, current.encoding)
            if len(data) > MAX_ENVELOPE:
                return None
            text, good = decode_bytes(data, current.params.get("charset", ""))
            envelope, problems = _read_envelope(text)
            if envelope is None:
                return None
            return envelope, problems if good else [*problems, "bad_charset"]
        else:
            return None
    return None


def _read_envelope(text: str) -> tuple[Envelope | None, list[str]]:
    """Read the lines of an envelope part; names in any case, unknown lines ignored.

    None when there is no `Sender:` among the first lines, or nothing but it.
    """
    senders: list[str] = []
    behalf: str | None = None
    recipients: list[Recipient] = []
    known = 0
    in_block = False
    lines_before = 0
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        if in_block and line[:1] in (" ", "\t") and line.strip():
            recipients += _block_recipient(line.strip())
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            in_block = in_block and not line.strip()
            lines_before += 0 if senders or not line.strip() else 1
            continue
        name, value = match.group(1).lower(), match.group(2).strip()
        in_block = name in ("recipients", "recipient") or name in _ROLES
        if name == "sender":
            if lines_before > 5:
                return None, []
            senders.append(_address(value))
        elif name in _KNOWN_LINES:
            known += 1
            if name == "on-behalf-of":
                behalf = _address(value) or behalf
            elif name == "recipients":
                recipients += _line_recipients(value, "recipient")
            elif name in _ROLES:
                recipients += _line_recipients(value, _ROLES[name])
    if not senders or not known:
        return None, []
    problems = []
    if not senders[0]:
        problems.append("no_sender")
    if not recipients:
        problems.append("no_recipients")
    return Envelope(senders[0] or None, behalf, merge_recipients(recipients), "journal"), problems


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


def _block_recipient(line: str) -> list[Recipient]:
    """Read one indented line of a `Recipients:` block: `bob@example.com (To)`."""
    return _line_recipients(line, "recipient")


def _split_addresses(value: str) -> list[str]:
    if "," not in value and ";" not in value:
        return [value]
    quoted = '"' in value
    pieces = _OUTER_COMMA.split(value) if quoted and len(value) < 2_000 else re.split(r"[,;]", value)
    # A comma in an unquoted name, `Doe, John <jd@x>`, ends no address.
    return [piece for piece in pieces if "@" in piece] or pieces


def _address(value: str) -> str:
    """Return the bare address of `addr`, `<addr>` or `Name <addr>`; `<>` gives ``""``."""
    angle = _ANGLE.findall(value)
    return (angle[-1] if angle else value).strip().strip("\"'").removeprefix("SMTP:").strip()


def _choose(enclosed: list[EmbeddedMessage], problems: list[str]) -> tuple[bytes, bytes | None]:
    """Tell the original from its clear twin.

    Exchange encloses a rights-protected original and, after it, the decrypted copy; should an exporter
    have turned them round, the protected one is still the one that travelled.
    """
    original = enclosed[0].content
    if len(enclosed) == 1:
        return original, None
    protected = [item.content for item in enclosed if _is_protected(item.content)]
    if len(enclosed) > 2 or len(protected) != 1:
        problems.append("several_originals")
    if not protected:
        return original, None
    original = protected[0]
    clear = next((item.content for item in enclosed if item.content is not original), None)
    return original, clear


def _is_protected(content: bytes) -> bool:
    """True when a message's own body is rights-protected (`message.rpmsg`)."""
    if b"rpmsg" not in content.lower():
        return False
    entity, _ = scan(content)
    leaves = [entity, *entity.children]
    return bool(_RIGHTS.search(entity.get("content-class"))) or any(
        _RIGHTS.search(leaf.content_type) or _RIGHTS.search(filename_of(leaf) or "") for leaf in leaves
    )
