"""What a hold is and holds, in full: for the people of its matter, and one day for a court."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    TextClause,
    distinct,
    extract,
    func,
    select,
)

from archiver.clock import from_us, rfc3339
from archiver.store.schema import (
    CUSTODIAN,
    PARTLY_SEARCHABLE,
    borne_tokens,
    deliveries,
    hold_items,
    hold_receipts,
    holds,
    messages,
    outbox,
    unindexed,
    users,
)
from archiver.vault import Vault
from retention.fields import SealedFields
from retention.holds import events, versions
from retention.holds.events import Events
from retention.holds.scope import HoldScope, within
from retention.holds.versions import Versions


class Reporting:
    """Counts and describes. Everything here reads within the caller's transaction."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._fields = SealedFields(vault)
        self._events = Events(vault)

    def report(self, connection: Connection, found: Versions, matter: RowMapping) -> dict[str, Any]:
        """A hold with its criteria, versions, history, release and counts."""
        newest = found[-1]
        told = [self._version(connection, row) for row in found]
        standing_rows = versions.protecting(found) or found
        ids = [row["id"] for row in standing_rows]
        scopes = [HoldScope.from_json(self._open(row)["scope"]) for row in standing_rows]
        history = self._events.of(connection, versions.known_as(found[0]))
        report = versions.summary(connection, found) | versions.tally(connection, versions.held_by(ids))
        report |= {
            "matter_name": self._fields.open(matter["id"], matter["sealed"])["name"],
            "criteria": told[-1]["criteria"],
            "reason": told[0]["reason"],
            "standing": bool(newest["standing"]),
            "created_at": told[0]["placed_at"],
            "created_by": told[0]["placed_by"],
            "created_by_name": told[0]["placed_by_name"],
            "release": self._release(found, history),
            "versions": told,
            "history": history,
            **self.breakdown(connection, versions.held_by(ids), scopes, ids),
        }
        if newest["by_index"]:
            report["not_searchable"] = unseen(connection, within(self._vault, connection, scopes[-1]))
        return report

    def breakdown(
        self,
        connection: Connection,
        held: Select[Any],
        scopes: Sequence[HoldScope],
        own: Sequence[str] = (),
    ) -> dict[str, Any]:
        """Messages with the keys `held` by the custodians that criteria name, by source, and by month of
        their vouched date; how many are under other holds than the rows `own` too. A message may count for
        several custodians and sources."""
        named = dict.fromkeys(address for scope in scopes for address in scope.custodians)
        return {
            "custodians": {address: self._of_custodian(connection, held, address) for address in named},
            "sources": self._by_source(connection, held),
            "months": _by_month(connection, held),
            "also_held": _also_held(connection, held, own),
        }

    # --- inside -------------------------------------------------------------------------------

    def _open(self, row: RowMapping) -> dict[str, Any]:
        opened: dict[str, Any] = self._fields.open(row["id"], row["sealed_scope"])
        return opened

    def _version(self, connection: Connection, row: RowMapping) -> dict[str, Any]:
        sealed = self._open(row)
        root = versions.known_as(row)
        return {
            "version": row["version"],
            "state": row["state"],
            "placed_at": rfc3339(from_us(row["created_us"])),
            "placed_by": row["created_by"],
            "placed_by_name": connection.scalar(select(users.c.name).where(users.c.id == row["created_by"])),
            "in_force_at": rfc3339(from_us(row["in_force_us"])),
            "criteria": HoldScope.from_json(sealed["scope"]).to_json(),
            "criteria_salt": sealed.get("salt"),
            "reason": sealed["reason"],
            "matched": versions.count(connection, [row]),
            "cooling_days": row["cooling_days"],
            "cooling_until": _moment(row["cooling_until_us"]),
            "released_at": _moment(row["released_us"]),
            "receipt": connection.scalar(
                select(func.count())
                .select_from(hold_receipts)
                .where(hold_receipts.c.hold_id == root, hold_receipts.c.version == row["version"])
            )
            == 1,
        }

    def _release(self, found: Versions, history: Sequence[dict[str, Any]]) -> dict[str, Any]:
        newest = found[-1]
        # Holds of older archives kept these beside their criteria.
        reasons = list(self._open(newest).get("release", ()))
        since = max((i for i, one in enumerate(history) if one["what"] == events.REINSTATED), default=-1)
        reasons += [
            {"by": one["by"], "at": one["at"], "reason": one["reason"]}
            for one in history[since + 1 :]
            if one["what"] in (events.RELEASE_ASKED, events.RELEASE_APPROVED)
        ]
        whole = newest["release_asked_by"] is not None
        return {
            "asked_by": newest["release_asked_by"],
            "approved_by": newest["release_approved_by"],
            "reasons": reasons if whole else [],
            "cooling_until": _moment(newest["cooling_until_us"]),
            "released_at": _moment(newest["released_us"]) if not versions.protecting(found) else None,
        }

    def _of_custodian(self, connection: Connection, held: Select[Any], address: str) -> int:
        token = self._vault.blind.token("address", address)
        return int(
            connection.scalar(
                select(func.count(distinct(messages.c.pk)))
                .join(borne_tokens, borne_tokens.c.seq == messages.c.seq)
                .where(
                    borne_tokens.c.field == CUSTODIAN,
                    borne_tokens.c.token == token,
                    messages.c.pk.in_(held),
                )
            )
            or 0
        )

    def _by_source(self, connection: Connection, held: Select[Any]) -> list[dict[str, Any]]:
        brought = (
            select(deliveries.c.source_id, deliveries.c.message_pk)
            .where(deliveries.c.message_pk.in_(held))
            .distinct()
            .subquery()
        )
        rows = connection.execute(
            select(
                brought.c.source_id,
                func.count().label("messages"),
                func.sum(messages.c.size).label("bytes"),
            )
            .join(messages, messages.c.pk == brought.c.message_pk)
            .group_by(brought.c.source_id)
            .order_by(func.count().desc(), brought.c.source_id)
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


def unseen(connection: Connection, within: ColumnElement[bool]) -> dict[str, int]:
    """Messages within all criteria but a query that the query can't see: yet, fully, or at all."""

    def number(condition: ColumnElement[bool] | TextClause) -> int:
        query = select(func.count()).select_from(messages).where(within, condition)
        return int(connection.scalar(query) or 0)

    return {
        # In just these words, for the index of just these messages.
        "partly": number(PARTLY_SEARCHABLE),
        "waiting": number(messages.c.pk.in_(select(outbox.c.message_pk))),
        "unindexed": number(messages.c.pk.in_(select(unindexed.c.message_pk))),
    }


def _by_month(connection: Connection, held: Select[Any]) -> list[dict[str, Any]]:
    year, month = extract("year", messages.c.anchor), extract("month", messages.c.anchor)
    rows = connection.execute(
        select(
            year.label("year"),
            month.label("month"),
            func.count().label("messages"),
            func.sum(messages.c.size).label("bytes"),
        )
        .where(messages.c.pk.in_(held))
        .group_by(year, month)
        .order_by(year, month)
    )
    return [
        {
            "month": f"{int(row.year):04}-{int(row.month):02}",
            "messages": row.messages,
            "bytes": int(row.bytes),
        }
        for row in rows
    ]


def _also_held(connection: Connection, held: Select[Any], own: Sequence[str]) -> int:
    """How many of these messages an unreleased hold beside `own` has taken in as well."""
    counted = (
        select(func.count(distinct(hold_items.c.message_pk)))
        .join(holds, holds.c.id == hold_items.c.hold_id)
        .where(
            holds.c.state != "released", hold_items.c.hold_id.not_in(own), hold_items.c.message_pk.in_(held)
        )
    )
    return int(connection.scalar(counted) or 0)


def _moment(us: int | None) -> str | None:
    return rfc3339(from_us(us)) if us is not None else None
