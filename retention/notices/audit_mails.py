"""Mails about the audit log: unsigned reviews, and sinks that take nothing. No word of anybody's mail.

By the relay of the hold notices, to whom the setting `audit_to` names.
"""

from __future__ import annotations

from datetime import timedelta
from email.message import EmailMessage
from typing import Final

from sqlalchemy import Connection, RowMapping, func, select

from archiver.capture.ids import new_id
from archiver.clock import to_us
from archiver.ledger.audit import Outcome
from archiver.store.schema import audit_mails
from archiver.vault import Vault
from retention.acts import by_system
from retention.fields import SealedFields
from retention.notices import letters
from retention.notices.sending import Sending

DIGEST, ALARM = "digest", "alarm"
DIGEST_PAUSE: Final = timedelta(hours=12)
"""Between two digests: a job that is run twice tells once."""


class AuditMails(Sending):
    """The mails about one archive's audit log. Safe from any thread and any number of processes."""

    def __init__(self, vault: Vault) -> None:
        super().__init__(vault, audit_mails, select(audit_mails), "a mail about the audit log")
        self._fields = SealedFields(vault)

    def queue(self, connection: Connection, kind: str, subject: str, text: str) -> int:
        """Write a mail to each of `audit_to` in the caller's transaction; how many."""
        settings, now = self._vault.settings, self._vault.clock.now()
        if not settings.notice_relay:
            return 0
        if kind == DIGEST:
            newest = connection.scalar(
                select(func.max(audit_mails.c.queued_us)).where(audit_mails.c.kind == DIGEST)
            )
            if newest is not None and newest > to_us(now - DIGEST_PAUSE):
                return 0
        for to in settings.audit_to:
            mail_id = new_id("z")
            connection.execute(
                audit_mails.insert().values(
                    id=mail_id,
                    kind=kind,
                    sealed=self._fields.seal(mail_id, {"to": to, "subject": subject, "text": text}),
                    queued_us=to_us(now),
                    next_us=to_us(now),
                )
            )
        return len(settings.audit_to)

    # --- sending ------------------------------------------------------------------------------

    def _message(self, row: RowMapping) -> EmailMessage | None:
        told = self._fields.open(row["id"], row["sealed"])
        settings = self._vault.settings
        if told["to"] not in settings.audit_to:
            return None  # taken off the list since
        return letters.message(
            sender=settings.notice_from,
            message_id=f"audit-{row['id']}@{settings.smtp_domain}",
            now=self._vault.clock.now(),
            **told,
        )

    def _taken(self, connection: Connection, row: RowMapping, now_us: int) -> None:
        self._record(connection, row, "success", "")

    def _record(self, connection: Connection, row: RowMapping, outcome: Outcome, reason: str) -> None:
        event = by_system("audit.mail", outcome, objects=(row["id"],), reason=reason or row["kind"])
        self._vault.audit.record_in(connection, event)
