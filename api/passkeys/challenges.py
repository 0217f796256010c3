"""Challenges: 32 bytes, good once, for five minutes and for one purpose (WebAuthn 13.4.3)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

from sqlalchemy import delete, func, select, update

from api.errors import PasskeyRefused, TooManyAttempts
from api.passkeys.assertion import challenge_of
from archiver.clock import Clock, to_us
from archiver.store.records import Records
from archiver.store.schema import challenges

Purpose = Literal["enrol", "sign_in", "step_up", "approve"]

LIFE: Final = timedelta(minutes=5)
NONCE_BYTES: Final = 32
MOST_LIVING: Final = 10_000
"""Anybody can ask for one to sign in with: so many may wait at a time, over the whole archive."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """A challenge that was given out. `user_id` is whose it is, empty for a sign-in."""

    challenge: bytes
    purpose: Purpose
    user_id: str
    session_id: str
    payload: bytes
    nonce: bytes


class Challenges:
    """The challenges of one archive. Safe from any thread and any number of processes."""

    def __init__(self, records: Records, clock: Clock) -> None:
        self._records = records
        self._clock = clock

    def issue(
        self, purpose: Purpose, user_id: str = "", session_id: str = "", payload: bytes = b""
    ) -> Challenge:
        """Give out a challenge; durable on return. Raises TooManyAttempts while too many are waiting."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        given = Challenge(challenge_of(payload, nonce), purpose, user_id, session_id, payload, nonce)
        now = self._clock.now()
        with self._records.write() as connection:
            connection.execute(delete(challenges).where(challenges.c.expires_us <= to_us(now)))
            if not user_id:
                nobodys = select(func.count()).select_from(challenges).where(challenges.c.user_id.is_(None))
                waiting = connection.scalar(nobodys) or 0
                if waiting >= MOST_LIVING:
                    raise TooManyAttempts(int(LIFE.total_seconds()))
            connection.execute(
                challenges.insert().values(
                    challenge=given.challenge,
                    purpose=purpose,
                    user_id=user_id or None,
                    session_id=session_id or None,
                    payload=payload,
                    nonce=nonce,
                    created_us=to_us(now),
                    expires_us=to_us(now + LIFE),
                )
            )
        return given

    def spend(self, challenge: bytes, purpose: Purpose) -> Challenge:
        """Take a challenge back, for exactly one caller. Durable before anything is verified with it.

        Raises PasskeyRefused for one that is unknown, spent, too old or was given for something else.
        """
        now = to_us(self._clock.now())
        with self._records.write() as connection:
            spent = connection.execute(
                update(challenges)
                .where(
                    challenges.c.challenge == challenge,
                    challenges.c.purpose == purpose,
                    challenges.c.spent_us.is_(None),
                    challenges.c.expires_us > now,
                )
                .values(spent_us=now)
            )
            row = connection.execute(select(challenges).where(challenges.c.challenge == challenge)).first()
        if spent.rowcount != 1 or row is None:
            raise PasskeyRefused("challenge")
        return Challenge(
            row.challenge, purpose, row.user_id or "", row.session_id or "", row.payload, row.nonce
        )
