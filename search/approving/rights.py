"""Who may approve what, besides being another person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from search.access import Action, Actor
from search.approving.kept import Approval
from search.policy import may

NEEDS: Final[Mapping[str, Action]] = {
    "disposition.execute": Action.DISPOSITION_DECIDE,
    "hold.release": Action.HOLD_RELEASE,
    "hold.sight": Action.HOLD_RELEASE,
    "policy.change": Action.POLICY_MANAGE,
    "export.create": Action.EXPORT,
    "ledger.approve_gap": Action.LEDGER_DECIDE,
    # Administrators, compliance and privacy officers.
    "user.add": Action.GRANT_READ,
    "user.role": Action.GRANT_READ,
    "grant.add": Action.GRANT_READ,
    "grant.end": Action.GRANT_READ,
}
"""The right an approver needs besides `approval.decide`, by what is approved."""


def needed(action: str) -> Action:
    """The right that approving a kind of request asks for."""
    return NEEDS.get(action, Action.APPROVAL_DECIDE)


def concerns(actor: Actor, found: Approval) -> bool:
    """Whether a request is somebody's to see: their own, or one they could approve."""
    return may(actor, needed(found.request.action)) or found.request.requester == actor.user_id


def objects_of(approval_id: str, about_id: str) -> tuple[str, ...]:
    """What an audit event about an approval names."""
    return tuple(one for one in (approval_id, about_id) if one)
