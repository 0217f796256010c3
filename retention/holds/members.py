"""Whose matters are whose."""

from __future__ import annotations

from sqlalchemy import ColumnElement, select, true

from archiver.store.schema import matter_members, matters
from search.access import Actor
from search.policy import own_matters_only


def in_scope(actor: Actor) -> ColumnElement[bool]:
    """SQL condition on `matters`: those the actor may see; a lawyer those they are a member of."""
    if not own_matters_only(actor):
        return true()
    mine = select(matter_members.c.matter_id).where(matter_members.c.user_id == actor.user_id)
    return matters.c.id.in_(mine)
