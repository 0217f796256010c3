"""Looks at mail with the rules of today where earlier ones looked at it when it came in.

What they find besides is added to what was found then, and nothing is ever taken away: mail can only be kept
longer by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, func, select

from archiver import record_types
from archiver.capture.reading import clear_copy
from archiver.classify import CLASSIFIER_VERSION
from archiver.classify.model import Classification, RecordType
from archiver.classify.records import CLINICAL_MARKS, NOT_ABOUT_PATIENTS
from archiver.errors import DamagedStore, KeyDestroyed, NotFound, SealError
from archiver.learning import Progress, changed_types
from archiver.message.model import ParsedMessage
from archiver.opened import Record
from archiver.store import dialect
from archiver.store.schema import found_types, messages, meta
from archiver.vault import Vault

CHUNK: Final = 100
_MARK: Final = "reclassified"
_UNREADABLE: Final = (KeyDestroyed, NotFound, DamagedStore, SealError)


@dataclass(frozen=True, slots=True)
class Reclassified:
    """Messages looked at, and to how many a type was added."""

    looked: int
    changed: int


@dataclass(frozen=True, slots=True)
class _Mark:
    """How far mail was looked at with the rules of a version, and up to where others had found its types."""

    version: int
    seq: int
    until: int

    @property
    def ended(self) -> bool:
        return self.version == CLASSIFIER_VERSION and self.seq >= self.until


def due(vault: Vault) -> bool:
    """Whether mail is left that only earlier rules have seen. Raises StoreError."""
    with vault.records.read() as connection:
        return not _mark(connection).ended


def reclassify(vault: Vault, progress: Progress | None = None) -> Reclassified:
    """Look at what earlier rules have seen; a message that today's have is passed over unopened.

    Each hundred messages are a transaction, so it can be killed anywhere and goes on there. Raises
    StoreError, KeyUnavailable.
    """
    looked = changed = 0
    with vault.records.read() as connection:
        mark = _mark(connection)
        if mark.version != CLASSIFIER_VERSION:
            last = connection.scalar(select(func.max(messages.c.seq)))
            mark = _Mark(CLASSIFIER_VERSION, -1, -1 if last is None else last)
    if mark.ended:
        _save(vault, {}, mark)
    while not mark.ended:
        with vault.records.read() as connection:
            some = connection.execute(
                select(messages.c.pk, messages.c.seq)
                .where(messages.c.seq > mark.seq, messages.c.seq <= mark.until)
                .where(messages.c.disposed_us.is_(None))
                .order_by(messages.c.seq)
                .limit(CHUNK)
            ).all()
        mark = _Mark(mark.version, some[-1].seq if len(some) == CHUNK else mark.until, mark.until)
        found: dict[int, list[RecordType]] = {}
        for pk in (one.pk for one in some):
            try:
                record = vault.archive.scan_records([pk]).get(pk)
                if record is None or record.meta.get("classifier", 1) >= CLASSIFIER_VERSION:
                    continue
                looked += 1
                if added := _added(record, vault.preparer.classifier.classify(_content(vault, record))):
                    found[pk] = added
            except _UNREADABLE:
                continue  # disposed of meanwhile, or for the scrubber to name
        changed += _save(vault, found, mark)
        if progress is not None:
            progress("looking at older mail", mark.seq, mark.until)
    return Reclassified(looked, changed)


# --- inside ----------------------------------------------------------------------------------------


def _mark(connection: Connection) -> _Mark:
    value = connection.scalar(select(meta.c.value).where(meta.c.name == _MARK))
    return _Mark(0, -1, -1) if value is None else _Mark(*map(int, bytes(value).split(b" ")))


def _content(vault: Vault, record: Record) -> ParsedMessage:
    """What was classified at capture: the decrypted twin where a report brought one, else the message."""
    for delivery in record.deliveries:
        if delivery.report_id is not None:
            clear = clear_copy(vault.archive.scan_report(delivery.report_id).content)
            if clear is not None:
                return clear
    return vault.archive.scan(record.row["pk"]).parsed()


def _added(record: Record, now: Classification) -> list[RecordType]:
    """All that later rules found besides those at capture, if there is anything new among it."""
    rules = {str(name) for name, _ in record.meta.get("record_types_by_rules", record.meta["record_types"])}
    before = set(record.meta.get("record_types_found", ()))
    found = [one for one in now.record_types if one.type not in rules | NOT_ABOUT_PATIENTS]
    marks = {one.type for one in now.phi} & CLINICAL_MARKS - set(record.meta["phi"])
    if marks and not found and rules <= NOT_ABOUT_PATIENTS:
        found.append(RecordType("medical_record", 0.5, f"carries {', '.join(sorted(marks))}"))
    if {one.type for one in found} <= before:
        return []
    there = {one.type for one in found}
    return [*found, *(RecordType(name, 0.5, "earlier rules") for name in sorted(before - there))]


def _save(vault: Vault, found: dict[int, list[RecordType]], mark: _Mark) -> int:
    """Write what was found and how far mail was looked at; dates and index follow. Returns how many."""
    with vault.records.write(dialect.LOCK_ARCHIVE) as connection:
        alive: Sequence[Any] = connection.execute(
            select(messages.c.pk, messages.c.id).where(
                messages.c.pk.in_(list(found)), messages.c.disposed_us.is_(None)
            )
        ).all()
        for one in alive:
            value = [{"type": t.type, "confidence": t.confidence, "why": t.why} for t in found[one.pk]]
            name = record_types.found_name(one.id)
            sealed = vault.archive.seal_types(connection, one.pk, one.id, name, value)
            dialect.upsert(
                connection, found_types, [{"message_pk": one.pk, "sealed": sealed}], update=["sealed"]
            )
        changed_types(connection, [one.pk for one in alive])
        written = f"{mark.version} {mark.seq} {mark.until}".encode()
        dialect.upsert(connection, meta, [{"name": _MARK, "value": written}], update=["value"])
        return len(alive)
