"""Passkeys as they are kept. A removed one stays, without being good for anything but verifying the past."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, case, literal, or_, select, update
from webauthn.helpers.structs import AuthenticatorTransport

from api.passkeys.verifying import Enrolled
from archiver.capture.prepare import new_id
from archiver.clock import to_us
from archiver.sealed_fields import SealedFields
from archiver.store.schema import passkeys, users
from config.sign_in import SignInSettings


@dataclass(frozen=True, slots=True)
class Passkey:
    """One passkey; times are microseconds of UTC.

    `sealed` holds what its owner calls it, and its device's model where a maker vouched for it.
    """

    id: str
    user_id: str
    credential_id: bytes
    public_key: bytes
    transports: str
    backup_eligible: bool
    backed_up: bool
    created_us: int
    last_used_us: int | None
    removed: bool
    user_disabled: bool
    sealed: bytes

    @property
    def known_transports(self) -> tuple[AuthenticatorTransport, ...]:
        """How its authenticator can be reached, for the browser."""
        return tuple(AuthenticatorTransport(name) for name in self.transports.split(",") if name)


def add(
    connection: Connection, user_id: str, made: Enrolled, now: datetime, passkey_id: str, sealed: bytes
) -> None:
    """Keep a new passkey in the caller's transaction, which ends in AlreadyThere where this key is there."""
    connection.execute(
        passkeys.insert().values(
            id=passkey_id,
            user_id=user_id,
            credential_id=made.credential_id,
            public_key=made.public_key,
            sign_count=made.sign_count,
            aaguid=made.aaguid,
            transports=",".join(made.transports),
            backup_eligible=made.backup_eligible,
            backed_up=made.backed_up,
            created_us=to_us(now),
            # Making it was showing it.
            last_used_us=to_us(now),
            sealed=sealed,
        )
    )


def seal(fields: SealedFields, passkey_id: str, label: str, model: str) -> bytes:
    """What `Passkey.sealed` is: sealed, so that nobody who writes to the database can make up a model."""
    return fields.seal(passkey_id, {"label": label, "model": model})


def model_in(fields: SealedFields, passkey: Passkey) -> str:
    """The model that a maker vouched for as the passkey was enrolled; empty where none did."""
    return str(fields.open(passkey.id, passkey.sealed).get("model") or "")


def let_in(fields: SealedFields, settings: SignInSettings, passkey: Passkey) -> bool:
    """Whether a passkey counts: every one, or those on a device of a model that is on the list today."""
    return settings.passkeys != "hardware" or model_in(fields, passkey) in settings.passkey_models


def new_passkey_id() -> str:
    """An id for a passkey, fit for a leaf."""
    return new_id("k")


def of_user(connection: Connection, user_id: str) -> list[Passkey]:
    """Somebody's living passkeys, oldest first."""
    rows = connection.execute(
        _chosen()
        .where(passkeys.c.user_id == user_id, passkeys.c.removed_us.is_(None))
        .order_by(passkeys.c.created_us, passkeys.c.id)
    ).all()
    return [_read(row) for row in rows]


def by_credential(connection: Connection, credential_id: bytes) -> Passkey | None:
    """The passkey of an authenticator's id, removed or not."""
    row = connection.execute(_chosen().where(passkeys.c.credential_id == credential_id)).first()
    return _read(row) if row is not None else None


def has_any(connection: Connection, user_id: str) -> bool:
    """Whether somebody has a living passkey."""
    found = select(passkeys.c.id).where(passkeys.c.user_id == user_id, passkeys.c.removed_us.is_(None))
    return connection.execute(found.limit(1)).first() is not None


def ever_had(connection: Connection, user_id: str) -> bool:
    """Whether somebody ever had a passkey, be they all removed by now."""
    found = select(passkeys.c.id).where(passkeys.c.user_id == user_id)
    return connection.execute(found.limit(1)).first() is not None


def counted(connection: Connection, passkey_id: str, sign_count: int, backed_up: bool, now: datetime) -> bool:
    """Take over an authenticator's counter; False where it went backwards (WebAuthn 7.2, step 22).

    Authenticators that don't count say 0 always. In one statement, so that of two answers with one counter
    only one passes.
    """
    forward = or_(
        passkeys.c.sign_count < sign_count,
        and_(passkeys.c.sign_count == 0, literal(sign_count) == 0),
    )
    done = connection.execute(
        update(passkeys)
        .where(passkeys.c.id == passkey_id, passkeys.c.removed_us.is_(None), forward)
        .values(sign_count=sign_count, backed_up=backed_up, last_used_us=to_us(now))
    )
    return done.rowcount == 1


def remove(connection: Connection, passkey_id: str, why: str, now: datetime) -> bool:
    """Take a passkey out of use; False when it was already."""
    done = connection.execute(
        update(passkeys)
        .where(passkeys.c.id == passkey_id, passkeys.c.removed_us.is_(None))
        .values(removed_us=to_us(now), removed_why=why)
    )
    return done.rowcount == 1


def _chosen() -> Select[Any]:
    disabled = case((users.c.disabled_us.is_(None), 0), else_=1)
    return select(passkeys, disabled.label("user_disabled")).join(users, users.c.id == passkeys.c.user_id)


def _read(row: Row[Any]) -> Passkey:
    found = row._mapping
    return Passkey(
        found["id"],
        found["user_id"],
        found["credential_id"],
        found["public_key"],
        found["transports"],
        found["backup_eligible"],
        found["backed_up"],
        found["created_us"],
        found["last_used_us"],
        found["removed_us"] is not None,
        bool(found["user_disabled"]),
        found["sealed"],
    )
