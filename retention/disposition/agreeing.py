"""Two persons for a disposal: the approval of exactly one list, checked again when it is executed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import RowMapping, select

from archiver.store.schema import dispositions
from archiver.vault import Vault
from retention.acts import Act
from search.access import Actor
from search.approving.approvals import Approvals
from search.approving.kept import Approval, Signed
from search.approving.persons import check_second

EXECUTE: Final = "disposition.execute"
LIFE: Final = timedelta(days=30)
"""A list may be long, and its execution wait for a night; every message is checked again in it anyway."""

Approve = Callable[[Actor, str, str, Signed | None], Any]


class ListApprovals:
    """Asks for, settles and checks the approvals of dispositions."""

    def __init__(self, vault: Vault, approvals: Approvals, approve: Approve) -> None:
        self._vault = vault
        self._approvals = approvals

        def agree(actor: Actor, asked: Approval, signed: Signed | None) -> None:
            approve(actor, asked.about_id, asked.request.item_set_sha256, signed)

        approvals.doers[EXECUTE] = agree

    def ready(self, actor: Actor, disposition_id: str, signed: Signed | None) -> None:
        """Raises SignatureNeeded where the actor is about to approve and their passkey hasn't signed."""
        row = self._row(disposition_id)
        if row is not None and row["state"] == "proposed" and actor.user_id not in _makers(row):
            self._approvals.ready(actor, signed=signed, life=LIFE, **_asked(row))

    def agreed(self, act: Act, actor: Actor, row: RowMapping, signed: Signed | None) -> None:
        """Settle the approval of a list, in the transaction that approves it."""
        for maker in _makers(row) - {row["created_by"]}:
            check_second(act.connection, self._vault.clock, maker, actor.user_id, signed=signed is not None)
        self._approvals.agree_in(act.connection, actor, signed=signed, life=LIFE, **_asked(row))

    def check(self, disposition_id: str, sha256: bytes) -> str | None:
        """The approval under which a list may be executed; None where its execution has begun, where it is of
        before approvals were kept, and where it isn't approved, which is found later. Raises ApprovalVoid."""
        row = self._row(disposition_id)
        if row is None or row["state"] != "approved" or row["begun_us"] is not None:
            return None
        if sha256 != bytes(row["items_sha256"]) or sha256 != bytes(row["approved_sha256"] or b""):
            return None
        asked = _asked(row)
        return self._approvals.check(EXECUTE, disposition_id, asked["params"], asked["items"])

    def use(self, act: Act, row: RowMapping, approval_id: str | None) -> None:
        """Use the approval up as the execution begins."""
        if approval_id is not None:
            asked = _asked(row)
            self._approvals.use_in(act.connection, approval_id, asked["params"], asked["items"])
            act.objects.append(approval_id)

    def _row(self, disposition_id: str) -> RowMapping | None:
        with self._vault.records.read() as connection:
            query = select(dispositions).where(dispositions.c.id == disposition_id)
            return connection.execute(query).mappings().first()


def _makers(row: RowMapping) -> set[str]:
    return {one for one in (row["created_by"], row["changed_by"]) if one}


def _asked(row: RowMapping) -> dict[str, Any]:
    return {
        "action": EXECUTE,
        "about_id": row["id"],
        "params": {"disposition": row["id"], "as_of": row["as_of"].isoformat()},
        "items": bytes(row["items_sha256"]).hex(),
        "requester": row["created_by"],
    }
