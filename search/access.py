"""Who may do what: one table of roles and actions, asked before anything is read or changed.

A denial is itself recorded (promise 4). Rights are looked up at every request, never carried in tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from archiver.ledger.audit import AuditEvent, AuditLog, Outcome
from config.errors import HoldfastError


class Role(StrEnum):
    """What a person is to the archive (45 CFR 164.308(a)(4): access by role)."""

    ADMINISTRATOR = "administrator"
    COMPLIANCE_OFFICER = "compliance_officer"
    LEGAL = "legal"
    RECORDS_MANAGER = "records_manager"
    PRIVACY_OFFICER = "privacy_officer"


class Action(StrEnum):
    """Everything that can be asked of the archive; also the name in the audit log."""

    SEARCH = "search.query"
    READ = "message.read"
    MATTER_READ = "matter.read"
    MATTER_MANAGE = "matter.manage"
    HOLD_READ = "hold.read"
    HOLD_MANAGE = "hold.manage"
    RETENTION_READ = "retention.read"
    POLICY_MANAGE = "policy.manage"
    UNIT_READ = "unit.read"
    UNIT_MANAGE = "unit.manage"
    ROSTER_READ = "roster.read"
    ROSTER_DECIDE = "roster.decide"
    CORRECTION_READ = "correction.read"
    CORRECTION_MAKE = "correction.make"
    DISPOSITION_READ = "disposition.read"
    DISPOSITION_DECIDE = "disposition.decide"
    DISPOSITION_EXECUTE = "disposition.execute"
    EXPORT = "export.create"
    AUDIT_READ = "audit.read"
    SOURCE_READ = "source.read"
    SOURCE_MANAGE = "source.manage"
    JOB_READ = "job.read"
    JOB_RUN = "job.run"
    USER_MANAGE = "user.manage"
    SESSION = "session.use"
    SAVED_USE = "saved.use"
    ALERT_READ = "alert.read"
    TAG_READ = "tag.read"
    TAG_PUT = "tag.put"
    TAG_MANAGE = "tag.manage"
    NOTE_READ = "note.read"
    NOTE_WRITE = "note.write"


class Purpose(StrEnum):
    """Why content is read (45 CFR 164.502(b), minimum necessary)."""

    TREATMENT = "treatment"
    PAYMENT = "payment"
    OPERATIONS = "operations"
    LEGAL = "legal"
    PATIENT_REQUEST = "patient_request"
    AUDIT = "audit"
    PUBLIC_HEALTH = "public_health"
    SECURITY_INCIDENT = "security_incident"


_OFFICER = frozenset(
    {
        Action.SEARCH,
        Action.READ,
        Action.MATTER_READ,
        Action.MATTER_MANAGE,
        Action.HOLD_READ,
        Action.HOLD_MANAGE,
        Action.RETENTION_READ,
        Action.POLICY_MANAGE,
        Action.UNIT_READ,
        Action.UNIT_MANAGE,
        Action.ROSTER_READ,
        Action.ROSTER_DECIDE,
        Action.CORRECTION_READ,
        Action.CORRECTION_MAKE,
        Action.DISPOSITION_READ,
        Action.DISPOSITION_DECIDE,
        Action.DISPOSITION_EXECUTE,
        Action.EXPORT,
        Action.SOURCE_READ,
        Action.JOB_READ,
        Action.SESSION,
        Action.SAVED_USE,
        Action.ALERT_READ,
        Action.TAG_READ,
        Action.TAG_PUT,
        Action.TAG_MANAGE,
        Action.NOTE_READ,
        Action.NOTE_WRITE,
    }
)

PERMISSIONS: Mapping[Role, frozenset[Action]] = {
    # Runs the archive and sees no mail.
    Role.ADMINISTRATOR: frozenset(
        {
            Action.SOURCE_READ,
            Action.SOURCE_MANAGE,
            Action.JOB_READ,
            Action.JOB_RUN,
            Action.USER_MANAGE,
            Action.RETENTION_READ,
            Action.UNIT_READ,
            Action.UNIT_MANAGE,
            Action.SESSION,
        }
    ),
    Role.COMPLIANCE_OFFICER: _OFFICER,
    # Sees only what the holds of its own matters cover; see `Scope`.
    Role.LEGAL: frozenset(
        {
            Action.SEARCH,
            Action.READ,
            Action.MATTER_READ,
            Action.MATTER_MANAGE,
            Action.HOLD_READ,
            Action.HOLD_MANAGE,
            Action.EXPORT,
            Action.SESSION,
            Action.SAVED_USE,
            Action.ALERT_READ,
            Action.TAG_READ,
            Action.TAG_PUT,
            Action.NOTE_READ,
            Action.NOTE_WRITE,
        }
    ),
    Role.RECORDS_MANAGER: frozenset(
        {
            Action.RETENTION_READ,
            Action.POLICY_MANAGE,
            Action.UNIT_READ,
            Action.UNIT_MANAGE,
            Action.ROSTER_READ,
            Action.ROSTER_DECIDE,
            Action.CORRECTION_READ,
            Action.CORRECTION_MAKE,
            Action.DISPOSITION_READ,
            Action.DISPOSITION_DECIDE,
            Action.DISPOSITION_EXECUTE,
            Action.HOLD_READ,
            Action.SOURCE_READ,
            Action.JOB_READ,
            Action.SESSION,
        }
    ),
    Role.PRIVACY_OFFICER: frozenset({Action.AUDIT_READ, Action.SESSION}),
}

NEEDS_PURPOSE = frozenset({Action.SEARCH, Action.READ, Action.EXPORT, Action.ROSTER_READ, Action.NOTE_READ})
"""Actions by which content may leave."""


class AccessError(HoldfastError):
    """Base of what the gate answers."""

    code = "access"
    exit_code = 3
    http_status = 403
    audit_code = "denied"


class NotSignedIn(AccessError):
    """No valid token or session."""

    code = "not_signed_in"
    http_status = 401


class AccessDenied(AccessError):
    """The role doesn't allow it."""

    code = "access_denied"


