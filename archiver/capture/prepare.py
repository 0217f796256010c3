"""From an arrival to what the archive commits: unwrapped, parsed, classified and sealed, in memory.

Pure CPU work, done once a message, in any thread or process; nothing here is durable yet.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from archiver.capture.beside import packed_by_value
from archiver.capture.ids import new_id as new_id
from archiver.capture.ports import Arrival, Receipt
from archiver.capture.reading import Kept, read
from archiver.capture.sealing import Body, PreparedPart, Sealer
from archiver.capture.vouched import Vouched, vouched
from archiver.classify import CLASSIFIER_VERSION, Classifier, identifiers
from archiver.coverage.beats import recognise
from archiver.message.content import PIECE, head
from archiver.message.envelope import resolve_envelope
from archiver.message.extract import policy
from archiver.message.indexable import IndexText, PackedText, custodians_of, index_text
from archiver.message.model import Address, Envelope, ParsedMessage
from archiver.seal.blind import BlindIndex
from archiver.seal.container import seal
from archiver.seal.context import Kind, object_context
from archiver.seal.keyring import DataKey, Keyring
from archiver.store.dictionaries import DictionaryStore
from archiver.store.schema import WHOLE

Work = Generator[None, None, "Prepared"]
"""A preparation that pauses between its stages."""


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


# Not frozen, as nobody changes one: a frozen one takes ten times as long to make, and each is made twice.
@dataclass(slots=True)
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
    text: IndexText | PackedText
    form: int = WHOLE
    parts: tuple[PreparedPart, ...] = ()
    heartbeat: bytes | None = None
    """The blind token of one of our own test messages, should this be one; see archiver/coverage."""


packed_by_value(Prepared, PreparedReport, PreparedPart, Body, DataKey, PackedText, Vouched, Arrival, Receipt)


class Preparer:
    """Prepares arrivals with the archive's keys. Safe from any thread."""

    def __init__(
        self,
        archive_id: str,
        keyring: Keyring,
        blind: BlindIndex,
        dictionaries: DictionaryStore | None = None,
        classifier: Classifier | None = None,
    ) -> None:
        self.classifier = classifier or Classifier()
        """Says what is in a message; the index asks it too."""
        self._archive_id = archive_id
        self._keyring = keyring
        self._blind = blind
        self._dictionaries = dictionaries
        self._sealer = Sealer(archive_id, keyring, blind, dictionaries)

    def prepare(self, arrival: Arrival, journal_addresses: frozenset[str] = frozenset()) -> Prepared:
        """Unwrap, parse, classify and seal. Never refuses a message.

        Raises KeyUnavailable; for a spooled message also StoreError and SealError, of its spool.
        """
        work = self._stages(arrival, journal_addresses)
        while True:
            try:
                next(work)
            except StopIteration as done:
                prepared: Prepared = done.value
                return prepared

    def at_hand(self, messages: int) -> bool:
        """True when keys and dictionary for so many messages are in memory: no store will be asked."""
        dictionaries = self._dictionaries
        return (dictionaries is None or dictionaries.at_hand()) and self._keyring.at_hand(messages)

    def prepare_all(
        self, work: Sequence[tuple[Arrival, frozenset[str]]], extract: policy.Extract | None = None
    ) -> list[Prepared | Exception]:
        """Prepare several, one failure each its own. Stage by stage for all of them: code and tables that
        the processor has at hand from the message before make it an eighth cheaper (measured).

        With `policy.at_once` for `extract`, those with documents to be read in a child get NotAtOnce.
        """
        results: list[Prepared | Exception | None] = [None] * len(work)
        going = [(at, self._stages(*item, extract)) for at, item in enumerate(work)]
        while going:
            left = []
            for at, stages in going:
                try:
                    next(stages)
                except StopIteration as done:
                    results[at] = done.value
                except Exception as error:  # told to whoever waits for this arrival
                    results[at] = error
                else:
                    left.append((at, stages))
            going = left
        return [result for result in results if result is not None]

    def _stages(
        self, arrival: Arrival, journal_addresses: frozenset[str], extract: policy.Extract | None = None
    ) -> Work:
        if self._dictionaries is not None:
            self._dictionaries.refresh()
        reading = read(arrival, extract)
        parsed, clear, report = reading.parsed, reading.clear, reading.report
        yield
        found = self.classifier.classify(clear if clear is not None else parsed)
        yield
        envelope = resolve_envelope(
            parsed,
            report,
            arrival.smtp_sender,
            arrival.smtp_recipients,
            journal_addresses=journal_addresses,
        )
        custodians = custodians_of(parsed, (envelope,), arrival.custodians)
        detail = delivery_detail(arrival, envelope)
        message_id = new_id("m")
        size = len(reading.raw)
        text = index_text(message_id, size, parsed, clear, (envelope,), found, custodians)
        yield
        meta = describe(parsed, clear)
        meta["classifier"] = CLASSIFIER_VERSION
        meta["record_types"] = [[r.type, r.confidence] for r in found.record_types]
        meta["jurisdictions"] = found.jurisdictions
        meta["phi"] = sorted({f.type for f in found.phi}) if found.phi else []
        meta["language"] = found.language
        meta["journal_problems"] = report.problems if report else []
        token = self._blind.token
        heartbeat = recognise(self._blind, head(reading.raw, PIECE), parsed.subject)
        witness = vouched(arrival, parsed, report)
        yield
        key = self._keyring.new_data_key(message_id)
        body = self._sealer.body(reading.raw, reading.sha256, reading.split, reading.spool)
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
            custodians=tuple(sorted([token("address", a) for a in custodians])),
            patients=tuple(sorted({token(kind, value) for kind, value in identifiers(found)})),
            sent_at=parsed.date or arrival.received_at,
            vouched=witness,
            parse_failed=parsed.parse_failed or reading.claims,
            unsearchable_parts=len(parsed.not_searchable),
            text=text,
            form=body.form,
            parts=body.parts,
            heartbeat=heartbeat,
        )

    def seal_json(self, key: bytes, message_id: str, kind: Kind, value: dict[str, Any]) -> bytes:
        """Seal a JSON object under a message's data key."""
        dictionary = self._dictionaries.newest if self._dictionaries is not None else None
        context = object_context(self._archive_id, message_id, kind)
        return seal(key, context, _json(value), dictionary=dictionary)

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
        "from": _addresses(parsed.from_),
        "to": _addresses(parsed.to),
        "cc": _addresses(parsed.cc),
        "bcc": _addresses(parsed.bcc),
        "message_id": parsed.message_id,
        "date": parsed.date.isoformat() if parsed.date else None,
        "parts": [
            {
                "path": part.path,
                "content_type": part.content_type,
                "filename": part.filename,
                "size": part.size,
                "attachment": part.attachment,
                "text_status": part.text_status,
            }
            for part in parsed.parts
        ],
        "problems": list(parsed.problems),
    }


def delivery_detail(arrival: Arrival, envelope: Envelope) -> dict[str, Any]:
    """The sealed part of a delivery row: everything this copy knows that the bytes don't."""
    detail: dict[str, Any] = {
        "folder": arrival.folder,
        "custodians": list(arrival.custodians),
        "envelope": {
            "sender": envelope.sender,
            "on_behalf_of": envelope.on_behalf_of,
            "recipients": [
                {
                    "address": recipient.address,
                    "role": recipient.role,
                    "expanded_from": recipient.expanded_from,
                    "forwarded_from": recipient.forwarded_from,
                }
                for recipient in envelope.recipients
            ],
            "origin": envelope.origin,
        },
        "attested_by": arrival.attested_by,
        "received_at": arrival.received_at.isoformat() if arrival.received_at else None,
    }
    if arrival.received_by:
        detail["received_by"] = list(arrival.received_by)
    if arrival.notes:
        detail["notes"] = dict(arrival.notes)
    if arrival.original is not None:
        detail["original"] = True
    return detail


# Written out, field by field: going by the fields' names was a tenth of the time of a message.
def _addresses(found: Sequence[Address]) -> list[dict[str, str]]:
    return [{"address": a.address, "name": a.name} for a in found]
