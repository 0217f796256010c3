"""The end of messages, in the caller's one transaction: keys, descriptions, tokens, needless parts, and what
people said of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, select, update

from archiver import record_types
from archiver.errors import NotFound
from archiver.ledger import canonical, log
from archiver.ledger.log import Log
from archiver.store import finding, parts, tokens
from archiver.store.schema import data_keys, deliveries, match_decisions, messages, outbox


@dataclass(frozen=True, slots=True)
class Destroyed:
    """What a disposal ended: the message of this SHA-256, and how many parts with it; others `kept` some.

    `still` are the ids of those parts that messages need after the whole transaction.
    """

    sha256: bytes
    parts: int
    kept: int
    still: frozenset[str] = frozenset()


def destroy(
    connection: Connection, pks: Sequence[int], disposition_id: str, now_us: int
) -> tuple[int, list[Destroyed]]:
    """See `Archive.destroy_many`."""
    wanted = list(pks)
    rows = {
        row.pk: row
        for row in connection.execute(
            select(messages.c.pk, messages.c.id, messages.c.seq, messages.c.sha256).where(
                messages.c.pk.in_(wanted), messages.c.disposed_us.is_(None)
            )
        )
    }
    if len(rows) != len(wanted):
        raise NotFound("there is no such message to dispose of")
    if connection.execute(delete(data_keys).where(data_keys.c.message_pk.in_(wanted))).rowcount != len(rows):
        raise NotFound("a message has no key to destroy")
    tokens.forget(connection, {row.pk: row.seq for row in rows.values()})
    connection.execute(delete(outbox).where(outbox.c.message_pk.in_(wanted)))
    connection.execute(
        update(messages).where(messages.c.pk.in_(wanted)).values(sealed_meta=None, disposed_us=now_us)
    )
    connection.execute(
        update(deliveries).where(deliveries.c.message_pk.in_(wanted)).values(sealed_detail=None)
    )
    record_types.forget(connection, wanted)
    connection.execute(delete(match_decisions).where(match_decisions.c.message_pk.in_(wanted)))
    finding.forget(connection, wanted)
    released = parts.release(connection, wanted, now_us)
    done, leaves = [], []
    for pk in wanted:
        row, ended = rows[pk], released[pk]
        leaf: dict[str, Any] = {
            "v": 1,
            "type": "disposed",
            "id": row.id,
            "sha256": bytes(row.sha256).hex(),
            "disposition": disposition_id,
            "at": now_us,
        }
        if ended.destroyed or ended.kept:
            leaf["parts"] = {"destroyed": ended.destroyed, "kept": ended.kept}
        leaves.append(canonical.leaf(leaf))
        done.append(Destroyed(bytes(row.sha256), ended.destroyed, ended.kept, ended.still))
    return log.append(connection, Log.CAPTURES, leaves), done
