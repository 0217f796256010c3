"""The access review: who can see what, by which grant, until when, and when they last did; signed off.

45 CFR 164.308(a)(4)(ii)(C): access is reviewed and modified. What is signed is the SHA-256 of the report in
its canonical form (RFC 8785), and the report is kept with it.
"""

from __future__ import annotations

import hashlib
from typing import Any

from sqlalchemy import Connection, func, select

from archiver.capture.ids import new_id
from archiver.clock import from_us, rfc3339, to_us
from archiver.ledger import canonical
from archiver.sealed_fields import SealedFields
from archiver.store.schema import (
    access_hours,
    access_reviews,
    appointments,
    credentials,
    emergencies,
    grants,
    matter_members,
    passkeys,
    users,
)
from archiver.vault import Vault
from search.access import Action, Actor, Gate, Role
from search.granting.errors import BadGrant
from search.granting.grants import shown
from search.policy import own_matters_only, rights

_HOUR_US = 3_600_000_000


class AccessReview:
    """The access reviews of one archive. Safe from any thread."""

    def __init__(self, vault: Vault, gate: Gate) -> None:
        self._vault = vault
        self._gate = gate
        self._fields = SealedFields(vault)

    def report(self, actor: Actor) -> dict[str, Any]:
        """Everybody who can do anything, as of now; see `_person`. On record."""
        self._gate.require(actor, Action.ACCESS_REVIEW)
        report = self._report()
        self._gate.record(actor, "access.review", "success", count=len(report["people"]))
        return report

    def sign(self, actor: Actor, sha256: str, remark: str) -> dict[str, Any]:
        """Sign off the report whose hash was looked at: where anything changed since, it is to be looked at
        anew. Raises BadGrant."""
        self._gate.require(actor, Action.ACCESS_REVIEW)
        report = self._report()
        remark = " ".join(remark.split())[:2_000]
        if sha256.strip().lower() != report["sha256"]:
            self._gate.record(actor, "access.review", "failed", reason="changed")
            raise BadGrant("access changed since you looked; look at the report again and sign that one")
        review_id = new_id("i")
        now = self._vault.clock.now()
        with self._vault.records.write() as connection:
            connection.execute(
                access_reviews.insert().values(
                    id=review_id,
                    at_us=to_us(now),
                    by_id=actor.user_id,
                    sha256=bytes.fromhex(report["sha256"]),
                    sealed=self._fields.seal(review_id, {"report": report, "remark": remark}),
                )
            )
            event = self._gate.event(
                actor,
                "access.review",
                "success",
                objects=(review_id,),
                reason="signed",
                detail={"remark": remark},
            )
            self._vault.audit.record_in(connection, event)
        return {"id": review_id, "at": rfc3339(now), "by": actor.user_id, "sha256": report["sha256"]}

    # --- inside -------------------------------------------------------------------------------

    def _report(self) -> dict[str, Any]:
        with self._vault.records.read() as connection:
            rows = connection.execute(
                select(users).where(users.c.disabled_us.is_(None)).order_by(users.c.created_us, users.c.id)
            ).mappings()
            people = [self._person(connection, row) for row in rows.all()]
            last = connection.execute(
                select(access_reviews, users.c.name)
                .join(users, users.c.id == access_reviews.c.by_id)
                .order_by(access_reviews.c.at_us.desc())
                .limit(1)
            ).first()
        # What anybody does all day isn't what is signed: only what they could do.
        fixed = [{k: v for k, v in one.items() if k not in ("use", "grants")} for one in people]
        for one, whole in zip(fixed, people, strict=True):
            one["grants"] = [{k: v for k, v in g.items() if k != "last_used_at"} for g in whole["grants"]]
        return {
            "at": rfc3339(self._vault.clock.now()),
            "people": people,
            "sha256": _digest(fixed),
            "signed_at": _time(last.at_us) if last else None,
            "signed_by": last.name if last else None,
            "unchanged_since": last is not None and bytes(last.sha256).hex() == _digest(fixed),
        }

    def _person(self, connection: Connection, row: Any) -> dict[str, Any]:
        """`{id, name, role, actions, sees, matters, grants, passkeys, appointed_by, appointed_at, use}`, of
        which `use` is `{signed_in_at, opened, tokens, never}`."""
        user_id = row["id"]
        actor = Actor(user_id, row["name"], Role(row["role"]), "job")
        now = to_us(self._vault.clock.now())
        live = (
            connection.execute(
                select(grants)
                .where(grants.c.user_id == user_id, grants.c.state == "granted", grants.c.until_us > now)
                .order_by(grants.c.id)
            )
            .mappings()
            .all()
        )
        held = [shown(one, self._fields.open(one["id"], one["sealed"]), now) for one in live]
        for one in held:
            one.pop("user_name")
        own = own_matters_only(actor)
        reads = Action.READ in rights(actor)
        sees = ("matters" if own else "everything") if reads else "nothing"
        if any(one["kind"] == "limit" for one in held):
            sees = f"{sees}, within limits"
        if any(one["kind"] == "add" for one in held):
            sees = f"{sees}, and what grants add"
        matters = connection.scalars(
            select(matter_members.c.matter_id)
            .where(matter_members.c.user_id == user_id)
            .order_by(matter_members.c.matter_id)
        ).all()
        appointed = connection.execute(
            select(appointments)
            .where(appointments.c.user_id == user_id)
            .order_by(appointments.c.at_us.desc())
            .limit(1)
        ).first()
        return {
            "id": user_id,
            "name": row["name"],
            "role": row["role"],
            "actions": sorted(map(str, rights(actor))),
            "sees": sees,
            "matters": list(matters),
            "grants": held,
            "passkeys": _count(
                connection, passkeys, passkeys.c.user_id == user_id, passkeys.c.removed_us.is_(None)
            ),
            "appointed_by": appointed.by_id if appointed else None,
            "appointed_at": _time(appointed.at_us) if appointed else _time(row["created_us"]),
            "use": self._use(connection, user_id, now),
        }

    @staticmethod
    def _use(connection: Connection, user_id: str, now: int) -> dict[str, Any]:
        mine = credentials.c.user_id == user_id
        seen = connection.scalar(select(func.max(credentials.c.last_used_us)).where(mine))
        month = now // _HOUR_US - 30 * 24
        opened = connection.scalar(
            select(func.sum(access_hours.c.views)).where(
                access_hours.c.user_id == user_id, access_hours.c.hour >= month
            )
        )
        return {
            "signed_in_at": _time(seen),
            "opened_in_30_days": int(opened or 0),
            "tokens": _count(
                connection,
                credentials,
                mine,
                credentials.c.kind == "api",
                credentials.c.revoked_us.is_(None),
                credentials.c.expires_us > now,
            ),
            "emergencies": _count(connection, emergencies, emergencies.c.user_id == user_id),
            "never": seen is None,
        }


def _count(connection: Connection, table: Any, *where: Any) -> int:
    return int(connection.scalar(select(func.count()).select_from(table).where(*where)) or 0)


def _digest(value: Any) -> str:
    return hashlib.sha256(canonical.dumps(value)).hexdigest()


def _time(us: int | None) -> str | None:
    return rfc3339(from_us(us)) if us is not None else None
