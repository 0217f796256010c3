"""Each reason that keeps a message, by itself, keeps its key: the database refuses, whatever else is well."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import DBAPIError

from archiver.store import dialect
from archiver.store.schema import (
    data_keys,
    disposition_items,
    dispositions,
    extensions,
    grounds,
    grounds_rules,
    hold_items,
    holds,
    messages,
    name_book,
    outbox,
    patient_requests,
    policy_state,
    redates,
    request_items,
    unindexed,
)
from tests.retention.whole_house import House
from tests.support import disposing

Happening = Callable[[Connection, int, str], object]
FAR = disposing.LONG_AGO.replace(year=2999)
REASONS: dict[str, Happening] = {
    "no date is known": lambda c, pk, m: change(c, pk, disposal_date=None),
    "it is permanent": lambda c, pk, m: change(c, pk, permanent=True),
    "its day is still to come": lambda c, pk, m: change(c, pk, disposal_date=FAR),
    "counsel hasn't confirmed its rule": lambda c, pk, m: change(c, pk, unconfirmed=True),
    "it was dated under another policy": lambda c, pk, m: change(c, pk, policy_epoch=99),
    "one of its grounds isn't confirmed": lambda c, pk, m: grounded(c, pk),
    "it is held": lambda c, pk, m: hold(c, pk, m, "active"),
    "its hold cools off": lambda c, pk, m: hold(c, pk, m, "cooling"),
    "some hold is being applied": lambda c, pk, m: hold(c, None, m, "applying"),
    "a hold by a query doesn't know it yet": lambda c, pk, m: (
        hold(c, None, m, "active", by_index=True),
        c.execute(insert(outbox).values(message_pk=pk, seq=0)),
    ),
    "a hold by a query can't know it": lambda c, pk, m: (
        hold(c, None, m, "active", by_index=True),
        c.execute(insert(unindexed).values(message_pk=pk, reason="damaged")),
    ),
    "it has a term of its own": lambda c, pk, m: c.execute(
        insert(extensions).values(
            id="x", message_pk=pk, until=FAR, sealed=b"", created_us=0, created_by=disposing.ASKS
        )
    ),
    "its patient has asked for it": lambda c, pk, m: requested(c, pk),
    "a name is still to be looked for": lambda c, pk, m: c.execute(
        insert(name_book).values(token=b"t", sealed=b"")
    ),
    "it is to be dated again": lambda c, pk, m: c.execute(
        insert(redates).values(message_pk=pk, old_permanent=False)
    ),
    "it has its outcome": lambda c, pk, m: c.execute(
        update(disposition_items).values(outcome="refused").where(disposition_items.c.message_pk == pk)
    ),
    "nobody executes its list": lambda c, pk, m: relist(c, pk, begun=False),
    "nobody approved its list": lambda c, pk, m: relist(c, pk, approved=False, begun=False),
}


def change(connection: Connection, pk: int, **values: object) -> None:
    connection.execute(update(messages).where(messages.c.pk == pk).values(**values))


def grounded(connection: Connection, pk: int) -> None:
    number = connection.scalar(insert(grounds).values(token=b"g", sealed=b"").returning(grounds.c.id))
    connection.execute(insert(grounds_rules).values(grounds_id=number, rule_token=b"r"))
    change(connection, pk, grounds_id=number)


def hold(connection: Connection, pk: int | None, matter: str, state: str, *, by_index: bool = False) -> None:
    connection.execute(
        insert(holds).values(
            id="h", matter_id=matter, state=state, by_index=by_index, sealed_scope=b"", standing=True,
            created_us=0, created_by=disposing.ASKS, in_force_us=0,
        )
    )  # fmt: skip
    if pk is not None:
        connection.execute(insert(hold_items).values(hold_id="h", message_pk=pk))


def requested(connection: Connection, pk: int) -> None:
    connection.execute(
        insert(patient_requests).values(
            id="q", kind="access", state="open", received_on=FAR, due_on=FAR, sealed=b"", created_us=0,
            created_by=disposing.ASKS,
        )
    )  # fmt: skip
    connection.execute(insert(request_items).values(request_id="q", message_pk=pk))


def relist(connection: Connection, pk: int, *, approved: bool = True, begun: bool = True) -> None:
    """Let the message be on another list, and on the first no more."""
    connection.execute(
        update(disposition_items).values(outcome="refused").where(disposition_items.c.message_pk == pk)
    )
    connection.execute(
        insert(dispositions).values(
            id="d", state="proposed", as_of=FAR, created_us=0, created_by=disposing.ASKS, items_sha256=b"l"
        )
    )
    connection.execute(
        insert(disposition_items).values(
            disposition_id="d", message_pk=pk, disposal_date=FAR, sealed_rule=b""
        )
    )
    mine = update(dispositions).where(dispositions.c.id == "d")
    if approved:
        connection.execute(mine.values(state="approved", decided_by=disposing.AGREES, approved_sha256=b"l"))
    if begun:
        connection.execute(mine.values(begun_us=0, begun_by=disposing.ASKS))


class Undo(Exception):
    """Takes back what a transaction did."""


def keeps(house: House, pk: int, matter: str, happens: Happening) -> bool:
    """Whether the database refuses to let the key go once this has happened; all of it is taken back."""
    kept = False
    try:
        with house.vault.records.write(dialect.LOCK_ARCHIVE) as connection:
            disposing.due(connection, pk)
            epoch = connection.scalar(select(policy_state.c.epoch)) or 0
            change(connection, pk, unconfirmed=False, grounds_id=None, policy_epoch=epoch)
            disposing.approved(connection, [pk])
            happens(connection, pk, matter)
            try:
                connection.execute(delete(data_keys).where(data_keys.c.message_pk == pk))
            except DBAPIError as error:
                kept = dialect.is_refusal(error)
            raise Undo
    except Undo:
        return kept


def test_each_reason_alone_keeps_the_key(house: House, matter: str) -> None:
    (one,) = house.old()
    house.index()
    nothing: dict[str, Happening] = {
        "nothing": lambda c, pk, m: None,
        "another list": lambda c, pk, m: relist(c, pk),
    }
    assert [why for why, happens in nothing.items() if keeps(house, one.pk, matter, happens)] == []
    assert [why for why, happens in REASONS.items() if not keeps(house, one.pk, matter, happens)] == []
