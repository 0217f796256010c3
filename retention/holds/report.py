"""What a hold is and holds, in full: for the people of its matter, and one day for a court."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    RowMapping,
    Select,
    TextClause,
    func,
    select,
    true,
)

from archiver.clock import from_us, rfc3339
from archiver.store.schema import (
    PARTLY_SEARCHABLE,
    hold_custodians,
    hold_receipts,
    holds,
    messages,
    outbox,
    unindexed,
    users,
)
from archiver.vault import Vault
from retention.fields import SealedFields
from retention.holds import events, items, versions
from retention.holds.events import Events
from retention.holds.scope import HoldScope
from retention.holds.sums import Sums
from retention.holds.versions import Versions


class Reporting:
    """Counts and describes. Everything here reads within the caller's transaction."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._fields = SealedFields(vault)
        self._events = Events(vault)
        self._sums = Sums(vault)

    def report(self, connection: Connection, found: Versions, matter: RowMapping) -> dict[str, Any]:
        """A hold with its criteria, versions, history, release and counts."""
        newest = found[-1]
        told = [self._version(connection, row) for row in found]
        standing_rows = versions.protecting(found) or found
        ids = [row["id"] for row in standing_rows]
        scopes = [HoldScope.from_json(self._open(row)["scope"]) for row in standing_rows]
        history = self._events.of(connection, versions.known_as(found[0]))
        sums = self._sums.of(connection, versions.held_by(ids), scopes, _named_by(ids), ids)
        report = versions.summary(connection, found)
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
            **sums,
        }
        if newest["by_index"]:
            asked = messages.join(holds, true())
            report["not_searchable"] = unseen(connection, items.covers(newest["id"]), asked)
        return report

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


def unseen(
    connection: Connection, within: ColumnElement[bool], asked: FromClause = messages
) -> dict[str, int]:
    """Messages within all criteria but a query that the query can't see: yet, fully, or at all. `within` is
    a condition on `asked`, which has `messages`."""

    def number(condition: ColumnElement[bool] | TextClause) -> int:
        query = select(func.count()).select_from(asked).where(within, condition)
        return int(connection.scalar(query) or 0)

    return {
        # In just these words, for the index of just these messages.
        "partly": number(PARTLY_SEARCHABLE),
        "waiting": number(messages.c.pk.in_(select(outbox.c.message_pk))),
        "unindexed": number(messages.c.pk.in_(select(unindexed.c.message_pk))),
    }


def _named_by(ids: Sequence[str]) -> Select[Any]:
    """The tokens of the custodians that these rows of holds name."""
    return select(hold_custodians.c.token).where(hold_custodians.c.hold_id.in_(ids))


def _moment(us: int | None) -> str | None:
    return rfc3339(from_us(us)) if us is not None else None
