"""The two logs in the records database: leaves appended in the transaction of what they record.

Indices are gapless because the size is a row that the appender holds locked, never a sequence. The
published tiles and checkpoints are made from these rows by `archiver.ledger.publish`.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

from sqlalchemy import Connection, func, select

from archiver.errors import LedgerError
from archiver.ledger.merkle import Frontier, leaf_hash
from archiver.store import dialect
from archiver.store.dialect import Fixed, Insert
from archiver.store.schema import ledger_checkpoints, ledger_entries, ledger_generations, ledger_state

MAX_LEAF = 65_535
"""C2SP tlog-tiles: an entry's length is a uint16."""

# Run by every commit and every audit entry.
_STATE = Fixed("SELECT size, frontier FROM ledger_state WHERE log = ?")
_GROW = Fixed("UPDATE ledger_state SET size = ?, frontier = ? WHERE log = ? AND size = ?")
_ENTRIES = Insert(ledger_entries, ("log", "idx", "leaf"))


class Log(IntEnum):
    """Which of the two logs."""

    CAPTURES = 1
    AUDIT = 2

    @property
    def folder(self) -> str:
        """Name of the log's folder and the last part of its origin line."""
        return self.name.lower()


def create(connection: Connection, log: Log) -> None:
    """Begin an empty log; one that is there already stays as it is."""
    if connection.execute(select(ledger_state.c.log).where(ledger_state.c.log == log)).first() is None:
        connection.execute(ledger_state.insert().values(log=int(log), size=0, frontier=Frontier().to_bytes()))


def state(connection: Connection, log: Log) -> Frontier:
    """The log's size and right edge. Raises LedgerError when the row is gone or unreadable."""
    row = _STATE.first(connection, int(log))
    if row is None:
        raise LedgerError(f"the state of the {log.folder} log is missing; run `holdfast verify --full`")
    size, edge = row
    frontier = Frontier.from_bytes(bytes(edge))
    if frontier.size != size:
        raise LedgerError(f"the state of the {log.folder} log is damaged; run `holdfast verify --full`")
    return frontier


def append(
    connection: Connection, log: Log, leaves: Sequence[bytes], frontier: Frontier | None = None
) -> int:
    """Append leaves and return the first one's index.

    The caller's write transaction must hold the lock that goes with the log (LOCK_ARCHIVE for
    captures, LOCK_AUDIT for audit). `frontier` is the log's state where the caller has asked for it in this
    transaction already; it is moved on. Durable when that transaction commits.
    """
    frontier = frontier or state(connection, log)
    first = frontier.size
    rows = []
    for leaf in leaves:
        if len(leaf) > MAX_LEAF:
            raise LedgerError(f"a leaf of the {log.folder} log may have at most {MAX_LEAF} bytes")
        rows.append({"log": int(log), "idx": frontier.size, "leaf": leaf})
        frontier.append(leaf_hash(leaf))
    if rows:
        _ENTRIES(connection, rows)
        changed = _GROW.run(connection, (frontier.size, frontier.to_bytes(), int(log), first))
        if changed != 1:
            raise LedgerError(f"the {log.folder} log was appended to without its lock")
    return first


def read(connection: Connection, log: Log, start: int, stop: int) -> list[bytes]:
    """The leaves with `start <= index < stop`, in order. Raises LedgerError when one is missing."""
    rows = connection.execute(
        select(ledger_entries.c.idx, ledger_entries.c.leaf)
        .where(ledger_entries.c.log == log, ledger_entries.c.idx >= start, ledger_entries.c.idx < stop)
        .order_by(ledger_entries.c.idx)
    ).all()
    if [row.idx for row in rows] != list(range(start, stop)):
        raise LedgerError(f"the {log.folder} log lacks entries between {start} and {stop}")
    return [bytes(row.leaf) for row in rows]


def generation(connection: Connection, log: Log) -> int:
    """Which generation of the log this is: 1, or a later one after a gap was explained (docs/adr/0020)."""
    newest = connection.scalar(
        select(func.max(ledger_generations.c.generation)).where(ledger_generations.c.log == log)
    )
    return int(newest or 1)


def keep_checkpoint(
    connection: Connection, log: Log, generation: int, size: int, note: bytes, at_us: int
) -> None:
    """Put a signed checkpoint on record, once. Part of the caller's write transaction."""
    same = (
        ledger_checkpoints.c.log == log,
        ledger_checkpoints.c.generation == generation,
        ledger_checkpoints.c.size == size,
    )
    # Looked for first: the guard against replacing rows fires before SQLite passes a conflict over.
    if connection.execute(select(ledger_checkpoints.c.size).where(*same)).first() is not None:
        return
    connection.execute(
        dialect.insert_or_ignore(connection, ledger_checkpoints).values(
            log=int(log), generation=generation, size=size, at_us=at_us, note=note
        )
    )
