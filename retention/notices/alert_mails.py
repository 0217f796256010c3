"""Mails that tell of alerts: how many, of which saved search by its id, and where to look. No word of mail.

By the relay of the hold notices, and as those are sent (`retention.notices.sending`). Written down in the
transaction that marks what it counts; of one search at most one in a quarter of an hour.
"""

from __future__ import annotations

from datetime import timedelta
from email.message import EmailMessage
from typing import Final

from sqlalchemy import Connection, RowMapping, func, select, update

from archiver.capture.prepare import new_id
from archiver.clock import to_us
from archiver.ledger.audit import Outcome
from archiver.store import dialect
from archiver.store.schema import alert_items, alert_mails, saved_searches, users
from archiver.vault import Vault
from retention.acts import by_system
from retention.fields import SealedFields
from retention.notices import letters
from retention.notices.sending import Sending

PAUSE: Final = timedelta(minutes=15)
"""Between two mails of one search."""
SUBJECT: Final = "Holdfast: new mail for a saved search"
TEXT: Final = """A search you saved in the archive has matched new mail.

    Saved search   {search}
    New messages   {count}

See them here, after signing in:
{link}

This mail says nothing of what they are. To stop it, turn the saved search's alert off.
"""


class AlertMails(Sending):
    """The mails about alerts of one archive. Safe from any thread and any number of processes."""

    def __init__(self, vault: Vault) -> None:
        chosen = select(alert_mails, saved_searches.c.sealed, saved_searches.c.alert).join(
            saved_searches, saved_searches.c.id == alert_mails.c.search_id
        )
        super().__init__(vault, alert_mails, chosen, "a mail about alerts")
        self._fields = SealedFields(vault)

    def run(self) -> dict[str, int]:
        """Write what is due, and send it; `{queued, sent}`. Never raises for the relay's sake."""
        if not self._vault.settings.notice_relay:
            return {"queued": 0, "sent": 0}
        return {"queued": self._queue(), "sent": self.flush()}

    # --- writing ------------------------------------------------------------------------------

    def _queue(self) -> int:
        waiting = (
            select(alert_items.c.search_id)
            .where(alert_items.c.mail_id.is_(None), alert_items.c.acknowledged_us.is_(None))
            .distinct()
        )
        with self._vault.records.read() as connection:
            rows = (
                connection.execute(
                    select(saved_searches)
                    .join(users, users.c.id == saved_searches.c.owner_id)
                    .where(
                        saved_searches.c.id.in_(waiting),
                        saved_searches.c.alert,
                        saved_searches.c.deleted_us.is_(None),
                        users.c.disabled_us.is_(None),
                    )
                )
                .mappings()
                .all()
            )
        return sum(self._write(row) for row in rows if self._address(row))

    def _address(self, row: RowMapping) -> str | None:
        found: str | None = self._fields.open(row["id"], row["sealed"]).get("mail")
        return found

    def _write(self, row: RowMapping) -> int:
        now = self._vault.clock.now()
        untold = (
            alert_items.c.search_id == row["id"],
            alert_items.c.mail_id.is_(None),
            alert_items.c.acknowledged_us.is_(None),
        )
        with self._vault.records.write(dialect.LOCK_ARCHIVE) as connection:
            newest = connection.scalar(
                select(func.max(alert_mails.c.queued_us)).where(alert_mails.c.search_id == row["id"])
            )
            if newest is not None and newest > to_us(now - PAUSE):
                return 0
            count = connection.scalar(select(func.count()).select_from(alert_items).where(*untold))
            if not count:
                return 0
            mail_id = new_id("z")
            connection.execute(
                alert_mails.insert().values(
                    id=mail_id, search_id=row["id"], count=count, queued_us=to_us(now), next_us=to_us(now)
                )
            )
            connection.execute(update(alert_items).where(*untold).values(mail_id=mail_id))
            event = by_system("alert.queue", "success", objects=(row["id"], mail_id), count=count)
            self._vault.audit.record_in(connection, event)
        return 1

    # --- sending ------------------------------------------------------------------------------

    def _message(self, row: RowMapping) -> EmailMessage | None:
        to = self._fields.open(row["search_id"], row["sealed"]).get("mail")
        if not to or not row["alert"]:
            return None  # turned off since
        settings = self._vault.settings
        values = {
            "search": row["search_id"],
            "count": f"{row['count']:,}",
            "link": f"{settings.url}/alerts",
        }
        return letters.message(
            sender=settings.notice_from,
            to=to,
            subject=SUBJECT,
            text=TEXT.format(**values),
            message_id=f"alert-{row['id']}@{settings.smtp_domain}",
            now=self._vault.clock.now(),
        )

    def _taken(self, connection: Connection, row: RowMapping, now_us: int) -> None:
        self._record(connection, row, "success", "")

    def _record(self, connection: Connection, row: RowMapping, outcome: Outcome, reason: str) -> None:
        event = by_system("alert.send", outcome, objects=(row["search_id"], row["id"]), reason=reason)
        self._vault.audit.record_in(connection, event)
