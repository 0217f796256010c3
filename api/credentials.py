"""Credentials: 256 random bits shown once, kept as a SHA-256, each of one kind and with an end.

The lookup is by hash, so that its time tells nothing of how much of a guess was right.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import datetime, timedelta
from typing import Final, Literal

from sqlalchemy import Connection, RowMapping, select, update

from archiver.clock import to_us
from archiver.store.schema import credentials, users

Kind = Literal["api", "link", "session"]
"""A token for programs; a single-use sign-in link; a browser's session."""

PREFIX: Final = "hf_"
TOUCH_EVERY: Final = timedelta(seconds=30)
"""How often a session's last use is written down: each one is a transaction. It may end this much early."""

_FORM: Final = re.compile(r"hf_[A-Za-z0-9_-]{43}", re.ASCII)


def new_secret() -> str:
    """A fresh secret: `hf_` and 256 bits in base64url."""
    return PREFIX + secrets.token_urlsafe(32)


def hash_secret(secret: str) -> bytes | None:
    """What is kept of a secret; None for text that can't be one of ours."""
    return hashlib.sha256(secret.encode()).digest() if _FORM.fullmatch(secret) else None


def add(
    connection: Connection,
    user_id: str,
    kind: Kind,
    now: datetime,
    expires: datetime,
    ever_used: bool = False,
    issued_by: str | None = None,
) -> str:
    """Make a credential in the caller's transaction and return the secret, which is nowhere else."""
    secret = new_secret()
    connection.execute(
        credentials.insert().values(
            hash=hash_secret(secret),
            user_id=user_id,
            kind=kind,
            created_us=to_us(now),
            expires_us=to_us(expires),
            last_used_us=to_us(now) if ever_used else None,
            issued_by=issued_by,
        )
    )
    return secret


def look_up(connection: Connection, secret: str, kind: Kind) -> RowMapping | None:
    """The credential of a secret with its user's `name`, `role` and `user_disabled_us`, dead or alive."""
    hashed = hash_secret(secret)
    if hashed is None:
        return None
    return (
        connection.execute(
            select(credentials, users.c.name, users.c.role, users.c.disabled_us.label("user_disabled_us"))
            .join(users, users.c.id == credentials.c.user_id)
            .where(credentials.c.hash == hashed, credentials.c.kind == kind)
        )
        .mappings()
        .first()
    )


def spend_link(connection: Connection, secret: str, now: datetime) -> bool:
    """Revoke a live link; True for exactly one caller, whoever else tries at the same moment."""
    spent = connection.execute(
        update(credentials)
        .where(
            credentials.c.hash == hash_secret(secret),
            credentials.c.kind == "link",
            credentials.c.revoked_us.is_(None),
            credentials.c.expires_us > to_us(now),
        )
        .values(revoked_us=to_us(now), last_used_us=to_us(now))
    )
    return spent.rowcount == 1


def touch(connection: Connection, hashed: bytes, now: datetime, sealed_place: bytes | None = None) -> None:
    """Write down that a credential was used, and, of its first use, from where."""
    values: dict[str, object] = {"last_used_us": to_us(now)}
    if sealed_place is not None:
        values["sealed_place"] = sealed_place
    connection.execute(update(credentials).where(credentials.c.hash == hashed).values(**values))


def revoke(connection: Connection, now: datetime, user_id: str, kind: Kind | None = None) -> int:
    """Revoke all living credentials of a user, or those of one kind; return how many."""
    chosen = (credentials.c.user_id == user_id) & credentials.c.revoked_us.is_(None)
    if kind is not None:
        chosen &= credentials.c.kind == kind
    return connection.execute(update(credentials).where(chosen).values(revoked_us=to_us(now))).rowcount


def revoke_secret(connection: Connection, secret: str, now: datetime) -> bool:
    """Revoke one credential; False when it was dead already."""
    return (
        connection.execute(
            update(credentials)
            .where(credentials.c.hash == hash_secret(secret), credentials.c.revoked_us.is_(None))
            .values(revoked_us=to_us(now))
        ).rowcount
        == 1
    )
