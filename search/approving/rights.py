"""Who may approve what, besides being another person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, select

from archiver.store.schema import holds, matter_members
from search.access import Action, Actor
from search.approving.kept import Approval
from search.policy import may, own_matters_only


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of request: the right an approver needs besides `approval.decide`, and what people call it."""

    needs: Action
    title: str


_ACCESS: Final = Action.GRANT_READ
"""Administrators, compliance and privacy officers."""
KINDS: Final[Mapping[str, Kind]] = {
    "disposition.execute": Kind(Action.DISPOSITION_DECIDE, "Dispose of a list of messages"),
    "hold.release": Kind(Action.HOLD_RELEASE, "Release or narrow a hold"),
    "hold.sight": Kind(Action.HOLD_RELEASE, "Let a lawyer see what their hold covers"),
    "policy.change": Kind(Action.POLICY_MANAGE, "Change the retention policy"),
    "export.create": Kind(Action.EXPORT, "Download a large export"),
    "ledger.approve_gap": Kind(Action.LEDGER_DECIDE, "Go on after a gap in the logs"),
    "request.deny": Kind(Action.REQUEST_DECIDE, "Deny mail to a patient"),
    "breach.decide": Kind(Action.BREACH_DECIDE, "Decide on a breach"),
    "user.add": Kind(_ACCESS, "Let a new user begin"),
    "user.role": Kind(_ACCESS, "Give a user another role"),
    "grant.add": Kind(_ACCESS, "Give a grant"),
    "grant.end": Kind(_ACCESS, "End a limit"),
}


def needed(action: str) -> Action:
    """The right that approving a kind of request asks for."""
    kind = KINDS.get(action)
    return kind.needs if kind is not None else Action.APPROVAL_DECIDE


def title(action: str) -> str:
    """What people call a kind of request."""
    kind = KINDS.get(action)
    return kind.title if kind is not None else action


def concerns(connection: Connection, actor: Actor, found: Approval) -> bool:
    """Whether a request is somebody's to see: their own, or one they could approve. A lawyer, who sees but
    their own matters, could approve what is about one of them."""
    if found.request.requester == actor.user_id:
        return True
    if not may(actor, needed(found.request.action)):
        return False
    return not own_matters_only(actor) or _is_member(connection, actor, found)


def _is_member(connection: Connection, actor: Actor, found: Approval) -> bool:
    """Whether a request names a matter of the actor's, or a hold of one."""
    matter = found.request.params.get("matter")
    if matter is None:
        hold = str(found.request.params.get("hold"))
        matter = connection.scalar(select(holds.c.matter_id).where(holds.c.id == hold))
    mine = select(matter_members.c.matter_id).where(
        matter_members.c.user_id == actor.user_id, matter_members.c.matter_id == str(matter)
    )
    return connection.execute(mine).first() is not None


def objects_of(approval_id: str, about_id: str) -> tuple[str, ...]:
    """What an audit event about an approval names."""
    return tuple(one for one in (approval_id, about_id) if one)
