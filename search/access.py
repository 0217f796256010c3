"""The gate: it asks the policy before anything is read or changed, and records what the policy refuses.

A denial is itself recorded (promise 4). Rights are looked up at every request, never carried in tokens.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final, Protocol

from archiver.ledger.audit import AuditEvent, AuditLog, Outcome
from archiver.standing import Standing
from config.errors import HoldfastError
from search import policy
from search.actors import OPERATOR, Action, Actor, Purpose, Role
from search.cover import Scope
from search.policy import Asked, Decision
from search.purposes import purpose_of

NO_SUCH_MESSAGE: Final = "there is no message with this id; search again for its id"
"""What is said of a message that isn't there, and of one that is out of somebody's scope."""


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


class OutOfScope(AccessDenied):
    """Somebody asked for what their scope doesn't show: they are told what they would be told if it weren't
    there, so that nobody learns what there is; the audit entry says which it was (`denied`, `scope`)."""

    code = "not_found"
    exit_code = 4
    http_status = 404


class StepUpNeeded(AccessDenied):
    """Somebody who has a passkey must show it anew for this."""

    code = "step_up_needed"


class PurposeMissing(AccessError):
    """Content is read only for a stated purpose."""

    code = "purpose_missing"
    exit_code = 2
    http_status = 422


def read_purpose(text: str | None) -> Purpose:
    """Read a purpose. Raises PurposeMissing naming the allowed ones."""
    try:
        return Purpose((text or "").strip().lower().replace("-", "_"))
    except ValueError:
        allowed = ", ".join(Purpose)
        raise PurposeMissing(f"state a purpose: one of {allowed} (--purpose, or header X-Purpose)") from None


class Facts(Protocol):
    """What is known of a request besides who asks: read from the records each time."""

    def of(self, actor: Actor, action: Action, purpose: Purpose | None) -> Asked:
        """The request, with grants, passkeys and circumstances as they are at this moment."""
        ...

    def tell(self, actor: Actor, action: Action, decision: Decision) -> None:
        """Tell people of what the circumstances of a request gave cause for. Never raises for a relay."""
        ...

    def passed(self, asked: Asked) -> None:
        """Take note that a request was let through."""
        ...

    def granted(self, actor: Actor) -> frozenset[Action]:
        """The actions that live grants add to what the actor's role can do."""
        ...

    def visible(self, actor: Actor, pks: Collection[int] | None, *, holding: bool) -> set[int] | None:
        """See `Gate.visible`."""
        ...

    def patients(self, actor: Actor) -> frozenset[str] | None:
        """See `Gate.patients`."""
        ...


_WHY: Final[Mapping[str, str]] = {
    "enrol_first": "this session can only enrol a passkey; do that on the page Account, then sign in with it",
    "appointment_waits": "another person must approve your role first; they find it on the page Approvals",
    "emergency": "break-glass lets you read and nothing else; end it first (`holdfast break-glass end`)",
    "token_scope": "this token was made for other actions; `holdfast users tokens` says for which",
    "review_missing": "your last break-glass wasn't reviewed in time; another person must review it first",
    "network": "not from this network; the setting access_networks says from which",
    "hours": "not at this time; the setting access_hours says when",
    "new_place": "not from a network that you weren't seen in before; ask an administrator",
    "volume": "far more mail than you usually open; a privacy officer was told, ask them",
    "ceiling": "more mail than anybody may open in an hour; a privacy officer was told, ask them",
}
"""What somebody is told who was denied, by the decision's reason; `role` and `no_purpose` speak apart."""


