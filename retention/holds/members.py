"""Whose matters are whose."""

from __future__ import annotations

from sqlalchemy import ColumnElement, select, true

from archiver.store.schema import matter_members, matters
from search.access import Actor, Role


def in_scope(actor: Actor) -> ColumnElement[bool]:
    """SQL condition on `matters`: those the actor may see; a lawyer those they are a member of."""
    if actor.role is not Role.LEGAL:
        return true()
    mine = select(matter_members.c.matter_id).where(matter_members.c.user_id == actor.user_id)
    return matters.c.id.in_(mine)
