"""The indexer beside an import: in a process of its own, or for a small import in a thread of this one.

Committing and indexing are most of an import's work, and one interpreter does one thing at a time.
"""

from __future__ import annotations

import contextlib
import queue
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Protocol

from api.capturing import Capturing, open_capturing
from archiver.capture import garbage
from archiver.capture.beside import Post, begin, ends, received
from archiver.capture.prepare import Prepared
from archiver.commit import Committed
from config.errors import HoldfastError
from config.settings import Settings
from search.fresh_texts import FreshTexts, News, news_of

if TYPE_CHECKING:
    from search.indexer import Indexer

WAITING = 2
"""Committed batches that wait to be handed to the indexer's process; then committing waits."""
_FINISH = "finish"

Progress = Callable[[int], None]


class Indexing(Protocol):
    """What an import tells of its committed mail."""

    def offer(self, done: Sequence[tuple[Prepared, Committed]]) -> None:
        """See `FreshTexts.offer`. Must not raise."""
        ...

    def finish(self, progress: Progress) -> None:
        """Wait until everything is searchable, unless a server has the index and sees to that."""
        ...


@contextmanager
def indexing(capturing: Capturing, *, beside: bool) -> Iterator[Indexing]:
    """Index what is offered until the block ends; `beside`: in a process of its own."""
    if beside:
        other = _Beside(capturing)
        try:
            yield other
        finally:
            other.close()
        return
    with _here(capturing) as found:
        within = _Within(found)
        try:
            yield within
        finally:
            within.close()


@contextmanager
def _here(capturing: Capturing) -> Iterator[tuple[Indexer, FreshTexts] | None]:
    """The indexer in this process, unless a server has it."""
    # Loaded where it is used: beside an import the other process has all of it.
    from api.searchable import searchable

    found = searchable(capturing.settings, capturing.vault)
    try:
        with found.indexing() as pair:
            yield pair
    finally:
        found.reader.close()


class _Within:
    """A thread of this process indexes, unless a server does."""

    def __init__(self, found: tuple[Indexer, FreshTexts] | None) -> None:
        self._found = found
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        if found is not None:
            self._thread = threading.Thread(target=found[0].run, args=(self._stop,), name="index")
            self._thread.start()

    def offer(self, done: Sequence[tuple[Prepared, Committed]]) -> None:
        if self._found is not None:
            self._found[1].offer(done)

    def finish(self, progress: Progress) -> None:
        self.close()
        if self._found is not None:
            progress(self._found[0].drain(progress))

    def close(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()


class _Beside:
    """A process of its own indexes, unless a server does.

    Losing that process loses nothing: the outbox knows what isn't indexed, and `finish` does it here.
    """

    def __init__(self, capturing: Capturing) -> None:
        self._capturing = capturing
        self._beside = begin(__name__)
        self._post = Post(self._beside.tells)
        self._news: queue.Queue[News | None] = queue.Queue(WAITING)
        self._thread = threading.Thread(target=self._run, name="news", daemon=True)
        self._thread.start()

    def offer(self, done: Sequence[tuple[Prepared, Committed]]) -> None:
        self._news.put(news_of(done))

    def finish(self, progress: Progress) -> None:
        self._end_news()
        ended = False
        with contextlib.suppress(OSError, EOFError):  # gone: what it left is done below
            self._post.send(_FINISH)
            while True:
                for number in received(self._beside.hears):
                    if number is None:
                        ended = True
                    else:
                        progress(number)
        if not ended:
            with _here(self._capturing) as found:
                if found is not None:
                    progress(found[0].drain(progress))

    def close(self) -> None:
        """Let it stop where it is, and wait for that."""
        self._end_news()
        self._beside.tells.close()
        self._beside.hears.close()
        self._beside.process.wait()

    def _end_news(self) -> None:
        if self._thread.is_alive():
            self._news.put(None)
            self._thread.join()

    def _run(self) -> None:
        gone = False
        try:
            self._post.send(self._capturing.settings)
        except OSError:
            gone = True
        while (news := self._news.get()) is not None:
            try:
                if not gone:
                    self._post.send(news)
            except OSError:
                gone = True


def main(told_descriptor: int, said_descriptor: int) -> None:
    """Index what comes until the importing process is gone, or says `_FINISH`: then all that is left, too."""
    # Ctrl-C is for the importer; this ends with its pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    garbage.rarely()
    told, said = ends(told_descriptor, said_descriptor)
    post = Post(said)
    # An archive or index that can't be used here ends the process: who waits for it does what is left, or
    # is told then.
    with contextlib.suppress(EOFError, OSError, HoldfastError):
        settings: Settings = next(received(told))
        capturing = open_capturing(settings)
        try:
            with _here(capturing) as found:
                stop = threading.Event()
                beside = threading.Thread(target=found[0].run, args=(stop,), name="index") if found else None
                if beside:
                    beside.start()
                try:
                    _take(told, found[1] if found else None)
                finally:
                    stop.set()
                    if beside:
                        beside.join()
                if found:
                    post.send(found[0].drain(post.send))
                post.send(None)
        finally:
            capturing.close()


def _take(told: Connection, fresh: FreshTexts | None) -> None:
    """Take news until the importer says that there is no more. Raises EOFError, OSError."""
    while True:
        for news in received(told):
            if news == _FINISH:
                return
            if fresh is not None:
                fresh.put(news)
