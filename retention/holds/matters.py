"""Matters: the legal cases that holds and productions belong to, and who may see them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, RowMapping, func, select

from archiver.capture.prepare import new_id
from archiver.clock import from_us, rfc3339, to_us
from archiver.store import dialect
from archiver.store.schema import holds, matter_members, matters, users
from archiver.vault import Vault
from retention.acts import change, look
from retention.fields import SealedFields
from retention.holds import versions
from retention.holds.members import in_scope
from retention.refusals import BadCriteria, MatterClosed, MatterHeld, NameTaken, NotThere
from search.access import Action, Actor, Gate, OutOfScope
from search.matters import matter_named, name_token

MAX_NAME = 200
_NO_SUCH = "there is no such matter; `holdfast matter list` shows yours"


class Matters:
    """The matters of one archive. A lawyer sees and manages only those they are a member of.

    Every call is permitted by the gate and on record when it returns; changes are durable then. All may
    raise AccessDenied, and NotThere where `which` (an id or a name) names no matter.
    """

    def __init__(self, vault: Vault, gate: Gate) -> None:
        self._vault = vault
        self._gate = gate
        self._fields = SealedFields(vault)

    def create(self, actor: Actor, name: str) -> dict[str, Any]:
        """Open a matter; its creator is the first member. Raises NameTaken, BadCriteria.

        A name is taken where its creator sees the matter that has it. Who sees but their own matters may use
        the name of another one, of which they so learn nothing; for them the name is theirs.
        """
        with change(self._vault, self._gate, actor, Action.MATTER_MANAGE, "matter.create") as act:
            name = " ".join(name.split())
            act.detail["name"] = name
            if not 0 < len(name) <= MAX_NAME:
                raise BadCriteria(f"a matter needs a name of 1 to {MAX_NAME} characters")
            matter_id = new_id("c")
            if matter_named(self._vault, act.connection, actor, name) is not None:
                raise NameTaken("a matter of this name exists; use it or choose another name")
            token = name_token(self._vault, name)
            if act.connection.scalar(select(matters.c.id).where(matters.c.name_token == token)):
                token = name_token(self._vault, f"{matter_id} {name}")
            act.objects.append(matter_id)
            act.connection.execute(
                matters.insert().values(
                    id=matter_id,
                    name_token=token,
                    sealed=self._fields.seal(matter_id, {"name": name}),
                    state="open",
                    created_us=to_us(self._vault.clock.now()),
                    created_by=actor.user_id,
                )
            )
            _join(act.connection, matter_id, actor.user_id)
            return self._described(act.connection, find_matter(self._vault, act.connection, actor, matter_id))

    def list(self, actor: Actor, limit: int = 1_000) -> list[dict[str, Any]]:
        """The actor's matters, newest first."""
        with look(self._vault, self._gate, actor, Action.MATTER_READ, "matter.list") as act:
            rows = act.connection.execute(
                select(matters).where(in_scope(actor)).order_by(matters.c.created_us.desc()).limit(limit)
            ).mappings()
            found = [self._summary(row) for row in rows]
            act.objects += [one["id"] for one in found]
            act.count = len(found)
            return found

    def show(self, actor: Actor, which: str) -> dict[str, Any]:
        """One matter with its members and holds."""
        with look(self._vault, self._gate, actor, Action.MATTER_READ, "matter.show") as act:
            row = find_matter(self._vault, act.connection, actor, which)
            act.objects.append(row["id"])
            return self._described(act.connection, row)

    def close(self, actor: Actor, which: str) -> dict[str, Any]:
        """Close a matter for good. Raises MatterHeld while one of its holds isn't released."""
        with change(self._vault, self._gate, actor, Action.MATTER_MANAGE, "matter.close") as act:
            row = open_matter(self._vault, act.connection, actor, which)
            act.objects.append(row["id"])
            left = act.connection.scalar(
                select(func.count())
                .select_from(holds)
                .where(holds.c.matter_id == row["id"], holds.c.state != "released")
            )
            if left:
                raise MatterHeld(f"{left} of this matter's holds are not released; release them first")
            act.connection.execute(
                matters.update()
                .where(matters.c.id == row["id"])
                .values(state="closed", closed_us=to_us(self._vault.clock.now()))
            )
            return self._described(act.connection, find_matter(self._vault, act.connection, actor, row["id"]))

    def add_member(self, actor: Actor, which: str, user_id: str) -> dict[str, Any]:
        """Let a person (by id or name) into a matter. Adding a member twice changes nothing."""
        with change(self._vault, self._gate, actor, Action.MATTER_MANAGE, "matter.add_member") as act:
            row = open_matter(self._vault, act.connection, actor, which)
            act.objects.append(row["id"])
            person = act.connection.scalar(
                select(users.c.id).where(
                    (users.c.id == user_id) | (users.c.name == user_id), users.c.disabled_us.is_(None)
                )
            )
            if person is None:
                raise NotThere("there is no such person; `holdfast users list` shows them")
            act.objects.append(person)
            _join(act.connection, row["id"], person)
            return self._described(act.connection, row)

    # --- inside -------------------------------------------------------------------------------

    def _summary(self, row: RowMapping) -> dict[str, Any]:
        return {
            "id": row["id"],
            "name": self._fields.open(row["id"], row["sealed"])["name"],
            "state": row["state"],
            "created_at": rfc3339(from_us(row["created_us"])),
            "created_by": row["created_by"],
            "closed_at": rfc3339(from_us(row["closed_us"])) if row["closed_us"] is not None else None,
        }

    def _described(self, connection: Connection, row: RowMapping) -> dict[str, Any]:
        members = connection.execute(
            select(users.c.id, users.c.name, users.c.role)
            .join(matter_members, matter_members.c.user_id == users.c.id)
            .where(matter_members.c.matter_id == row["id"])
            .order_by(users.c.name)
        )
        placed: dict[str, list[RowMapping]] = {}
        for one in connection.execute(
            select(holds).where(holds.c.matter_id == row["id"]).order_by(holds.c.created_us, holds.c.version)
        ).mappings():
            placed.setdefault(versions.known_as(one), []).append(one)
        return {
            **self._summary(row),
            "members": [{"id": m.id, "name": m.name, "role": m.role} for m in members],
            "holds": [{"id": name, "state": versions.state_of(found)} for name, found in placed.items()],
        }


def find_matter(vault: Vault, connection: Connection, actor: Actor, which: str) -> RowMapping:
    """The row of a matter by id or name. Raises NotThere, and OutOfScope outside the actor's matters."""
    matter_id = matter_named(vault, connection, actor, which) or matter_named(vault, connection, None, which)
    row = (
        connection.execute(select(matters, in_scope(actor).label("mine")).where(matters.c.id == matter_id))
        .mappings()
        .first()
    )
    if row is None:
        raise NotThere(_NO_SUCH)
    if not row["mine"]:
        raise OutOfScope(_NO_SUCH)
    return row


def open_matter(vault: Vault, connection: Connection, actor: Actor, which: str) -> RowMapping:
    """As `find_matter`. Raises MatterClosed when the matter takes no change any more."""
    row = find_matter(vault, connection, actor, which)
    if row["state"] != "open":
        raise MatterClosed("this matter is closed; open a new one")
    return row


def _join(connection: Connection, matter_id: str, user_id: str) -> None:
    connection.execute(
        dialect.insert_or_ignore(connection, matter_members),
        {"matter_id": matter_id, "user_id": user_id},
    )
