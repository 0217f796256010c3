"""Checks the index against the records: every living message is in it, and nothing else is."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select
from whoosh.query import Every

from archiver.store.schema import messages, outbox, unindexed
from archiver.vault import Vault
from archiver.verify import Fault
from search.engine.ports import IndexReader
from search.errors import SearchError


def check_index(vault: Vault, reader: IndexReader) -> Iterator[Fault]:
    """Yield each difference. What waits in the outbox is late, not lost; `reindex` repairs the rest."""
    try:
        reader.check()
        indexed = set(reader.all_rowids(Every()))
    except SearchError as error:
        yield Fault("index", "index", f"{error}")
        return
    with vault.records.read() as connection:
        waiting = set(connection.scalars(select(outbox.c.message_pk)))
        failed = set(connection.scalars(select(unindexed.c.message_pk)))
        rows = connection.execute(
            select(messages.c.pk, messages.c.id).where(messages.c.disposed_us.is_(None))
        ).all()
        alive = {row.pk: row.id for row in rows}
    for pk in sorted(failed & alive.keys()):
        yield Fault("unindexed", alive[pk], "it could not be opened for the index")
    for pk in sorted(alive.keys() - indexed - waiting - failed):
        yield Fault("index", alive[pk], "it is missing from the index; run `holdfast reindex`")
    gone = indexed - alive.keys() - waiting
    if gone:
        yield Fault("index", "index", f"{len(gone)} rows belong to no living message; run `holdfast reindex`")
