"""The items of a hold: laid down by SQL under the archive's lock, and told to the index by a queue.

Whichever process holds the index writer empties the queue, and after every crash it is still there.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, and_, func, literal, select, true

from archiver.store import dialect, standing
from archiver.store.relabels import relabel as relabel
from archiver.store.schema import hold_items, holds, messages

CHUNK = 2_000
_IN = 500


def covers(hold_id: str) -> ColumnElement[bool]:
    """SQL condition on (`holds`, `messages`): the message is alive and within all but the hold's query."""
    return and_(
        holds.c.id == hold_id,
        messages.c.disposed_us.is_(None),
        standing.custodian_matches(),
        standing.patient_matches(),
        standing.source_matches(),
        standing.date_matches(),
    )


def add(connection: Connection, hold_id: str, pks: Sequence[int], now_us: int) -> int:
    """Hold those of the messages that the hold covers, and relabel the new ones; return how many are new.

    The caller holds LOCK_ARCHIVE and has found that the messages match the hold's query.
    """
    fresh = 0
    for start in range(0, len(pks), _IN):
        chunk = pks[start : start + _IN]
        before = held_among(connection, hold_id, chunk)
        query = (
            select(literal(hold_id), messages.c.pk)
            .select_from(messages.join(holds, true()))
            .where(covers(hold_id), holds.c.state != "released", messages.c.pk.in_(chunk))
        )
        insert = dialect.insert_or_ignore(connection, hold_items)
        connection.execute(insert.from_select(["hold_id", "message_pk"], query))
        new = sorted(held_among(connection, hold_id, chunk) - before)
        relabel(connection, new, now_us)
        fresh += len(new)
    return fresh


def count(connection: Connection, hold_id: str) -> int:
    """How many messages a hold has taken in."""
    return int(
        connection.scalar(select(func.count()).select_from(hold_items).where(hold_items.c.hold_id == hold_id))
        or 0
    )


def after(connection: Connection, hold_id: str, pk: int, limit: int = CHUNK) -> list[int]:
    """Keys of a hold's next messages behind `pk`, ascending."""
    return list(
        connection.scalars(
            select(hold_items.c.message_pk)
            .where(hold_items.c.hold_id == hold_id, hold_items.c.message_pk > pk)
            .order_by(hold_items.c.message_pk)
            .limit(limit)
        )
    )


def between(connection: Connection, hold_id: str, first: int, last: int) -> list[int]:
    """Keys of a hold's messages with `first <= pk <= last`, ascending."""
    return list(
        connection.scalars(
            select(hold_items.c.message_pk)
            .where(hold_items.c.hold_id == hold_id, hold_items.c.message_pk.between(first, last))
            .order_by(hold_items.c.message_pk)
        )
    )


def held_among(connection: Connection, hold_id: str, pks: Sequence[int]) -> set[int]:
    """Those of the messages (at most 500) that a hold has taken in."""
    return set(
        connection.scalars(
            select(hold_items.c.message_pk).where(
                hold_items.c.hold_id == hold_id, hold_items.c.message_pk.in_(pks)
            )
        )
    )
