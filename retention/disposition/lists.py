"""Changes of a disposition's list: without one of its messages it is another list, with another hash."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, RowMapping, func, select, update

from archiver.store.records import Records
from archiver.store.schema import disposition_items, dispositions, messages
from retention.disposition import items as items_of
from retention.fields import SealedFields
from retention.refusals import WrongState
from search.access import Actor

OPEN = ("proposed", "approved")
"""States of a disposition that is not over."""
BEING_MADE = b""
"""The hash of a list to which messages are still being added: no list has it, so nobody can approve it."""
_MOST = 1_000


@dataclass(frozen=True, slots=True)
class Shorter:
    """The hash of a list without some messages, as it was computed when the list had the hash `of`."""

    of: bytes
    left: bytes


def shorter(
    records: Records, fields: SealedFields, message_ids: Sequence[str], disposition_id: str | None = None
) -> dict[str, Shorter]:
    """The hashes that open lists, or one list, will have without these messages.

    Found before the transaction that takes them off: a long list's hash takes seconds, in which nothing could
    be captured.
    """
    chosen = select(disposition_items.c.disposition_id).join(
        messages, messages.c.pk == disposition_items.c.message_pk
    )
    found, off = {}, set(message_ids)
    with records.read() as connection:
        concerned = (
            chosen.where(messages.c.id.in_(list(message_ids)[:_MOST]))
            if disposition_id is None
            else [disposition_id]
        )
        rows = connection.execute(
            select(dispositions.c.id, dispositions.c.items_sha256).where(
                dispositions.c.id.in_(concerned), dispositions.c.state.in_(OPEN)
            )
        ).all()
        for row in rows:
            items = items_of.read_all(connection, fields, row.id)
            left = items_of.digest(item for item in items if item.message_id not in off)
            found[row.id] = Shorter(bytes(row.items_sha256), left)
    return found


def take_off(
    connection: Connection,
    fields: SealedFields,
    disposition_id: str,
    pks: Sequence[int],
    actor: Actor,
    reason: str,
    now_us: int,
    ready: Shorter | None,
) -> None:
    """Take messages off a list that isn't being executed; an approval of the longer list is void.

    Part of the caller's transaction, which holds LOCK_ARCHIVE. `ready` is what `shorter` found for them.
    """
    now = connection.scalar(select(dispositions.c.items_sha256).where(dispositions.c.id == disposition_id))
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
    if bytes(now or b"") == BEING_MADE:
        left = BEING_MADE
    elif ready is not None and ready.of == bytes(now or b""):
        left = ready.left
    else:  # the list became another one meanwhile
        left = items_of.digest(items_of.read_all(connection, fields, disposition_id))
    connection.execute(
        update(dispositions).where(dispositions.c.id == disposition_id).values(items_sha256=left)
    )


def whole(row: RowMapping) -> None:
    """Raise WrongState for a list to which messages are still being added."""
    if bytes(row["items_sha256"]) == BEING_MADE:
        raise WrongState("this list is still being made; look again in a minute")


def length(connection: Connection, disposition_id: str) -> int:
    """How many messages are on a list."""
    mine = disposition_items.c.disposition_id == disposition_id
    query = select(func.count()).where(mine, disposition_items.c.excluded_us.is_(None))
    return int(connection.scalar(query) or 0)


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
