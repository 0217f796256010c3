"""Placing a hold, and another version of one: a single short transaction, in force from its commit."""

from __future__ import annotations

import secrets
from datetime import date
from typing import Any

from sqlalchemy import Connection, RowMapping

from archiver.capture.prepare import new_id
from archiver.clock import to_us
from archiver.ledger import log
from archiver.ledger.log import Log
from archiver.store import dialect
from archiver.store.schema import holds
from archiver.vault import Vault
from retention.acts import Act
from retention.fields import SealedFields
from retention.holds import events
from retention.holds.apply import HoldApplier
from retention.holds.events import Events
from retention.holds.query import tree_of
from retention.holds.scope import HoldScope, lay_down, read_scope, source_ids
from retention.refusals import BadCriteria
from search.access import Actor

KINDS = ("custodians", "patients", "sources", "query", "after", "before", "message_ids")
"""The kinds of criteria, as `read_scope` names them."""


class Placing:
    """Reads criteria and writes the rows of a hold."""

    def __init__(self, vault: Vault, applier: HoldApplier) -> None:
        self._vault = vault
        self._applier = applier
        self._fields = SealedFields(vault)
        self._events = Events(vault)

    def read(self, act: Act, criteria: dict[str, Any]) -> HoldScope:
        """Understand criteria and note them on the act. Raises what `read_scope` does, NotThere."""
        act.detail["criteria"] = {name: _said(value) for name, value in criteria.items() if value}
        now = self._vault.clock.now()
        if criteria.get("sources"):
            criteria = {**criteria, "sources": source_ids(self._vault, criteria["sources"])}
        scope = read_scope(now=now, **criteria)
        act.detail["criteria"] = scope.to_json()
        if scope.by_index:
            self._applier.probe(tree_of(scope.interpreted or "", now))
        return scope

    def scope_of(self, row: RowMapping) -> HoldScope:
        """The criteria of a version."""
        return HoldScope.from_json(self.sealed_of(row)["scope"])

    def sealed_of(self, row: RowMapping) -> dict[str, Any]:
        """What is sealed of a version: `{scope, reason, salt}`."""
        opened: dict[str, Any] = self._fields.open(row["id"], row["sealed_scope"])
        return opened

    def changed(self, act: Act, row: RowMapping, criteria: dict[str, Any], add: bool = False) -> HoldScope:
        """The criteria of a version with the kinds given put in the place of its own; None leaves a kind as
        it is, an empty list or text clears it, and with `add` names join its own. Raises BadCriteria."""
        before = self.scope_of(row).to_json()
        kept: dict[str, Any] = {name: before[name] for name in KINDS}
        if criteria.get("query") is None:
            # Its canonical form has no relative dates: understood anew it means what it meant.
            kept["query"] = before["interpreted"]
        for name, value in criteria.items():
            if value is None:
                continue
            if add and name in ("query", "after", "before"):
                raise BadCriteria("names can be added; a query or a date can only be replaced")
            if add:
                kept[name] = [*kept[name], *value]
            else:
                kept[name] = value or (None if name in ("query", "after", "before") else ())
        return self.read(act, kept)

    def insert(
        self,
        connection: Connection,
        actor: Actor,
        matter_id: str,
        scope: HoldScope,
        reason: str,
        of: RowMapping | None = None,
    ) -> str:
        """Write a version's rows as `applying`; its id. `of` is the newest version of the hold it changes."""
        hold_id = new_id("h")
        now_us = to_us(self._vault.clock.now())
        connection.execute(
            holds.insert().values(
                id=hold_id,
                matter_id=matter_id,
                state="applying",
                by_index=scope.by_index,
                standing=scope.standing,
                sent_from_us=scope.sent_from_us,
                sent_before_us=scope.sent_before_us,
                from_day=scope.from_day,
                before_day=scope.before_day,
                sealed_scope=self._fields.seal(
                    hold_id, {"scope": scope.to_json(), "reason": reason, "salt": secrets.token_hex(32)}
                ),
                created_us=now_us,
                created_by=actor.user_id,
                in_force_us=now_us,
                root_id=None if of is None else of["root_id"] or of["id"],
                version=1 if of is None else of["version"] + 1,
                cooling_days=self._vault.settings.hold_cooling_days,
            )
        )
        lay_down(self._vault, connection, hold_id, scope)
        return hold_id

    def note(self, act: Act, actor: Actor, hold_id: str, version: int, reason: str, scope: HoldScope) -> None:
        """Write the event of a placing, as the last thing in its transaction: it names the audit entry that
        follows."""
        dialect.lock(act.connection, dialect.LOCK_AUDIT)
        self._events.add(
            act.connection,
            hold_id,
            version,
            events.PLACED if version == 1 else events.CHANGED,
            actor.user_id,
            audit_index=log.state(act.connection, Log.AUDIT).size,
            reason=reason,
            criteria=scope.to_json(),
        )


def _said(value: Any) -> Any:
    """A criterion as a refusal's record keeps it: days as text."""
    return value.isoformat() if isinstance(value, date) else value
