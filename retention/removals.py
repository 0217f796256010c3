"""Words of disposed messages leave the index: queued by the destroying transaction, done by who can write."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import delete, select

from archiver.store.schema import index_removals
from archiver.vault import Vault

AT_ONCE = 50_000
"""Removing costs time by the size of the index, not by the number of rows: so many at a time."""
_IN = 500


def drain_removals(vault: Vault, remove: Callable[[Sequence[int]], None]) -> int:
    """Remove queued messages from the index by `IndexWriter.remove`; return how many.

    Call it from the thread that feeds the index, between two batches: a removal beside a batch in the
    making could be overtaken by it. Raises IndexLocked, IndexUnavailable: then they stay queued. Durable
    on return.
    """
    total = 0
    while True:
        with vault.records.read() as connection:
            pks = list(
                connection.scalars(
                    select(index_removals.c.message_pk).order_by(index_removals.c.message_pk).limit(AT_ONCE)
                )
            )
        if not pks:
            return total
        remove(pks)
        with vault.records.write() as connection:
            for start in range(0, len(pks), _IN):
                connection.execute(
                    delete(index_removals).where(index_removals.c.message_pk.in_(pks[start : start + _IN]))
                )
        total += len(pks)
