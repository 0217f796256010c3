"""Approvals as people look at them: what waits, what became of it, and the file that a stranger checks."""

from __future__ import annotations

from itertools import islice
from typing import Any, Final

from sqlalchemy import select

from archiver.clock import from_us, rfc3339, to_us
from archiver.store.schema import approvals, users
from archiver.vault import Vault
from search.access import Action, Actor, Gate
from search.approving.errors import NoSuchApproval
from search.approving.kept import OPEN, Approval, Kept
from search.approving.rights import concerns, objects_of, title

FORMAT: Final = "holdfast-approval/1"
LISTED: Final = 1_000


class Looking:
    """Lists and shows, each look on record. Safe from any thread."""

    def __init__(self, vault: Vault, gate: Gate) -> None:
        self._vault = vault
        self._gate = gate
        self.kept = Kept(vault)

    def list(self, actor: Actor, *, every: bool = False) -> list[dict[str, Any]]:
        """Requests that wait for a second person, or every one of the last `LISTED`, newest first. On record.

        `every` is of those that concern the actor, so that nobody's list is shortened by other people's.
        """
        self._gate.require(actor, Action.APPROVAL_READ)
        query = select(approvals).order_by(approvals.c.created_us.desc(), approvals.c.id.desc())
        if not every:
            now = to_us(self._vault.clock.now())
            query = query.where(approvals.c.state == "asked", approvals.c.expires_us > now)
        with self._vault.records.read() as connection:
            rows = connection.execute(query).mappings().all()
            theirs = (one for one in map(self.kept.read, rows) if concerns(connection, actor, one))
            found = list(islice(theirs, LISTED))
        told = [self.show_in(one) for one in found]
        self._gate.record(actor, "approval.list", "success" if told else "empty", count=len(told))
        return told

    def show(self, actor: Actor, approval_id: str) -> dict[str, Any]:
        """One request with its hash and what became of it. On record. Raises NoSuchApproval."""
        self._gate.require(actor, Action.APPROVAL_READ)
        found = self._seen(actor, approval_id, "approval.show")
        self._gate.record(actor, "approval.show", "success", objects=objects_of(approval_id, found.about_id))
        return self.show_in(found)

    def export(self, actor: Actor, approval_id: str) -> dict[str, Any]:
        """The file that a stranger checks: see `search.approving.offline`. On record."""
        self._gate.require(actor, Action.APPROVAL_READ)
        found = self._seen(actor, approval_id, "approval.export")
        document: dict[str, Any] = {
            "format": FORMAT,
            "id": found.id,
            "archive": self._vault.archive_id,
            "request": found.request.canonical().decode(),
            "request_hash": found.request_hash.hex(),
            "state": found.state,
            "approver": found.decided_by,
            "approved_at": _time(found.decided_us) if found.state in ("approved", "used") else None,
            "method": found.method,
            "assertion": self.kept.assertion(approval_id),
        }
        self._gate.record(
            actor, "approval.export", "success", objects=objects_of(approval_id, found.about_id)
        )
        return document

    def load(self, approval_id: str) -> Approval:
        """An approval, for services that ask the gate themselves. Raises NoSuchApproval."""
        with self._vault.records.read() as connection:
            return self.kept.one(connection, approval_id)

    def show_in(self, found: Approval) -> dict[str, Any]:
        """What is told of an approval."""
        now = to_us(self._vault.clock.now())
        expired = found.state in OPEN and found.request.expires_us <= now
        return {
            "id": found.id,
            "action": found.request.action,
            "title": title(found.request.action),
            "about": found.about_id,
            "whom": self._name(str(found.request.params["user"])) if "user" in found.request.params else None,
            "params": dict(found.request.params),
            "item_set_sha256": found.request.item_set_sha256,
            "requester": found.request.requester,
            "requester_name": self._name(found.request.requester),
            "reason": found.request.reason,
            "request_hash": found.request_hash.hex(),
            "asked_at": _time(found.request.created_us),
            "expires_at": _time(found.request.expires_us),
            "state": "expired" if expired else found.state,
            "decided_by": found.decided_by,
            "decided_by_name": self._name(found.decided_by) if found.decided_by else None,
            "decided_at": _time(found.decided_us),
            "method": found.method,
            "void_why": found.void_why,
        }

    # --- inside -------------------------------------------------------------------------------

    def _seen(self, actor: Actor, approval_id: str, name: str) -> Approval:
        """An approval that concerns the actor; another one is as if it weren't there."""
        try:
            found = self.load(approval_id)
        except NoSuchApproval:
            self._gate.record(actor, name, "failed", reason="not_found", detail={"asked": approval_id[:200]})
            raise
        with self._vault.records.read() as connection:
            theirs = concerns(connection, actor, found)
        if not theirs:
            self._gate.record(actor, name, "denied", objects=(found.id,), reason="scope")
            raise NoSuchApproval("there is no such request; `holdfast approval list` shows them")
        return found

    def _name(self, user_id: str) -> str:
        with self._vault.records.read() as connection:
            return connection.scalar(select(users.c.name).where(users.c.id == user_id)) or user_id


def _time(us: int | None) -> str | None:
    return rfc3339(from_us(us)) if us is not None else None
