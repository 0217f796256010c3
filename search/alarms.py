"""Tells the privacy officers at once that something about access wants looking at.

By notices of their own accounts (`retention.notices.account_mails`): shown at the desk until seen, and mailed
where an address is known. A notice holds a kind and whose doing it was by id, and nothing else.
"""

from __future__ import annotations

import logging
from typing import Final

from sqlalchemy import Connection, select

from archiver.capture.ids import new_id
from archiver.clock import Clock, to_us
from archiver.store.schema import account_notices, users
from search.access import Action
from search.policy import roles_with

BEGUN, LATE, UNUSUAL = "emergency_begun", "emergency_late", "access_unusual"
APPOINTED = "appointed_alone"
_LOG: Final = logging.getLogger("holdfast.access")


def tell_officers(connection: Connection, clock: Clock, kind: str, by: str) -> int:
    """Write down a notice for each privacy officer but `by`, in the caller's transaction; how many."""
    now = to_us(clock.now())
    reads_audit = [str(role) for role in roles_with(Action.AUDIT_READ)]
    officers = connection.scalars(
        select(users.c.id).where(users.c.role.in_(reads_audit), users.c.disabled_us.is_(None))
    ).all()
    told = [one for one in officers if one != by]
    for user_id in told:
        connection.execute(
            account_notices.insert().values(
                id=new_id("z"), user_id=user_id, kind=kind, by_id=by, made_us=now, next_us=now
            )
        )
    _LOG.warning("%s: %d privacy officers are told", kind, len(told))
    return len(told)
