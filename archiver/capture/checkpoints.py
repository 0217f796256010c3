"""How far doors have come, in the records database: IMAP checkpoints and the items of an import."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date

from sqlalchemy import delete, select, update

from archiver.capture.imap.source import FolderCheckpoint
from archiver.seal.blind import TOKEN_BYTES, BlindIndex
from archiver.store import dialect
from archiver.store.records import Records
from archiver.store.schema import imap_checkpoints, imap_usage, import_items, import_marks


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
                    imap_checkpoints.c.folder_token == self._token(folder),
                )
            ).first()
        if row is None:
            return None
        return FolderCheckpoint(row.uidvalidity, row.last_uid, row.first_uidnext, row.seen_uid)

    def set(self, source_id: str, folder: str, checkpoint: FolderCheckpoint) -> None:
        """Durable on return."""
        reached = asdict(checkpoint)
        row = {"source_id": source_id, "folder_token": self._token(folder), **reached}
        with self._records.write() as connection:
            dialect.upsert(connection, imap_checkpoints, [row], update=list(reached))

    def blind(self, source_id: str, *words: str) -> str:
        """An opaque key for words that name a folder: a blind token in hex."""
        return self._blind.token("imap-gap", _exactly("\0".join((source_id, *words)))).hex()

    def used(self, source_id: str, day: date) -> int:
        """Bytes read from a mailbox on a day."""
        with self._records.read() as connection:
            value = connection.scalar(
                select(imap_usage.c.bytes).where(imap_usage.c.source_id == source_id, imap_usage.c.day == day)
            )
        return int(value or 0)

    def use(self, source_id: str, day: date, count: int) -> None:
        """Add bytes read on a day, and forget earlier days; durable on return."""
        mine = imap_usage.c.source_id == source_id
        with self._records.write() as connection:
            today = connection.execute(
                update(imap_usage)
                .where(mine, imap_usage.c.day == day)
                .values(bytes=imap_usage.c.bytes + count)
            )
            if today.rowcount == 0:
                connection.execute(delete(imap_usage).where(mine, imap_usage.c.day < day))
                connection.execute(imap_usage.insert().values(source_id=source_id, day=day, bytes=count))

    def _token(self, folder: str) -> bytes:
        return self._blind.token("imap-folder", _exactly(folder))


def _exactly(name: str) -> str:
    # Tokens are of case-folded text; to a mailbox server `Work` and `work` are two folders.
    return name.encode("utf-8", "surrogateescape").hex()


class RecordsImportJournal:
    """`ImportJournal` over the records database.

    An item is known only for the same owners and the same vouching: the same file imported for another
    custodian must reach the archive again, which adds that custodian to its messages; so must journal
    reports that are believed this time.
    """

    def __init__(
        self,
        records: Records,
        blind: BlindIndex,
        source_id: str,
        custodians: Sequence[str],
        attested_by: str,
        received_by: Sequence[str] = (),
        *,
        reports: bool = False,
    ) -> None:
        self._records = records
        self._blind = blind
        self._source_id = source_id
        given = [*sorted(c.casefold() for c in custodians), attested_by, *sorted(received_by)]
        given += ["\0reports"] * reports
        self._given = "\n".join(given)
        # A source's first import asks nothing: there is nothing to find.
        self._first = not self._any()
        self._marks: _Marks | None = None

    def seen(self, keys: Sequence[str]) -> set[str]:
        """Which of the items were marked by an earlier run.

        An item that one import meets twice is offered to the archive twice, which knows it.
        """
        if self._first:
            return set()
        if self._marks is None:
            self._marks = self._read()
        tokens = {self._token(key): key for key in keys}
        found = {key for token, key in tokens.items() if token in self._marks}
        asked = list(tokens)
        with self._records.read() as connection:
            for start in range(0, len(asked), 500):
                rows = connection.execute(
                    select(import_items.c.key_token).where(
                        import_items.c.source_id == self._source_id,
                        import_items.c.key_token.in_(asked[start : start + 500]),
                    )
                )
                found.update(tokens[bytes(row.key_token)] for row in rows)
        return found

    def mark(self, keys: Sequence[str]) -> None:
        """Remember durable items; durable itself on return."""
        if not keys:
            return
        row = {"source_id": self._source_id, "tokens": b"".join([self._token(key) for key in keys])}
        with self._records.write() as connection:
            connection.execute(import_marks.insert(), row)

    def _any(self) -> bool:
        with self._records.read() as connection:
            return any(
                connection.execute(
                    select(table.c.source_id).where(table.c.source_id == self._source_id).limit(1)
                ).first()
                for table in (import_marks, import_items)
            )

    def _read(self) -> _Marks:
        marks = _Marks()
        with self._records.read() as connection:
            rows = connection.execution_options(yield_per=64).execute(
                select(import_marks.c.tokens).where(import_marks.c.source_id == self._source_id)
            )
            for row in rows:
                marks.add(bytes(row.tokens))
        return marks

    def _token(self, key: str) -> bytes:
        return self._blind.token("import-item", f"{key}\n{self._given}")


class _Marks:
    """Tokens in little more than their own bytes: a million items are 16 MB, not the 100 MB of a set."""

    def __init__(self) -> None:
        self._by_first = [bytearray() for _ in range(256)]
        self._sorted = [False] * 256

    def add(self, tokens: bytes) -> None:
        for start in range(0, len(tokens), TOKEN_BYTES):
            token = tokens[start : start + TOKEN_BYTES]
            self._by_first[token[0]] += token
            self._sorted[token[0]] = False

    def __contains__(self, token: bytes) -> bool:
        held = self._by_first[token[0]]
        if not self._sorted[token[0]]:
            held[:] = b"".join(
                sorted(held[start : start + TOKEN_BYTES] for start in range(0, len(held), TOKEN_BYTES))
            )
            self._sorted[token[0]] = True
        low, high = 0, len(held) // TOKEN_BYTES
        while low < high:
            middle = (low + high) // 2
            if held[middle * TOKEN_BYTES : (middle + 1) * TOKEN_BYTES] < token:
                low = middle + 1
            else:
                high = middle
        return held[low * TOKEN_BYTES : (low + 1) * TOKEN_BYTES] == token
