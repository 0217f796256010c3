"""What the messages of a hold come to: by custodian, by source, by month, and in all.

Their sizes and months are laid once into a table of the connection's own, which no other one sees and no file
keeps. Rows of messages are long, and lie in another order than what brought them: each sum of a million read
them all over again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    MetaData,
    Select,
    Table,
    distinct,
    exists,
    extract,
    func,
    or_,
    select,
)
from sqlalchemy.schema import CreateTable, DropTable

from archiver.store import tokens
from archiver.store.schema import CUSTODIAN, deliveries, hold_items, holds, messages
from archiver.store.schema.base import KEY
from archiver.vault import Vault
from retention.holds.custodians import tokens_of
from retention.holds.scope import HoldScope

_LAID: Final = Table(
    "holdfast_sums",
    MetaData(),
    Column("message_pk", KEY, primary_key=True, autoincrement=False),
    Column("size", BigInteger),
    Column("month", Integer),
    prefixes=["TEMPORARY"],
)
_NUMBER: Final = func.count().label("messages")
_BYTES: Final = func.sum(_LAID.c.size).label("bytes")


class Sums:
    """Adds up, in the caller's reading transaction."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def of(
        self,
        connection: Connection,
        held: Select[Any],
        scopes: Sequence[HoldScope],
        named: Select[Any],
        own: Sequence[str] = (),
    ) -> dict[str, Any]:
        """Of the messages with the keys `held`: how many and how large, in all, by the custodians that the
        criteria name (`named` are their tokens), by source, and by month of their vouched date; and how many
        are under other holds than the rows `own` too. A message may count for several custodians and sources.

        `{matched, bytes, custodians, sources, months, also_held}`, see `Holds.preview`.
        """
        connection.execute(CreateTable(_LAID))
        month = extract("year", messages.c.anchor) * 100 + extract("month", messages.c.anchor)
        rows = select(messages.c.pk, messages.c.size, month).where(messages.c.pk.in_(held))
        connection.execute(_LAID.insert().from_select(["message_pk", "size", "month"], rows))
        months = _by_month(connection)
        found = {
            "matched": sum(one["messages"] for one in months),
            "bytes": sum(one["bytes"] for one in months),
            "custodians": self._by_custodian(connection, scopes, named),
            "sources": self._by_source(connection),
            "months": months,
            "also_held": _also_held(connection, own),
        }
        connection.execute(DropTable(_LAID))
        return found

    def _by_custodian(
        self, connection: Connection, scopes: Sequence[HoldScope], named: Select[Any]
    ) -> dict[str, int]:
        addresses = dict.fromkeys(address for scope in scopes for address in scope.custodians)
        if not addresses:
            return {}
        borne = tokens.bearings(lambda field, token: (field == CUSTODIAN) & token.in_(named)).subquery()
        token, pk = borne.c
        theirs = select(token, func.count()).join(_LAID, _LAID.c.message_pk == pk).group_by(token)
        counts = {bytes(one): int(number) for one, number in connection.execute(theirs)}
        found = {}
        for address in addresses:
            spelt = [one for one in tokens_of(self._vault.blind, address) if one in counts]
            if len(spelt) > 1:  # some message may bear both
                both = select(func.count(distinct(pk))).join(_LAID, _LAID.c.message_pk == pk)
                found[address] = int(connection.scalar(both.where(token.in_(spelt))) or 0)
            else:
                found[address] = sum(counts[one] for one in spelt)
        return found

    def _by_source(self, connection: Connection) -> list[dict[str, Any]]:
        earlier = deliveries.alias("earlier")
        again = exists().where(
            earlier.c.message_pk == deliveries.c.message_pk,
            # As a value: SQLite would go through all that the source ever brought.
            func.coalesce(earlier.c.source_id, "") == deliveries.c.source_id,
            earlier.c.seq < deliveries.c.seq,
        )
        rows = connection.execute(
            select(deliveries.c.source_id, _NUMBER, _BYTES)
            .join(_LAID, _LAID.c.message_pk == deliveries.c.message_pk)
            # What was stored came first; of the rest each source counts once.
            .where(or_(deliveries.c.outcome == "stored", ~again))
            .group_by(deliveries.c.source_id)
            .order_by(_NUMBER.desc(), deliveries.c.source_id)
        ).all()
        return [
            {
                "id": row.source_id,
                "name": self._vault.sources.get(row.source_id).name,
                "messages": row.messages,
                "bytes": int(row.bytes),
            }
            for row in rows
        ]


def _by_month(connection: Connection) -> list[dict[str, Any]]:
    rows: Iterable[Any] = connection.execute(
        select(_LAID.c.month, _NUMBER, _BYTES).group_by(_LAID.c.month).order_by(_LAID.c.month)
    )
    return [
        {
            "month": f"{row.month // 100:04}-{row.month % 100:02}",
            "messages": row.messages,
            "bytes": int(row.bytes),
        }
        for row in rows
    ]


def _also_held(connection: Connection, own: Sequence[str]) -> int:
    """How many of these messages an unreleased hold beside `own` has taken in as well."""
    counted = (
        select(func.count(distinct(hold_items.c.message_pk)))
        .join(holds, holds.c.id == hold_items.c.hold_id)
        .where(
            holds.c.state != "released",
            hold_items.c.hold_id.not_in(own),
            hold_items.c.message_pk.in_(select(_LAID.c.message_pk)),
        )
    )
    return int(connection.scalar(counted) or 0)
