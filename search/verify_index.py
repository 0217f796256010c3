"""Checks the index against the records: every living message is in it, and nothing else is."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final

from sqlalchemy import Connection, select
from whoosh.query import Every

from archiver.store.schema import index_removals, messages, outbox, unindexed
from archiver.vault import Vault
from archiver.verify import Fault
from search.engine.ports import IndexReader
from search.errors import SearchError

_CHUNK: Final = 500


def check_index(vault: Vault, reader: IndexReader) -> Iterator[Fault]:
    """Yield each difference; `reindex` repairs them. What waits to be indexed or to be taken out is late, not
    lost, and what changes while this runs is no difference.

    Message keys are held at 8 bytes each, those of the records and those of the index.
    """
    try:
        reader.check()
        with vault.records.read() as connection:
            waiting = set(connection.scalars(select(outbox.c.message_pk)))
            failed = set(connection.scalars(select(unindexed.c.message_pk)))
            leaving = set(connection.scalars(select(index_removals.c.message_pk)))
            living = select(messages.c.pk).where(messages.c.disposed_us.is_(None)).order_by(messages.c.pk)
            alive = array("q", connection.scalars(living.execution_options(yield_per=_CHUNK)))
        # After the records: what wasn't waiting then is in it now, unless it was destroyed meanwhile.
        missing, gone = _differences(alive, reader.all_rowids(Every()), waiting | failed)
    except SearchError as error:
        yield Fault("index", "index", f"{error}")
        return
    with vault.records.read() as connection:
        known = _alive_among(connection, [*sorted(failed), *missing, *gone])
    for pk in sorted(failed & known.keys()):
        yield Fault("unindexed", known[pk], "it could not be opened for the index")
    for pk in missing:
        if pk in known:
            yield Fault("index", known[pk], "it is missing from the index; run `holdfast reindex`")
    # What came and was indexed meanwhile is alive.
    if left := sum(pk not in known and pk not in waiting and pk not in leaving for pk in gone):
        yield Fault("index", "index", f"{left} rows belong to no living message; run `holdfast reindex`")


def _differences(
    alive: Iterable[int], indexed: Iterable[int], late: Collection[int]
) -> tuple[array[int], array[int]]:
    """What only the records have, and what only the index has; both come in ascending order."""
    missing, gone = array("q"), array("q")
    rows = iter(indexed)
    row = next(rows, None)
    for pk in alive:
        while row is not None and row < pk:
            gone.append(row)
            row = next(rows, None)
        if row == pk:
            row = next(rows, None)
        elif pk not in late:
            missing.append(pk)
    if row is not None:
        gone.append(row)
    gone.extend(rows)
    return missing, gone


def _alive_among(connection: Connection, pks: Sequence[int]) -> dict[int, str]:
    """Those of the messages that are alive, with their ids."""
    found: dict[int, str] = {}
    for start in range(0, len(pks), _CHUNK):
        some = messages.c.pk.in_(pks[start : start + _CHUNK])
        rows = connection.execute(
            select(messages.c.pk, messages.c.id).where(some, messages.c.disposed_us.is_(None))
        )
        found |= {row.pk: row.id for row in rows}
    return found
