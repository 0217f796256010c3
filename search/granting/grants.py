"""Grants: asked for by one person with a reason and an end, approved by another, revoked, listed.

A grant counts from the moment it is approved and is read anew for every request (`search.granting.live`).
What it gives is in `search.scoping`, what may be given in `search.policy.GRANTABLE`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, or_, select, update

from archiver.capture.ids import new_id
from archiver.clock import from_us, rfc3339, to_us
from archiver.sealed_fields import SealedFields
from archiver.store.schema import grants, users
from archiver.vault import Vault
from config.errors import HoldfastError
from search.access import Action, Actor, Gate
from search.approving.approvals import Approvals
from search.approving.kept import Approval, Signed
from search.cover import SENSITIVE
from search.granting.covering import Covering
from search.granting.errors import BadGrant, NoSuchGrant, WrongGrantState
from search.granting.live import KINDS, Live
from search.policy import GRANTABLE

ADD, END = "grant.add", "grant.end"
DAYS: Final = 90
MOST_DAYS: Final = 366
LEAST_REASON: Final = 10


class Grants:
    """The grants of one archive. Safe from any thread. `by` None is the operator at the home."""

    def __init__(self, vault: Vault, gate: Gate, approvals: Approvals, covering: Covering) -> None:
        self._vault = vault
        self._gate = gate
        self._approvals = approvals
        self._covering = covering
        self._live = Live(vault)
        self._fields = SealedFields(vault)
        approvals.doers[ADD] = self._approve_add
        approvals.doers[END] = self._approve_end

    # --- asking -------------------------------------------------------------------------------

    def add(
        self,
        user: str,
        kind: str,
        *,
        reason: str,
        names: Iterable[str] = (),
        cover: Mapping[str, Any] | None = None,
        days: int | None = None,
        by: Actor | None = None,
    ) -> dict[str, Any]:
        """Ask for a grant; it counts once another person has approved it. Durable on return.

        `names` are the actions that `add` adds (default: search and read) or the record types that `release`
        releases (default: all sensitive ones). Raises BadGrant, NoSuchGrant (no such user), AccessDenied.
        """
        if by is not None:
            self._gate.require(by, Action.GRANT_MANAGE)
        with self._on_record(by, "grant.ask"):
            return self._add(user, kind, reason, names, cover or {}, days, by)

    def _add(
        self,
        user: str,
        kind: str,
        reason: str,
        names: Iterable[str],
        cover: Mapping[str, Any],
        days: int | None,
        by: Actor | None,
    ) -> dict[str, Any]:
        if kind not in KINDS:
            raise BadGrant(f"kind: use one of {', '.join(KINDS)}")
        reason = _reason(reason)
        days = DAYS if days is None else days
        if not 1 <= days <= MOST_DAYS:
            raise BadGrant(f"days: a grant lasts 1 to {MOST_DAYS} days")
        named = _names(kind, names)
        now = self._vault.clock.now()
        grant_id = new_id("g")
        requester = by.user_id if by is not None else "operator"
        with self._vault.records.write() as connection:
            whom = self._user(connection, user)
            read = self._covering.read(connection, cover)
            if kind == "limit" and read.everything:
                raise BadGrant("a limit names what is left to see: custodians, matters, patients, days ...")
            if Action.ROSTER_READ in named and not read.everything and not read.patients:
                raise BadGrant("patients: roster.read shows the patients that the cover names; name them")
            told: dict[str, Any] = {"cover": read.to_json(), "reason": reason}
            until = now + timedelta(days=days)
            row: dict[str, Any] = {
                "user_id": whom["id"],
                "kind": kind,
                "names": " ".join(sorted(named)),
                "from_us": to_us(now),
                "until_us": to_us(until),
            }
            approval_id = self._approvals.kept.ask_in(
                connection,
                action=ADD,
                requester=requester,
                about_id=grant_id,
                params=_params(row, told["cover"]),
                reason=reason,
            )
            connection.execute(
                grants.insert().values(
                    **row,
                    id=grant_id,
                    sealed=self._fields.seal(grant_id, told),
                    state="asked",
                    asked_us=to_us(now),
                    asked_by=requester,
                    approval_id=approval_id,
                )
            )
            self._record(connection, by, "grant.ask", (grant_id, whom["id"], approval_id), told)
            found = self._row(connection, grant_id)
        return {**self._shown(found), "approval": approval_id}

    def revoke(self, grant_id: str, *, reason: str, by: Actor | None = None) -> dict[str, Any]:
        """End a grant at once. Of a limit, whose end shows its user more, another person approves it first.

        Raises NoSuchGrant, WrongGrantState, BadGrant, AccessDenied.
        """
        if by is not None:
            self._gate.require(by, Action.GRANT_MANAGE)
        requester = by.user_id if by is not None else "operator"
        with self._on_record(by, "grant.revoke", grant_id), self._vault.records.write() as connection:
            reason = _reason(reason)
            row = self._row(connection, grant_id)
            if row["state"] not in ("asked", "granted"):
                raise WrongGrantState(f"this grant is {row['state']} already")
            if row["kind"] == "limit" and row["state"] == "granted":
                approval_id = self._approvals.kept.ask_in(
                    connection,
                    action=END,
                    requester=requester,
                    about_id=grant_id,
                    params={"grant": grant_id, "user": row["user_id"]},
                    reason=reason,
                )
                self._record(
                    connection,
                    by,
                    "grant.revoke",
                    (grant_id, approval_id),
                    {"reason": reason},
                    why="requested",
                )
                return {**self._shown(row), "approval": approval_id}
            self._end(connection, grant_id, requester)
            detail = {"reason": reason}
            self._record(connection, by, "grant.revoke", (grant_id, row["user_id"]), detail)
            found = self._row(connection, grant_id)
        return self._shown(found)

    # --- looking ------------------------------------------------------------------------------

    def list(
        self, *, user: str | None = None, every: bool = False, by: Actor | None = None
    ) -> list[dict[str, Any]]:
        """The grants that count or wait, of one user or all; `every`: those that ended too. On record."""
        if by is not None:
            self._gate.require(by, Action.GRANT_READ)
        now = to_us(self._vault.clock.now())
        with self._vault.records.write() as connection:
            query = _joined().order_by(grants.c.asked_us, grants.c.id)
            if user is not None:
                query = query.where(grants.c.user_id == self._user(connection, user)["id"])
            if not every:
                query = query.where(grants.c.state.in_(("asked", "granted")), grants.c.until_us > now)
            found = [self._shown(row) for row in connection.execute(query).mappings()]
            self._record(connection, by, "grant.list", (), {}, count=len(found))
        return found

    # --- approving ----------------------------------------------------------------------------

    def _approve_add(self, actor: Actor, asked: Approval, signed: Signed | None) -> None:
        with self._vault.records.write() as connection:
            row = self._row(connection, asked.about_id)
            told = self._fields.open(row["id"], row["sealed"])
            self._approvals.agree_in(
                connection,
                actor,
                action=ADD,
                about_id=row["id"],
                params=_params(dict(row), told["cover"]),
                items="",
                requester=row["asked_by"],
                signed=signed,
                whom=row["user_id"],
                used=True,
            )
            done = connection.execute(
                update(grants)
                .where(grants.c.id == row["id"], grants.c.state == "asked")
                .values(state="granted", decided_by=actor.user_id, decided_us=to_us(self._vault.clock.now()))
            )
            if not done.rowcount:
                raise WrongGrantState("this grant was revoked; ask for another one")
            self._record(connection, actor, "grant.add", (row["id"], row["user_id"], asked.id), {})

    def _approve_end(self, actor: Actor, asked: Approval, signed: Signed | None) -> None:
        with self._vault.records.write() as connection:
            row = self._row(connection, asked.about_id)
            self._approvals.agree_in(
                connection,
                actor,
                action=END,
                about_id=row["id"],
                params={"grant": row["id"], "user": row["user_id"]},
                items="",
                requester=asked.request.requester,
                signed=signed,
                whom=row["user_id"],
                used=True,
            )
            self._end(connection, row["id"], asked.request.requester)
            self._record(connection, actor, "grant.revoke", (row["id"], row["user_id"], asked.id), {})

    # --- inside -------------------------------------------------------------------------------

    @contextmanager
    def _on_record(self, by: Actor | None, action: str, grant_id: str = "") -> Iterator[None]:
        """Let what is refused to a person in the block be on record."""
        try:
            yield
        except HoldfastError as error:
            if by is not None:
                asked = {"asked": grant_id[:200]} if grant_id else {}
                self._gate.record(by, action, "failed", reason=error.audit_code, detail=asked)
            raise

    def _end(self, connection: Connection, grant_id: str, by: str) -> None:
        connection.execute(
            update(grants)
            .where(grants.c.id == grant_id)
            .values(state="revoked", revoked_by=by, revoked_us=to_us(self._vault.clock.now()))
        )

    def _user(self, connection: Connection, which: str) -> RowMapping:
        row = (
            connection.execute(select(users).where(or_(users.c.id == which, users.c.name == which.strip())))
            .mappings()
            .first()
        )
        if row is None or row["disabled_us"] is not None:
            raise NoSuchGrant("there is no such user, or they are disabled; `holdfast users list` shows them")
        return row

    def _row(self, connection: Connection, grant_id: str) -> RowMapping:
        row = connection.execute(_joined().where(grants.c.id == grant_id)).mappings().first()
        if row is None:
            raise NoSuchGrant("there is no such grant; `holdfast grants list` shows them")
        return row

    def _shown(self, row: RowMapping) -> dict[str, Any]:
        return shown(row, self._fields.open(row["id"], row["sealed"]), to_us(self._vault.clock.now()))

    def _record(
        self,
        connection: Connection,
        by: Actor | None,
        action: str,
        objects: tuple[str, ...],
        detail: Mapping[str, Any],
        count: int | None = None,
        why: str = "",
    ) -> None:
        event = self._gate.event(
            by, action, "success", objects=objects, count=count, reason=why, detail=detail
        )
        self._vault.audit.record_in(connection, event)


def shown(row: RowMapping, told: Mapping[str, Any], now_us: int) -> dict[str, Any]:
    """What is told of a grant."""
    state = row["state"]
    if state in ("asked", "granted") and row["until_us"] <= now_us:
        state = "expired"
    return {
        "id": row["id"],
        "user": row["user_id"],
        "user_name": row.get("user_name"),
        "kind": row["kind"],
        "names": row["names"].split(),
        "cover": told["cover"],
        "reason": told["reason"],
        "state": state,
        "asked_by": row["asked_by"],
        "asked_at": _time(row["asked_us"]),
        "approved_by": row["decided_by"],
        "approved_at": _time(row["decided_us"]),
        "from": _time(row["from_us"]),
        "until": _time(row["until_us"]),
        "revoked_at": _time(row["revoked_us"]),
        "last_used_at": _time(row["last_used_us"]),
    }


def _joined() -> Any:
    return select(grants, users.c.name.label("user_name")).join(users, users.c.id == grants.c.user_id)


def _params(row: Mapping[str, Any], cover: Mapping[str, Any]) -> dict[str, Any]:
    """What of a grant is approved: all that it gives."""
    return {
        "user": row["user_id"],
        "kind": row["kind"],
        "names": row["names"].split(),
        "cover": dict(cover),
        "from": _time(row["from_us"]),
        "until": _time(row["until_us"]),
    }


def _names(kind: str, given: Iterable[str]) -> set[str]:
    named = {one.strip().lower() for one in given if one.strip()}
    if kind == "limit":
        if named:
            raise BadGrant("names: a limit names none; it says what is covered")
        return set()
    allowed = {str(action) for action in GRANTABLE} if kind == "add" else set(SENSITIVE)
    if named - allowed:
        raise BadGrant(f"names: use {', '.join(sorted(allowed))}")
    if named:
        return named
    return {str(Action.SEARCH), str(Action.READ)} if kind == "add" else set(SENSITIVE)


def _reason(text: str) -> str:
    reason = " ".join(text.split())
    if len(reason) < LEAST_REASON:
        raise BadGrant(f"reason: say why, in at least {LEAST_REASON} characters")
    return reason[:2_000]


def _time(us: int | None) -> str | None:
    moment: datetime | None = from_us(us) if us is not None else None
    return rfc3339(moment) if moment is not None else None
