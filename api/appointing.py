"""Changes of role: asked for by one person, approved by another; who appointed whom is kept.

A role is felt by the very next request, since no credential carries it; all sessions of the user end all the
same, so that nobody goes on in a page that their new role wouldn't have shown them.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, RowMapping, or_, select, update

from api import credentials
from api.accounts import read_role
from api.errors import AccountError, LastAdministrator, NoSuchUser
from archiver.clock import to_us
from archiver.store.schema import users
from archiver.vault import Vault
from search.access import Action, Actor, Gate, Role
from search.approving.approvals import Approvals
from search.approving.kept import Approval, Signed
from search.approving.persons import ADDED, appointed
from search.policy import roles_with

ROLE: Final = "user.role"


class Appointing:
    """The appointments of one archive. Safe from any thread. `by` None is the operator at the home."""

    def __init__(self, vault: Vault, gate: Gate, approvals: Approvals) -> None:
        self._vault = vault
        self._gate = gate
        self._approvals = approvals
        approvals.doers[ROLE] = self._approve
        approvals.doers[ADDED] = self._approve_added

    def ask(
        self, user: str, role: str | Role, *, reason: str = "", by: Actor | None = None
    ) -> dict[str, Any]:
        """Ask for another role of a user, by name or id. It counts once another person has approved it.

        Raises NoSuchUser, UnknownRole, AccountError (the role they have), LastAdministrator, AccessDenied.
        """
        if by is not None:
            self._gate.require(by, Action.USER_MANAGE)
        role = role if isinstance(role, Role) else read_role(role)
        requester = by.user_id if by is not None else "operator"
        with self._vault.records.write() as connection:
            row = _find(connection, user)
            self._check(connection, row, role)
            approval_id = self._approvals.kept.ask_in(
                connection,
                action=ROLE,
                requester=requester,
                about_id=row["id"],
                params=_params(row, role),
                reason=" ".join(reason.split())[:2_000],
            )
            self._record(connection, by, "user.role_ask", (row["id"], approval_id), {"role": str(role)})
        return {"id": row["id"], "name": row["name"], "role": row["role"], "asked": str(role)} | {
            "approval": approval_id
        }

    def _approve(self, actor: Actor, asked: Approval, signed: Signed | None) -> None:
        now = self._vault.clock.now()
        role = Role(asked.request.params["role"])
        with self._vault.records.write() as connection:
            row = _find(connection, asked.about_id)
            self._check(connection, row, role)
            self._approvals.agree_in(
                connection,
                actor,
                action=ROLE,
                about_id=row["id"],
                params=_params(row, role),
                items="",
                requester=asked.request.requester,
                signed=signed,
                whom=row["id"],
                used=True,
            )
            connection.execute(update(users).where(users.c.id == row["id"]).values(role=str(role)))
            appointed(
                connection,
                row["id"],
                role,
                by=asked.request.requester,
                at_us=to_us(now),
                approved_by=actor.user_id,
                approval_id=asked.id,
            )
            ended = credentials.revoke(connection, now, row["id"], "session")
            detail = {"role": str(role), "before": row["role"], "sessions": ended}
            self._record(connection, actor, "user.role", (row["id"], asked.id), detail)

    def _approve_added(self, actor: Actor, asked: Approval, signed: Signed | None) -> None:
        now = self._vault.clock.now()
        with self._vault.records.write() as connection:
            row = _find(connection, asked.about_id)
            self._approvals.agree_in(
                connection,
                actor,
                action=ADDED,
                about_id=row["id"],
                params={"user": row["id"], "role": row["role"]},
                items="",
                requester=asked.request.requester,
                signed=signed,
                whom=row["id"],
                used=True,
            )
            appointed(
                connection,
                row["id"],
                Role(row["role"]),
                by=asked.request.requester,
                at_us=to_us(now),
                approved_by=actor.user_id,
                approval_id=asked.id,
            )
            self._record(connection, actor, "user.role", (row["id"], asked.id), {"role": row["role"]})

    @staticmethod
    def _check(connection: Connection, row: RowMapping, role: Role) -> None:
        if row["role"] == str(role):
            raise AccountError("this user has that role already")
        before = Role(row["role"])
        managers = roles_with(Action.USER_MANAGE)
        if before in managers and role not in managers:
            others = select(users.c.id).where(
                users.c.role == row["role"], users.c.disabled_us.is_(None), users.c.id != row["id"]
            )
            if connection.execute(others.limit(1)).first() is None:
                raise LastAdministrator("this is the last administrator; add another one first")

    def _record(
        self,
        connection: Connection,
        by: Actor | None,
        action: str,
        objects: tuple[str, ...],
        detail: dict[str, Any],
    ) -> None:
        event = self._gate.event(by, action, "success", objects=objects, detail=detail)
        self._vault.audit.record_in(connection, event)


def _find(connection: Connection, which: str) -> RowMapping:
    row = (
        connection.execute(select(users).where(or_(users.c.id == which, users.c.name == which.strip())))
        .mappings()
        .first()
    )
    if row is None or row["disabled_us"] is not None:
        raise NoSuchUser("there is no such user, or they are disabled; `holdfast users list` shows them")
    return row


def _params(row: RowMapping, role: Role) -> dict[str, Any]:
    return {"user": row["id"], "role": str(role), "before": row["role"]}
