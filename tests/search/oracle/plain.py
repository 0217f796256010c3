"""A message as the oracle sees it: the words of its unsealed text by column, and what is on record."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from archiver.opened import Opened
from archiver.store.schema import deliveries, hold_items, holds, messages, sources
from archiver.vault import Vault
from tests.search.oracle.cutting import cut

COLUMNS = ("subject", "body", "attachment", "filename", "from", "to", "cc", "bcc", "recipient", "header")


@dataclass(slots=True)
class Plain:
    """One message. `columns` are lists of words, `labels` exact `name:value`, casefolded."""

    pk: int
    sent: datetime
    size: int
    columns: dict[str, list[str]]
    labels: frozenset[str]
    texts: dict[str, str] = field(default_factory=dict)
    sets: dict[str, frozenset[str]] = field(default_factory=dict)
    words: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self.sets = {name: frozenset(column) for name, column in self.columns.items()}
        self.words = frozenset().union(*self.sets.values())


def plain(
    pk: int, sent: datetime, size: int, texts: Mapping[str, Sequence[str]], labels: Iterable[str]
) -> Plain:
    """A message of texts: several of a column are read one after the other, each once."""
    # Interned: the words of many messages are the same few.
    columns = {
        name: [sys.intern(word) for text in dict.fromkeys(texts.get(name, ())) for word in cut(text)]
        for name in COLUMNS
    }
    kept = {name: "\n".join(found) for name, found in texts.items()}
    return Plain(pk, sent, size, columns, frozenset(label.casefold() for label in labels), kept)


def unsealed(vault: Vault) -> Iterator[Plain]:
    """Every living message, opened, parsed and laid out without anything that the index is made by."""
    with vault.records.read() as connection:
        rows = connection.execute(
            select(messages.c.pk, messages.c.id, messages.c.sent_us, messages.c.size)
            .where(messages.c.disposed_us.is_(None))
            .order_by(messages.c.pk)
        ).all()
        names = {known: vault.sources.get(known).name for known in connection.scalars(select(sources.c.id))}
        came: dict[int, set[str]] = {}
        for row in connection.execute(select(deliveries.c.message_pk, deliveries.c.source_id)):
            came.setdefault(row.message_pk, set()).update((row.source_id, names[row.source_id]))
        kept: dict[int, set[str]] = {}
        for row in connection.execute(
            select(hold_items.c.message_pk, holds.c.id, holds.c.root_id, holds.c.matter_id)
            .join(holds, holds.c.id == hold_items.c.hold_id)
            .where(holds.c.state != "released")
        ):
            labels = kept.setdefault(row.message_pk, set())
            labels |= {f"hold:{row.root_id or row.id}", f"matter:{row.matter_id}"}
    for row, opened in zip(rows, _opened(vault, [row.pk for row in rows]), strict=True):
        labels = kept.get(row.pk, set()) | {f"source:{source}" for source in came.get(row.pk, ())}
        sent = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=row.sent_us)
        texts, own = _laid_out(row.id, opened)
        yield plain(row.pk, sent, opened.size, texts, labels | own)


def _opened(vault: Vault, pks: Sequence[int]) -> Iterator[Opened]:
    for start in range(0, len(pks), 500):
        chunk = pks[start : start + 500]
        records = vault.archive.scan_records(chunk)
        for opened in vault.archive.scan_page([records[pk] for pk in chunk]):
            assert opened is not None
            yield opened


def _laid_out(message_id: str, opened: Opened) -> tuple[dict[str, list[str]], set[str]]:
    parsed = opened.parsed()
    meta = opened.record.meta
    by: dict[str, list[str]] = {name: [] for name in COLUMNS}
    by["subject"].append(parsed.subject)
    by["body"].append(parsed.body_text)
    by["attachment"].append(parsed.attachment_text)
    by["filename"] += parsed.filenames
    by["header"].append(parsed.headers)
    people: set[str] = set()
    for column, listed in (("from", parsed.from_), ("to", parsed.to), ("cc", parsed.cc), ("bcc", parsed.bcc)):
        for one in listed:
            by[column].append(f"{one.name} {one.address}".strip())
            people.add(one.address)
    for delivery in opened.record.deliveries:
        envelope = delivery.detail["envelope"]
        for sender in (envelope["sender"], envelope["on_behalf_of"]):
            if sender:
                by["from"].append(sender)
                people.add(sender)
        for one in envelope["recipients"]:
            by[one["role"]].append(one["address"])
            people.add(one["address"])
            for group in (one["expanded_from"], one["forwarded_from"]):
                if group:
                    by["recipient"] += [group, one["address"]]
                    people.add(group)
        people |= set(delivery.detail["custodians"])
    labels = {f"id:{message_id}", f"lang:{meta['language']}"}
    labels |= {f"custodian:{person.strip()}" for person in people if person.strip()}
    labels |= {f"record:{name}" for name, _ in meta["record_types"]}
    labels |= {f"state:{state}" for state in meta["jurisdictions"] or ()}
    labels |= {f"phi:{kind}" for kind in meta["phi"]}
    if parsed.message_id:
        labels.add(f"message-id:{parsed.message_id.strip().removeprefix('<').removesuffix('>')}")
    if parsed.has_attachment:
        labels.add("has:attachment")
    return by, labels