class Gate:
    """Decides and records. Whoever passes holds an audit entry that is durable already.

    Without `facts` it knows roles alone: for tests of a service by itself. `api.app` gives them.
    """

    def __init__(self, audit: AuditLog, facts: Facts | None = None, standing: Standing | None = None) -> None:
        self._audit = audit
        self._facts = facts
        self._standing = standing or Standing()

    def require(
        self, actor: Actor, action: Action, purpose: Purpose | None = None, about: tuple[str, ...] = ()
    ) -> Decision:
        """The decision, where it allows the action on the objects `about`. Raises AccessDenied, StepUpNeeded
        or PurposeMissing, on record, otherwise; and ReadOnly while the archive is."""
        facts = self._facts
        asked = Asked(actor, action, purpose) if facts is None else facts.of(actor, action, purpose)
        decision = policy.decide(asked)
        if facts is not None and decision.alerts:
            facts.tell(actor, action, decision)
        if decision.allowed:
            if self._standing.closed and action not in policy.WHILE_READ_ONLY:
                self.record(actor, action, "denied", purpose, objects=about, reason="read_only")
                self._standing.require_open()
            if facts is not None:
                facts.passed(asked)
            return decision
        reason = decision.reason if decision.outcome == "deny" else "step_up"
        self.record(actor, action, "denied", purpose, objects=about, reason=reason)
        if decision.outcome == "step_up":
            raise StepUpNeeded(
                f"show your passkey for {action}: sign in again on the desk with it, and do this there "
                "within five minutes"
            )
        if decision.reason == "no_purpose":
            read_purpose(None)
        why = _WHY.get(decision.reason)
        if why is None:
            why = f"the role {actor.role} does not allow {action}; ask a person whose role does"
        raise AccessDenied(why)

    def rights(self, actor: Actor) -> frozenset[Action]:
        """The actions that are somebody's to ask for, live grants included: see `search.policy.rights`."""
        return policy.rights(actor, self._facts.granted(actor) if self._facts else frozenset())

    def visible(self, actor: Actor, pks: Collection[int] | None, *, holding: bool = False) -> set[int] | None:
        """Those of the messages with these keys that are in the actor's scope at this moment; None for every
        one. Without keys: None where the scope is the whole archive, else no message.

        `holding`: the scope in which a hold is weighed (`search.scoping.Scoping.holding`).
        """
        return None if self._facts is None else self._facts.visible(actor, pks, holding=holding)

    def patients(self, actor: Actor) -> frozenset[str] | None:
        """The ids of the roster that the actor may see at this moment; None for all of it."""
        return None if self._facts is None else self._facts.patients(actor)

    def must_see(
        self, actor: Actor, pks: Collection[int], said: str = NO_SUCH_MESSAGE, *, holding: bool = False
    ) -> None:
        """Raise OutOfScope, with the words `said` for what isn't there, unless all of them are in scope."""
        seen = self.visible(actor, pks, holding=holding)
        if seen is not None and len(seen) < len(set(pks)):
            raise OutOfScope(said)

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
        patients: tuple[str, ...] = (),
    ) -> int:
        """Record something the actor did; durable on return. Raises StoreError: then refuse the request."""
        return self._audit.record(
            self.event(
                actor,
                action,
                outcome,
                purpose,
                objects=objects,
                count=count,
                reason=reason,
                detail=detail,
                patients=patients,
            )
        )

    @staticmethod
    def event(
        actor: Actor | None,
        action: Action | str,
        outcome: Outcome,
        purpose: Purpose | None = None,
        *,
        objects: tuple[str, ...] = (),
        count: int | None = None,
        reason: str = "",
        detail: Mapping[str, Any] | None = None,
        patients: tuple[str, ...] = (),
    ) -> AuditEvent:
        """The same as a value, for recording inside a transaction; no actor is the operator at the machine.

        Its purpose is the one stated, or that of the work (`search.purposes.WORK_FOR`).
        """
        if purpose is None and reason not in ("no_purpose", "bad_purpose"):
            purpose = purpose_of(str(action))
        return AuditEvent(
            action=str(action),
            outcome=outcome,
            user_id=actor.user_id if actor else OPERATOR,
            role=str(actor.role) if actor else OPERATOR,
            purpose=str(purpose or ""),
            client=actor.client if actor else "cli",
            objects=objects,
            count=count,
            # What is done while the glass is broken can be told by its entry.
            reason=reason or ("emergency" if actor and actor.emergency else ""),
            detail=detail or {},
            session=(actor.session or actor.token) if actor else "",
            patients=patients,
        )


__all__ = [
    "AccessDenied",
    "AccessError",
    "Action",
    "Actor",
    "Facts",
    "Gate",
    "NotSignedIn",
    "OutOfScope",
    "Purpose",
    "PurposeMissing",
    "Role",
    "Scope",
    "StepUpNeeded",
    "read_purpose",
]
