"""Two persons for a case: the second one approves just what the first asked for, by the hash of it, and signs
with their passkey where they have one (`search.approving`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from archiver.store.schema import approvals
from retention.acts import Act
from search.access import Actor
from search.approving.approvals import Approvals
from search.approving.errors import ApprovalVoid
from search.approving.kept import Approval, Signed

DENY = "request.deny"
DECIDE = "breach.decide"

Do = Callable[[Actor, Approval, Signed | None], Any]
Now = Callable[[str], "Asked | None"]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be approved. `about_id` is the case's, `items` the hash of what it rests on, in hex,
    `requester` the user who asked for it."""

    about_id: str
    params: Mapping[str, Any]
    items: str
    requester: str


class Agreement:
    """Approvals of one kind. `do` is what approving one on the page of approvals does, `now` what there is to
    approve of a case by its id, if anything."""

    def __init__(self, approvals: Approvals, action: str, now: Now, do: Do) -> None:
        self._approvals = approvals
        self._action = action

        def agree(actor: Actor, found: Approval, signed: Signed | None) -> None:
            there = now(found.about_id)
            if there is None or not found.request.same(there.params, there.items):
                raise ApprovalVoid("this isn't what waits any more; look at the case again")
            do(actor, found, signed)

        approvals.doers[action] = agree

    def ready(self, actor: Actor, asked: Asked, signed: Signed | None) -> None:
        """Call before anything is changed. Raises SignatureNeeded where the actor is about to approve and
        their passkey hasn't signed."""
        if asked.requester != actor.user_id:
            self._approvals.ready(actor, signed=signed, **self._given(asked))

    def settle(self, act: Act, actor: Actor, asked: Asked, signed: Signed | None) -> None:
        """Approve it in the transaction of an act. Raises SecondPersonMissing, SignatureNeeded,
        ApprovalVoid."""
        approval_id = self._approvals.agree_in(
            act.connection, actor, signed=signed, used=True, **self._given(asked)
        )
        act.objects.append(approval_id)

    def _given(self, asked: Asked) -> dict[str, Any]:
        return {
            "action": self._action,
            "about_id": asked.about_id,
            "params": asked.params,
            "items": asked.items,
            "requester": asked.requester,
        }


def settled(connection: Connection, action: str, about_id: str) -> str | None:
    """The approval by which a second person settled a case last."""
    found: str | None = connection.scalar(
        select(approvals.c.id)
        .where(approvals.c.action == action, approvals.c.about_id == about_id, approvals.c.state == "used")
        .order_by(approvals.c.decided_us.desc(), approvals.c.id.desc())
        .limit(1)
    )
    return found
