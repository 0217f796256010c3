"""Mails that tell of alerts: how many, of which saved search by its id, and where to look. No word of mail.

By the relay of the hold notices. Written down in the transaction that marks what it counts, sent until the
relay takes it, always under the same Message-ID; of one search at most one in a quarter of an hour.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import RowMapping, func, select, update

from archiver.capture.prepare import new_id
from archiver.clock import to_us
from archiver.coverage.relay import RelayError, read_relay, send
from archiver.store import dialect
from archiver.store.schema import alert_items, alert_mails, saved_searches, users
from archiver.vault import Vault
from retention.acts import by_system
from retention.fields import SealedFields
from retention.notices import letters

PAUSE: Final = timedelta(minutes=15)
"""Between two mails of one search."""
CLAIM: Final = timedelta(minutes=10)
LONGEST_WAIT: Final = timedelta(hours=1)
REFUSED_WAIT: Final = timedelta(hours=24)
"""Between two tries of a mail that the relay refuses for good (5xx)."""
AT_ONCE: Final = 50
SUBJECT: Final = "Holdfast: new mail for a saved search"
TEXT: Final = """A search you saved in the archive has matched new mail.

    Saved search   {search}
    New messages   {count}

See them here, after signing in:
{link}

This mail says nothing of what they are. To stop it, turn the saved search's alert off.
"""
log = logging.getLogger("holdfast.alerts")


class AlertMails:
    """The mails about alerts of one archive. Safe from any thread and any number of processes."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._fields = SealedFields(vault)

    def run(self) -> dict[str, int]:
        """Write what is due, and send it; `{queued, sent}`. Never raises for the relay's sake."""
        if not self._vault.settings.notice_relay:
            return {"queued": 0, "sent": 0}
        return {"queued": self._queue(), "sent": self._flush()}

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

    def _flush(self) -> int:
        sent = 0
        while rows := self._claim():
            for number, row in enumerate(rows):
                try:
                    self._send(row)
                except RelayError as error:
                    self._failed(row, error)
                    if error.smtp_code is None:
                        self._next(rows[number + 1 :], timedelta(minutes=1))
                        return sent
                else:
                    sent += self._done(row, sent_us=to_us(self._vault.clock.now()), failure=None)
        return sent

    def _claim(self) -> Sequence[RowMapping]:
        """Take what is due for ourselves for ten minutes."""
        now = self._vault.clock.now()
        due = (
            alert_mails.c.sent_us.is_(None),
            ~alert_mails.c.dropped,
            alert_mails.c.next_us <= to_us(now),
        )
        with self._vault.records.read() as connection:
            if connection.execute(select(alert_mails.c.id).where(*due).limit(1)).first() is None:
                return []
        with self._vault.records.write() as connection:
            chosen = (
                select(alert_mails, saved_searches.c.sealed, saved_searches.c.alert)
                .join(saved_searches, saved_searches.c.id == alert_mails.c.search_id)
                .where(*due)
                .order_by(alert_mails.c.next_us, alert_mails.c.id)
                .limit(AT_ONCE)
                .with_for_update(skip_locked=True, of=alert_mails)
            )
            rows = connection.execute(chosen).mappings().all()
            connection.execute(
                update(alert_mails)
                .where(alert_mails.c.id.in_([row["id"] for row in rows]))
                .values(next_us=to_us(now + CLAIM))
            )
        return rows

    def _send(self, row: RowMapping) -> None:
        to = self._fields.open(row["search_id"], row["sealed"]).get("mail")
        if not to or not row["alert"]:
            self._done(row, dropped=True)  # turned off since
            return
        settings = self._vault.settings
        values = {
            "search": row["search_id"],
            "count": f"{row['count']:,}",
            "link": f"{settings.url}/alerts",
        }
        mail = letters.message(
            sender=settings.notice_from,
            to=to,
            subject=SUBJECT,
            text=TEXT.format(**values),
            message_id=f"alert-{row['id']}@{settings.smtp_domain}",
            now=self._vault.clock.now(),
        )
        send(read_relay(settings.notice_relay), mail, settings.notice_password)

    def _done(self, row: RowMapping, **values: Any) -> int:
        with self._vault.records.write() as connection:
            changed = connection.execute(
                update(alert_mails)
                .where(alert_mails.c.id == row["id"], alert_mails.c.sent_us.is_(None), ~alert_mails.c.dropped)
                .values(tries=row["tries"] + 1, **values)
            )
            if changed.rowcount and values.get("sent_us"):
                self._record(connection, row, "success", "")
            return int(changed.rowcount)

    def _failed(self, row: RowMapping, error: RelayError) -> None:
        code = f"smtp_{error.smtp_code}" if error.smtp_code else "unreachable"
        log.warning("a mail about alerts was not sent and will be tried again: %s", error)
        wait = min(timedelta(minutes=2 ** min(row["tries"], 6)), LONGEST_WAIT)
        if error.smtp_code and error.smtp_code >= 500:
            wait = REFUSED_WAIT
        with self._vault.records.write() as connection:
            connection.execute(
                update(alert_mails)
                .where(alert_mails.c.id == row["id"])
                .values(tries=row["tries"] + 1, failure=code, next_us=to_us(self._vault.clock.now() + wait))
            )
            if code != row["failure"]:
                self._record(connection, row, "failed", code)

    def _next(self, rows: Sequence[RowMapping], wait: timedelta) -> None:
        if rows:
            with self._vault.records.write() as connection:
                connection.execute(
                    update(alert_mails)
                    .where(alert_mails.c.id.in_([row["id"] for row in rows]))
                    .values(next_us=to_us(self._vault.clock.now() + wait))
                )

    def _record(self, connection: Any, row: RowMapping, outcome: Any, reason: str) -> None:
        event = by_system("alert.send", outcome, objects=(row["search_id"], row["id"]), reason=reason)
        self._vault.audit.record_in(connection, event)
