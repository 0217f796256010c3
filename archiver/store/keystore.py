"""The key store of the records database: wrapped keys, beside what they open but in a schema of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from sqlalchemy import select, update

from archiver.clock import Clock, to_us
from archiver.errors import StoreError
from archiver.seal.keyring import KeyKind, WrappedKey
from archiver.store import dialect
from archiver.store.records import Records
from archiver.store.schema import wrapped_keys


class RecordsKeyStore:
    """`KeyStore` and `RotatableStore` over the records database. Every write is durable on return."""

    def __init__(self, records: Records, clock: Clock) -> None:
        self._records = records
        self._clock = clock

    def add_if_absent(self, kind: KeyKind, key: WrappedKey) -> WrappedKey:
        """Insert unless the key is there; return what the store holds afterwards."""
        same = (wrapped_keys.c.kind == kind) & (wrapped_keys.c.id == key.id)
        with self._records.write() as connection:
            # A guard refuses to insert over a key, even where that would leave it alone.
            if connection.execute(select(wrapped_keys.c.id).where(same)).first() is None:
                connection.execute(
                    dialect.insert_or_ignore(connection, wrapped_keys),
                    {
                        "kind": kind,
                        "id": key.id,
                        "root_id": key.root_id,
                        "wrapped": key.wrapped,
                        "wraps": 0,
                        "added_us": to_us(self._clock.now()),
                    },
                )
        stored = self.load(kind, key.id)
        if stored is None:
            raise StoreError("the key store lost a key it had just taken; try again later")
        return stored

    def load(self, kind: KeyKind, key_id: str) -> WrappedKey | None:
        """Return a wrapped key, or None."""
        with self._records.read() as connection:
            row = connection.execute(
                select(wrapped_keys).where(wrapped_keys.c.kind == kind, wrapped_keys.c.id == key_id)
            ).first()
        return WrappedKey(row.id, row.root_id, bytes(row.wrapped)) if row else None

    def newest_epoch(self, month: str) -> str | None:
        """Return the id of the epoch key last added of those of a month (`YYYY-MM`)."""
        with self._records.read() as connection:
            return connection.scalar(
                select(wrapped_keys.c.id)
                .where(wrapped_keys.c.kind == "epoch", wrapped_keys.c.id.like(f"{month}-%"))
                .order_by(wrapped_keys.c.added_us.desc(), wrapped_keys.c.id)
                .limit(1)
            )

    def reserve_wraps(self, epoch_id: str, count: int) -> int:
        """Add to an epoch's number of wraps, atomically, and return the new number."""
        chosen = (wrapped_keys.c.kind == "epoch") & (wrapped_keys.c.id == epoch_id)
        with self._records.write() as connection:
            connection.execute(update(wrapped_keys).where(chosen).values(wraps=wrapped_keys.c.wraps + count))
            return int(connection.scalar(select(wrapped_keys.c.wraps).where(chosen)) or 0)

    def all_keys(self) -> Sequence[tuple[KeyKind, WrappedKey]]:
        """Return every key the root key wraps."""
        with self._records.read() as connection:
            rows = connection.execute(select(wrapped_keys)).all()
        return [
            (cast("KeyKind", row.kind), WrappedKey(row.id, row.root_id, bytes(row.wrapped))) for row in rows
        ]

    def replace_all(self, keys: Sequence[tuple[KeyKind, WrappedKey]]) -> None:
        """Replace all wrapped keys in one transaction. Raises StoreError when another key came meanwhile."""
        with self._records.write(dialect.LOCK_ARCHIVE) as connection:
            stored = {
                (row.kind, row.id)
                for row in connection.execute(select(wrapped_keys.c.kind, wrapped_keys.c.id))
            }
            if stored != {(kind, key.id) for kind, key in keys}:
                raise StoreError("a key was added during the change of the root key; start it again")
            for kind, key in keys:
                connection.execute(
                    update(wrapped_keys)
                    .where(wrapped_keys.c.kind == kind, wrapped_keys.c.id == key.id)
                    .values(root_id=key.root_id, wrapped=key.wrapped)
                )
