"""What is told of dispositions: their state, who did what, and how many messages came to what end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, func, select

from archiver.clock import from_us, rfc3339
from archiver.store.schema import DISPOSED, disposition_items, index_removals, messages, users
from retention.disposition import items as items_of
from retention.disposition.lists import BEING_MADE
from retention.fields import SealedFields
from search import rebuilds


def of(connection: Connection, fields: SealedFields, rows: Sequence[RowMapping]) -> list[dict[str, Any]]:
    """Summaries of dispositions, in the order given."""
    ids = [row["id"] for row in rows]
    off = disposition_items.c.excluded_us.is_not(None)
    counts: dict[str, dict[tuple[bool, str | None], int]] = {name: {} for name in ids}
    sizes = dict.fromkeys(ids, 0)
    for one in connection.execute(
        select(
            disposition_items.c.disposition_id,
            disposition_items.c.outcome,
            off.label("off"),
            func.count().label("number"),
            func.sum(messages.c.size).label("size"),
        )
        .join(messages, messages.c.pk == disposition_items.c.message_pk)
        .where(disposition_items.c.disposition_id.in_(ids))
        .group_by(disposition_items.c.disposition_id, disposition_items.c.outcome, off)
    ):
        counts[one.disposition_id][bool(one.off), one.outcome] = one.number
        sizes[one.disposition_id] += 0 if one.off else int(one.size)
    people = names(connection)
    return [_summary(fields, row, counts[row["id"]], sizes[row["id"]], people) for row in rows]


def excluded(
    connection: Connection, fields: SealedFields, disposition_id: str, limit: int
) -> list[dict[str, Any]]:
    """What persons took off a list, and why."""
    people = names(connection)
    found = []
    for item in items_of.read(connection, fields, disposition_id, limit=limit, excluded=True):
        sealed = item.sealed_exclusion
        context = f"{disposition_id}/{item.pk}/excluded"
        by = item.excluded_by or ""
        found.append(
            {
                **item.to_json(),
                "reason": fields.open(context, sealed)["reason"] if sealed else "",
                "by": by,
                "by_name": people.get(by, by),
                "at": moment(item.excluded_us),
            }
        )
    return found


def index_pending(connection: Connection) -> int:
    """How many messages' words are still to leave the index, or one that is being built beside it."""
    queued = int(connection.scalar(select(func.count()).select_from(index_removals)) or 0)
    return queued + rebuilds.pending(connection, DISPOSED)


def names(connection: Connection) -> dict[str, str]:
    """The users' names, by id."""
    return {row.id: row.name for row in connection.execute(select(users.c.id, users.c.name))}


def moment(us: int | None) -> str | None:
    """A time as people and programs read it."""
    return rfc3339(from_us(us)) if us is not None else None


def _summary(
    fields: SealedFields,
    row: RowMapping,
    counts: dict[tuple[bool, str | None], int],
    size: int,
    people: dict[str, str],
) -> dict[str, Any]:
    sealed = row["sealed_decision"]
    begun = row["state"] == "approved" and row["begun_us"] is not None

    def name(user_id: str | None) -> str | None:
        return people.get(user_id, user_id) if user_id is not None else None

    return {
        "id": row["id"],
        "state": row["state"],
        "as_of": row["as_of"].isoformat(),
        "messages": sum(number for (off, _), number in counts.items() if not off),
        "bytes": size,
        "excluded_messages": sum(number for (off, _), number in counts.items() if off),
        "outcomes": {str(what): number for (off, what), number in counts.items() if what and not off},
        "list_sha256": bytes(row["items_sha256"]).hex(),
        "proposed_by": row["created_by"],
        "proposed_by_name": name(row["created_by"]),
        "proposed_at": moment(row["created_us"]),
        "changed_by": row["changed_by"],
        "decided_by": row["decided_by"],
        "decided_by_name": name(row["decided_by"]),
        "decided_at": moment(row["decided_us"]),
        "reason": fields.open(f"{row['id']}/decision", sealed)["reason"] if sealed else "",
        "executing": begun,
        "being_made": bytes(row["items_sha256"]) == BEING_MADE,
        "executed_by": row["executed_by"],
        "executed_by_name": name(row["executed_by"]),
        "executed_at": moment(row["executed_us"]),
    }
