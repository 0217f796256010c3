"""A scope as a condition on the rows of messages."""

from __future__ import annotations

from sqlalchemy import ColumnElement, exists, true

from archiver.store.schema import hold_items, holds, messages
from search.access import Scope


def in_scope(scope: Scope) -> ColumnElement[bool]:
    """True for a message that may be seen: any, or one that an unreleased hold of the matters covers."""
    if scope.everything:
        return true()
    return exists().where(
        hold_items.c.message_pk == messages.c.pk,
        holds.c.id == hold_items.c.hold_id,
        holds.c.state != "released",
        holds.c.matter_id.in_(sorted(scope.matters)),
    )
