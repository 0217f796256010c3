"""Messages whose changing labels (holds, matters, tags) the index is still to learn of.

Whichever process holds the index writer empties the queue, and after every crash it is still there.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, case, literal, select, update

from archiver.store import dialect
from archiver.store.schema import index_relabels, messages

_IN = 500


def relabel(connection: Connection, pks: Sequence[int], now_us: int) -> None:
    """Have the index learn of a change of these messages' labels, in the caller's transaction.

    The caller holds LOCK_ARCHIVE. One that waits already gets another stamp, so that an indexer at work
    on its old state doesn't take it off the queue.
    """
    for start in range(0, len(pks), _IN):
        chunk = pks[start : start + _IN]
        later = case((index_relabels.c.stamp >= now_us, index_relabels.c.stamp + 1), else_=now_us)
        connection.execute(
            update(index_relabels).where(index_relabels.c.message_pk.in_(chunk)).values(stamp=later)
        )
        alive = select(messages.c.pk, literal(now_us)).where(
            messages.c.pk.in_(chunk), messages.c.disposed_us.is_(None)
        )
        insert = dialect.insert_or_ignore(connection, index_relabels)
        connection.execute(insert.from_select(["message_pk", "stamp"], alive))
