"""Feeds the index from the outbox. The index can lag, be lost and be rebuilt; it is never wrong.

What the capture side parsed a moment ago is taken from memory; anything else (after a restart, after a
second delivery, on `reindex`) is opened and parsed anew by the machines' own door of the archive.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from sqlalchemy import Row, bindparam, delete, select

from archiver.errors import DamagedStore, KeyDestroyed, NotFound, SealError
from archiver.message.indexable import IndexText
from archiver.store import dialect, tokens
from archiver.store.schema import (
    CHANGED_LABELS,
    CHANGED_TEXT,
    DISPOSED,
    deliveries,
    index_relabels,
    index_removals,
    messages,
    outbox,
    unindexed,
)
from archiver.vault import Vault
from config.errors import HoldfastError
from search import rebuilds
from search.documents import document
from search.engine.ports import IndexDocument, IndexWriter
from search.fresh_texts import BATCH, BATCH_BYTES, FreshTexts
from search.likeness import likeness_of
from search.row_labels import RowLabels
from search.stored_texts import derive, opened_pages, text_of

log = logging.getLogger(__name__)

FILE_SECONDS = 5.0
"""How often it is looked whether tokens are to be filed."""
PAGE = 100
"""Messages described in one go, of those that aren't at hand."""
AT_LEISURE = 500
"""Messages opened and parsed in one go beside an import, while none are at hand."""


_OUTBOX: Final = select(outbox, messages.c.seq.label("first")).join(
    messages, messages.c.pk == outbox.c.message_pk, isouter=True
)
"""What waits, with the number that its message got at first."""


class _Stopped(Exception):
    """The indexer is to stop, in the middle of a long removal."""


Standing = Callable[[Sequence[int]], None]
"""Called with freshly indexed keys before they leave the outbox: places standing query holds."""


class People(Protocol):
    """Finds patients named in texts on their way into the index; retention/roster has it."""

    def read(self, texts: Mapping[int, IndexText]) -> int:
        """Record whom the texts (by message) name; a mark to ask `missed` by."""
        ...

    def labels(self, pks: Sequence[int]) -> dict[int, set[str]]:
        """The `patient:` labels that messages have by what is on record about patients."""
        ...

    def missed(self, texts: Mapping[int, IndexText], mark: int) -> set[int]:
        """The messages to be indexed again, since names came up meanwhile that they hold. Called after they
        are in the index: whoever searches old mail for such a name either finds them there, or they are
        found here."""
        ...


@dataclass(frozen=True, slots=True)
class Put:
    """What was put into the index: the first `taken` of the messages, of which `again` must be put anew."""

    taken: int
    again: set[int]


