"""What root a log had at an earlier size: from its published tiles as far as they go, then from the rows."""

from __future__ import annotations

from collections.abc import Iterable

from archiver.errors import LedgerError, StoreError
from archiver.ledger import log
from archiver.ledger.log import Log
from archiver.ledger.merkle import Frontier, leaf_hash, range_root
from archiver.ledger.publish import Publisher
from archiver.ledger.tiles import TileReader
from archiver.store.records import Records

CHUNK = 2_000


def roots_at(records: Records, publisher: Publisher, which: Log, sizes: Iterable[int]) -> dict[int, bytes]:
    """The log's root at each of these sizes that it has reached. Raises LedgerError, StoreError.

    Tiles are believed only as far as the rows behind them lead to the root the records hold now.
    """
    with records.read() as connection:
        now = log.state(connection, which)
    wanted = {size for size in sizes if size <= now.size}
    base = _published(publisher, which, now.size)
    if base is not None:
        reader, size = base
        found = {now.size: now.root()}
        try:
            frontier = _frontier(reader, size)
            beyond = {w for w in wanted if w > size} | {now.size}
            found |= _from_rows(records, which, frontier, now.size, beyond)
            if found[now.size] == now.root():
                return found | {w: range_root(reader, 0, w) for w in wanted if w <= size}
        except (LedgerError, StoreError):
            pass  # a tile is gone or doesn't fit: the rows alone say
    return _from_rows(records, which, Frontier(), now.size, wanted)


def _published(publisher: Publisher, which: Log, limit: int) -> tuple[TileReader, int] | None:
    try:
        checkpoint = publisher.published(which)
    except (LedgerError, StoreError):
        return None
    if checkpoint is None or checkpoint.size > limit:
        return None
    return TileReader(publisher.folder(which), checkpoint.size), checkpoint.size


def _frontier(reader: TileReader, size: int) -> Frontier:
    """The right edge of the published tree."""
    hashes, start = b"", 0
    while start < size:
        level = (size - start).bit_length() - 1
        hashes += reader.read(level, start >> level)
        start += 1 << level
    return Frontier.from_bytes(b"\x01" + size.to_bytes(8, "big") + hashes)


def _from_rows(
    records: Records, which: Log, frontier: Frontier, end: int, wanted: set[int]
) -> dict[int, bytes]:
    """Grow a tree by the rows, noting its root at the sizes wanted, none of them below where it begins."""
    found = {frontier.size: frontier.root()} if frontier.size in wanted else {}
    end = min(end, max(wanted, default=0))
    for start in range(frontier.size, end, CHUNK):
        with records.read() as connection:
            leaves = log.read(connection, which, start, min(start + CHUNK, end))
        for leaf in leaves:
            frontier.append(leaf_hash(leaf))
            if frontier.size in wanted:
                found[frontier.size] = frontier.root()
    return found
