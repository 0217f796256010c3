"""Builds a whole new index beside the one in use, which goes on answering, and puts it in its place at once.

The new index is filled message by message, in the order of their keys, from the archive. What the one in use
learns meanwhile (new mail, other labels, disposals) is noted in the records in the transactions in which it
leaves its queues (`rebuilds.note`), and learnt by the new one, too. Its place is taken under the lock of
whoever writes the index in use, so nothing can come in between. A kill at any moment costs time only.
"""

from __future__ import annotations

import threading
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal

from sqlalchemy import delete, func, select, update
from whoosh.query import Every

from archiver.store import dialect
from archiver.store.schema import (
    CHANGED_LABELS,
    CHANGED_TEXT,
    DISPOSED,
    messages,
    name_book,
    outbox,
    unindexed,
)
from archiver.vault import Vault
from search import rebuilds
from search.engine.ports import IndexReader, IndexShelf, IndexWriter
from search.errors import IndexDamaged, IndexLocked, NoRoom, SearchError
from search.fresh_texts import BATCH
from search.indexer import Indexer
from search.rebuilds import Build

SCRUB_SECONDS: Final = 60.0
"""How often disposed words leave an index that is being built: that rewrites all of it."""
_ROUNDS: Final = 5
_POLL_SECONDS: Final = 0.25

Phase = Literal["indexing", "comparing", "tidying", "checking", "waiting"]
Progress = Callable[[Phase, int, int], object]
"""Told what is being done, and how far it is: so many messages, of so many. `waiting`: for the process that
writes the index in use to take the new one up."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a rebuild would do: messages, those of them that an earlier one has done, and bytes of disk."""

    messages: int
    done: int
    needs: int
    free: int


class Stopped(SearchError):
    """Asked to stop. What was built stays, and the next rebuild goes on there."""

    code = "rebuild_stopped"
    exit_code = 75
    retry = True


