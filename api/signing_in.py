"""Signing in by a secret that we gave: tokens of programs, links, and the sessions that those begin.

Rights are looked up at every request and never carried in a credential, so that disabling a user or
ending a session works at once (OWASP ASVS 5.0, 7.4.1, 7.4.2 and 8.3.2). Passkeys: `api.passkeys`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, RowMapping

from api import credentials
from api.attempts import Attempts
from api.credentials import Kind
from api.errors import PasskeyNeeded, TooManyAttempts
from api.issuing import Issuing, sees_content
from api.sessions import Sessions
from api.token_uses import seal_place
from api.tokens import Limits, Tokens
from api.whence import whence
from archiver.clock import from_us, to_us
from archiver.ledger.audit import AuditEvent
from archiver.vault import Vault
from retention.fields import SealedFields
from retention.notices.account_mails import AccountMails
from search.access import Gate, NotSignedIn
from search.actors import LINK, TOKEN, Action, Actor, Role
from search.approving.kept import Kept

CLOCK_AHEAD: Final = timedelta(minutes=5)
"""How far a session's last use may lie ahead of a clock that was set back, before the session ends."""


class SigningIn:
    """What `Accounts` is for whoever presents a credential. Safe from any thread."""

    def __init__(
        self,
        vault: Vault,
        gate: Gate | None = None,
        attempts: Attempts | None = None,
        sessions: Sessions | None = None,
    ) -> None:
        self._records = vault.records
        self._settings = vault.settings
        self._clock = vault.clock
        self._audit = vault.audit
        self._gate = gate or Gate(vault.audit)
        self._notices = AccountMails(vault)
        self._attempts = attempts or Attempts(vault)
        self._sessions = sessions or Sessions(vault, self._gate, self._notices)
        self._issuing = Issuing(vault.audit, self._gate, vault.clock)
        self._fields = SealedFields(vault)
        self._waiting = Kept(vault)
        self.tokens = Tokens(vault, self._gate, self._notices)

    def authenticate(
        self,
        token: str | None,
        client: str,
        *,
        kind: Kind = "api",
        address: str = "",
        enrolling: bool = False,
        jkt: str | None = None,
    ) -> Actor:
        """Who presents a credential. Raises NotSignedIn (on record), TooManyAttempts, PasskeyNeeded.

        `client` says by which door, `address` from where; `jkt` is the key that the request proved to have,
        which a token that is bound to one must be used with, and no other. A session lives while it is used
        (idle and absolute limits from the settings); one that can only enrol a passkey is good where
        `enrolling` says so.
        """
        now = self._clock.now()
        row, limits = None, Limits()
        if token:
            with self._records.read() as connection:
                row = credentials.look_up(connection, token, kind)
                if row is not None and kind == "api":
                    limits = self.tokens.limits(connection, row["hash"])
        reason = self._refusal(row, token, now)
        if row is not None and not reason and limits.jkt != jkt:
            reason = "unbound" if limits.jkt is None else "wrong_key" if jkt else "proof_missing"
        if row is None or reason:
            if row is not None and row["kind"] == "session" and reason in ("idle", "expired", "clock"):
                self._sessions.met_ended(row, reason, client)
            else:
                if row is not None and reason == "expired":
                    # For good: a clock that is set back must not wake it.
                    with self._records.write() as connection:
                        credentials.revoke_secret(connection, token or "", now)
                try:
                    self.failed(client, reason, address, row)
                except TooManyAttempts:
                    # Who shows nothing guesses nothing: the answer stays the same, and the log stays small.
                    if token:
                        raise
            raise NotSignedIn("sign in, or present a valid token (header Authorization: Bearer, or --token)")
        last = row["last_used_us"]
        if last is None or to_us(now) - last >= credentials.TOUCH_EVERY // timedelta(microseconds=1):
            place = seal_place(self._fields, limits.id, address) if last is None else None
            with self._records.write() as connection:
                credentials.touch(connection, row["hash"], now, place)
        actor = Actor(
            row["user_id"],
            row["name"],
            Role(row["role"]),
            client,
            method=TOKEN if kind == "api" else row["method"] or LINK,
            verified_us=row["verified_us"],
            session=row["session_id"] or "",
            network=address,
            token=limits.id,
            actions=limits.actions,
            within=limits.within,
            bound=limits.jkt is not None,
        )
        if row["enrol_only"] and not enrolling:
            self._gate.record(actor, Action.SESSION, "denied", reason="enrol_first", detail=whence(address))
            raise PasskeyNeeded("this link is for adding a passkey: do that on the page Account first")
        return actor

    def redeem(
        self, code: str, client: str, *, previous: str | None = None, address: str = "", agent: str = ""
    ) -> tuple[Actor, str]:
        """Spend a link and begin a session; return who it is and the session's secret.

        Where passkeys are required the session can do nothing but enrol one; so can one whose link an
        administrator made for somebody who sees content, whatever the setting. The session a browser had
        before, `previous`, ends. Raises NotSignedIn when the link is spent, expired or unknown,
        TooManyAttempts.
        """
        now = self._clock.now()
        with self._records.write() as connection:
            row = credentials.look_up(connection, code, "link")
            reason = self._refusal(row, code, now)
            if reason == "expired":
                # For good: a clock that is set back must not wake it.
                credentials.revoke_secret(connection, code, now)
            if row is not None and not reason and not credentials.spend_link(connection, code, now):
                reason = "spent"
            if row is not None and not reason:
                opened = self._sessions.open(
                    connection,
                    row["user_id"],
                    method=LINK,
                    client=client,
                    address=address,
                    agent=agent,
                    previous=previous,
                    enrol_only=self._enrol_only(row),
                )
                actor = Actor(
                    row["user_id"],
                    row["name"],
                    Role(row["role"]),
                    client,
                    method=LINK,
                    session=opened.session_id,
                    network=address,
                )
                return actor, opened.secret
        self.failed(client, reason, address, row)
        raise NotSignedIn("this link was used or has expired; ask an administrator for a new one")

    def sign_out(self, actor: Actor, secret: str) -> None:
        """End a session, or a token that its holder gives up, on the server. Durable on return."""
        with self._records.write() as connection:
            credentials.revoke_secret(connection, secret, self._clock.now())
            self._record(connection, actor, "session.close", actor.user_id)

    def failed(
        self,
        client: str,
        reason: str,
        address: str,
        row: RowMapping | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """Record a failed sign-in and, sealed, from where; never the credential.

        Raises TooManyAttempts instead, past the limit.
        """
        count = self._attempts.failed(address, shown=reason != "no_credential")
        self._audit.record(
            AuditEvent(
                action=str(Action.SESSION),
                outcome="failed",
                user_id=row["user_id"] if row else "anonymous",
                client=client,
                count=count,
                reason=reason,
                session=(row["session_id"] or "") if row else "",
                detail={**whence(address), **(detail or {})},
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
        if row["kind"] != "session":
            return ""
        used = from_us(row["last_used_us"])
        if used + timedelta(minutes=self._settings.session_idle_minutes) <= now:
            return "idle"
        # Used in the future: the clock was set back, and nobody knows any more how long it was idle.
        return "clock" if used > now + CLOCK_AHEAD else ""

    def _enrol_only(self, row: RowMapping) -> bool:
        """Whether the session of a link is for enrolling alone."""
        if self._settings.passkeys != "optional":
            return True
        return row["issued_by"] not in (None, "operator") and sees_content(Role(row["role"]))

    def _record(
        self,
        connection: Connection,
        by: Actor | None,
        action: str,
        user_id: str | None = None,
        detail: dict[str, Any] | None = None,
        count: int | None = None,
    ) -> None:
        objects = (user_id,) if user_id else ()
        event = self._gate.event(by, action, "success", objects=objects, count=count, detail=detail)
        self._audit.record_in(connection, event)
