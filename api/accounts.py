"""Accounts: users, their tokens, sign-in links and sessions. Every change is on record in its transaction.

Rights are looked up at every request and never carried in a credential, so that disabling a user or
ending a session works at once (OWASP ASVS 5.0, 7.4.1, 7.4.2 and 8.3.2).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, exists, or_, select, update
from sqlalchemy.exc import IntegrityError

from api import credentials
from api.credentials import Kind
from api.errors import AccountError, LastAdministrator, NameTaken, NoSuchUser, UnknownRole, UserDisabled
from api.throttle import Throttle
from archiver.capture.prepare import new_id
from archiver.clock import from_us, rfc3339, to_us
from archiver.ledger.audit import AuditEvent, AuditLog
from archiver.store.schema import credentials as credentials_table
from archiver.store.schema import users
from archiver.vault import Vault
from search.access import Action, Actor, Gate, NotSignedIn, Role

ALIASES: Final = {
    "admin": Role.ADMINISTRATOR,
    "compliance": Role.COMPLIANCE_OFFICER,
    "records": Role.RECORDS_MANAGER,
    "privacy": Role.PRIVACY_OFFICER,
}
FIRST_NAME: Final = "administrator"
FIRST_LINK: Final = timedelta(hours=24)
LINK: Final = timedelta(minutes=15)
MAX_TOKEN_DAYS: Final = 366
MAX_NAME: Final = 100


@dataclass(frozen=True, slots=True)
class User:
    """A person or program. `created_at` is RFC 3339 UTC; a disabled user is kept for the audit log."""

    id: str
    name: str
    role: Role
    created_at: str
    disabled: bool

    def to_json(self) -> dict[str, Any]:
        """The document `users list --json` prints."""
        return asdict(self)


def read_role(text: str) -> Role:
    """Read a role's name; hyphens, blanks and the short names are fine. Raises UnknownRole."""
    name = text.strip().lower().replace("-", "_").replace(" ", "_")
    try:
        return ALIASES.get(name) or Role(name)
    except ValueError:
        raise UnknownRole(f"unknown role; use one of {', '.join(Role)}") from None


