"""What an arrival is: unwrapped from its report, parsed, and taken apart for the store. Not sealed yet.

Ordinary mail is read whole from memory. What is larger than `WHOLE_UP_TO` is read in a few passes over its
bytes, and understood by its skeleton.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from archiver.capture.journal.report import looks_like_report, unwrap
from archiver.capture.ports import Arrival
from archiver.capture.spool import SealedSpool, spool_content
from archiver.message.content import WHOLE_UP_TO, Raw, Slice, pieces, sha256, whole
from archiver.message.extract.policy import Extract
from archiver.message.large import Taken, parse_split
from archiver.message.model import JournalReport, ParsedMessage
from archiver.message.parse import parse
from archiver.message.split import DETACH_ANY_FROM, DETACH_FROM, Split, cut, split
from archiver.message.split_stream import one_region, split_stream
from archiver.message.structure import scan


@dataclass(frozen=True, slots=True)
class Kept:
    """What is stored beside a message: the report that enclosed it, or the file it was converted from."""

    raw: Raw
    sha256: bytes
    split: Split | None


@dataclass(frozen=True, slots=True)
class Reading:
    """A message understood. `claims`: it says it is a report, and couldn't be unwrapped.

    `split` is how it is stored, None for whole. `spool` is the folder for what it needs on disk, None
    where it may be held in memory.
    """

    raw: Raw
    sha256: bytes
    parsed: ParsedMessage
    clear: ParsedMessage | None
    report: JournalReport | None
    claims: bool
    split: Split | None
    kept: Kept | None
    spool: Path | None = None


def read(arrival: Arrival, extract: Extract | None = None) -> Reading:
    """Understand an arrival. Raises only what reading a spooled one raises, and what `extract` does: how the
    documents of one in memory are read, by default in children."""
    raw = arrival.raw
    if len(raw) > WHOLE_UP_TO:
        return _large(arrival, raw)
    raw = whole(raw)
    # Anybody can forge a report's header: only what the source or the operator vouches for is opened.
    report = unwrap(raw) if arrival.reports else None
    if report is None:
        kept = None if arrival.original is None else _beside(arrival.original)
        claims = bool(arrival.reports) and looks_like_report(raw)
        return _small(raw, None, claims, kept, extract)
    if arrival.original is not None:
        # Converted (MSG): the file it came in is what is exact, not the report made of it.
        return _small(report.original, report, False, _beside(arrival.original), extract)
    kept = Kept(raw, sha256(raw), _around(raw, report))
    return _small(report.original, report, False, kept, extract)


def _small(
    raw: bytes,
    report: JournalReport | None,
    claims: bool,
    kept: Kept | None,
    extract: Extract | None = None,
) -> Reading:
    parsed = parse(raw, extract=extract)
    clear = parse(report.clear_copy, extract=extract) if report and report.clear_copy is not None else None
    done = split(raw, scan(raw)[0]) if _worth_taking_apart(parsed) else None
    return Reading(raw, sha256(raw), parsed, clear, report, claims, done, kept)


def _worth_taking_apart(parsed: ParsedMessage) -> bool:
    for part in parsed.parts:
        if part.size >= DETACH_FROM and (part.size >= DETACH_ANY_FROM or part.attachment or part.filename):
            return True
        # A picture shown in the text is no attachment, and worth as much.
        if part.size >= DETACH_FROM and not part.content_type.startswith("text/"):
            return True
    return False


def _around(raw: bytes, report: JournalReport) -> Split | None:
    """A report is stored as what stands around the message it encloses."""
    if not report.encoded:
        start, end = report.span
        if raw[start:end] == report.original and start < end:
            if len(raw) - (end - start) < DETACH_ANY_FROM:
                return cut(raw, [(start, end, "message")])
            return split(raw, scan(raw)[0], (start, end))
    return split(raw, scan(raw)[0])


def _beside(original: bytes) -> Kept:
    digest = sha256(original)
    return Kept(original, digest, one_region(original, digest) if len(original) >= DETACH_ANY_FROM else None)


# --- large --------------------------------------------------------------------------------------------


def _large(arrival: Arrival, raw: Raw) -> Reading:
    spool = raw.directory if isinstance(raw, SealedSpool) else None
    outer, digest = split_stream(raw)
    report = unwrap(outer.skeleton) if arrival.reports else None
    if report is not None and not report.encoded:
        start, end = report.span
        if outer.skeleton[start:end] != report.original:
            report = None
    if report is None:
        claims = bool(arrival.reports) and looks_like_report(outer.skeleton)
        kept = None if arrival.original is None else _beside(arrival.original)
        return Reading(raw, digest, parse_split(outer), None, None, claims, outer, kept, spool)
    clear = parse_split(outer.part(*report.clear_span)) if report.clear_copy is not None else None
    inner = _enclosed(raw, outer, report, spool)
    inner_digest = sha256(inner)
    kept = Kept(raw, digest, outer)
    if not report.encoded:
        start, end = report.span
        kept = Kept(raw, digest, outer.around(start, end, inner_digest, inner))
        if len(inner) > WHOLE_UP_TO:
            done = outer.part(start, end)
            return Reading(inner, inner_digest, parse_split(done), clear, report, False, done, kept, spool)
    elif len(inner) > WHOLE_UP_TO:
        done, _ = split_stream(inner)
        return Reading(inner, inner_digest, parse_split(done), clear, report, False, done, kept, spool)
    small = _small(whole(inner), None, False, kept)
    return Reading(small.raw, inner_digest, small.parsed, clear, report, False, small.split, kept, spool)


def _enclosed(raw: Raw, outer: Split, report: JournalReport, spool: Path | None) -> Raw:
    """The bytes of the message that a large report encloses."""
    start, end = report.span
    if not report.encoded:
        return Slice(raw, outer.offset(start, behind=False), outer.offset(end, behind=True))
    for region in outer.regions:
        if region.at == start and region.form == "base64" and not report.original.strip():
            # Read many times over, and decoding can't jump: spooled by itself.
            return _spooled(region.content, spool)
    return report.original


def _spooled(content: Raw, spool: Path | None) -> Raw:
    return whole(content) if spool is None else spool_content(pieces(content), spool)


def clear_copy(report: Raw) -> ParsedMessage | None:
    """The decrypted twin in a journal report, parsed; None where it has none. Raises what reading raises."""
    if len(report) <= WHOLE_UP_TO:
        found = unwrap(whole(report))
        return parse(found.clear_copy) if found and found.clear_copy is not None else None
    # What stands around the enclosed message tells at once that there is no other, as nearly always.
    around = report.split if isinstance(report, Taken) else None
    if around is not None and around.skeleton.lower().count(b"message/") < 2:
        return None
    outer, _ = split_stream(report)
    found = unwrap(outer.skeleton)
    return parse_split(outer.part(*found.clear_span)) if found and found.clear_copy is not None else None
