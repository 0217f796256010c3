"""Changes of a disposition's list: without one of its messages it is another list, with another hash."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select, update

from archiver.store.schema import disposition_items, dispositions
from retention.disposition import items as items_of
from retention.fields import SealedFields
from search.access import Actor

OPEN = ("proposed", "approved")
"""States of a disposition that is not over."""


def take_off(
    connection: Connection,
    fields: SealedFields,
    disposition_id: str,
    pks: Sequence[int],
    actor: Actor,
    reason: str,
    now_us: int,
) -> None:
    """Take messages off a list that isn't being executed; an approval of the longer list is void.

    Part of the caller's transaction, which holds LOCK_ARCHIVE.
    """
    # The database lets items go only from a list that nobody has approved, so that comes first.
    connection.execute(
        update(dispositions)
        .where(dispositions.c.id == disposition_id)
        .values(
            state="proposed",
            changed_by=actor.user_id,
            approved_sha256=None,
            decided_us=None,
            decided_by=None,
        )
    )
    for pk in pks:
        connection.execute(
            update(disposition_items)
            .where(
                disposition_items.c.disposition_id == disposition_id,
                disposition_items.c.message_pk == pk,
                disposition_items.c.excluded_us.is_(None),
            )
            .values(
                excluded_us=now_us,
                excluded_by=actor.user_id,
                sealed_exclusion=fields.seal(f"{disposition_id}/{pk}/excluded", {"reason": reason}),
            )
        )
    left = items_of.digest(items_of.read_all(connection, fields, disposition_id))
    connection.execute(
        update(dispositions).where(dispositions.c.id == disposition_id).values(items_sha256=left)
    )


def on_list(connection: Connection, disposition_id: str, pks: Sequence[int]) -> set[int]:
    """Those of the messages that are on a list."""
    return set(
        connection.scalars(
            select(disposition_items.c.message_pk).where(
                disposition_items.c.disposition_id == disposition_id,
                disposition_items.c.message_pk.in_(list(pks)),
                disposition_items.c.excluded_us.is_(None),
            )
        )
    )
