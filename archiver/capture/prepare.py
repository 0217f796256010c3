"""From an arrival to what the archive commits: unwrapped, parsed, classified and sealed, in memory.

Pure CPU work, done once a message, in any thread or process; nothing here is durable yet.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from datetime import datetime
from operator import attrgetter
from pathlib import Path
from typing import Any

import orjson

from archiver.capture.ids import new_id as new_id
from archiver.capture.ports import Arrival
from archiver.capture.reading import Kept, read
from archiver.capture.sealing import Body, PreparedPart, Sealer
from archiver.capture.vouched import Vouched, vouched
from archiver.classify import classify, identifiers
from archiver.coverage.beats import recognise
from archiver.message.content import PIECE, head
from archiver.message.envelope import resolve_envelope
from archiver.message.indexable import IndexText, custodians_of, index_text
from archiver.message.model import Address, Envelope, ParsedMessage, Part, Recipient
from archiver.seal.blind import BlindIndex
from archiver.seal.container import seal
from archiver.seal.context import Kind, object_context
from archiver.seal.keyring import DataKey, Keyring
from archiver.store.schema import WHOLE

_NAMES = {kind: tuple(f.name for f in fields(kind)) for kind in (Address, Envelope, Part, Recipient)}
_VALUES = {kind: attrgetter(*names) for kind, names in _NAMES.items()}


@dataclass(frozen=True, slots=True)
class PreparedReport:
    """A journal report, or a converted message's own file, beside the message.

    `body` stays at hand in case the message is known already: then it is sealed under that one's key.
    """

    id: str
    sha256: bytes
    size: int
    body: Body
    sealed: bytes


@dataclass(frozen=True, slots=True)
class Prepared:
    """One arrival, ready to commit. `detail` is this delivery's own story: envelope, folder, owner.

    `sealed_raw` is the message or, where `form` says so, its skeleton; then `parts` are what it leaves out.
    """

    id: str
    source_id: str
    sha256: bytes
    size: int
    sealed_raw: bytes
    sealed_meta: bytes
    key: DataKey
    detail: dict[str, Any]
    sealed_detail: bytes
    """The same, sealed with `key`: for a new message; a repeated one's is sealed with the key it has."""
    report: PreparedReport | None
    custodians: tuple[bytes, ...]
    patients: tuple[bytes, ...]
    sent_at: datetime | None
    vouched: Vouched | None
    parse_failed: bool
    unsearchable_parts: int
    text: IndexText
    form: int = WHOLE
    parts: tuple[PreparedPart, ...] = ()
    heartbeat: bytes | None = None
    """The blind token of one of our own test messages, should this be one; see archiver/coverage."""


class Preparer:
    """Prepares arrivals with the archive's keys. Safe from any thread."""

    def __init__(self, archive_id: str, keyring: Keyring, blind: BlindIndex) -> None:
        self._archive_id = archive_id
        self._keyring = keyring
        self._blind = blind
        self._sealer = Sealer(archive_id, keyring, blind)

    def prepare(self, arrival: Arrival, journal_addresses: frozenset[str] = frozenset()) -> Prepared:
        """Unwrap, parse, classify and seal. Never refuses a message.

        Raises KeyUnavailable; for a spooled message also StoreError and SealError, of its spool.
        """
        reading = read(arrival)
        parsed, clear, report = reading.parsed, reading.clear, reading.report
        envelope = resolve_envelope(
            parsed,
            report,
            arrival.smtp_sender,
            arrival.smtp_recipients,
            journal_addresses=journal_addresses,
        )
        found = classify(clear if clear is not None else parsed)
        custodians = custodians_of(parsed, (envelope,), arrival.custodians)
        detail = delivery_detail(arrival, envelope)
        message_id = new_id("m")
        key = self._keyring.new_data_key(message_id)
        body = self._sealer.body(reading.raw, reading.sha256, reading.split, reading.spool)
        size = len(reading.raw)
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
            sha256=reading.sha256,
            size=size,
            sealed_raw=self._sealer.seal_body(key.key, message_id, body),
            sealed_meta=self.seal_json(key.key, message_id, "meta", meta),
            key=key,
            detail=detail,
            sealed_detail=self.seal_json(key.key, message_id, "delivery", detail),
            report=self._report(reading.kept, key.key, reading.spool) if reading.kept else None,
            custodians=tuple(sorted(self._blind.token("address", a) for a in custodians)),
            patients=tuple(sorted({self._blind.token(kind, value) for kind, value in identifiers(found)})),
            sent_at=parsed.date or arrival.received_at,
            vouched=vouched(arrival, parsed, report),
            parse_failed=parsed.parse_failed or reading.claims,
            unsearchable_parts=len(parsed.not_searchable),
            text=index_text(message_id, size, parsed, clear, (envelope,), found, custodians),
            form=body.form,
            parts=body.parts,
            heartbeat=recognise(self._blind, head(reading.raw, PIECE), parsed.subject),
        )

    def seal_json(self, key: bytes, message_id: str, kind: Kind, value: dict[str, Any]) -> bytes:
        """Seal a JSON object under a message's data key."""
        return seal(key, object_context(self._archive_id, message_id, kind), _json(value))

    def seal_report(self, key: bytes, report: PreparedReport) -> bytes:
        """Seal a report anew, under the data key of the message that it turned out to repeat."""
        return self._sealer.seal_body(key, report.id, report.body, report=True)

    def _report(self, kept: Kept, key: bytes, spool: Path | None) -> PreparedReport:
        report_id = new_id("r")
        body = self._sealer.body(kept.raw, kept.sha256, kept.split, spool)
        sealed = self._sealer.seal_body(key, report_id, body, report=True)
        return PreparedReport(report_id, kept.sha256, len(kept.raw), body, sealed)


def _json(value: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(value, str, orjson.OPT_PASSTHROUGH_DATETIME)
    except TypeError:
        # Headers may hold lone surrogates from undecodable bytes; they must survive the round trip.
        plain = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
        return plain.encode("utf-8", "surrogatepass")


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
        **({"received_by": list(arrival.received_by)} if arrival.received_by else {}),
        **({"notes": dict(arrival.notes)} if arrival.notes else {}),
        **({"original": True} if arrival.original is not None else {}),
    }


def _flat(value: Address | Envelope | Part | Recipient) -> dict[str, Any]:
    # `dataclasses.asdict` copies every value deeply, which was a fifth of the time of a message.
    kind = type(value)
    return dict(zip(_NAMES[kind], _VALUES[kind](value), strict=True))
