"""Who may be the second person: another one, and nobody whom the first has power over, or the other way."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sqlalchemy import Connection, and_, or_, select

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
    last seven days, or who appointed them. A token or link made by one for the other ties them too, unless a
    passkey signed: with it the maker could have acted as the other.
    """
    if second == first:
        raise SecondPersonMissing("you asked for this yourself; another person must approve it")
    if about and second == about:
        raise SecondPersonMissing("this is about yourself; another person must approve it")
    if first in _NOBODY:
        # Whoever commands the home appoints everybody there; they could do without any approval.
        first = ""
    since = to_us(clock.now() - APPOINTED)
    pairs = [(first, second), (second, first)]
    pairs += [(second, about), (about, second)] if about else []
    tied = select(appointments.c.id).where(
        appointments.c.at_us > since,
        or_(
            *(
                and_(
                    appointments.c.user_id == one,
                    or_(appointments.c.by_id == other, appointments.c.approved_by == other),
                )
                for one, other in pairs
            )
        ),
    )
    if connection.execute(tied.limit(1)).first() is not None:
        raise SecondPersonMissing(
            "one of you appointed the other within the last seven days; a third person must approve it"
        )
    if signed:
        return
    made = select(credentials.c.hash).where(
        credentials.c.kind.in_(("api", "link")),
        credentials.c.created_us > since,
        or_(
            and_(credentials.c.user_id == first, credentials.c.issued_by == second),
            and_(credentials.c.user_id == second, credentials.c.issued_by == first),
        ),
    )
    if connection.execute(made.limit(1)).first() is not None:
        raise SecondPersonMissing(
            "one of you made a token or link for the other within the last seven days; approve it with your "
            "passkey, or let a third person do it"
        )


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
