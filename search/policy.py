"""Who may do what: one function, asked for every request, that allows nothing it isn't told to allow.

`decide` is pure: whoever asks brings what is on record at that moment (`Asked`), so that a right taken away a
second ago is gone (OWASP ASVS 5.0, 8.2.2, 8.2.4 and 8.3.2). `search.access.Gate` asks it, records
what it says and raises; everything else that must know what a role can do (a page's buttons, whose matters
are whose) asks `may`, `own_matters_only`, `roles_with` or `shows_identifiers` here. A house test keeps every
other comparison of roles out of the code (tests/house/test_one_policy.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

from search.actors import LINK, OIDC, TOKEN, Action, Actor, Purpose, Role

Outcome = Literal["allow", "limit", "step_up", "deny"]
"""`limit`: lists with their excerpts may be shown, and no message opened."""

_OFFICER: Final = frozenset(
    {
        Action.SEARCH,
        Action.READ,
        Action.MATTER_READ,
        Action.MATTER_MANAGE,
        Action.HOLD_READ,
        Action.HOLD_MANAGE,
        Action.HOLD_RELEASE,
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
        Action.GRANT_READ,
        Action.GRANT_MANAGE,
        Action.APPROVAL_READ,
        Action.APPROVAL_DECIDE,
        Action.EMERGENCY_READ,
        Action.EMERGENCY_USE,
        Action.EMERGENCY_REVIEW,
        Action.REQUEST_READ,
        Action.REQUEST_WORK,
        Action.REQUEST_DECIDE,
        Action.DISCLOSURE_READ,
        Action.DISCLOSURE_MANAGE,
        Action.BREACH_READ,
        Action.BREACH_DECIDE,
        Action.LEDGER_READ,
        Action.LEDGER_DECIDE,
    }
)

PERMISSIONS: Final[Mapping[Role, frozenset[Action]]] = {
    # Runs the archive and sees no mail.
    Role.ADMINISTRATOR: frozenset(
        {
            Action.SOURCE_READ,
            Action.SOURCE_MANAGE,
            Action.JOB_READ,
            Action.JOB_RUN,
            Action.USER_MANAGE,
            Action.KEY_MANAGE,
            Action.RETENTION_READ,
            Action.UNIT_READ,
            Action.UNIT_MANAGE,
            Action.SESSION,
            Action.GRANT_READ,
            Action.GRANT_MANAGE,
            Action.APPROVAL_READ,
            Action.APPROVAL_DECIDE,
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
            Action.HOLD_RELEASE,
            Action.EXPORT,
            Action.SESSION,
            Action.SAVED_USE,
            Action.ALERT_READ,
            Action.TAG_READ,
            Action.TAG_PUT,
            Action.NOTE_READ,
            Action.NOTE_WRITE,
            Action.APPROVAL_READ,
            Action.APPROVAL_DECIDE,
            Action.EMERGENCY_READ,
            Action.EMERGENCY_USE,
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
            Action.APPROVAL_READ,
            Action.APPROVAL_DECIDE,
            Action.EMERGENCY_READ,
            Action.EMERGENCY_USE,
        }
    ),
    Role.PRIVACY_OFFICER: frozenset(
        {
            Action.AUDIT_READ,
            Action.AUDIT_REVIEW,
            Action.AUDIT_EXPIRE,
            Action.LEDGER_READ,
            Action.LEDGER_DECIDE,
            Action.SESSION,
            Action.GRANT_READ,
            Action.ACCESS_REVIEW,
            Action.APPROVAL_READ,
            Action.APPROVAL_DECIDE,
            Action.EMERGENCY_READ,
            Action.EMERGENCY_REVIEW,
            # Sees no mail of a request, but how it stands, and may be the second person of a denial.
            Action.REQUEST_READ,
            Action.REQUEST_DECIDE,
            Action.DISCLOSURE_READ,
            Action.DISCLOSURE_MANAGE,
            Action.BREACH_READ,
            Action.BREACH_WORK,
            Action.BREACH_DECIDE,
        }
    ),
}

NEEDS_PURPOSE: Final = frozenset(
    {Action.SEARCH, Action.READ, Action.EXPORT, Action.ROSTER_READ, Action.NOTE_READ}
)
"""Actions by which content may leave: what stands in mail, in notes beside it, or on the roster. Each asks
for a purpose."""

STEP_UP: Final = frozenset(
    {
        Action.EXPORT,
        Action.HOLD_RELEASE,
        Action.DISPOSITION_EXECUTE,
        Action.USER_MANAGE,
        Action.GRANT_MANAGE,
        Action.KEY_MANAGE,
        Action.APPROVAL_DECIDE,
        Action.REQUEST_DECIDE,
        Action.BREACH_DECIDE,
        Action.LEDGER_DECIDE,
    }
)
"""Actions for which a person shows their passkey anew (ASVS 7.5.3): export, hold release, disposal, user, key
and role operations, approvals."""

STEP_UP_LIFE: Final = timedelta(minutes=5)

WHILE_READ_ONLY: Final = frozenset(
    {
        Action.SESSION,
        Action.LEDGER_READ,
        Action.LEDGER_DECIDE,
        Action.APPROVAL_READ,
        Action.APPROVAL_DECIDE,
        Action.AUDIT_READ,
        Action.SOURCE_READ,
        Action.JOB_READ,
        Action.USER_MANAGE,
    }
)
"""What is left while the archive is read-only (`archiver.standing`): to look what happened, and to end it."""

OF_A_LINK: Final = frozenset({Action.SESSION})
"""What a session can do that was begun by an enrolment link alone: enrol a passkey, and look at itself."""

OF_AN_EMERGENCY: Final = frozenset(
    {Action.SEARCH, Action.READ, Action.SESSION, Action.EMERGENCY_READ, Action.EMERGENCY_USE}
)
"""What break-glass leaves and gives: reading. No export, no change, no disposal."""

GRANTABLE: Final = frozenset(
    {Action.SEARCH, Action.READ, Action.NOTE_READ, Action.EXPORT, Action.ROSTER_READ}
)
"""Actions that a grant may add to what a role can do. Nothing by which somebody gives rights, or destroys."""

FIRST_ROLE: Final = Role.ADMINISTRATOR
"""Of whoever sets an archive up."""

_OWN_MATTERS: Final = frozenset({Role.LEGAL})

SHOWN_FOR: Final[Mapping[Purpose, frozenset[Role]]] = {
    # Care, payment and a patient's own request are about one known person: the identifier says which.
    Purpose.TREATMENT: frozenset({Role.COMPLIANCE_OFFICER}),
    Purpose.PAYMENT: frozenset({Role.COMPLIANCE_OFFICER}),
    Purpose.PATIENT_REQUEST: frozenset({Role.COMPLIANCE_OFFICER}),
    # A lawyer sees nothing but what the holds of their own matters cover; an officer sees everybody's mail.
    Purpose.LEGAL: frozenset({Role.LEGAL}),
    Purpose.OPERATIONS: frozenset(),
    Purpose.AUDIT: frozenset(),
    Purpose.PUBLIC_HEALTH: frozenset(),
    Purpose.SECURITY_INCIDENT: frozenset(),
}
"""Who sees identifiers in lists, and what for. Everybody else, and whatever isn't here, gets marks."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Something about the circumstances of a request that a setting watches, and what the setting says then.

    `code` is one of `network`, `hours`, `new_place`, `volume`, `ceiling`; `then` is `alert` (allowed, and
    somebody is told) or an outcome, which always tells somebody too.
    """

    code: str
    then: Literal["alert", "limit", "step_up", "deny"]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, and all that is known of it at this moment.

    `granted` are the actions that live grants add to the role; `passkey`: the user has one; `required`: the
    setting `passkeys` isn't `optional`; `locked`: an emergency of theirs wasn't reviewed in time; `waits`: no
    second person has agreed to their appointment yet; `conditions` are those that the settings watch. `seen`
    is nothing to the policy: who gathered all this finds it there again once the request is let through.
    """

    actor: Actor
    action: Action
    purpose: Purpose | None = None
    now_us: int = 0
    granted: frozenset[Action] = frozenset()
    passkey: bool = False
    required: bool = True
    locked: bool = False
    waits: bool = False
    conditions: tuple[Condition, ...] = ()
    seen: object = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer; `reason` is a code fit for a leaf, empty for a plain yes; `alerts` conditions' codes."""

    outcome: Outcome
    reason: str = ""
    alerts: tuple[str, ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether it may be done, if perhaps only in lists."""
        return self.outcome in ("allow", "limit")


def decide(asked: Asked) -> Decision:
    """Decide a request. Default deny: whatever isn't named here is refused.

    In this order: the role or a grant allows the action; the proof of who asks suffices for it; a purpose is
    stated where content may leave; the circumstances allow it; a fresh passkey where the action asks for one.
    """
    actor, action = asked.actor, asked.action
    if asked.waits and action not in OF_A_LINK:
        return Decision("deny", "appointment_waits")
    if actor.emergency:
        return _in_emergency(asked)
    if action not in PERMISSIONS.get(actor.role, frozenset()) | (asked.granted & GRANTABLE):
        return Decision("deny", "role")
    if not _made_for(actor, action):
        return Decision("deny", "token_scope")
    if actor.method == LINK and asked.required and action not in OF_A_LINK:
        return Decision("deny", "enrol_first")
    if action is Action.EMERGENCY_USE and asked.locked:
        return Decision("deny", "review_missing")
    if action in NEEDS_PURPOSE and asked.purpose is None:
        return Decision("deny", "no_purpose")
    alerts = tuple(condition.code for condition in asked.conditions)
    for condition in asked.conditions:
        if condition.then == "deny":
            return Decision("deny", condition.code, alerts)
    limited = next((one.code for one in asked.conditions if one.then == "limit"), "")
    if limited and action in (Action.READ, Action.EXPORT, Action.NOTE_READ):
        return Decision("deny", limited, alerts)
    asks = next((one.code for one in asked.conditions if one.then == "step_up"), "")
    provable = asked.passkey or actor.method == OIDC
    if (action in STEP_UP or asks) and provable and not _fresh(asked):
        return Decision("step_up", asks or "stale", alerts)
    return Decision("limit" if limited else "allow", limited, alerts)


def _in_emergency(asked: Asked) -> Decision:
    """Break-glass is stronger than circumstances, and weaker than everything else: see OF_AN_EMERGENCY."""
    actor, action = asked.actor, asked.action
    if action not in OF_AN_EMERGENCY or not _made_for(actor, action):
        return Decision("deny", "emergency")
    if actor.method == LINK and asked.required and action not in OF_A_LINK:
        return Decision("deny", "enrol_first")
    if action in NEEDS_PURPOSE and asked.purpose is None:
        return Decision("deny", "no_purpose")
    return Decision("allow", "emergency")


def _fresh(asked: Asked) -> bool:
    """Whether somebody who has a passkey showed it just now; a plain token of theirs can't.

    A token that can't be used by a thief of it, since its requests are signed, and that names the action, was
    made for this by somebody who had shown theirs.
    """
    actor = asked.actor
    if actor.method == TOKEN:
        return actor.bound and actor.actions is not None and asked.action in actor.actions
    seen = actor.verified_us
    return seen is not None and 0 <= asked.now_us - seen <= STEP_UP_LIFE // timedelta(microseconds=1)


def rights(actor: Actor, granted: frozenset[Action] = frozenset()) -> frozenset[Action]:
    """The actions that are somebody's to ask for at all: for buttons, menus and what a page shows.

    It grants nothing: whoever then asks for one passes the gate.
    """
    held = PERMISSIONS.get(actor.role, frozenset()) | (granted & GRANTABLE)
    if actor.emergency:
        held = OF_AN_EMERGENCY
    return frozenset(action for action in held if _made_for(actor, action))


def _made_for(actor: Actor, action: Action) -> bool:
    """Whether a token that was made for certain actions was made for this one."""
    return actor.actions is None or action in actor.actions | {Action.SESSION}


def may(actor: Actor, action: Action) -> bool:
    """Whether an action is among what the actor's role allows; see `rights`."""
    return action in rights(actor)


def actions_of(role: Role) -> frozenset[Action]:
    """The actions that a role allows."""
    return PERMISSIONS.get(role, frozenset())


def roles_with(action: Action) -> tuple[Role, ...]:
    """The roles that allow an action."""
    return tuple(role for role in Role if action in PERMISSIONS[role])


def own_matters_only(actor: Actor) -> bool:
    """Whether somebody sees but their own matters, and of mail what those matters' holds cover."""
    return actor.role in _OWN_MATTERS


def roles_with_own_matters() -> tuple[Role, ...]:
    """The roles of which `own_matters_only` is true."""
    return tuple(role for role in Role if role in _OWN_MATTERS)


def shows_identifiers(role: Role, purpose: Purpose | None) -> bool:
    """Whether lists show identifiers to somebody of this role who reads for this purpose."""
    return purpose is not None and role in SHOWN_FOR.get(purpose, frozenset())
