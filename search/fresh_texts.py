"""Texts of mail committed a moment ago, kept for the indexer: so it needn't open and parse them again."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from itertools import islice

from archiver.capture.prepare import Prepared
from archiver.commit import Committed
from archiver.message.indexable import IndexText, PackedText

BATCH = 5_000
"""Most documents a transaction of the index. Each rewrites many of the same pages, and sealing pages is a
third of the cost of indexing: at 60,000 messages 290 us each by 6,000, 390 by 2,000."""
BATCH_BYTES = 64 * 2**20
"""Most text a transaction, roughly: it is all in memory."""
GATHER_SECONDS = 0.5
"""How long new mail waits for more, so that a trickle isn't indexed in tiny, dear transactions."""
POURING = 200
"""So many messages in that time are worth waiting as long again: nobody waits for one of a flood."""
GATHER_SECONDS_BULK = 5.0
"""The same beside an import, where nobody waits for the newest message."""
KEEP_TEXTS = 7_000
KEEP_BYTES = 96 * 2**20

News = Sequence[tuple[int, IndexText | PackedText | None]]
"""Keys of committed messages, each with the text of a new one."""


def news_of(done: Sequence[tuple[Prepared, Committed]]) -> News:
    """What the indexer needs of a committed batch."""
    return [(committed.pk, prepared.text if committed.fresh else None) for prepared, committed in done]


class FreshTexts:
    """Index texts of just committed messages, bounded in number and bytes; losing one costs only time.

    `patience` is how many seconds `offer` waits for the indexer to make room before it drops the oldest:
    none beside a server, whose senders wait for answers; some beside an import, which would otherwise
    run ahead and have most of its messages opened and parsed again. An indexer that takes nothing in
    that time isn't waited for again until it does.
    """

    def __init__(self, patience: float = 0.0) -> None:
        self._texts: OrderedDict[int, IndexText | PackedText] = OrderedDict()
        self._bytes = 0
        self._room = threading.Condition()
        self._patience = patience
        self._awaited = self.patient = patience > 0
        self.arrived = threading.Event()

    def offer(self, done: Sequence[tuple[Prepared, Committed]]) -> None:
        """Keep the texts of new messages; a duplicate's old text is no longer the whole story."""
        self.put(news_of(done))

    def put(self, news: News) -> None:
        """The same, of what `news_of` gave."""
        weight = sum(text.weight for _, text in news if text is not None)
        with self._room:
            if self._awaited and not self._fits(len(news), weight):
                self.arrived.set()
                self._awaited = self._room.wait_for(lambda: self._fits(len(news), weight), self._patience)
            for pk, text in news:
                old = self._texts.pop(pk, None)
                self._bytes -= old.weight if old else 0
                if text is not None:
                    self._texts[pk] = text
                    self._bytes += text.weight
            while self._texts and (len(self._texts) > KEEP_TEXTS or self._bytes > KEEP_BYTES):
                _, dropped = self._texts.popitem(last=False)
                self._bytes -= dropped.weight
        self.arrived.set()

    def gather(self, stop: threading.Event) -> None:
        """Wait until a batch is worth its transaction: for long beside an import, else up to a second."""
        begun = time.monotonic()
        while not stop.is_set():
            with self._room:
                if len(self._texts) >= BATCH or self._bytes >= KEEP_BYTES // 2:
                    return
                pouring = len(self._texts) >= POURING
            wanted = GATHER_SECONDS_BULK if self._patience else GATHER_SECONDS * (2 if pouring else 1)
            left = begun + wanted - time.monotonic()
            if left <= 0:
                return
            stop.wait(min(left, 0.1))

    def held(self, most: int) -> list[int]:
        """Keys of the texts there are, oldest first."""
        with self._room:
            return list(islice(self._texts, most))

    def absent(self, pks: Sequence[int]) -> set[int]:
        """Those of the keys whose texts aren't there."""
        with self._room:
            return {pk for pk in pks if pk not in self._texts}

    def take(self, pk: int) -> IndexText | None:
        """Hand out a text once."""
        with self._room:
            text = self._texts.pop(pk, None)
            if text is not None:
                self._bytes -= text.weight
                self._awaited = self._patience > 0
                self._room.notify()
        return text.unpacked() if isinstance(text, PackedText) else text

    def _fits(self, number: int, weight: int) -> bool:
        return not self._texts or (
            len(self._texts) + number <= KEEP_TEXTS and self._bytes + weight <= KEEP_BYTES
        )
