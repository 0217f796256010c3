"""From an arrival to what the archive commits: unwrapped, parsed, classified and sealed, in memory.

Pure CPU work, done once a message, in any thread or process; nothing here is durable yet.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import secrets
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from archiver.capture.journal import looks_like_report, unwrap
from archiver.capture.ports import Arrival
from archiver.classify import classify, identifiers
from archiver.message.envelope import resolve_envelope
from archiver.message.indexable import IndexText, custodians_of, index_text
from archiver.message.model import Address, Envelope, ParsedMessage, Part, Recipient
from archiver.message.parse import parse
from archiver.seal.blind import BlindIndex
from archiver.seal.container import seal
from archiver.seal.context import Kind, object_context
from archiver.seal.keyring import DataKey, Keyring

_NAMES = {kind: tuple(f.name for f in fields(kind)) for kind in (Address, Envelope, Part, Recipient)}


@dataclass(frozen=True, slots=True)
class PreparedReport:
    """A journal report beside its message; `raw` stays at hand in case the message is known already."""

    id: str
    sha256: bytes
    raw: bytes
    sealed: bytes


@dataclass(frozen=True, slots=True)
class Prepared:
    """One arrival, ready to commit. `detail` is this delivery's own story: envelope, folder, owner."""

    id: str
    source_id: str
    sha256: bytes
    size: int
    sealed_raw: bytes
    sealed_meta: bytes
    key: DataKey
    detail: dict[str, Any]
    report: PreparedReport | None
    custodians: tuple[bytes, ...]
    patients: tuple[bytes, ...]
    sent_at: datetime | None
    attested_at: datetime | None
    parse_failed: bool
    unsearchable_parts: int
    text: IndexText


class Preparer:
    """Prepares arrivals with the archive's keys. Safe from any thread."""

    def __init__(self, archive_id: str, keyring: Keyring, blind: BlindIndex) -> None:
        self._archive_id = archive_id
        self._keyring = keyring
        self._blind = blind

    def prepare(self, arrival: Arrival, journal_addresses: frozenset[str] = frozenset()) -> Prepared:
        """Unwrap, parse, classify and seal. Never refuses a message; raises only KeyUnavailable."""
        report = unwrap(arrival.raw)
        raw = report.original if report else arrival.raw
        parsed = parse(raw)
        clear = parse(report.clear_copy) if report and report.clear_copy is not None else None
        failed = parsed.parse_failed or (report is None and looks_like_report(arrival.raw))
        envelope = resolve_envelope(
            parsed,
            report,
            arrival.smtp_sender,
            arrival.smtp_recipients,
            journal_addresses=journal_addresses,
        )
        found = classify(clear if clear is not None else parsed)
        custodians = custodians_of(parsed, (envelope,), arrival.custodians)
        message_id = new_id("m")
        key = self._keyring.new_data_key(message_id)
        meta = {
            **describe(parsed, clear),
            "record_types": [[r.type, r.confidence] for r in found.record_types],
            "jurisdictions": list(found.jurisdictions),
            "phi": sorted({f.type for f in found.phi}),
            "language": found.language,
            "journal_problems": list(report.problems) if report else [],
        }
        return Prepared(
            id=message_id,
            source_id=arrival.source_id,
            sha256=hashlib.sha256(raw).digest(),
            size=len(raw),
            sealed_raw=seal(key.key, object_context(self._archive_id, message_id, "raw"), raw),
            sealed_meta=self.seal_json(key.key, message_id, "meta", meta),
            key=key,
            detail=delivery_detail(arrival, envelope),
            report=self._report(arrival.raw, key.key) if report else None,
            custodians=tuple(sorted(self._blind.token("address", a) for a in custodians)),
            patients=tuple(sorted({self._blind.token(kind, value) for kind, value in identifiers(found)})),
            sent_at=parsed.date or arrival.received_at,
            attested_at=_attested(parsed, arrival),
            parse_failed=failed,
            unsearchable_parts=len(parsed.not_searchable),
            text=index_text(message_id, len(raw), parsed, clear, (envelope,), found, custodians),
        )

    def seal_json(self, key: bytes, message_id: str, kind: Kind, value: dict[str, Any]) -> bytes:
        """Seal a JSON object under a message's data key."""
        plain = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
        # Headers may hold lone surrogates from undecodable bytes; they must survive the round trip.
        return seal(
            key,
            object_context(self._archive_id, message_id, kind),
            plain.encode("utf-8", "surrogatepass"),
        )

    def seal_report(self, key: bytes, report_id: str, raw: bytes) -> bytes:
        """Seal a report under its message's data key, so that one key guards both."""
        return seal(key, object_context(self._archive_id, report_id, "report"), raw)

    def _report(self, raw: bytes, key: bytes) -> PreparedReport:
        report_id = new_id("r")
        return PreparedReport(
            report_id, hashlib.sha256(raw).digest(), raw, self.seal_report(key, report_id, raw)
        )


def new_id(prefix: str) -> str:
    """A fresh opaque id: a letter and 75 random bits."""
    return prefix + base64.b32encode(secrets.token_bytes(10)).decode().lower()[:15]


def describe(parsed: ParsedMessage, clear: ParsedMessage | None = None) -> dict[str, Any]:
    """What a page of results and `show` tell of a message, as JSON values."""
    return {
        "subject": parsed.subject or (clear.subject if clear else ""),
        "from": [_flat(a) for a in parsed.from_],
        "to": [_flat(a) for a in parsed.to],
        "cc": [_flat(a) for a in parsed.cc],
        "bcc": [_flat(a) for a in parsed.bcc],
        "message_id": parsed.message_id,
        "date": parsed.date.isoformat() if parsed.date else None,
        "parts": [_flat(p) for p in parsed.parts],
        "problems": list(parsed.problems),
    }


def delivery_detail(arrival: Arrival, envelope: Envelope) -> dict[str, Any]:
    """The sealed part of a delivery row: everything this copy knows that the bytes don't."""
    return {
        "folder": arrival.folder,
        "custodians": list(arrival.custodians),
        "envelope": {**_flat(envelope), "recipients": [_flat(r) for r in envelope.recipients]},
        "attested_by": arrival.attested_by,
        "received_at": arrival.received_at.isoformat() if arrival.received_at else None,
    }


def _flat(value: Address | Envelope | Part | Recipient) -> dict[str, Any]:
    # `dataclasses.asdict` copies every value deeply, which was a fifth of the time of a message.
    return {name: getattr(value, name) for name in _NAMES[type(value)]}


def _attested(parsed: ParsedMessage, arrival: Arrival) -> datetime | None:
    # The latest of what the sender claims, what the mailbox says and what relays stamped on it: a
    # forged early `Date:` can't win over any of them.
    if arrival.attested_by is None or parsed.date is None:
        return None
    claims = [parsed.date, *_relay_dates(parsed.headers)]
    if arrival.received_at:
        claims.append(arrival.received_at)
    return max(claims)


def _relay_dates(headers: str) -> list[datetime]:
    dates = []
    for line in headers.splitlines():
        if line[:9].casefold() == "received:" and ";" in line:
            with contextlib.suppress(ValueError, TypeError, IndexError, OverflowError):
                stamp = parsedate_to_datetime(line.rpartition(";")[2].strip())
                dates.append(stamp.replace(tzinfo=UTC) if stamp.tzinfo is None else stamp.astimezone(UTC))
    return dates
