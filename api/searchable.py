"""An archive opened for making its mail searchable: the index, and what looks at mail on its way into it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from api.capturing import Capturing
from archiver.vault import Vault
from config.settings import Settings
from retention.holds.holds import Holds
from retention.roster.people import People
from search.access import Gate
from search.circumstances import Circumstances
from search.engine.fts import FtsReader, FtsWriter
from search.engine.ports import IndexReader, IndexWriter
from search.engine.shelf import FtsShelf
from search.errors import IndexLocked, IndexOutdated
from search.fresh_texts import FreshTexts
from search.indexer import Indexer
from search.rebuilding import Rebuilder


@dataclass(slots=True)
class Searchable(Capturing):
    """What indexes, and what it tells of each new message: standing holds, and the roster's people."""

    reader: FtsReader
    gate: Gate
    holds: Holds
    people: People

    @contextmanager
    def indexing(self) -> Iterator[tuple[Indexer, FreshTexts] | None]:
        """The indexer, if no other process (a server) has it; None otherwise: that one will index.

        Where there is no index that this version can write, it is built first.
        """
        # Only an indexer that has stopped makes an import wait so long; texts that are dropped cost more.
        fresh = FreshTexts(patience=60.0)
        try:
            rebuilder = self.rebuilder()
            if rebuilder.unusable():
                rebuilder.run(lambda *_: None)
            rebuilder.take_up()
            writer = self.index_writer()
        except IndexLocked:
            yield None
            return
        try:
            yield self.indexer(writer, fresh), fresh
        finally:
            writer.close()

    def index_writer(self) -> FtsWriter:
        """The writer of the index in use. Raises IndexLocked, IndexOutdated, IndexDamaged."""
        if self.rebuilder().unusable():
            # It would make an empty one, which looks like an archive in which nothing is found.
            raise IndexOutdated("there is no index that this version can use; a new one is to be built first")
        return FtsWriter(self.settings.index_dir, self.vault.keyring.branch_key("index"))

    def rebuilder(self) -> Rebuilder:
        """Builds an index beside the one in use. Holds and patients look into the one being built there."""

        def beside(writer: IndexWriter, reader: IndexReader) -> Indexer:
            holds = Holds(self.vault, self.gate, reader)
            return Indexer(self.vault, writer, holds.standing_queries, people=People(self.vault, reader))

        shelf = FtsShelf(self.settings.index_dir, self.vault.keyring.branch_key("index"))
        return Rebuilder(self.vault, shelf, beside, self.holds.match_again)

    def indexer(self, writer: FtsWriter, fresh: FreshTexts) -> Indexer:
        """An indexer with all that is to look at mail on its way into the index."""
        return Indexer(self.vault, writer, self.holds.standing_queries, fresh, self.people)

    def catch_up(self) -> bool:
        """Index whatever waits, unless a server does it anyway; True when nothing waits any more."""
        with self.indexing() as indexing:
            if indexing is None:
                return False
            indexing[0].drain()
            return True

    def close(self) -> None:
        """Release everything."""
        self.reader.close()
        Capturing.close(self)


def searchable(settings: Settings, vault: Vault) -> Searchable:
    """The same of an opened vault, which closes with it."""
    reader = FtsReader(settings.index_dir, vault.keyring.branch_key("index"))
    gate = Gate(vault.audit, Circumstances(vault, reader), vault.standing)
    return Searchable(settings, vault, reader, gate, Holds(vault, gate, reader), People(vault, reader))
