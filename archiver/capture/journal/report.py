"""Unwraps journal reports: the envelope they state and the original they enclose, byte for byte.

Exchange's and Microsoft 365's reports, Exchange 2003's, other exporters' and our own milter wrapper
(`X-Archive-Journal: 1`) are read by the same code. Whether a report may be believed is for the caller to
check first (docs/adr/0011): anybody can forge its header.
"""

from __future__ import annotations

import re
from dataclasses import replace

from archiver.capture.journal.envelope_part import EnvelopePart, read_envelope_part
from archiver.message.envelope import merge_envelopes
from archiver.message.headers import filename_of
from archiver.message.mime_offsets import EmbeddedMessage, embedded_in
from archiver.message.model import JournalReport
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
_RIGHTS = re.compile(r"rpmsg", re.IGNORECASE)
_ENVELOPE_TYPES = ("text/plain", "text/html", "text/enriched")


def unwrap(raw: bytes) -> JournalReport | None:
    """Return the report that `raw` is, or None when it is ordinary mail or can't be unwrapped.

    Asked for are the marker header and the structure: a first text part with the envelope lines,
    `Sender:` among them, and an enclosed message. A report inside an undeliverable notice
    (`multipart/report`, from the alternate journaling mailbox) is unwrapped too, up to three deep.
    `problems` may hold `several_originals`, `ndr_wrapped` and those of `read_envelope_part`. Never raises
    for any bytes.
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
    part = _find_envelope(entity)
    if not enclosed or part is None:
        return None
    original, clear_copy = _choose(enclosed, part.problems)
    return JournalReport(
        original.content,
        part.envelope,
        clear_copy.content if clear_copy else None,
        tuple(dict.fromkeys(part.problems)),
        sent_at=part.sent_at,
        received_at=part.received_at,
        label=part.label,
        mailbox=part.mailbox,
        span=(original.start, original.end),
        clear_span=(clear_copy.start, clear_copy.end) if clear_copy else (0, 0),
        encoded=original.encoded,
    )


def _unwrap_notice(entity: Entity, raw: bytes, depth: int) -> JournalReport | None:
    if depth >= MAX_NDR_DEPTH or entity.content_type != "multipart/report":
        return None
    for enclosed in embedded_in(entity, raw):
        report = _unwrap(enclosed.content, depth + 1)
        if report is not None:
            problems = tuple(dict.fromkeys((*report.problems, "ndr_wrapped")))
            return replace(
                report,
                problems=problems,
                span=_moved(report.span, enclosed.start),
                clear_span=_moved(report.clear_span, enclosed.start),
                encoded=report.encoded or enclosed.encoded,
            )
    return None


def _moved(span: tuple[int, int], by: int) -> tuple[int, int]:
    return (span[0] + by, span[1] + by)


def _find_envelope(entity: Entity) -> EnvelopePart | None:
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
            html = current.content_type == "text/html"
            return read_envelope_part(data, current.params.get("charset", ""), html=html)
        else:
            return None
    return None


def _choose(
    enclosed: list[EmbeddedMessage], problems: list[str]
) -> tuple[EmbeddedMessage, EmbeddedMessage | None]:
    """Tell the original from its clear twin.

    Exchange encloses a rights-protected original and, after it, the decrypted copy; should an exporter
    have turned them round, the protected one is still the one that travelled.
    """
    original = enclosed[0]
    if len(enclosed) == 1:
        return original, None
    protected = [item for item in enclosed if _is_protected(item.content)]
    if len(enclosed) > 2 or len(protected) != 1:
        problems.append("several_originals")
    if not protected:
        return original, None
    original = protected[0]
    return original, next((item for item in enclosed if item is not original), None)


def _is_protected(content: bytes) -> bool:
    """True when a message's own body is rights-protected (`message.rpmsg`)."""
    if b"rpmsg" not in content.lower():
        return False
    entity, _ = scan(content)
    leaves = [entity, *entity.children]
    return bool(_RIGHTS.search(entity.get("content-class"))) or any(
        _RIGHTS.search(leaf.content_type) or _RIGHTS.search(filename_of(leaf) or "") for leaf in leaves
    )
