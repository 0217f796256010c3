"""Who may make a link or a token for whom: an administrator must not be able to read mail as somebody else.

A link is for enrolling a passkey. Of somebody who has none yet, an administrator makes it alone; of somebody
who has one, it takes two administrators, or the operator at the home: the first asks, the second asks for the
same within the hour and gets it. A token that acts as somebody whose role sees content is made by its owner
or the operator. The owner is told of each (45 CFR 164.312(a)(2)(i) and (d): one person, one identity).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sqlalchemy import Connection, delete, select

from api.errors import OwnEnrolmentNeeded, SecondAdministratorNeeded
from api.passkeys import keeping
from api.sso.identities import ever_had as had_identity
from archiver.clock import Clock, to_us
from archiver.ledger.audit import AuditLog
from archiver.store import dialect
from archiver.store.schema import link_requests, users
from search import alarms
from search.access import Gate
from search.actors import OIDC, PASSKEY, Action, Actor, Role
from search.approving.errors import SecondPersonMissing
from search.approving.persons import check_second
from search.policy import NEEDS_PURPOSE, actions_of

ASKED_FOR: Final = timedelta(hours=1)
"""How long an administrator's wish waits for a second one's."""


def sees_content(role: Role) -> bool:
    """Whether a role can see mail, patients, or what others looked for."""
    return bool(actions_of(role) & (NEEDS_PURPOSE | {Action.AUDIT_READ}))


def is_person(connection: Connection, actor: Actor) -> bool:
    """Whether somebody signs in as people do, now or otherwise: a token of theirs is theirs."""
    return (
        actor.method in (PASSKEY, OIDC)
        or keeping.ever_had(connection, actor.user_id)
        or had_identity(connection, actor.user_id)
    )


class Issuing:
    """The rules. Safe from any thread."""

    def __init__(self, audit: AuditLog, gate: Gate, clock: Clock) -> None:
        self._audit = audit
        self._gate = gate
        self._clock = clock

    def may_have_token(self, user_id: str, role: Role, by: Actor | None) -> None:
        """Raise OwnEnrolmentNeeded, on record, where an administrator would get another's rights."""
        if by is None or by.user_id == user_id or not sees_content(role):
            return
        self._gate.record(by, "token.issue", "denied", objects=(user_id,), reason="own_enrolment")
        raise OwnEnrolmentNeeded(
            "a token of this role acts as a person who sees content: they make it themselves, signed in with "
            "their passkey, or the operator does with `holdfast users token`"
        )

    def may_have_link(self, connection: Connection, user_id: str, by: Actor | None) -> bool:
        """Whether a link is to be made now; False where it waits for a second administrator, on record."""
        # One that was copied or taken away leaves its owner as much a person as before.
        known = keeping.ever_had(connection, user_id) or had_identity(connection, user_id)
        if by is None or not known:
            return True
        now = self._clock.now()
        connection.execute(delete(link_requests).where(link_requests.c.expires_us <= to_us(now)))
        asked = set(
            connection.scalars(select(link_requests.c.asked_by).where(link_requests.c.user_id == user_id))
        )
        if any(self._independent(connection, first, by.user_id) for first in asked):
            connection.execute(delete(link_requests).where(link_requests.c.user_id == user_id))
            return True
        connection.execute(
            dialect.insert_or_ignore(connection, link_requests).values(
                user_id=user_id,
                asked_by=by.user_id,
                asked_us=to_us(now),
                expires_us=to_us(now + ASKED_FOR),
            )
        )
        event = self._gate.event(by, "link.ask", "success", objects=(user_id,))
        self._audit.record_in(connection, event)
        return False

    def tell_alone(self, connection: Connection, by: Actor, user_id: str) -> None:
        """Tell the privacy officers that a program gave somebody sight of content, with no second person."""
        count = alarms.tell_officers(connection, self._clock, alarms.APPOINTED, by.user_id)
        event = self._gate.event(
            by, "access.alert", "success", objects=(user_id,), count=count, reason="appointed_alone"
        )
        self._audit.record_in(connection, event)

    def _independent(self, connection: Connection, first: str, second: str) -> bool:
        """Whether two administrators are two: neither is the other's recent creation, nor disabled since."""
        alive = select(users.c.id).where(users.c.id == first, users.c.disabled_us.is_(None))
        try:
            # Whether either's link was made by the other says nothing here: both are asking in person.
            check_second(connection, self._clock, first, second, signed=True)
        except SecondPersonMissing:
            return False
        return connection.execute(alive).first() is not None


def second_needed() -> SecondAdministratorNeeded:
    """What the first of two administrators is told."""
    return SecondAdministratorNeeded(
        "this person has a passkey, so a new link takes two administrators: your wish is on record; another "
        "administrator makes the link by asking for it within the hour (or the operator, at the server)"
    )
