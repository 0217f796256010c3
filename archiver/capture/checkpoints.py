"""How far doors have come, in the records database: IMAP checkpoints and the items of an import."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, select

from archiver.capture.imap_source import FolderCheckpoint
from archiver.seal.blind import BlindIndex
from archiver.store import dialect
from archiver.store.records import Records
from archiver.store.schema import imap_checkpoints, import_items


class RecordsCheckpoints:
    """`CheckpointStore` over the records database; folder names stay behind blind tokens."""

    def __init__(self, records: Records, blind: BlindIndex) -> None:
        self._records = records
        self._blind = blind

    def get(self, source_id: str, folder: str) -> FolderCheckpoint | None:
        """The checkpoint of a folder, or None."""
        with self._records.read() as connection:
            row = connection.execute(
                select(imap_checkpoints).where(
                    imap_checkpoints.c.source_id == source_id,
                    imap_checkpoints.c.folder_token == self._blind.token("folder", folder),
                )
            ).first()
        return FolderCheckpoint(row.uidvalidity, row.last_uid) if row else None

    def set(self, source_id: str, folder: str, checkpoint: FolderCheckpoint) -> None:
        """Durable on return."""
        row = {
            "source_id": source_id,
            "folder_token": self._blind.token("folder", folder),
            "uidvalidity": checkpoint.uidvalidity,
            "last_uid": checkpoint.last_uid,
        }
        with self._records.write() as connection:
            dialect.upsert(connection, imap_checkpoints, [row], update=["uidvalidity", "last_uid"])


class RecordsImportJournal:
    """`ImportJournal` over the records database.

    An item is known only for the same owners and attestation: the same file imported for another
    custodian must reach the archive again, which adds that custodian to its messages.
    """

    def __init__(
        self, records: Records, blind: BlindIndex, source_id: str, custodians: Sequence[str], attested_by: str
    ) -> None:
        self._records = records
        self._blind = blind
        self._source_id = source_id
        self._given = "\n".join([*sorted(c.casefold() for c in custodians), attested_by])
        # A source's first import needs no look per item, which cost more than committing the message.
        self._first = not self._known()

    def seen(self, key: str) -> bool:
        """True when the item was marked by an earlier run, and, but in a source's first one, by this run.

        An item that a first import meets twice is offered to the archive twice, which knows it.
        """
        return not self._first and self._known(import_items.c.key_token == self._token(key))

    def mark(self, keys: Sequence[str]) -> None:
        """Remember durable items; durable itself on return."""
        rows = [{"source_id": self._source_id, "key_token": self._token(key)} for key in keys]
        with self._records.write() as connection:
            connection.execute(dialect.insert_or_ignore(connection, import_items), rows)

    def _known(self, *conditions: ColumnElement[bool]) -> bool:
        query = select(import_items.c.source_id).where(
            import_items.c.source_id == self._source_id, *conditions
        )
        with self._records.read() as connection:
            return connection.execute(query.limit(1)).first() is not None

    def _token(self, key: str) -> bytes:
        return self._blind.token("import-item", f"{key}\n{self._given}")
