"""Who may be the second person: another one, and nobody whom the first has power over, or the other way."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy import Connection, select

from archiver.capture.ids import new_id
from archiver.clock import Clock, to_us
from archiver.store.schema import appointments, credentials
from search.actors import Role
from search.approving.errors import SecondPersonMissing

ADDED: Final = "user.add"
"""Action of an approval that lets a new user begin."""
_NOBODY: Final = frozenset({"operator", "system"})
"""Who is no user: the operator at the home, and scheduled work."""
APPOINTED: Final = timedelta(days=7)
"""So long an appointment, or a token or link that was made for somebody, ties the two."""


def check_second(
    connection: Connection, clock: Clock, first: str, second: str, *, signed: bool = False, about: str = ""
) -> None:
    """Raise SecondPersonMissing unless `second` may approve what `first` asks for.

    Both are ids of users (`first` also `operator` or `system`), `about` the user whom it is about. Nobody
    approves what they asked for, what is about themselves, what somebody asks whom they appointed within the
    last seven days, or who appointed them; nor do two whom a third person appointed alone in that time, or
    the appointees of such: they may all be that one. A token or link made by one for the other, or by a
    third person for both, ties them too, unless a passkey signed, or began the session: its maker could
    have acted as them.
    """
    if second == first:
        raise SecondPersonMissing("you asked for this yourself; another person must approve it")
    if about and second == about:
        raise SecondPersonMissing("this is about yourself; another person must approve it")
    # Whoever commands the home appoints everybody there; they could do without any approval.
    others = {first, about} - _NOBODY - {""}
    since = to_us(clock.now() - APPOINTED)
    rows = connection.execute(select(appointments).where(appointments.c.at_us > since)).all()
    for row in rows:
        for appointer in {row.by_id, row.approved_by} - {None}:
            if {row.user_id, appointer} in ({second, one} for one in others):
                raise SecondPersonMissing(
                    "one of you appointed the other within the last seven days; a third person must approve "
                    "it"
                )
    # Of an appointment that waits for its approval, its user can do nothing yet.
    alone = [(row.by_id, row.user_id) for row in rows if row.approved_by is None and row.approval_id is None]
    if _circle(second, alone) & others:
        raise SecondPersonMissing(
            "one person appointed both of you within the last seven days, without a second one; somebody "
            "else must approve it"
        )
    if not signed and _makers(connection, since, second) & _makers(connection, since, first):
        raise SecondPersonMissing(
            "one of you made a token or link for the other within the last seven days, or somebody made one "
            "for both; approve it with your passkey, or let a third person do it"
        )


def _circle(user_id: str, pairs: Sequence[tuple[str, str]]) -> set[str]:
    """Everybody whom appointments, each by one person alone, lead to from a user, up and down."""
    found, fresh = set[str](), {user_id}
    while fresh:
        found |= fresh
        ends = {end for pair in pairs if fresh & set(pair) for end in pair}
        fresh = ends - found - _NOBODY
    return found


def _makers(connection: Connection, since: int, user_id: str) -> set[str]:
    """Who could act as a user: they, and who made a token or link for them of late."""
    made = select(credentials.c.issued_by).where(
        credentials.c.user_id == user_id,
        credentials.c.kind.in_(("api", "link")),
        credentials.c.created_us > since,
        credentials.c.issued_by.is_not(None),
    )
    return ({user_id} | set(connection.scalars(made.distinct()))) - _NOBODY


def appointed(
    connection: Connection,
    user_id: str,
    role: Role,
    *,
    by: str,
    at_us: int,
    approved_by: str | None = None,
    approval_id: str | None = None,
) -> None:
    """Keep who gave whom which role, in the caller's transaction."""
    connection.execute(
        appointments.insert().values(
            id=new_id("o"),
            user_id=user_id,
            role=str(role),
            at_us=at_us,
            by_id=by,
            approved_by=approved_by,
            approval_id=approval_id,
        )
    )
