"""What people said of messages ends with them: tags, notes and alerts, in the transaction of the disposal."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete

from archiver.store.schema import alert_items, notes, taggings


def forget(connection: Connection, pks: Sequence[int]) -> None:
    """Delete what was said of messages; the guards let it go only after the messages' keys."""
    for table in (taggings, notes, alert_items):
        connection.execute(delete(table).where(table.c.message_pk.in_(pks)))
