"""Two persons for the policy: what the second one approves, as a request whose hash their passkey signs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from sqlalchemy import Connection, RowMapping

from retention.policy.changes import APPROVE, Change
from search.access import Actor
from search.approving.approvals import Approvals
from search.approving.kept import Approval, Signed

CHANGE: Final = "policy.change"

Enact = Callable[[Actor, Mapping[str, Any], str, str, Signed | None], Any]


class PolicyApprovals:
    """Asks for and settles the approvals of changes of policy."""

    def __init__(self, approvals: Approvals, enact: Enact) -> None:
        self._approvals = approvals

        def agree(actor: Actor, asked: Approval, signed: Signed | None) -> None:
            document = {"do": APPROVE, "id": asked.about_id}
            enact(actor, document, asked.request.params["preview"], asked.request.reason, signed)

        approvals.doers[CHANGE] = agree

    def ready(
        self, actor: Actor, row: RowMapping, means: Change, preview: str, reason: str, signed: Signed | None
    ) -> None:
        """Raises SignatureNeeded where the actor is about to approve and their passkey hasn't signed."""
        asked = _asked(row, means, preview)
        if asked["requester"] not in (None, actor.user_id):
            self._approvals.ready(actor, signed=signed, reason=reason, **asked)

    def agreed(
        self,
        connection: Connection,
        actor: Actor,
        row: RowMapping,
        means: Change,
        preview: str,
        signed: Signed | None,
    ) -> None:
        """Settle the approval, in the transaction that puts the change in force."""
        asked = _asked(row, means, preview)
        self._approvals.agree_in(connection, actor, signed=signed, used=True, **asked)


def _asked(row: RowMapping, means: Change, preview: str) -> dict[str, Any]:
    says = json.dumps(means.to_json(), sort_keys=True, default=str)
    return {
        "action": CHANGE,
        "about_id": row["id"],
        "params": {"entry": row["id"], "state": row["state"], "change": says, "preview": preview},
        "items": "",
        "requester": row["end_asked_by"] if row["state"] == "ending" else row["asked_by"],
    }
