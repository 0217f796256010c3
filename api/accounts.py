"""Accounts: users, and the tokens and links made for them. Every change is on record in its transaction.

Rights are looked up at every request and never carried in a credential, so that disabling a user or
ending a session works at once (OWASP ASVS 5.0, 7.4.1, 7.4.2 and 8.3.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, exists, or_, select, update

from api import credentials
from api.errors import (
    AccountError,
    LastAdministrator,
    NameTaken,
    NoSuchPasskey,
    NoSuchUser,
    UnknownRole,
    UserDisabled,
)
from api.issuing import is_person, second_needed, sees_content
from api.passkeys import keeping
from api.sessions import Session
from api.signing_in import SigningIn
from api.tokens import ApiToken, MadeFor
from archiver.capture.prepare import new_id
from archiver.clock import from_us, rfc3339, to_us
from archiver.errors import AlreadyThere
from archiver.store.schema import credentials as credentials_table
from archiver.store.schema import passkeys, users
from config.relay import is_address
from search.actors import Action, Actor, Role
from search.approving.persons import ADDED, appointed

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


class Accounts(SigningIn):
    """The accounts of one archive: users, and the credentials made for them. Safe from any thread.

    `by` is who asks: an actor, whose role must allow it, or None for the operator at the home.
    """

    # --- users --------------------------------------------------------------------------------

    def add_user(
        self, name: str, role: str | Role, *, mail: str | None = None, by: Actor | None = None
    ) -> User:
        """Add a user; `mail` is where they are told of changes of their account.

        Raises UnknownRole, NameTaken, AccountError (no usable name or address), AccessDenied.
        """
        self._require(by)
        role = role if isinstance(role, Role) else read_role(role)
        name = name.strip()
        if not name or len(name) > MAX_NAME or not name.isprintable():
            raise AccountError(f"a user needs a printable name of at most {MAX_NAME} characters")
        if mail is not None and not is_address(mail):
            raise AccountError("mail must be one e-mail address, like ann@example.org")
        now = self._clock.now()
        user = User(new_id("u"), name, role, rfc3339(now), disabled=False)
        sealed = self._fields.seal(user.id, {"mail": mail}) if mail else None
        row = {"id": user.id, "name": name, "role": str(role), "created_us": to_us(now), "sealed": sealed}
        try:
            with self._records.write() as connection:
                connection.execute(users.insert().values(**row))
                self._appoint(connection, user, by, to_us(now))
                self._record(connection, by, "user.add", user.id, {"role": str(role)})
        except AlreadyThere:
            raise NameTaken("a user of this name exists or existed; choose another name") from None
        return user

    def list(self, *, by: Actor | None = None) -> list[User]:
        """Every user, oldest first, the disabled ones too."""
        self._may_look(by)
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

    def usable(self, user: str) -> User:
        """The same, for whoever is about to be given something. Raises UserDisabled."""
        found = self.find(user)
        if found.disabled:
            raise UserDisabled("this user is disabled; add another user")
        return found

    # --- credentials --------------------------------------------------------------------------

    def token(self, user: str, days: int | None = None, *, by: Actor | None = None) -> str:
        """Make an API token with all rights of its user's role, shown this once. Raises as `new_token`."""
        return self.new_token(user, days, by=by)[1]

    def new_token(
        self,
        user: str,
        days: int | None = None,
        made_for: MadeFor | None = None,
        *,
        by: Actor | None = None,
    ) -> tuple[ApiToken, str]:
        """Make an API token, and return it with its secret, shown this once.

        Raises NoSuchUser, UserDisabled, AccountError (days, scopes), OwnEnrolmentNeeded, StepUpNeeded.
        """
        if by is not None and user == by.user_id:
            self.tokens.may_make_own(by)
        else:
            self._require(by)
        days = self._settings.token_days if days is None else days
        if not 1 <= days <= MAX_TOKEN_DAYS:
            raise AccountError(f"a token may live 1 to {MAX_TOKEN_DAYS} days")
        found = self.usable(user)
        self._issuing.may_have_token(found.id, found.role, by)
        return self.tokens.issue(found.id, found.role, timedelta(days=days), made_for or MadeFor(), by)

    def tokens_of(self, user: str, *, by: Actor | None = None) -> Sequence[ApiToken]:
        """A user's tokens, newest first; on record. Raises NoSuchUser, AccessDenied."""
        if by is not None and Action.USER_MANAGE not in self._gate.rights(by):
            self._require(by)
        return self.tokens.of_user(self.find(user).id, by=by)

    def link(self, user: str, life: timedelta = LINK, *, by: Actor | None = None) -> str:
        """Make a single-use link by which a passkey is enrolled, and return its URL; earlier unused ones die.

        Raises SecondAdministratorNeeded, the wish on record, where it takes two: see `api.issuing`.
        """
        self._require(by)
        found = self.find(user)
        with self._records.write() as connection:
            may = self._issuing.may_have_link(connection, found.id, by)
        if not may:
            raise second_needed()
        return f"{self._settings.url}/sign-in/{self._issue(found.id, life, by)}"

    def first_administrator_link(self) -> str | None:
        """The link by which the first administrator enrols, or None once one has ever done so.

        Asked again before that, it makes a new link and the one before dies: only hashes are kept.
        """
        with self._records.read() as connection:
            signed_in = exists().where(
                credentials_table.c.user_id == users.c.id,
                credentials_table.c.kind.in_(("api", "session")),
                # Opening the link isn't enough where a passkey is to be enrolled by it.
                ~credentials_table.c.enrol_only,
            )
            enrolled = exists().where(passkeys.c.user_id == users.c.id)
            administrators = select(users.c.id).where(users.c.role == str(Role.ADMINISTRATOR))
            if connection.execute(administrators.where(signed_in | enrolled)).first() is not None:
                return None
            first = connection.scalar(administrators.where(users.c.disabled_us.is_(None)).limit(1))
        if first is None:
            first = self.add_user(FIRST_NAME, Role.ADMINISTRATOR).id
        return self.link(first, FIRST_LINK)

    # --- sessions and passkeys of others ------------------------------------------------------

    def sessions_of(self, user: str, *, by: Actor | None = None) -> Sequence[Session]:
        """Somebody's living sessions, on record. Raises NoSuchUser, AccessDenied."""
        self._may_look(by)
        return self._sessions.of_user(self.find(user).id, by=by)

    def end_sessions_of(self, user: str, session_id: str | None = None, *, by: Actor | None = None) -> int:
        """End one session of somebody's, or all; how many ended. Raises NoSuchUser, NoSuchSession."""
        self._require(by)
        return self._sessions.end_of_user(self.find(user).id, session_id, by=by)

    def passkeys_of(self, user: str, *, by: Actor | None = None) -> Sequence[dict[str, Any]]:
        """Somebody's passkeys without the names they gave them, on record. Raises NoSuchUser."""
        self._may_look(by)
        found = self.find(user)
        with self._records.write() as connection:
            living = keeping.of_user(connection, found.id)
            self._record(connection, by, "passkey.list", found.id, count=len(living))
        return [
            {
                "id": one.id,
                "created_at": rfc3339(from_us(one.created_us)),
                "last_used_at": rfc3339(from_us(one.last_used_us)) if one.last_used_us else None,
                "synced": one.backup_eligible,
                "vouched": bool(keeping.model_in(self._fields, one)),
            }
            for one in living
        ]

    def remove_passkey_of(self, user: str, passkey_id: str) -> int:
        """The operator's: take a passkey of somebody's out of use and end their sessions; how many ended.

        Raises NoSuchUser, NoSuchPasskey.
        """
        found, now = self.find(user), self._clock.now()
        with self._records.write() as connection:
            if passkey_id not in [one.id for one in keeping.of_user(connection, found.id)]:
                raise NoSuchPasskey("this user has no such passkey; `holdfast users passkeys` shows them")
            keeping.remove(connection, passkey_id, "operator", now)
            self._notices.tell(connection, found.id, "passkey_removed")
            ended = credentials.revoke(connection, now, found.id, "session")
            self._record(connection, None, "passkey.remove", found.id, {"passkey": passkey_id}, ended)
        return ended

    # --- inside -------------------------------------------------------------------------------

    def _appoint(self, connection: Connection, user: User, by: Actor | None, now_us: int) -> None:
        """Keep who made somebody a user.

        Of a role that sees content they can do nothing before another person has approved it; where a program
        appoints, which is no person, the privacy officers are told instead.
        """
        requester = by.user_id if by is not None else "operator"
        approval_id = None
        alone = False
        if by is not None and sees_content(user.role):
            alone = not is_person(connection, by)
            if not alone:
                approval_id = self._waiting.ask_in(
                    connection,
                    action=ADDED,
                    requester=requester,
                    about_id=user.id,
                    params={"user": user.id, "role": str(user.role)},
                )
        appointed(connection, user.id, user.role, by=requester, at_us=now_us, approval_id=approval_id)
        if by is not None and alone:
            self._issuing.tell_alone(connection, by, user.id)

    def _may_look(self, by: Actor | None) -> None:
        # Looking changes nothing: nobody is asked for their passkey for it.
        if by is not None and Action.USER_MANAGE not in self._gate.rights(by):
            self._require(by)

    def _require(self, by: Actor | None) -> None:
        if by is not None:
            self._gate.require(by, Action.USER_MANAGE)

    def _issue(self, user: str, life: timedelta, by: Actor | None) -> str:
        now = self._clock.now()
        with self._records.write() as connection:
            found = self._find(connection, user)
            if found.disabled:
                raise UserDisabled("this user is disabled; add another user")
            credentials.revoke(connection, now, found.id, "link")
            issuer = by.user_id if by else "operator"
            secret = credentials.add(connection, found.id, "link", now, now + life, issued_by=issuer)
            self._record(connection, by, "link.issue", found.id, {"expires_at": rfc3339(now + life)})
            # Whoever has no passkey yet, and got this from the operator, knows of it.
            if by is not None or keeping.has_any(connection, found.id):
                self._notices.tell(connection, found.id, "link_issued", issuer)
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


def _user(row: RowMapping) -> User:
    return User(
        row["id"],
        row["name"],
        Role(row["role"]),
        rfc3339(from_us(row["created_us"])),
        disabled=row["disabled_us"] is not None,
    )
