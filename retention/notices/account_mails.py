"""What people are told of their accounts (a new link, a copied passkey), and of what their office asks.

Written down in the transaction of what it tells of. Shown at the desk until its owner has seen it, and mailed
by the relay of the hold notices where somebody said to which address (`users add --mail`). The mail names
what was done and when, and nothing else (OWASP ASVS 5.0, 6.3.7).
"""

from __future__ import annotations

from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, select, update

from archiver.capture.prepare import new_id
from archiver.clock import from_us, rfc3339, to_us
from archiver.ledger.audit import Outcome
from archiver.store.schema import account_notices, users
from archiver.vault import Vault
from retention.acts import by_system
from retention.fields import SealedFields
from retention.notices import letters
from retention.notices.sending import Sending

KINDS: Final = {
    "link_issued": "A link by which a passkey can be added to your account was made.",
    "passkey_added": "A passkey was added to your account.",
    "passkey_removed": "A passkey was removed from your account.",
    "passkey_cloned": "One of your passkeys may have been copied. It was removed, and your sessions ended.",
    "identity_linked": "Your account can be signed in to by single sign-on from now on.",
    "token_issued": "An API token that acts as you was made.",
    "sessions_ended": "An administrator ended your sessions.",
    "emergency_begun": "Somebody broke the glass: they read mail in an emergency. It is yours to review.",
    "emergency_late": "A break-glass was not reviewed in time. Who used it can't again until it is.",
    "access_unusual": "Somebody read mail in an unusual way. The audit log says who, when and what.",
    "appointed_alone": "A program gave somebody a role that sees content, and no second person was asked.",
    "witness_failing": "A witness, the copies or the time stamps don't see the archive's checkpoints.",
    "archive_read_only": "The archive is read-only: others have seen more of its logs than its records hold.",
    "mail_changed": "The address to which these notices go was changed.",
}
"""Every kind, and what is read. A kind of another package is added here, without anything typed."""
DUTIES: Final = frozenset(
    {
        "emergency_begun",
        "emergency_late",
        "access_unusual",
        "appointed_alone",
        "witness_failing",
        "archive_read_only",
    }
)
"""Kinds that are of somebody's office, not of their account."""
MOST: Final = 50
SUBJECT: Final = "Holdfast: a change of your account"
DUTY_SUBJECT: Final = "Holdfast: something to look at"
TEXT: Final = """{what}

    When   {at}
    Who    {who}

If this was not you, or not agreed with you, tell your privacy officer at once. You see all that was done to
your account, and can end its sessions, here:
{link}
"""
DUTY_TEXT: Final = """{what}

    When   {at}

Look at it here, after signing in:
{link}

This mail says nothing of whose mail or which patients it is about.
"""


@dataclass(frozen=True, slots=True)
class AccountNotice:
    """Something that was done to an account. `by` is `you`, `the operator` or a user's name."""

    id: str
    kind: str
    text: str
    at: str
    by: str
    seen: bool


class AccountMails(Sending):
    """The notices about accounts of one archive. Safe from any thread and any number of processes."""

    def __init__(self, vault: Vault) -> None:
        chosen = select(account_notices, users.c.sealed).join(users, users.c.id == account_notices.c.user_id)
        super().__init__(vault, account_notices, chosen, "a mail about an account")
        self._fields = SealedFields(vault)

    def tell(self, connection: Connection, user_id: str, kind: str, by: str = "operator") -> None:
        """Tell somebody of a change, in its transaction; `by` is a user's id, `operator` or `system`."""
        now = to_us(self._vault.clock.now())
        connection.execute(
            account_notices.insert().values(
                id=new_id("z"), user_id=user_id, kind=kind, by_id=by, made_us=now, next_us=now
            )
        )

    def list(self, connection: Connection, user_id: str, *, unseen: bool = False) -> list[AccountNotice]:
        """What somebody was told, newest first, at most fifty."""
        chosen = select(account_notices).where(account_notices.c.user_id == user_id)
        if unseen:
            chosen = chosen.where(account_notices.c.seen_us.is_(None))
        rows = connection.execute(
            chosen.order_by(account_notices.c.made_us.desc(), account_notices.c.id.desc()).limit(MOST)
        ).all()
        named: dict[str, str] = {
            row.id: row.name
            for row in connection.execute(
                select(users.c.id, users.c.name).where(users.c.id.in_({row.by_id for row in rows}))
            )
        }
        return [
            AccountNotice(
                row.id,
                row.kind,
                KINDS[row.kind],
                rfc3339(from_us(row.made_us)),
                _who(row.by_id, user_id, named),
                row.seen_us is not None,
            )
            for row in rows
        ]

    def seen(self, connection: Connection, user_id: str) -> int:
        """Mark all that somebody was told as seen; how many were new."""
        return connection.execute(
            update(account_notices)
            .where(account_notices.c.user_id == user_id, account_notices.c.seen_us.is_(None))
            .values(seen_us=to_us(self._vault.clock.now()))
        ).rowcount

    def run(self) -> dict[str, int]:
        """Send what waits; `{sent}`. Never raises for the relay's sake."""
        return {"sent": self.flush()}

    # --- sending ------------------------------------------------------------------------------

    def _message(self, row: RowMapping) -> EmailMessage | None:
        told: dict[str, Any] = self._fields.open(row["user_id"], row["sealed"]) if row["sealed"] else {}
        if not told.get("mail"):
            return None  # shown at the desk alone
        settings = self._vault.settings
        duty = row["kind"] in DUTIES
        return letters.message(
            sender=settings.notice_from,
            to=told["mail"],
            subject=DUTY_SUBJECT if duty else SUBJECT,
            text=(DUTY_TEXT if duty else TEXT).format(
                what=KINDS[row["kind"]],
                at=rfc3339(from_us(row["made_us"])),
                who=_who(row["by_id"], row["user_id"], {}),
                link=f"{settings.url}/" if duty else f"{settings.url}/account",
            ),
            message_id=f"account-{row['id']}@{settings.smtp_domain}",
            now=self._vault.clock.now(),
        )

    def _taken(self, connection: Connection, row: RowMapping, now_us: int) -> None:
        self._record(connection, row, "success", row["kind"])

    def _record(self, connection: Connection, row: RowMapping, outcome: Outcome, reason: str) -> None:
        event = by_system("account.tell", outcome, objects=(row["user_id"], row["id"]), reason=reason)
        self._vault.audit.record_in(connection, event)


def _who(by: str, user_id: str, named: dict[str, str]) -> str:
    if by == user_id:
        return "you, or somebody signed in as you"
    if by in ("operator", "system"):
        return "the operator at the server" if by == "operator" else "Holdfast itself"
    return named.get(by, "an administrator")
