"""The history of holds: what was done, when, by whom and why; append only, in the act's transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from archiver.clock import from_us, rfc3339, to_us
from archiver.store.schema import hold_events, users
from archiver.vault import Vault
from retention.fields import SealedFields

PLACED, CHANGED, APPLIED, SET_BACK = "placed", "changed", "applied", "set_back"
RELEASE_ASKED, RELEASE_APPROVED = "release_asked", "release_approved"
NARROWING_APPROVED = "narrowing_approved"
REINSTATED, RELEASED, REVIEW_SET = "reinstated", "released", "review_set"


class Events:
    """Writes and reads the history. What could tell of a person or a case is sealed."""

    def __init__(self, vault: Vault) -> None:
        self._clock = vault.clock
        self._fields = SealedFields(vault)

    def add(
        self,
        connection: Connection,
        hold_id: str,
        version: int,
        kind: str,
        by: str,
        *,
        audit_index: int | None = None,
        **detail: Any,
    ) -> None:
        """Append one event of the hold known as `hold_id`. `by` is a user's id or `system`."""
        at_us = to_us(self._clock.now())
        connection.execute(
            hold_events.insert().values(
                hold_id=hold_id,
                version=version,
                kind=kind,
                at_us=at_us,
                by_id=by,
                sealed=self._fields.seal(_bound(hold_id, kind, at_us), detail),
                audit_index=audit_index,
            )
        )

    def of(self, connection: Connection, hold_id: str) -> list[dict[str, Any]]:
        """Every event of a hold, oldest first: `{at, by, name, what, version, ...}`."""
        rows = connection.execute(
            select(hold_events, users.c.name)
            .join(users, users.c.id == hold_events.c.by_id, isouter=True)
            .where(hold_events.c.hold_id == hold_id)
            .order_by(hold_events.c.id)
        ).mappings()
        return [
            {
                "at": rfc3339(from_us(row["at_us"])),
                "by": row["by_id"],
                "name": row["name"] or row["by_id"],
                "what": row["kind"],
                "version": row["version"],
                **self._fields.open(_bound(hold_id, row["kind"], row["at_us"]), row["sealed"]),
            }
            for row in rows
        ]

    def placed(self, connection: Connection, hold_id: str, version: int) -> int | None:
        """The number of the audit entry by which a version was placed."""
        index: int | None = connection.scalar(
            select(hold_events.c.audit_index).where(
                hold_events.c.hold_id == hold_id,
                hold_events.c.version == version,
                hold_events.c.kind.in_((PLACED, CHANGED)),
            )
        )
        return index

    def applied(
        self, connection: Connection, hold_id: str, version: int
    ) -> tuple[datetime, dict[str, Any]] | None:
        """When a version had first matched the mail that was there, and its counts then."""
        row = connection.execute(
            select(hold_events)
            .where(
                hold_events.c.hold_id == hold_id,
                hold_events.c.version == version,
                hold_events.c.kind == APPLIED,
            )
            .order_by(hold_events.c.id)
            .limit(1)
        ).first()
        if row is None:
            return None
        return from_us(row.at_us), self._fields.open(_bound(hold_id, APPLIED, row.at_us), row.sealed)


def _bound(hold_id: str, kind: str, at_us: int) -> str:
    return f"{hold_id}/{kind}/{at_us}"
