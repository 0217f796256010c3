"""Index documents: a message's text, the record types that count, and the labels of the records."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from archiver.message.indexable import IndexText
from archiver.opened import Record
from search.engine.ports import IndexDocument


def as_corrected(text: IndexText, record: Record) -> IndexText:
    """The text with the record types that count, where not the rules alone decide on them."""
    kept = [tag for tag in text.tags if not tag.startswith("record:")]
    types = {f"record:{name}".casefold() for name, _ in record.meta["record_types"]}
    return replace(text, tags=tuple(sorted([*kept, *types])))


def document(
    pk: int,
    text: IndexText,
    labels: set[str],
    sources: Iterable[str] = (),
    likeness: tuple[int, ...] = (),
) -> IndexDocument:
    """What the index keeps of a message: its text, with the labels that stand in the records, the ids of the
    sources it came by and the keys of what its body is like (`likeness_of`)."""
    return IndexDocument(
        rowid=pk,
        size=text.size,
        subject=text.subject,
        body=text.body,
        attachment=text.attachment,
        filename=text.filename,
        from_=text.from_,
        to=text.to,
        cc=text.cc,
        bcc=text.bcc,
        recipient=text.recipient,
        header=text.header,
        tags=(*text.tags, *labels),
        sources=tuple(sources),
        links=text.links,
        topic=text.topic,
        likeness=likeness,
    )
