"""What the guards want to see before a key may go: a list that two persons stand behind, being executed."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import date

from sqlalchemy import Connection, func, select, update

from archiver.store import dialect
from archiver.store.dating import dating
from archiver.store.schema import (
    disposition_items,
    dispositions,
    index_removals,
    messages,
    policy_state,
    users,
)
from archiver.vault import Vault

LONG_AGO = date(2000, 1, 1)
ASKS, AGREES = "u-asks", "u-agrees"


def approved(connection: Connection, pks: Sequence[int] | None = None) -> str:
    """Have messages, or all that live, be on an approved list whose execution has begun; its id."""
    if pks is None:
        pks = list(connection.scalars(select(messages.c.pk).where(messages.c.disposed_us.is_(None))))
    for who in (ASKS, AGREES):
        person = {"id": who, "name": who, "role": "test", "created_us": 0}
        connection.execute(dialect.insert_or_ignore(connection, users), [person])
    name, mine = f"d{secrets.token_hex(8)}", b"the list"
    connection.execute(
        dispositions.insert().values(
            id=name,
            state="proposed",
            as_of=LONG_AGO,
            created_us=0,
            created_by=ASKS,
            items_sha256=mine,
        )
    )
    for pk in pks:
        connection.execute(
            disposition_items.insert().values(
                disposition_id=name, message_pk=pk, disposal_date=LONG_AGO, sealed_rule=b""
            )
        )
    one = update(dispositions).where(dispositions.c.id == name)
    connection.execute(one.values(state="approved", decided_by=AGREES, decided_us=0, approved_sha256=mine))
    connection.execute(one.values(begun_us=0, begun_by=ASKS))
    return name


def due(connection: Connection, pk: int) -> None:
    """Give a message a disposal date of long ago, as if the clock had computed it."""
    with dating(connection):
        connection.execute(
            update(messages).where(messages.c.pk == pk).values(disposal_date=LONG_AGO, permanent=False)
        )


def dispose(vault: Vault, pks: Sequence[int]) -> None:
    """Destroy messages as an executed disposition does; their words are still to leave the index."""
    epoch = select(func.coalesce(func.max(policy_state.c.epoch), 0)).scalar_subquery()
    with vault.records.write(dialect.LOCK_ARCHIVE) as connection:
        for pk in pks:
            due(connection, pk)
            with dating(connection):
                confirmed = {"unconfirmed": False, "grounds_id": None, "policy_epoch": epoch}
                connection.execute(update(messages).where(messages.c.pk == pk).values(confirmed))
        vault.archive.destroy_many(connection, pks, approved(connection, pks))
        connection.execute(index_removals.insert(), [{"message_pk": pk} for pk in pks])