class PurposeMissing(AccessError):
    """Content is read only for a stated purpose."""

    code = "purpose_missing"
    exit_code = 2
    http_status = 422


@dataclass(frozen=True, slots=True)
class Actor:
    """A signed-in person or program. `client` says by which door (`cli`, `api`, `desk`)."""

    user_id: str
    name: str
    role: Role
    client: str


@dataclass(frozen=True, slots=True)
class Scope:
    """What an actor may see: everything, or only what the holds of `matters` cover."""

    everything: bool
    matters: frozenset[str] = field(default=frozenset())


def read_purpose(text: str | None) -> Purpose:
    """Read a purpose. Raises PurposeMissing naming the allowed ones."""
    try:
        return Purpose((text or "").strip().lower().replace("-", "_"))
    except ValueError:
        allowed = ", ".join(Purpose)
        raise PurposeMissing(f"state a purpose: one of {allowed} (--purpose, or header X-Purpose)") from None


class Gate:
    """Decides and records. Whoever passes holds an audit entry that is durable already."""

    def __init__(self, audit: AuditLog) -> None:
        self._audit = audit

    def require(self, actor: Actor, action: Action, purpose: Purpose | None = None) -> None:
        """Raise AccessDenied or PurposeMissing, recorded, unless the actor's role allows the action."""
        if action not in PERMISSIONS[actor.role]:
            self.record(actor, action, "denied", purpose, reason="role")
            raise AccessDenied(f"the role {actor.role} does not allow {action}; ask a person whose role does")
        if action in NEEDS_PURPOSE and purpose is None:
            self.record(actor, action, "denied", purpose, reason="no_purpose")
            read_purpose(None)

    def record(
        self,
        actor: Actor,
        action: Action | str,
        outcome: Outcome,
        purpose: Purpose | None = None,
        *,
        objects: tuple[str, ...] = (),
        count: int | None = None,
        reason: str = "",
        detail: Mapping[str, Any] | None = None,
    ) -> int:
        """Record something the actor did; durable on return. Raises StoreError: then refuse the request."""
        return self._audit.record(
            self.event(
                actor, action, outcome, purpose, objects=objects, count=count, reason=reason, detail=detail
            )
        )

    @staticmethod
    def event(
        actor: Actor,
        action: Action | str,
        outcome: Outcome,
        purpose: Purpose | None = None,
        *,
        objects: tuple[str, ...] = (),
        count: int | None = None,
        reason: str = "",
        detail: Mapping[str, Any] | None = None,
    ) -> AuditEvent:
        """The same as a value, for recording inside a transaction."""
        return AuditEvent(
            action=str(action),
            outcome=outcome,
            user_id=actor.user_id,
            role=str(actor.role),
            purpose=str(purpose or ""),
            client=actor.client,
            objects=objects,
            count=count,
            reason=reason,
            detail=detail or {},
        )
