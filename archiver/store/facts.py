"""What verdicts hang on beyond a message itself: its version, and what is to be indexed and dated anew.

Whoever computes a verdict outside a transaction asks for the version before, and again under the lock under
which the verdict is written: what changed meanwhile is never overwritten by what was known before.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, Select, case, func, literal, select, update

from archiver.store import dialect
from archiver.store.schema import messages, meta, outbox

_VERSION: Final = "roster_version"


def facts_version(connection: Connection) -> int:
    """A number that grows whenever facts change that verdicts are computed from."""
    value = connection.scalar(select(meta.c.value).where(meta.c.name == _VERSION))
    return int(bytes(value)) if value is not None else 0


def next_version(connection: Connection) -> None:
    """Let it grow, under LOCK_ARCHIVE."""
    number = facts_version(connection) + 1
    dialect.upsert(connection, meta, [{"name": _VERSION, "value": str(number).encode()}], update=["value"])


def index_anew(connection: Connection, chosen: Select[Any]) -> None:
    """Have messages (their keys) indexed anew. One that waits already gets another number, so that an
    indexer at work on its old state doesn't take it off the queue."""
    alive = messages.c.pk.in_(chosen) & messages.c.disposed_us.is_(None)
    waiting = select(messages.c.pk).where(alive)
    connection.execute(
        update(outbox)
        .where(outbox.c.message_pk.in_(waiting))
        .values(seq=case((outbox.c.seq > 0, -outbox.c.seq - 1), else_=outbox.c.seq - 1))
    )
    rows = select(messages.c.pk, literal(-1) * func.abs(messages.c.seq) - 1).where(alive)
    connection.execute(dialect.insert_or_ignore(connection, outbox).from_select(["message_pk", "seq"], rows))
