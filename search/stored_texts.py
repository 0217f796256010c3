"""What the index is to hold of a message, made anew from what is stored: opened and parsed by the machines'
own door of the archive (the linter keeps who may use it)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from archiver.capture.reading import clear_copy
from archiver.classify.model import Classification, PHIFinding, RecordType
from archiver.errors import DamagedStore, KeyDestroyed, NotFound, SealError
from archiver.message.indexable import IndexText, custodians_of, index_text
from archiver.message.model import Envelope
from archiver.opened import Opened, Record
from archiver.vault import Vault
from search.documents import as_corrected


def derive(vault: Vault, pk: int, *, classified: bool = True) -> IndexText:
    """The index text of a message, made anew from what is stored. Raises NotFound, KeyDestroyed, SealError,
    DamagedStore.

    Without `classified` its labels are only what is on record of it: record types and kinds of PHI.
    """
    return text_of(vault, vault.archive.scan(pk), classified)


def skim(vault: Vault, pks: Sequence[int]) -> Iterator[tuple[int, IndexText | None]]:
    """The texts of messages as `derive` gives them without `classified`, by key; None where there is none."""
    for pk, opened in zip(pks, opened_pages(vault, pks), strict=True):
        text = None
        with contextlib.suppress(NotFound, KeyDestroyed, SealError, DamagedStore):
            text = text_of(vault, opened or vault.archive.scan(pk), classified=False)
        yield pk, text


def opened_pages(vault: Vault, pks: Sequence[int]) -> Iterator[Opened | None]:
    """Open messages page by page: one by one takes four times as long. None for one that can't be had so;
    `scan` says why."""
    try:
        records = vault.archive.scan_records(pks)
    except (SealError, DamagedStore):
        records = {}  # one of them is damaged: each is tried by itself
    opened = vault.archive.scan_page([records[pk] for pk in pks if pk in records])
    for pk in pks:
        yield next(opened) if pk in records else None


def text_of(vault: Vault, opened: Opened, classified: bool) -> IndexText:
    record = opened.record
    parsed = opened.parsed()
    clear = None
    for delivery in record.deliveries:
        if delivery.report_id is not None:
            clear = clear_copy(vault.archive.scan_report(delivery.report_id).content)
            if clear is not None:
                break
    envelopes = tuple(Envelope.from_dict(d.detail["envelope"]) for d in record.deliveries)
    declared = tuple(a for d in record.deliveries for a in d.detail["custodians"])
    text = index_text(
        record.row["id"],
        opened.size,
        parsed,
        clear,
        envelopes,
        vault.preparer.classifier.classify(clear if clear is not None else parsed)
        if classified
        else _on_record(record),
        custodians_of(parsed, envelopes, declared),
    )
    return as_corrected(text, record) if "record_types_by" in record.meta else text


def _on_record(record: Record) -> Classification:
    types = tuple(RecordType(str(name), float(sure), "") for name, sure in record.meta["record_types"])
    return Classification(tuple(PHIFinding(kind, 0, 0, "", "") for kind in record.meta["phi"]), types)
