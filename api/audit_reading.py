"""Reads the audit log for the people who watch the watchers; reading it is on record too."""

from __future__ import annotations

from typing import Any, Final, Literal

from sqlalchemy import select

from api import views
from archiver.errors import NotFound
from archiver.ledger import log
from archiver.ledger.log import Log
from archiver.ledger.proof import format_proof
from archiver.store.schema import users
from archiver.vault import Vault
from search.access import Action, Actor, Gate

PAGE_LIMIT: Final = 500
Order = Literal["oldest", "newest"]


class AuditReading:
    """The audit log by pages. Safe from any thread."""

    def __init__(self, vault: Vault, gate: Gate) -> None:
        self._vault = vault
        self._gate = gate

    def page(
        self, actor: Actor, *, after: int | None = None, limit: int = 100, order: Order = "oldest"
    ) -> dict[str, Any]:
        """Entries beyond number `after` in the asked order: `{size, items, next}`.

        `next` is the `after` of the following page, or null at the end. The entry of this very look is
        on record first, and so among the newest. Raises AccessDenied, LedgerError.
        """
        self._gate.require(actor, Action.AUDIT_READ)
        limit = max(1, min(limit, PAGE_LIMIT))
        self._gate.record(actor, Action.AUDIT_READ, "success", detail={"after": after, "order": order})
        with self._vault.records.read() as connection:
            size = log.state(connection, Log.AUDIT).size
            if order == "oldest":
                start = 0 if after is None else min(max(after + 1, 0), size)
                stop = min(start + limit, size)
                following = stop - 1 if stop < size else None
            else:
                stop = size if after is None else min(max(after, 0), size)
                start = max(0, stop - limit)
                following = start if start > 0 else None
            entries = self._vault.audit.entries(connection, start, stop)
            asked = {leaf["user"] for _, leaf, _ in entries}
            people = connection.execute(select(users.c.id, users.c.name).where(users.c.id.in_(asked))).all()
        names = {row.id: row.name for row in people}
        items = [views.audit_entry(*entry, names.get(entry[1]["user"])) for entry in entries]
        if order == "newest":
            items.reverse()
        return {"size": size, "items": views.readable(items), "next": following}

    def proof(self, actor: Actor, number: int) -> bytes:
        """A `.tlog-proof` file for an entry, which anyone can verify offline. Raises NotFound."""
        self._gate.require(actor, Action.AUDIT_READ)
        with self._vault.records.read() as connection:
            size = log.state(connection, Log.AUDIT).size
        if not 0 <= number < size:
            self._gate.record(actor, "audit.proof", "failed", reason="not_found")
            raise NotFound(f"the audit log has entries 0 to {size - 1}")
        self._gate.record(actor, "audit.proof", "success", count=number)
        return format_proof(self._vault.publisher.proof(Log.AUDIT, number))