class Indexer:
    """Moves messages from the outbox into the index. One at a time holds the index writer."""

    def __init__(
        self,
        vault: Vault,
        writer: IndexWriter,
        standing: Standing,
        fresh: FreshTexts | None = None,
        people: People | None = None,
    ) -> None:
        self._vault = vault
        self._writer = writer
        self._standing = standing
        self._fresh = fresh or FreshTexts()
        self._people = people
        self._source_names: dict[str, str] = {}
        self._row_labels = RowLabels(vault)
        self._cut_short = False

    def run_once(self, limit: int = BATCH, *, at_hand: bool = False) -> int:
        """Index up to `limit` messages of the outbox; return how many left it. Durable on return.

        Fewer than are there where their text is more than `BATCH_BYTES`. `at_hand`: only those whose texts
        are in memory.
        """
        queued = self._at_hand(limit) if at_hand else self._queued(limit)
        if not queued:
            return 0
        # A text at hand is of the first delivery: after a later one it isn't the whole story, even where
        # whoever committed that has yet to say so.
        anew = {row.message_pk for row in queued if row.seq != row.first}
        put = self.put([row.message_pk for row in queued], anew)
        self._cut_short = put.taken < len(queued)
        queued = [row for row in queued[: put.taken] if row.message_pk not in put.again]
        with self._vault.records.write(dialect.LOCK_ARCHIVE) as connection:
            # Only the state that was indexed leaves: a second delivery has given its row a new number.
            if queued:
                connection.execute(
                    delete(outbox).where(
                        outbox.c.message_pk == bindparam("done_pk"), outbox.c.seq == bindparam("done_seq")
                    ),
                    [{"done_pk": row.message_pk, "done_seq": row.seq} for row in queued],
                )
            rebuilds.note(connection, CHANGED_TEXT, [row.message_pk for row in queued])
        return len(queued) + len(put.again)

    def put(self, pks: Sequence[int], anew: Collection[int] = ()) -> Put:
        """Put messages, as they are now, into the index, and let standing holds and patients look at them.
        Durable on return; what can't be indexed is listed in `unindexed`. Of those `anew` no text at hand
        is good."""
        texts, failures, taken = self._texts(pks, anew)
        mark = self._people.read(texts) if self._people else 0
        self._writer.add(self._documents(texts))
        again = self._people.missed(texts, mark) if self._people else set()
        self._standing(list(texts))
        if failures:
            with self._vault.records.write(dialect.LOCK_ARCHIVE) as connection:
                dialect.upsert(
                    connection,
                    unindexed,
                    [{"message_pk": pk, "reason": reason} for pk, reason in failures.items()],
                    update=["reason"],
                )
        return Put(taken, again)

    def _queued(self, limit: int) -> list[Row[Any]]:
        """What to index next. Mail that is only to be indexed anew has numbers below zero, and waits for
        that which nobody can find yet."""
        with self._vault.records.read() as connection:
            new = _OUTBOX.where(outbox.c.seq >= 0).order_by(outbox.c.seq).limit(limit)
            queued = list(connection.execute(new))
            if len(queued) < limit:
                again = _OUTBOX.where(outbox.c.seq < 0).order_by(outbox.c.seq.desc())
                queued += connection.execute(again.limit(limit - len(queued)))
        return queued

    def _at_hand(self, limit: int) -> list[Row[Any]]:
        """Those queued whose texts are in memory."""
        pks = self._fresh.held(limit)
        queued: list[Row[Any]] = []
        with self._vault.records.read() as connection:
            for start in range(0, len(pks), 500):
                these = outbox.c.message_pk.in_(pks[start : start + 500])
                queued += connection.execute(_OUTBOX.where(these))
        for pk in set(pks).difference([row.message_pk for row in queued]):
            self._fresh.take(pk)  # indexed or disposed of in the meantime
        return queued

    def drain_relabels(self) -> int:
        """Bring the `hold:`, `matter:` and `tag:` labels of changed messages up to date; return how many."""
        total = 0
        while True:
            with self._vault.records.read() as connection:
                rows = connection.execute(select(index_relabels).limit(BATCH)).all()
            if not rows:
                return total
            pks = [row.message_pk for row in rows]
            self.relabel(pks)
            with self._vault.records.write(dialect.LOCK_ARCHIVE) as connection:
                # One that changed again meanwhile has another stamp, and stays.
                connection.execute(
                    delete(index_relabels).where(
                        index_relabels.c.message_pk == bindparam("done_pk"),
                        index_relabels.c.stamp == bindparam("done_stamp"),
                    ),
                    [{"done_pk": row.message_pk, "done_stamp": row.stamp} for row in rows],
                )
                rebuilds.note(connection, CHANGED_LABELS, pks)
            total += len(rows)

    def relabel(self, pks: Sequence[int]) -> None:
        """Give messages the labels of the records that change: those of holds, matters and tags."""
        labels = self._row_labels.of(pks)
        self._writer.relabel({pk: labels.get(pk, set()) for pk in pks}, ("hold", "matter", "tag"))

    def remove(self, pks: Sequence[int]) -> None:
        """Take messages out of the index, their words out of its files."""
        self._writer.remove(pks)

    def drain_removals(self, stop: threading.Event | None = None) -> int:
        """Take disposed messages' words out of the index files; return how many. Durable on return. Where it
        takes minutes new mail is indexed meanwhile, and `stop` leaves the rest to the next time."""

        def meanwhile() -> None:
            if stop is not None and stop.is_set():
                raise _Stopped
            self.run_once()

        with self._vault.records.read() as connection:
            pks = list(connection.scalars(select(index_removals.c.message_pk)))
        if not pks:
            return 0
        self._writer.remove(pks, meanwhile)
        with self._vault.records.write(dialect.LOCK_ARCHIVE) as connection:
            for start in range(0, len(pks), 500):
                chunk = pks[start : start + 500]
                connection.execute(delete(index_removals).where(index_removals.c.message_pk.in_(chunk)))
            rebuilds.note(connection, DISPOSED, pks)
        return len(pks)

    def drain(self, progress: Callable[[int], None] | None = None) -> int:
        """Bring the index up to date: new messages, changed labels, disposals; return how many are new."""
        total = 0
        while done := self.run_once():
            total += done
            if progress:
                progress(total)
        self.drain_relabels()
        self.drain_removals()
        return total

    def run(self, stop: threading.Event, *, hand_over: bool = False) -> None:
        """Index until `stop`: soon after mail arrives, and every second whatever others queued. With
        `hand_over` also until an index that was built beside this one waits to be taken up.

        Seconds in which no mail comes go to tidying the index. Tokens of new mail are filed beside it
        (archiver/store/tokens.py).
        """
        untidy, leisure = True, False
        threading.Thread(target=self._file, args=(stop,), name="file", daemon=True).start()
        while not stop.is_set():
            self._fresh.arrived.clear()
            try:
                if hand_over and (built := rebuilds.current(self._vault)) is not None and built.whole:
                    return
                self.drain_relabels()
                self.drain_removals(stop)
                # Beside an import the texts at hand come first. An indexer that lagged once, and then
                # opened and parsed what is oldest while newer texts come and are dropped, would for ever.
                if self._fresh.patient:
                    done = self.run_once(at_hand=True) or (self.run_once(AT_LEISURE) if leisure else 0)
                else:
                    done = self.run_once()
                if done >= BATCH or self._cut_short:
                    continue
                untidy = self._writer.tidy() if untidy and not done else untidy or done > 0
            except _Stopped:
                return
            except HoldfastError as error:
                if not error.retry:
                    raise
                # The database, the disk or the index is away; the outbox keeps everything until then.
                stop.wait(1.0)
            if self._fresh.arrived.wait(1.0):
                self._fresh.gather(stop)
            leisure = not self._fresh.held(1)

    def _file(self, stop: threading.Event) -> None:
        """File tokens until `stop`, in a thread of its own: it takes seconds, and mail shouldn't wait."""
        while not stop.wait(FILE_SECONDS):
            try:
                tokens.file(self._vault.records, stop=stop)
            except HoldfastError:
                log.warning("tokens of new mail could not be filed; tried again soon")

    def _texts(
        self, pks: Sequence[int], anew: Collection[int]
    ) -> tuple[dict[int, IndexText], dict[int, str], int]:
        """Texts of messages, a reason code for each that can't be opened, and how many of the messages that
        is, from the first on."""
        for pk in anew:
            self._fresh.take(pk)
        texts: dict[int, IndexText] = {}
        failures: dict[int, str] = {}
        weight = 0
        for start in range(0, len(pks), PAGE):
            page = pks[start : start + PAGE]
            absent = self._fresh.absent(page).union(anew)
            opened = opened_pages(self._vault, [pk for pk in page if pk in absent])
            for taken, pk in enumerate(page, start):
                if weight > BATCH_BYTES:
                    return texts, failures, taken
                try:
                    if pk in absent:
                        text = text_of(self._vault, next(opened) or self._vault.archive.scan(pk), True)
                    else:
                        text = self._fresh.take(pk) or derive(self._vault, pk)
                except (SealError, DamagedStore) as error:
                    failures[pk] = error.code
                    continue
                except (NotFound, KeyDestroyed):
                    continue  # disposed of since it was queued
                weight += text.weight
                texts[pk] = text
        return texts, failures, len(pks)

    def _documents(self, texts: Mapping[int, IndexText]) -> list[IndexDocument]:
        labels, sources = self._labels(list(texts))
        about = self._people.labels(list(texts)) if self._people else {}
        likeness = likeness_of([text.body for text in texts.values()])
        return [
            document(pk, text, labels.get(pk, set()) | about.get(pk, set()), sources.get(pk, ()), alike)
            for (pk, text), alike in zip(texts.items(), likeness, strict=True)
        ]

    def _labels(self, pks: Sequence[int]) -> tuple[dict[int, set[str]], dict[int, list[str]]]:
        """Labels that stand in the records rather than in the message: its sources, holds, matters and tags.
        And the ids of its sources by themselves."""
        labels = self._row_labels.of(pks)
        sources: dict[int, list[str]] = {}
        for start in range(0, len(pks), 500):
            chunk = pks[start : start + 500]
            with self._vault.records.read() as connection:
                arrived = connection.execute(
                    select(deliveries.c.message_pk, deliveries.c.source_id)
                    .where(deliveries.c.message_pk.in_(chunk))
                    .distinct()
                ).all()
            for row in arrived:
                name = self._source_name(row.source_id)
                labels.setdefault(row.message_pk, set()).update(
                    (f"source:{row.source_id}", f"source:{name}".casefold())
                )
                sources.setdefault(row.message_pk, []).append(row.source_id)
        return labels, sources

    def _source_name(self, source_id: str) -> str:
        if source_id not in self._source_names:
            self._source_names[source_id] = self._vault.sources.get(source_id).name
        return self._source_names[source_id]
