"""Single sign-on as the doors see it: begin, come back, link an identity, and end what the provider ends.

Everything that becomes of a sign-in is on record: with whom it began a session, or why it didn't.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, RowMapping, select, update

from api import credentials
from api.accounts import Accounts
from api.attempts import Attempts
from api.issuing import Issuing, second_needed
from api.sessions import Opened, Sessions
from api.sso.errors import SsoError, SsoRefused, SsoUnknown
from api.sso.flow import Begun, Flow, Kind, Pending
from api.sso.id_token import Identified
from api.sso.identities import Identities, Identity
from api.sso.logout import check_logout
from api.sso.provider import Provider
from archiver.clock import to_us
from archiver.ledger.audit import AuditEvent
from archiver.sealed_fields import SealedFields
from archiver.store.schema import credentials as sessions_table
from archiver.store.schema import sso_sessions
from archiver.vault import Vault
from retention.notices.account_mails import AccountMails
from search.access import Gate
from search.actors import OIDC, Action, Actor

_UNKNOWN = (
    "your account is not known in this archive: ask an administrator for an invitation link, open it in this "
    "browser, and sign in there"
)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Somebody whom the provider vouched for; `secret` is their session's."""

    user_id: str
    secret: str
    kind: Kind


class SingleSignOn:
    """Single sign-on of one archive. Safe from any thread and any number of processes."""

    def __init__(
        self,
        vault: Vault,
        gate: Gate,
        accounts: Accounts,
        sessions: Sessions,
        attempts: Attempts,
        provider: Provider | None = None,
    ) -> None:
        self._records = vault.records
        self._settings = vault.settings
        self._clock = vault.clock
        self._audit = vault.audit
        self._gate = gate
        self._accounts = accounts
        self._sessions = sessions
        self._attempts = attempts
        self._issuing = Issuing(vault.audit, gate, vault.clock)
        self._notices = AccountMails(vault)
        self._fields = SealedFields(vault)
        self.identities = Identities(vault)
        self.provider = provider or Provider(vault.settings)
        self._flow = Flow(vault, self.provider)

    @property
    def on(self) -> bool:
        """Whether a provider is set."""
        return self.provider.on

    @property
    def name(self) -> str:
        """What the sign-in page calls the provider."""
        return self._settings.oidc_name or "single sign-on"

    @property
    def shown(self) -> str:
        """The same where a provider is set; empty where a page has nothing to offer."""
        return self.name if self.on else ""

    # --- signing in ---------------------------------------------------------------------------

    def begin(self, kind: Kind = "sign_in", about: str = "", *, who: str) -> Begun:
        """Begin a sign-in; `about` is an invitation's code (join), or the id of the session that it replaces.

        Nothing is asked of the archive. Counted by `who`, an address or a user's id, since each makes us ask
        the provider. Raises SsoOff, SsoUnavailable, SsoRefused, TooManyAttempts.
        """
        if not self.on:
            return self._flow.begin(kind, about)  # which says so
        self._attempts.began(who)
        return self._flow.begin(kind, about)

    def finish(
        self, query: Mapping[str, str], cookie: str | None, *, address: str = "", agent: str = ""
    ) -> SignedIn:
        """End a sign-in that came back from the provider: a session, on record, or a refusal, on record.

        Raises SsoRefused, SsoUnknown (nobody's identity), SsoUnavailable, TooManyAttempts.
        """
        try:
            pending, who = self._flow.finish(query, cookie)
        except SsoError as refusal:
            self._accounts.failed("desk", f"sso_{refusal.reason}", address)
            raise
        with self._records.write() as connection:
            found, reason = self._admitted(connection, pending, who)
            if found is not None:
                opened = self._opened(connection, found, pending, who, address, agent)
                return SignedIn(found["user_id"], opened.secret, pending.kind)
        self._refused(who, reason, address)
        if reason == "unknown":
            raise SsoUnknown(_UNKNOWN)
        raise SsoRefused("this sign-in can't be used for that; begin again from the sign-in page", reason)

    # --- identities ---------------------------------------------------------------------------

    def link(self, user: str, issuer: str | None, subject: str, *, by: Actor | None = None) -> Identity:
        """Say which of the provider's people a user is; durable, on record.

        The rule is that of enrolment links (`api.issuing`): of somebody who can sign in already, it takes two
        administrators, or the operator. Raises NoSuchUser, UserDisabled, IdentityTaken, AccessDenied,
        SecondAdministratorNeeded.
        """
        if by is not None:
            self._gate.require(by, Action.USER_MANAGE)
        found = self._accounts.usable(user)
        with self._records.write() as connection:
            may = self._issuing.may_have_link(connection, found.id, by)
            if may:
                self._link(connection, found.id, issuer or self.provider.issuer, subject, by)
        if not may:
            raise second_needed()
        with self._records.read() as connection:
            return self.identities.of_user(connection, found.id)[-1]

    def unlink(self, identity_id: str, *, user_id: str | None = None, by: Actor | None = None) -> str:
        """Take an identity away; the sessions that rest on it end. Whose it was; on record.

        Raises NoSuchIdentity (none of `user_id`'s, where that is given), AccessDenied.
        """
        if by is not None:
            self._gate.require(by, Action.USER_MANAGE)
        with self._records.write() as connection:
            owner = self.identities.unlink(connection, identity_id, user_id)
            ended = self._end(connection, sso_sessions.c.identity_id == identity_id)
            self._record(connection, by, "identity.unlink", (owner, identity_id), count=ended)
        return owner

    def of_user(self, user: str, *, by: Actor | None = None) -> list[Identity]:
        """A user's identities, oldest first; on record. Raises NoSuchUser, AccessDenied."""
        if by is not None and Action.USER_MANAGE not in self._gate.rights(by):
            self._gate.require(by, Action.USER_MANAGE)
        found = self._accounts.find(user)
        with self._records.write() as connection:
            listed = self.identities.of_user(connection, found.id)
            self._record(connection, by, "identity.list", (found.id,), count=len(listed))
        return listed

    # --- the provider's word that somebody left -----------------------------------------------

    def logout(self, token: str, address: str = "") -> int:
        """End the sessions that a logout token names; how many. On record, as its refusal is.

        OpenID Connect Back-Channel Logout 1.0, section 2.6; OWASP ASVS 5.0, 10.5.5. Raises SsoRefused,
        SsoUnavailable, TooManyAttempts.
        """
        try:
            left = check_logout(token, self.provider, self._clock.now())
            self._flow.once(f"logout {left.jti}")
        except SsoError as refusal:
            self._accounts.failed("api", f"sso_{refusal.reason}", address)
            raise
        with self._records.write() as connection:
            if left.sid:
                which = sso_sessions.c.sid == self.identities.session_token(left.issuer, left.sid)
            else:
                row = self.identities.find(connection, left.issuer, left.subject)
                which = sso_sessions.c.identity_id == (row["id"] if row is not None else "")
            ended = self._end(connection, which)
            self._audit.record_in(
                connection,
                AuditEvent("session.end", "success", "system", client="api", count=ended, reason="sso"),
            )
        return ended

    # --- inside -------------------------------------------------------------------------------

    def _admitted(
        self, connection: Connection, pending: Pending, who: Identified
    ) -> tuple[RowMapping | None, str]:
        """The identity's row, where it may sign in for what was begun; else why not."""
        found = self.identities.find(connection, who.issuer, who.subject)
        if pending.kind == "join":
            if found is not None:
                return None, "taken"
            invited = credentials.look_up(connection, pending.about, "link")
            if invited is None or invited["user_disabled_us"] is not None:
                return None, "no_invitation"
            if not credentials.spend_link(connection, pending.about, self._clock.now()):
                return None, "no_invitation"
            self._link(connection, invited["user_id"], who.issuer, who.subject, None, "invitation")
            found = self.identities.find(connection, who.issuer, who.subject)
        if found is None:
            return None, "unknown"
        if found["user_disabled_us"] is not None:
            return None, "disabled"
        if pending.kind == "step_up":
            living = select(sessions_table.c.user_id).where(
                sessions_table.c.session_id == pending.about, sessions_table.c.revoked_us.is_(None)
            )
            if connection.scalar(living) != found["user_id"]:
                return None, "another_person"
        return found, ""

    def _opened(
        self,
        connection: Connection,
        found: RowMapping,
        pending: Pending,
        who: Identified,
        address: str,
        agent: str,
    ) -> Opened:
        # Before the session, which takes the log's lock: whoever unlinks takes this row first.
        self.identities.used(connection, found["id"])
        opened = self._sessions.open(
            connection,
            str(found["user_id"]),
            method=OIDC,
            address=address,
            agent=agent,
            verified_us=self._verified(who),
            replaces=pending.about if pending.kind != "join" else "",
        )
        connection.execute(
            sso_sessions.insert().values(
                session_id=opened.session_id,
                identity_id=found["id"],
                sid=self.identities.session_token(who.issuer, who.sid) if who.sid else None,
                sealed=self._fields.seal(opened.session_id, who.to_json()),
            )
        )
        return opened

    def _verified(self, who: Identified) -> int | None:
        """When the person proved themselves with several factors, by a word of the provider's that we trust.

        What it doesn't state counts for nothing (OWASP ASVS 5.0, 6.8.4).
        """
        trusted = who.acr in self._settings.oidc_step_up_acr or set(who.amr).intersection(
            self._settings.oidc_step_up_amr
        )
        if not trusted or who.auth_time is None:
            return None
        return to_us(min(who.auth_time, self._clock.now()))

    def _link(
        self,
        connection: Connection,
        user_id: str,
        issuer: str,
        subject: str,
        by: Actor | None,
        reason: str = "",
    ) -> None:
        made_by = reason or (by.user_id if by else "operator")
        identity = self.identities.link(connection, user_id, issuer, subject, made_by)
        told_by = by.user_id if by else user_id if reason else "operator"
        self._notices.tell(connection, user_id, "identity_linked", told_by)
        told = {"issuer": issuer, "subject": subject}
        if reason:
            event = AuditEvent(
                "identity.link",
                "success",
                user_id,
                client="desk",
                objects=(user_id, identity),
                reason=reason,
                detail=told,
            )
            self._audit.record_in(connection, event)
            return
        self._record(connection, by, "identity.link", (user_id, identity), detail=told)

    def _end(self, connection: Connection, which: ColumnElement[bool]) -> int:
        ids = select(sso_sessions.c.session_id).where(which)
        return self._revoke(connection, sessions_table.c.session_id.in_(ids))

    def _revoke(self, connection: Connection, which: ColumnElement[bool]) -> int:
        return connection.execute(
            update(sessions_table)
            .where(which, sessions_table.c.revoked_us.is_(None))
            .values(revoked_us=to_us(self._clock.now()))
        ).rowcount

    def _refused(self, who: Identified, reason: str, address: str) -> None:
        """Record a provider's person who may not sign in: who it was stands sealed, to be linked by."""
        self._accounts.failed(
            "desk", f"sso_{reason}", address, detail={"issuer": who.issuer, "subject": who.subject}
        )

    def _record(
        self,
        connection: Connection,
        by: Actor | None,
        action: str,
        objects: tuple[str, ...],
        count: int | None = None,
        detail: Mapping[str, str] | None = None,
    ) -> None:
        event = self._gate.event(by, action, "success", objects=objects, count=count, detail=detail)
        self._audit.record_in(connection, event)
