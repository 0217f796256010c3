"""One thing that a person does: permitted, done and recorded, or refused and recorded (promise 4)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from archiver.ledger.audit import AuditEvent, Outcome
from archiver.store import dialect
from archiver.vault import Vault
from config.errors import HoldfastError
from search.access import AccessError, Action, Actor, Gate, OutOfScope, Purpose
from search.purposes import purpose_of


@dataclass(slots=True)
class Act:
    """The transaction of one act, and what its audit event will say. `detail` is sealed there."""

    connection: Connection
    objects: list[str] = field(default_factory=list)
    count: int | None = None
    reason: str = ""
    outcome: Outcome = "success"
    detail: dict[str, Any] = field(default_factory=dict)
    purpose: Purpose | None = None
    patients: list[str] = field(default_factory=list)
    """Roster ids of those whose facts were seen; sealed in the log."""


@contextmanager
def change(vault: Vault, gate: Gate, actor: Actor, action: Action, name: str) -> Iterator[Act]:
    """A change under LOCK_ARCHIVE; its audit event `name` is in the same transaction. Durable on exit.

    Raises AccessDenied, or what the body raises: then nothing changed and the refusal is on record.
    """
    gate.require(actor, action)
    seen: list[Act] = []
    try:
        with vault.records.write(dialect.LOCK_ARCHIVE) as connection:
            act = Act(connection)
            seen.append(act)
            yield act
            vault.audit.record_in(connection, _event(gate, actor, name, act.outcome, act))
    except HoldfastError as error:
        _refused(gate, actor, name, seen, error)
        raise


@contextmanager
def look(
    vault: Vault, gate: Gate, actor: Actor, action: Action, name: str, purpose: Purpose | None = None
) -> Iterator[Act]:
    """A reading: when the block ends, its audit event `name` is durable. Raises as `change` does, and
    PurposeMissing for an action that needs a purpose."""
    gate.require(actor, action, purpose)
    seen: list[Act] = []
    try:
        with vault.records.read() as connection:
            act = Act(connection, purpose=purpose)
            seen.append(act)
            yield act
    except HoldfastError as error:
        _refused(gate, actor, name, seen, error)
        raise
    vault.audit.record(_event(gate, actor, name, "empty" if act.count == 0 else "success", act))


def by_system(action: str, outcome: Outcome, user_id: str = "system", **rest: Any) -> AuditEvent:
    """The event of scheduled work (`system`) or of a command that acts on the home (`operator`)."""
    rest.setdefault("purpose", str(purpose_of(action) or ""))
    return AuditEvent(action=action, outcome=outcome, user_id=user_id, **rest)


def _event(gate: Gate, actor: Actor, name: str, outcome: Outcome, act: Act) -> AuditEvent:
    return gate.event(
        actor,
        name,
        outcome,
        act.purpose,
        objects=tuple(act.objects),
        count=act.count,
        reason=act.reason,
        detail=act.detail,
        patients=tuple(dict.fromkeys(act.patients)),
    )


def _refused(gate: Gate, actor: Actor, name: str, seen: list[Act], error: HoldfastError) -> None:
    objects = tuple(seen[0].objects) if seen else ()
    detail = seen[0].detail if seen else {}
    denied = isinstance(error, AccessError) and error.audit_code == AccessError.audit_code
    outcome: Outcome = "denied" if denied else "failed"
    purpose = seen[0].purpose if seen else None
    reason = "scope" if isinstance(error, OutOfScope) else error.code
    gate.record(actor, name, outcome, purpose, objects=objects, reason=reason, detail=detail)
