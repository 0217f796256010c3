"""The approvals of one archive: asked for, decided by a second person, used once, or void.

What is approved is a hash (`search.approving.request`), and a passkey signs it where its owner has one. When
the thing is done, what would be done is hashed again: where that differs, or a day has passed, the approval
is void. A row is written once and only moves on; guards in the database keep the two persons apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, update

from archiver.clock import to_us
from archiver.ledger.audit import Outcome
from archiver.store.schema import approvals
from archiver.vault import Vault
from config.errors import HoldfastError
from search.access import AccessDenied, Action, Actor, Gate
from search.approving.errors import ApprovalEnded, ApprovalNeeded, ApprovalVoid, SignatureNeeded
from search.approving.kept import OPEN, Approval, Signed
from search.approving.looking import Looking
from search.approving.persons import check_second
from search.approving.rights import needed, objects_of
from search.policy import may

Doer = Callable[[Actor, Approval, Signed | None], Any]
"""What approving a kind of request does: it ends in `agree_in`, in the transaction of the thing itself."""


class Approvals(Looking):
    """Safe from any thread. `doers` are filled at wiring, by action."""

    def __init__(self, vault: Vault, gate: Gate) -> None:
        super().__init__(vault, gate)
        self.doers: dict[str, Doer] = {}

    # --- deciding -----------------------------------------------------------------------------

    def approve(self, actor: Actor, approval_id: str, signed: Signed | None = None) -> dict[str, Any]:
        """Approve what was asked for, and do what follows from it. Durable on return.

        Raises AccessDenied, StepUpNeeded, SecondPersonMissing, SignatureNeeded, ApprovalEnded, ApprovalVoid,
        NoSuchApproval, and what doing it raises.
        """
        if signed is not None and signed.user_id == actor.user_id:
            # A passkey that has just signed was shown just now, whatever the session saw last.
            actor = replace(actor, verified_us=to_us(self._vault.clock.now()))
        found = self._to_decide(actor, approval_id, "approval.approve")
        doer = self.doers.get(found.request.action)
        if doer is None:
            objects = objects_of(approval_id, found.about_id)
            self._gate.record(actor, "approval.approve", "failed", objects=objects, reason="elsewhere")
            raise ApprovalEnded("this kind of request is approved where it was made")
        try:
            doer(actor, found, signed)
        except HoldfastError as error:
            # What is done and refused may leave an entry of its own besides; that somebody tried stands here.
            outcome: Outcome = "denied" if isinstance(error, AccessDenied) else "failed"
            objects = objects_of(approval_id, found.about_id)
            self._gate.record(actor, "approval.approve", outcome, objects=objects, reason=error.code)
            raise
        return self.show_in(self.load(approval_id))

    def refuse(self, actor: Actor, approval_id: str, reason: str = "") -> dict[str, Any]:
        """Refuse what was asked for. The asker may take their own request back by it."""
        found = self._to_decide(actor, approval_id, "approval.refuse", own=True)
        with self._vault.records.write() as connection:
            done = connection.execute(
                update(approvals)
                .where(approvals.c.id == approval_id, approvals.c.state == "asked")
                .values(
                    state="refused",
                    decided_by=actor.user_id,
                    decided_us=to_us(self._vault.clock.now()),
                    method=actor.method,
                )
            )
            if not done.rowcount:
                raise ApprovalEnded("somebody decided this a moment ago; look at it again")
            event = self._gate.event(
                actor,
                "approval.refuse",
                "success",
                objects=objects_of(approval_id, found.about_id),
                detail={"reason": reason},
            )
            self._vault.audit.record_in(connection, event)
        return self.show_in(self.load(approval_id))

    def ready(
        self,
        actor: Actor,
        *,
        action: str,
        about_id: str,
        params: Mapping[str, Any],
        items: str,
        requester: str,
        reason: str = "",
        signed: Signed | None = None,
        life: timedelta | None = None,
    ) -> None:
        """Make sure that what somebody is about to approve can be signed, before anything is changed.

        Raises SignatureNeeded, with a request to sign, where the actor has a passkey and hasn't signed.
        """
        if signed is not None or not may(actor, needed(action)):
            return  # the gate of what is done says who may not
        with self._vault.records.write() as connection:
            if not self.kept.has_passkey(connection, actor.user_id):
                return
            found = self.kept.waiting(connection, action, about_id, params, items, requester)
            approval_id = found.id if found is not None else ""
            if not approval_id:
                approval_id = self.kept.ask_in(
                    connection,
                    action=action,
                    requester=requester,
                    about_id=about_id,
                    params=params,
                    items=items,
                    reason=reason,
                    life=life,
                )
        objects = objects_of(approval_id, about_id)
        self._gate.record(actor, "approval.approve", "denied", objects=objects, reason="signature_needed")
        raise SignatureNeeded(approval_id)

    def agree_in(
        self,
        connection: Connection,
        actor: Actor,
        *,
        action: str,
        about_id: str,
        params: Mapping[str, Any],
        items: str,
        requester: str,
        reason: str = "",
        signed: Signed | None = None,
        life: timedelta | None = None,
        whom: str = "",
        used: bool = False,
    ) -> str:
        """Approve, in the transaction of what is approved: exactly this, asked for by `requester`; its id.

        `used`: it is done in this very transaction. Raises SecondPersonMissing, SignatureNeeded,
        ApprovalVoid.
        """
        check_second(
            connection,
            self._vault.clock,
            requester,
            actor.user_id,
            signed=signed is not None,
            about=whom,
        )
        found = self.kept.waiting(connection, action, about_id, params, items, requester)
        if found is None:
            if signed is not None:
                raise ApprovalVoid("what you signed isn't what would be done now; look at it again")
            approval_id = self.kept.ask_in(
                connection,
                action=action,
                requester=requester,
                about_id=about_id,
                params=params,
                items=items,
                reason=reason,
                life=life,
            )
        else:
            approval_id = found.id
        if signed is None and self.kept.has_passkey(connection, actor.user_id):
            raise SignatureNeeded(approval_id)
        if signed is not None and found is not None and not _is_for(signed, found, actor):
            raise ApprovalVoid("the passkey signed another request; look at it again")
        now = to_us(self._vault.clock.now())
        sealed = None
        if signed is not None:
            sealed = self.kept.sealed(approval_id, signed)
        self.kept.move(
            connection,
            approval_id,
            "asked",
            state="approved",
            decided_by=actor.user_id,
            decided_us=now,
            method=actor.method,
            sealed_assertion=sealed,
        )
        event = self._gate.event(
            actor,
            "approval.approve",
            "success",
            objects=objects_of(approval_id, about_id),
            reason="signed" if signed is not None else "",
        )
        self._vault.audit.record_in(connection, event)
        if used:
            self.kept.move(connection, approval_id, "approved", state="used", ended_us=now)
        return approval_id

    # --- using --------------------------------------------------------------------------------

    def check(self, action: str, about_id: str, params: Mapping[str, Any], items: str) -> str | None:
        """The approval under which something may be done now; None where nobody asked for any.

        Call it before the transaction that does it, and `use_in` within. One that is too old, or of something
        else than what would be done, is made void. Raises ApprovalNeeded, ApprovalVoid.
        """
        now = to_us(self._vault.clock.now())
        with self._vault.records.read() as connection:
            found = self.kept.latest(connection, action, about_id)
        if found is None:
            return None
        if found.state == "asked" and found.request.expires_us > now:
            raise ApprovalNeeded("a second person must approve this first; `holdfast approval list` shows it")
        if found.state == "void":
            raise ApprovalVoid("its approval is void; ask for it anew")
        if found.state not in OPEN:
            raise ApprovalNeeded("this was refused, or done already; ask for it anew")
        why = "expired" if found.request.expires_us <= now else ""
        if not why and not found.request.same(params, items):
            why = "changed"
        if why:
            self.kept.void(found.id, why)
            raise ApprovalVoid(
                "it was approved too long ago; ask for it anew"
                if why == "expired"
                else "what would be done isn't what was approved; ask for it anew"
            )
        return found.id

    def use_in(self, connection: Connection, approval_id: str, params: Mapping[str, Any], items: str) -> None:
        """Use an approval up, in the transaction of what it allows. Raises ApprovalVoid, ApprovalEnded."""
        found = self.kept.one(connection, approval_id)
        now = to_us(self._vault.clock.now())
        if not found.request.same(params, items) or found.request.expires_us <= now:
            raise ApprovalVoid("what would be done isn't what was approved; ask for it anew")
        self.kept.move(connection, approval_id, "approved", state="used", ended_us=now)

    # --- inside -------------------------------------------------------------------------------

    def _to_decide(self, actor: Actor, approval_id: str, name: str, *, own: bool = False) -> Approval:
        self._gate.require(actor, Action.APPROVAL_DECIDE)
        found = self._seen(actor, approval_id, name)
        objects = objects_of(approval_id, found.about_id)
        mine = own and found.request.requester == actor.user_id
        needs = needed(found.request.action)
        if not mine and not may(actor, needs):
            self._gate.record(actor, name, "denied", objects=objects, reason="role")
            raise AccessDenied(f"the role {actor.role} does not allow {needs}; ask a person whose role does")
        if found.state != "asked":
            self._gate.record(actor, name, "failed", objects=objects, reason="approval_ended")
            raise ApprovalEnded(f"this request is {found.state} already")
        if found.request.expires_us <= to_us(self._vault.clock.now()):
            self.kept.void(approval_id, "expired")
            self._gate.record(actor, name, "failed", objects=objects, reason="expired")
            raise ApprovalVoid("this request is too old; ask for it anew")
        return found


def _is_for(signed: Signed, found: Approval, actor: Actor) -> bool:
    return signed.payload == found.request_hash and signed.user_id == actor.user_id
