"""Which of our users an identity at the provider is: linked by somebody, never guessed by an e-mail address.

The key is issuer and subject together, compared letter by letter (OWASP ASVS 5.0, 6.8.1 and 10.5.2).
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, RowMapping, select, update
from sqlalchemy.exc import IntegrityError

from api.sso.errors import IdentityTaken, NoSuchIdentity
from archiver.capture.prepare import new_id
from archiver.clock import from_us, rfc3339, to_us
from archiver.seal.context import length_prefixed
from archiver.sealed_fields import SealedFields
from archiver.store import dialect
from archiver.store.schema import identities, users
from archiver.vault import Vault


@dataclass(frozen=True, slots=True)
class Identity:
    """An identity and whose it is. Times are RFC 3339 UTC."""

    id: str
    user_id: str
    issuer: str
    subject: str
    created_at: str
    created_by: str
    last_used_at: str | None

    def to_json(self) -> dict[str, Any]:
        """The document of the command line and the API."""
        return {
            "id": self.id,
            "user": self.user_id,
            "issuer": self.issuer,
            "subject": self.subject,
            "created_at": self.created_at,
            "created_by": self.created_by,
            "last_used_at": self.last_used_at,
        }


class Identities:
    """The identities of one archive; each call works in the caller's transaction. Safe from any thread."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._fields = SealedFields(vault)

    def link(self, connection: Connection, user_id: str, issuer: str, subject: str, by: str) -> str:
        """Say which user an identity is, and return its id. Raises IdentityTaken."""
        token = self._token("identity", issuer, subject)
        if connection.execute(select(identities.c.id).where(identities.c.token == token)).first() is not None:
            raise IdentityTaken(
                "this identity is linked to a user already; `holdfast users unlink` ends that"
            )
        identity = new_id("i")
        try:
            connection.execute(
                identities.insert().values(
                    id=identity,
                    user_id=user_id,
                    token=token,
                    sealed=self._fields.seal(identity, {"issuer": issuer, "subject": subject}),
                    created_us=to_us(self._vault.clock.now()),
                    created_by=by,
                )
            )
        except IntegrityError as error:
            if not dialect.is_duplicate(error):
                raise
            raise IdentityTaken("this identity was linked to a user just now; look who it is") from None
        return identity

    def unlink(self, connection: Connection, identity_id: str, user_id: str | None = None) -> str:
        """Take an identity away from its user, whose id is returned. Raises NoSuchIdentity."""
        row = self._row(connection, identities.c.id == identity_id)
        if row is None or row["ended_us"] is not None or user_id not in (None, row["user_id"]):
            raise NoSuchIdentity("there is no such identity; `holdfast users identities NAME` lists them")
        connection.execute(
            update(identities)
            .where(identities.c.id == identity_id)
            .values(token=None, ended_us=to_us(self._vault.clock.now()))
        )
        return str(row["user_id"])

    def find(self, connection: Connection, issuer: str, subject: str) -> RowMapping | None:
        """The row of an identity with its user's `name`, `role` and `user_disabled_us`, or None."""
        token = self._token("identity", issuer, subject)
        return (
            connection.execute(
                select(identities, users.c.name, users.c.role, users.c.disabled_us.label("user_disabled_us"))
                .join(users, users.c.id == identities.c.user_id)
                .where(identities.c.token == token, identities.c.ended_us.is_(None))
            )
            .mappings()
            .first()
        )

    def used(self, connection: Connection, identity_id: str) -> None:
        """Write down that somebody signed in by it."""
        now = to_us(self._vault.clock.now())
        connection.execute(update(identities).where(identities.c.id == identity_id).values(last_used_us=now))

    def of_user(self, connection: Connection, user_id: str) -> list[Identity]:
        """A user's living identities, oldest first."""
        rows = connection.execute(
            select(identities)
            .where(identities.c.user_id == user_id, identities.c.ended_us.is_(None))
            .order_by(identities.c.created_us, identities.c.id)
        ).mappings()
        return [self._opened(row) for row in rows]

    def session_token(self, issuer: str, sid: str) -> bytes:
        """What the provider's id of one of its sessions is found by."""
        return self._token("sso-session", issuer, sid)

    # --- inside -------------------------------------------------------------------------------

    def _token(self, kind: str, issuer: str, value: str) -> bytes:
        # Not the blind index: it folds case, and two subjects may differ in nothing else.
        message = b"".join(length_prefixed(part) for part in (kind, issuer, value))
        return hmac.digest(self._vault.keyring.branch_key("blind"), message, "sha256")

    def _row(self, connection: Connection, which: Any) -> RowMapping | None:
        return connection.execute(select(identities).where(which)).mappings().first()

    def _opened(self, row: RowMapping) -> Identity:
        told = self._fields.open(row["id"], row["sealed"])
        last = row["last_used_us"]
        return Identity(
            row["id"],
            row["user_id"],
            told["issuer"],
            told["subject"],
            rfc3339(from_us(row["created_us"])),
            row["created_by"],
            None if last is None else rfc3339(from_us(last)),
        )


def ever_had(connection: Connection, user_id: str) -> bool:
    """Whether a user could ever sign in by a provider; an identity that was taken away counts too."""
    had = select(identities.c.id).where(identities.c.user_id == user_id)
    return connection.execute(had.limit(1)).first() is not None
