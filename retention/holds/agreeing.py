"""Two persons for a hold: what the second one approves, as a request whose hash their passkey signs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Connection

from archiver.vault import Vault
from retention.acts import Act
from retention.holds import versions
from retention.holds.versions import Versions
from search.access import Actor
from search.approving.approvals import Approvals
from search.approving.kept import Approval, Signed
from search.policy import own_matters_only
from search.scoping import HOLD_SIGHT

RELEASE: Final = "hold.release"
SIGHT_LIFE: Final = timedelta(days=30)

Approve = Callable[[Actor, str, Signed | None], Any]


class HoldApprovals:
    """Asks for and settles the approvals of holds."""

    def __init__(self, vault: Vault, approvals: Approvals, approve: Approve) -> None:
        self._vault = vault
        self._approvals = approvals
        approvals.doers[HOLD_SIGHT] = self._give_sight

        def release(actor: Actor, asked: Approval, signed: Signed | None) -> None:
            approve(actor, asked.about_id, signed)

        approvals.doers[RELEASE] = release

    def placed(self, connection: Connection, actor: Actor, row_id: str, matter_id: str) -> None:
        """A version was placed: where a lawyer's own hold doesn't widen their sight, ask another person."""
        if self._vault.settings.hold_sight == "approved" and own_matters_only(actor):
            self._approvals.kept.ask_in(
                connection,
                action=HOLD_SIGHT,
                requester=actor.user_id,
                about_id=row_id,
                params={"hold": row_id, "matter": matter_id},
                life=SIGHT_LIFE,
            )

    def ready(self, actor: Actor, hold_id: str, signed: Signed | None) -> None:
        """Raises SignatureNeeded where the actor is about to approve and their passkey hasn't signed."""
        with self._vault.records.read() as connection:
            found = versions.read(connection, hold_id)
            asked = _asked(found) if found and versions.is_theirs(connection, actor, found) else None
        if asked is not None and asked["requester"] != actor.user_id:
            self._approvals.ready(actor, signed=signed, **asked)

    def agreed(self, act: Act, actor: Actor, found: Versions, signed: Signed | None) -> None:
        """Settle the approval of what waits, in the transaction that begins the cooling-off."""
        asked = _asked(found)
        if asked is not None:
            self._approvals.agree_in(act.connection, actor, signed=signed, used=True, **asked)

    def _give_sight(self, actor: Actor, asked: Approval, signed: Signed | None) -> None:
        with self._vault.records.write() as connection:
            self._approvals.agree_in(
                connection,
                actor,
                action=HOLD_SIGHT,
                about_id=asked.about_id,
                params=asked.request.params,
                items="",
                requester=asked.request.requester,
                signed=signed,
                used=True,
            )


def _asked(found: Versions) -> dict[str, Any] | None:
    rows = [row for row in versions.taking(found) if row["release_asked_by"] is not None]
    if not rows:
        return None
    root = versions.known_as(found[0])
    return {
        "action": RELEASE,
        "about_id": root,
        "params": {"hold": root, "versions": sorted(row["id"] for row in rows)},
        "items": "",
        "requester": rows[0]["release_asked_by"],
    }
