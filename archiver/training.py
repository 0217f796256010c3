"""Learns a compression dictionary from small messages of the archive (docs/adr/0016)."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import func, select

from archiver.errors import DamagedStore, KeyDestroyed, NotFound, SealError
from archiver.ledger.audit import AuditEvent
from archiver.opened import Opened
from archiver.seal import dictionary
from archiver.seal.fragments import Sample, learn
from archiver.store import dialect
from archiver.store.schema import deliveries, messages, meta
from archiver.vault import Vault

FEWEST: Final = 2_000
"""An archive of fewer messages has no dictionary."""
GROWTH: Final = 20
"""A new one is learnt when the archive has become so many times as large."""
MOST_MESSAGES: Final = 10_000
MOST_BYTES: Final = 12 * 2**20
"""Bounds of what one dictionary is learnt from; with them it takes about half a minute and 300 MiB."""
_HEAD: Final = 4_096
_DESCRIBED: Final = 3
"""The description of each third message is learnt from: they are alike."""
_TRIED: Final = "dictionary_tried"
_MARGIN: Final = 4
_DAY_US: Final = 86_400_000_000

_REPLY: Final = re.compile(r"^(?:\s*(?:re|fwd?|aw|wg|sv|antw|rv|tr)\s*(?:\[\d+\])?:)+", re.IGNORECASE)
_LINKS: Final = re.compile(rb"^(?:Message-ID|In-Reply-To|References):((?:.*\n?[ \t])*.*)", re.I | re.M)
_ID: Final = re.compile(rb"<[^<>\s]{3,250}>")

Progress = Callable[[str, int, int], None]
Forbidden = Callable[[set[str]], set[str]]


@dataclass(frozen=True, slots=True)
class Trained:
    """A dictionary that was made: its number and size, and how many messages it was learnt from."""

    number: int
    size: int
    learnt_from: int


def due(vault: Vault) -> bool:
    """Whether a dictionary should be learnt now. Raises StoreError."""
    if vault.settings.compression_dictionary == "off":
        return False
    total = _total(vault)
    last = vault.dictionaries.learnt_from()
    with vault.records.read() as connection:
        tried = connection.scalar(select(meta.c.value).where(meta.c.name == _TRIED))
    if last is not None and total < GROWTH * last:
        return False
    return total >= max(FEWEST, 2 * int(bytes(tried)) if tried is not None else 0)


def train(vault: Vault, forbidden: Forbidden, progress: Progress | None = None) -> Trained | None:
    """Learn a dictionary and add it, with its audit event; durable on return.

    `forbidden` is given words in small letters and returns those it must not hold. None where the archive's
    mail has too little in common, or another process was quicker. Raises StoreError and KeyUnavailable.
    """
    told = progress or (lambda *_: None)
    total = _total(vault)
    with vault.records.write() as connection:
        dialect.upsert(connection, meta, [{"name": _TRIED, "value": str(total).encode()}], update=["value"])
    samples = _samples(vault, told)
    fragments = learn(
        samples,
        forbidden,
        dictionary.CONTENT_BYTES,
        progress=lambda done, steps: told("learning", done, steps),
    )
    data = dictionary.finalised(b"".join(fragments), [text for sample in samples for text in sample.texts])
    if data is None:
        _tell(vault, "empty", len(samples))
        return None
    row = vault.dictionaries.prepare(data, total)
    with vault.records.write(dialect.LOCK_ARCHIVE) as connection:
        if not vault.dictionaries.add(connection, row):
            return None
        event = _event("success", len(samples), {"number": row["id"], "bytes": len(data), "messages": total})
        vault.audit.record_in(connection, event)
    vault.dictionaries.look_now()
    return Trained(row["id"], len(data), len(samples))


def _tell(vault: Vault, outcome: Any, count: int) -> None:
    vault.audit.record(_event(outcome, count, {}))


def _event(outcome: Any, count: int, detail: dict[str, Any]) -> AuditEvent:
    return AuditEvent("dictionary.train", outcome, "system", count=count, detail=detail)


def _total(vault: Vault) -> int:
    with vault.records.read() as connection:
        query = select(func.count()).select_from(messages).where(messages.c.disposed_us.is_(None))
        return connection.scalar(query) or 0


def _samples(vault: Vault, told: Progress) -> list[Sample]:
    """Read what to learn from, until there is enough of it."""
    threads = _Threads()
    found: list[tuple[tuple[bytes, ...], object, int, int]] = []
    chosen = _chosen(vault)
    left = MOST_BYTES
    for number, pk in enumerate(chosen):
        try:
            opened = vault.archive.scan(pk)
            raw = opened.raw
        except (KeyDestroyed, NotFound, DamagedStore, SealError):
            continue  # disposed of meanwhile, or for the scrubber to name
        texts = (raw[:_HEAD], *(_described(opened) if number % _DESCRIBED == 0 else ()))
        left -= sum(map(len, texts))
        if left < 0:
            break
        written_by = opened.record.meta.get("from") or [{}]
        mark = threads.join(str(opened.record.meta.get("subject") or ""), raw)
        sender = hash(str(written_by[0].get("address") or "").casefold())
        found.append((texts, mark, sender, opened.record.row["sent_us"] // _DAY_US))
        if number % 100 == 0:
            told("reading", number, len(chosen))
    return [Sample(texts, threads.number(mark), sender, day) for texts, mark, sender, day in found]


def _described(opened: Opened) -> tuple[bytes, ...]:
    told = (opened.record.meta, *(d.detail for d in opened.record.deliveries[:1]))
    return tuple(
        json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")[:_HEAD]
        for value in told
    )


def _chosen(vault: Vault) -> list[int]:
    """Small messages, each source with a fair share, spread over the time they came in; in no order."""
    by_source: dict[str, list[int]] = {}
    with vault.records.read() as connection:
        last = connection.scalar(select(func.max(messages.c.seq))) or 0
        stride = max(1, last // (_MARGIN * MOST_MESSAGES))
        rows = connection.execute(
            select(messages.c.pk, deliveries.c.source_id)
            .join_from(messages, deliveries, deliveries.c.seq == messages.c.seq)
            .where(
                messages.c.seq % stride == 0,
                messages.c.size <= dictionary.LARGEST_OBJECT,
                messages.c.disposed_us.is_(None),
            )
            .order_by(messages.c.seq)
        )
        for row in rows:
            by_source.setdefault(row.source_id, []).append(row.pk)
    found: list[int] = []
    for done, mine in enumerate(sorted(by_source.values(), key=len)):
        share = (MOST_MESSAGES - len(found)) // (len(by_source) - done)
        found += mine if len(mine) <= share else [mine[i * len(mine) // share] for i in range(share)]
    random.Random(0).shuffle(found)  # noqa: S311
    return found


class _Threads:
    """Tells conversations apart: what answers, or has the same subject, is one."""

    def __init__(self) -> None:
        self._parents: dict[object, object] = {}
        self._numbers: dict[object, int] = {}

    def join(self, subject: str, raw: bytes) -> object:
        """Note what a message answers; the result stands for it in `number`, once all are noted."""
        marks: list[object] = [_REPLY.sub("", subject).strip().casefold()]
        for links in _LINKS.finditer(raw[:_HEAD]):
            marks += _ID.findall(links.group(1))
        roots = [self._root(mark) for mark in marks]
        for root in roots[1:]:
            self._parents[root] = roots[0]
        return roots[0]

    def number(self, mark: object) -> int:
        """The number of a message's conversation."""
        return self._numbers.setdefault(self._root(mark), len(self._numbers))

    def _root(self, mark: object) -> object:
        while (parent := self._parents.setdefault(mark, mark)) != mark:
            self._parents[mark] = mark = self._parents[parent]
        return mark