class Rebuilder:
    """Builds and takes up. Safe in any number of processes: one of them builds.

    `beside` makes the indexer of an index being built, with holds and patients that look into that one.
    `again` is told of the index now in use: it matches the query holds that were made since a time (in
    microseconds), which looked into the one before.
    """

    def __init__(
        self,
        vault: Vault,
        shelf: IndexShelf,
        beside: Callable[[IndexWriter, IndexReader], Indexer],
        again: Callable[[int], None],
    ) -> None:
        self._vault = vault
        self._shelf = shelf
        self._beside = beside
        self._again = again
        self._scrubbed = 0.0

    def plan(self) -> Plan:
        """What `build` would do now."""
        build = self._resumable()
        total = build.total if build else self._living()
        needs = self._shelf.needed_bytes(total, build.name if build else "")
        return Plan(total, build.done if build else 0, needs, self._shelf.free_bytes())

    def due(self) -> bool:
        """True where a build was begun and isn't whole, or there is no index that this version can write."""
        build = rebuilds.current(self._vault)
        return (build is not None and not build.whole) or self.unusable()

    def unusable(self) -> bool:
        """True where there is no index that this version can write, though mail was indexed."""
        standing = self._shelf.standing()
        return standing == "outdated" or (standing == "missing" and self._indexed())

    def forget(self) -> None:
        """Throw away what is half built: the next build begins at the beginning. Raises IndexLocked."""
        with self._shelf.building():
            with self._vault.records.write(dialect.LOCK_ARCHIVE) as connection:
                rebuilds.end(connection)
            self._shelf.sweep()

    def drop_old(self) -> None:
        """Delete the index in use, to make room. Raises IndexLocked while a server writes it."""
        self._shelf.drop()

    def run(self, progress: Progress, stop: threading.Event | None = None) -> Build:
        """Build, and take up as soon as whoever writes the index in use lets go of it or has done it.

        Raises IndexLocked while another process builds, NoRoom, Stopped, and what the archive raises.
        """
        build = self.build(progress, stop)
        while not self.take_up():
            found = rebuilds.current(self._vault)
            if found is None or found.name != build.name:
                break  # a server has
            progress("waiting", build.total, build.total)
            _rest(stop)
        return build

    def build(self, progress: Progress, stop: threading.Event | None = None) -> Build:
        """Build until the new index is whole, from where an earlier build ended. Raises as `run` does."""
        with self._shelf.building():
            build = self._begun()
            if build.whole:
                return build
            try:
                self._fill(build, progress, stop)
            except IndexDamaged:
                # Half an index that a disk spoilt isn't gone on with; the one in use isn't touched here.
                self._drop(build)
                build = self._begun()
                self._fill(build, progress, stop)
            rebuilds.now_whole(self._vault, build)
            return build

    def take_up(self) -> bool:
        """Put a whole new index in use; False when there is none, or when another process has the index."""
        build = rebuilds.current(self._vault)
        if build is None or not build.whole:
            return False
        try:
            with self._shelf.alone():
                build = rebuilds.current(self._vault)
                if build is None or not build.whole:
                    return False
                if self._shelf.in_use() != build.name:
                    if not self._fits(build):
                        self._drop(build)
                        return False
                    with self._opened(build) as (indexer, _, _):
                        self._learn(indexer, (CHANGED_TEXT, CHANGED_LABELS, DISPOSED))
                    self._shelf.put_in_use(build.name)
                self._settle(build)
        except IndexLocked:
            return False
        return True

    # --- building -------------------------------------------------------------------------------

    def _resumable(self) -> Build | None:
        build = rebuilds.current(self._vault)
        return build if build is not None and self._fits(build) else None

    def _fits(self, build: Build) -> bool:
        """True where a build is of this version's layout, and there is what it has built."""
        return build.layout == self._shelf.layout and self._shelf.has(build.name)

    def _begun(self) -> Build:
        build = rebuilds.current(self._vault)
        if build is not None and self._shelf.in_use() == build.name:
            # Killed when it had just been put in use.
            self._settle(build)
            build = None
        if build is not None and self._fits(build):
            return build
        plan = self.plan()
        if plan.needs > plan.free:
            raise NoRoom(
                f"building the index needs about {plan.needs:,} bytes of disk and {plan.free:,} are free:"
                " make room, or let it take the old one's place at once (`reindex --drop-old`)"
            )
        name = self._shelf.new_name()
        build = rebuilds.begin(self._vault, name, self._shelf.layout, plan.messages)
        self._shelf.sweep(keep=name)
        return build

    def _fill(self, build: Build, progress: Progress, stop: threading.Event | None) -> None:
        with self._opened(build) as (indexer, writer, reader):
            self._scan(build, indexer, progress, stop)
            self._compare(build, indexer, writer, reader, progress, stop)
            progress("tidying", build.total, build.total)
            while writer.tidy():
                _look(stop)
            self._learn(indexer, (CHANGED_TEXT, CHANGED_LABELS, DISPOSED), stop)
            progress("checking", build.total, build.total)
            reader.check()

    def _scan(self, build: Build, indexer: Indexer, progress: Progress, stop: threading.Event | None) -> None:
        position, done = build.position, build.done
        total = max(build.total, done)
        progress("indexing", done, total)
        while pks := self._after(position):
            _look(stop)
            put = indexer.put(pks)
            self._note_again(put.again)
            position = pks[put.taken - 1]
            done += put.taken
            total = max(total, done)
            rebuilds.advance(self._vault, build, position, done)
            self._learn(indexer, (CHANGED_TEXT, CHANGED_LABELS), stop)
            if time.monotonic() - self._scrubbed > SCRUB_SECONDS:
                self._learn(indexer, (DISPOSED,), stop)
                self._scrubbed = time.monotonic()
            progress("indexing", done, total)

    def _compare(
        self,
        build: Build,
        indexer: Indexer,
        writer: IndexWriter,
        reader: IndexReader,
        progress: Progress,
        stop: threading.Event | None,
    ) -> None:
        """See that every living message is in it and nothing else is; mend what isn't so."""
        for _ in range(_ROUNDS):
            progress("comparing", build.total, build.total)
            self._learn(indexer, (CHANGED_TEXT, CHANGED_LABELS, DISPOSED), stop)
            missing, surplus = self._differences(reader)
            if surplus:
                writer.remove(surplus)
            if not missing:
                return
            for chunk in _pieces(missing, BATCH):
                _look(stop)
                self._put_all(indexer, chunk)
        raise SearchError("messages are missing from the new index, so it isn't used; run reindex again")

    def _differences(self, reader: IndexReader) -> tuple[array[int], array[int]]:
        """Keys of living messages that an index should have and hasn't, and of those it should not have."""
        # Eight bytes a message each; what lives and what is indexed are read in the same order.
        indexed = iter(reader.all_rowids(Every()))
        missing, surplus = array("q"), array("q")
        row = next(indexed, None)
        with self._vault.records.read() as connection:
            excused = set(connection.scalars(select(unindexed.c.message_pk)))
            excused |= set(connection.scalars(select(outbox.c.message_pk)))
            alive = select(messages.c.pk).where(messages.c.disposed_us.is_(None)).order_by(messages.c.pk)
            for pk in connection.execution_options(yield_per=10_000).scalars(alive):
                while row is not None and row < pk:
                    surplus.append(row)
                    row = next(indexed, None)
                if row == pk:
                    row = next(indexed, None)
                elif pk not in excused:
                    missing.append(pk)
        while row is not None:
            surplus.append(row)
            row = next(indexed, None)
        return missing, surplus

    def _learn(self, indexer: Indexer, kinds: Sequence[int], stop: threading.Event | None = None) -> None:
        """Let the new index learn what the one in use did, until it knows all of it."""
        while rows := rebuilds.changes(self._vault, kinds, BATCH):
            _look(stop)
            of = {kind: {row.message_pk for row in rows if row.kind == kind} for kind in kinds}
            gone = of.get(DISPOSED, set())
            texts = of.get(CHANGED_TEXT, set()) - gone
            labels = of.get(CHANGED_LABELS, set()) - gone - texts
            self._put_all(indexer, array("q", sorted(texts)))
            if labels:
                indexer.relabel(sorted(labels))
            if gone:
                indexer.remove(sorted(gone))
            rebuilds.learnt(self._vault, [row.id for row in rows])

    def _put_all(self, indexer: Indexer, pks: Sequence[int]) -> None:
        while pks:
            put = indexer.put(pks)
            self._note_again(put.again)
            pks = pks[put.taken :]

    def _note_again(self, pks: set[int]) -> None:
        if pks:
            with self._vault.records.write(dialect.LOCK_ARCHIVE) as connection:
                rebuilds.note(connection, CHANGED_TEXT, sorted(pks))

    def _after(self, position: int | None) -> list[int]:
        """Keys of the next living messages."""
        alive = select(messages.c.pk).where(messages.c.disposed_us.is_(None))
        if position is not None:
            alive = alive.where(messages.c.pk > position)
        with self._vault.records.read() as connection:
            return list(connection.scalars(alive.order_by(messages.c.pk).limit(BATCH)))

    @contextmanager
    def _opened(self, build: Build) -> Iterator[tuple[Indexer, IndexWriter, IndexReader]]:
        writer = self._shelf.writer(build.name)
        try:
            reader = self._shelf.reader(build.name)
            try:
                yield self._beside(writer, reader), writer, reader
            finally:
                reader.close()
        finally:
            writer.close()

    # --- the end --------------------------------------------------------------------------------

    def _settle(self, build: Build) -> None:
        """The new index is in use: make up for what looked into the old one meanwhile, and forget the build.

        Safe to be done again, where a kill came in between.
        """
        self._again(build.begun_us)
        reader = self._shelf.reader(build.name)
        try:
            with self._vault.records.read() as connection:
                listed = list(connection.scalars(select(unindexed.c.message_pk)))
            there = sorted(reader.matching(Every(), listed)) if listed else []
        finally:
            reader.close()
        with self._vault.records.write(dialect.LOCK_ARCHIVE) as connection:
            for chunk in _pieces(array("q", there), 500):
                connection.execute(delete(unindexed).where(unindexed.c.message_pk.in_(chunk)))
            # Names that were looked for in the old index are looked for in this one.
            connection.execute(
                update(name_book).where(name_book.c.searched_us >= build.begun_us).values(searched_us=None)
            )
            rebuilds.end(connection)
        self._shelf.sweep()

    def _drop(self, build: Build) -> None:
        with self._vault.records.write(dialect.LOCK_ARCHIVE) as connection:
            found = rebuilds.found(connection)
            if found is not None and found.name == build.name:
                rebuilds.end(connection)
        self._shelf.sweep()

    def _living(self) -> int:
        with self._vault.records.read() as connection:
            alive = select(func.count()).select_from(messages).where(messages.c.disposed_us.is_(None))
            return int(connection.scalar(alive) or 0)

    def _indexed(self) -> bool:
        """True where a living message waits in no queue, so that it was indexed once."""
        waits = select(outbox.c.message_pk)
        with self._vault.records.read() as connection:
            alive = select(messages.c.pk).where(messages.c.disposed_us.is_(None), messages.c.pk.not_in(waits))
            return connection.execute(alive.limit(1)).first() is not None


def _pieces(values: Sequence[int], size: int) -> Iterator[list[int]]:
    for start in range(0, len(values), size):
        yield list(values[start : start + size])


def _look(stop: threading.Event | None) -> None:
    if stop is not None and stop.is_set():
        raise Stopped("the index is half built; the next reindex, or a server, goes on there")


def _rest(stop: threading.Event | None) -> None:
    _look(stop)
    time.sleep(_POLL_SECONDS)
