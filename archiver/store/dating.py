"""The one way by which a message may come to an earlier disposal date."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, delete, select

from archiver.store import dialect
from archiver.store.schema import meta

_MARK = "dating"


@contextmanager
def dating(connection: Connection) -> Iterator[None]:
    """Let messages' dates move to an earlier day, under LOCK_ARCHIVE, by who has just computed them.

    Without it a guard refuses that. The mark is never committed: no other transaction sees it.
    """
    dialect.upsert(connection, meta, [{"name": _MARK, "value": b""}], update=["value"])
    yield
    connection.execute(delete(meta).where(meta.c.name == _MARK))


def is_marked(connection: Connection) -> bool:
    """Whether somebody left the mark, which would let every transaction move dates: nothing of ours does."""
    return connection.execute(select(meta.c.name).where(meta.c.name == _MARK)).first() is not None