class Accounts:
    """The accounts of one archive. Safe from any thread.

    `by` is who asks: an actor, whose role must allow it, or None for the operator at the home.
    """

    def __init__(self, vault: Vault, audit: AuditLog, throttle: Throttle | None = None) -> None:
        self._records = vault.records
        self._settings = vault.settings
        self._clock = vault.clock
        self._audit = audit
        self._gate = Gate(audit)
        self._throttle = throttle or Throttle()

    # --- users --------------------------------------------------------------------------------

    def add_user(self, name: str, role: str | Role, *, by: Actor | None = None) -> User:
        """Add a user. Raises UnknownRole, NameTaken, AccountError (no usable name), AccessDenied."""
        self._require(by)
        role = role if isinstance(role, Role) else read_role(role)
        name = name.strip()
        if not name or len(name) > MAX_NAME or not name.isprintable():
            raise AccountError(f"a user needs a printable name of at most {MAX_NAME} characters")
        now = self._clock.now()
        user = User(new_id("u"), name, role, rfc3339(now), disabled=False)
        row = {"id": user.id, "name": name, "role": str(role), "created_us": to_us(now)}
        try:
            with self._records.write() as connection:
                connection.execute(users.insert().values(**row))
                self._record(connection, by, "user.add", user.id, {"role": str(role)})
        except IntegrityError:
            raise NameTaken("a user of this name exists or existed; choose another name") from None
        return user

    def list(self, *, by: Actor | None = None) -> list[User]:
        """Every user, oldest first, the disabled ones too."""
        self._require(by)
        with self._records.write() as connection:
            rows = connection.execute(select(users).order_by(users.c.created_us, users.c.id)).mappings().all()
            self._record(connection, by, "user.list", count=len(rows))
        return [_user(row) for row in rows]

    def disable(self, user: str, *, by: Actor | None = None) -> User:
        """Disable a user, named by name or id, and end every credential of theirs at once. Idempotent.

        Raises NoSuchUser and LastAdministrator.
        """
        self._require(by)
        now = self._clock.now()
        with self._records.write() as connection:
            found = self._find(connection, user)
            if found.role is Role.ADMINISTRATOR and by is not None and not found.disabled:
                self._others_remain(connection, found.id)
            connection.execute(
                update(users)
                .where(users.c.id == found.id, users.c.disabled_us.is_(None))
                .values(disabled_us=to_us(now))
            )
            ended = credentials.revoke(connection, now, found.id)
            self._record(connection, by, "user.disable", found.id, {"credentials": ended})
        return User(found.id, found.name, found.role, found.created_at, disabled=True)

    def find(self, user: str) -> User:
        """The user of a name or an id. Raises NoSuchUser."""
        with self._records.read() as connection:
            return self._find(connection, user)

    # --- credentials --------------------------------------------------------------------------

    def token(self, user: str, days: int | None = None, *, by: Actor | None = None) -> str:
        """Make an API token, shown this once. Raises NoSuchUser, UserDisabled, AccountError (days)."""
        self._require(by)
        days = self._settings.token_days if days is None else days
        if not 1 <= days <= MAX_TOKEN_DAYS:
            raise AccountError(f"a token may live 1 to {MAX_TOKEN_DAYS} days")
        return self._issue(user, "api", timedelta(days=days), by)

    def link(self, user: str, life: timedelta = LINK, *, by: Actor | None = None) -> str:
        """Make a single-use sign-in link and return its URL; earlier unused ones of the user die."""
        self._require(by)
        return f"{self._settings.url}/sign-in/{self._issue(user, 'link', life, by)}"

    def first_administrator_link(self) -> str | None:
        """The link by which the first administrator enrols, or None once one has ever signed in.

        Asked again before that, it makes a new link and the one before dies: only hashes are kept.
        """
        with self._records.read() as connection:
            signed_in = exists().where(
                credentials_table.c.user_id == users.c.id, credentials_table.c.kind.in_(("api", "session"))
            )
            administrators = select(users.c.id).where(users.c.role == str(Role.ADMINISTRATOR))
            if connection.execute(administrators.where(signed_in)).first() is not None:
                return None
            first = connection.scalar(administrators.where(users.c.disabled_us.is_(None)).limit(1))
        if first is None:
            first = self.add_user(FIRST_NAME, Role.ADMINISTRATOR).id
        return self.link(first, FIRST_LINK)

    # --- sign-in ------------------------------------------------------------------------------

    def authenticate(self, token: str | None, client: str, *, kind: Kind = "api", address: str = "") -> Actor:
        """Who presents a credential. Raises NotSignedIn (on record), TooManyAttempts.

        `client` says by which door, `address` from where, for the limit on failures alone. A session
        lives while it is used (idle and absolute limits from the settings).
        """
        now = self._clock.now()
        row = None
        if token:
            with self._records.read() as connection:
                row = credentials.look_up(connection, token, kind)
        reason = self._refusal(row, token, now)
        if row is None or reason:
            self.failed(client, reason, address, row)
            raise NotSignedIn("sign in, or present a valid token (header Authorization: Bearer, or --token)")
        last = row["last_used_us"]
        if last is None or to_us(now) - last >= credentials.TOUCH_EVERY // timedelta(microseconds=1):
            with self._records.write() as connection:
                credentials.touch(connection, row["hash"], now)
        return Actor(row["user_id"], row["name"], Role(row["role"]), client)

    def redeem(
        self, code: str, client: str, *, previous: str | None = None, address: str = ""
    ) -> tuple[Actor, str]:
        """Spend a sign-in link and begin a session; return who it is and the session's secret.

        The session a browser had before, `previous`, ends. Raises NotSignedIn when the link is spent,
        expired or unknown, TooManyAttempts.
        """
        now = self._clock.now()
        hours = timedelta(hours=self._settings.session_hours)
        with self._records.write() as connection:
            row = credentials.look_up(connection, code, "link")
            reason = self._refusal(row, code, now)
            if row is not None and not reason and not credentials.spend_link(connection, code, now):
                reason = "spent"
            if row is not None and not reason:
                if previous:
                    credentials.revoke_secret(connection, previous, now)
                credentials.trim_sessions(connection, row["user_id"], now)
                secret = credentials.add(
                    connection, row["user_id"], "session", now, now + hours, ever_used=True
                )
                actor = Actor(row["user_id"], row["name"], Role(row["role"]), client)
                self._record(connection, actor, "session.open", actor.user_id)
                return actor, secret
        self.failed(client, reason, address, row)
        raise NotSignedIn("this sign-in link was used or has expired; ask an administrator for a new one")

    def sign_out(self, actor: Actor, secret: str) -> None:
        """End a session, or a token that its holder gives up, on the server. Durable on return."""
        with self._records.write() as connection:
            credentials.revoke_secret(connection, secret, self._clock.now())
            self._record(connection, actor, "session.close", actor.user_id)

    def failed(self, client: str, reason: str, address: str, row: RowMapping | None = None) -> None:
        """Record a failed sign-in, never the credential. Raises TooManyAttempts instead, past the limit."""
        count = self._throttle.failed(address or client)
        self._audit.record(
            AuditEvent(
                action=str(Action.SESSION),
                outcome="failed",
                user_id=row["user_id"] if row else "anonymous",
                client=client,
                count=count,
                reason=reason,
            )
        )

    # --- inside -------------------------------------------------------------------------------

    def _refusal(self, row: RowMapping | None, token: str | None, now: datetime) -> str:
        """Why a credential isn't good, as a reason code; empty when it is."""
        if row is None:
            return "unknown" if token else "no_credential"
        if row["user_disabled_us"] is not None:
            return "disabled"
        if row["revoked_us"] is not None:
            return "spent" if row["kind"] == "link" else "revoked"
        if row["expires_us"] <= to_us(now):
            return "expired"
        idle = timedelta(minutes=self._settings.session_idle_minutes)
        if row["kind"] == "session" and from_us(row["last_used_us"]) + idle <= now:
            return "idle"
        return ""

    def _require(self, by: Actor | None) -> None:
        if by is not None:
            self._gate.require(by, Action.USER_MANAGE)

    def _issue(self, user: str, kind: Kind, life: timedelta, by: Actor | None) -> str:
        now = self._clock.now()
        with self._records.write() as connection:
            found = self._find(connection, user)
            if found.disabled:
                raise UserDisabled("this user is disabled; add another user")
            if kind == "link":
                credentials.revoke(connection, now, found.id, "link")
            secret = credentials.add(connection, found.id, kind, now, now + life)
            name = "token.issue" if kind == "api" else "link.issue"
            self._record(connection, by, name, found.id, {"expires_at": rfc3339(now + life)})
        return secret

    def _find(self, connection: Connection, user: str) -> User:
        row = (
            connection.execute(select(users).where(or_(users.c.id == user, users.c.name == user.strip())))
            .mappings()
            .first()
        )
        if row is None:
            raise NoSuchUser("there is no such user; `holdfast users list` shows them")
        return _user(row)

    def _others_remain(self, connection: Connection, user_id: str) -> None:
        others = connection.execute(
            select(users.c.id).where(
                users.c.role == str(Role.ADMINISTRATOR), users.c.disabled_us.is_(None), users.c.id != user_id
            )
        ).first()
        if others is None:
            raise LastAdministrator("this is the last administrator; add another one first")

    def _record(
        self,
        connection: Connection,
        by: Actor | None,
        action: str,
        user_id: str | None = None,
        detail: dict[str, Any] | None = None,
        count: int | None = None,
    ) -> None:
        self._audit.record_in(
            connection,
            AuditEvent(
                action=action,
                outcome="success",
                user_id=by.user_id if by else "operator",
                role=str(by.role) if by else "",
                client=by.client if by else "cli",
                objects=(user_id,) if user_id else (),
                count=count,
                detail=detail or {},
            ),
        )


def _user(row: RowMapping) -> User:
    return User(
        row["id"],
        row["name"],
        Role(row["role"]),
        rfc3339(from_us(row["created_us"])),
        disabled=row["disabled_us"] is not None,
    )
