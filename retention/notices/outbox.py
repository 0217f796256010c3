"""Mails about holds on their way: queued with what they tell of, sent until the relay takes them.

A mail is written down before it is sent and marked after the relay took it. Whoever dies in between leaves a
mail that is sent again, under the same Message-ID: at least once, and seen as one by who reads it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, exists, func, or_, select, update

from archiver.capture.prepare import new_id
from archiver.clock import to_us
from archiver.coverage.relay import RelayError, read_relay, send
from archiver.store.schema import notice_mails, notices
from archiver.vault import Vault
from config.relay import is_address
from retention.acts import by_system
from retention.fields import SealedFields
from retention.notices import letters

NOTICE, REMINDER, ESCALATION, RELEASE, REVIEW = "notice", "reminder", "escalation", "release", "review"
AT_ONCE: Final = 50
"""Mails claimed at a time: so many wait for the claim's end when a process dies with them."""
CLAIM: Final = timedelta(minutes=10)
LONGEST_WAIT: Final = timedelta(hours=1)
REFUSED_WAIT: Final = timedelta(hours=24)
"""Between two tries of a mail that the relay refuses for good (5xx): somebody may mend the mailbox."""
BOUNCES: Final = 3
"""A notice that came back so often isn't sent anew by itself."""
log = logging.getLogger("holdfast.notices")


class Outbox:
    """The mails of one archive. Safe from any thread and any number of processes."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._fields = SealedFields(vault)

    def queue(
        self,
        connection: Connection,
        *,
        hold_id: str,
        notice_id: str | None,
        kind: str,
        to: str,
        subject: str,
        text: str,
        by: str,
        after: timedelta = timedelta(),
    ) -> str:
        """Queue a mail in the caller's transaction; its id."""
        mail_id = new_id("l")
        now = self._vault.clock.now()
        connection.execute(
            notice_mails.insert().values(
                id=mail_id,
                hold_id=hold_id,
                notice_id=notice_id,
                kind=kind,
                sealed=self._fields.seal(mail_id, {"to": to, "subject": subject, "text": text}),
                queued_us=to_us(now),
                queued_by=by,
                next_us=to_us(now + after),
            )
        )
        return mail_id

    def drop(self, connection: Connection, notice_id: str) -> None:
        """Send nothing more of what waits for a notice, in the caller's transaction."""
        connection.execute(
            update(notice_mails)
            .where(notice_mails.c.notice_id == notice_id, notice_mails.c.sent_us.is_(None))
            .values(dropped=True)
        )

    def opened(self, row: RowMapping) -> dict[str, str]:
        """What a mail says: `{to, subject, text}`."""
        found: dict[str, str] = self._fields.open(row["id"], row["sealed"])
        return found

    def flush(self) -> int:
        """Send what is due; how many mails the relay took. Never raises for the relay's sake."""
        sent = 0
        while self._vault.settings.notice_relay and (rows := self._claim()):
            for number, row in enumerate(rows):
                try:
                    self._send(row)
                except RelayError as error:
                    self._failed(row, error)
                    if error.smtp_code is None:
                        self._give_back(rows[number + 1 :])
                        return sent
                else:
                    self._sent(row)
                    sent += 1
        return sent

    def bounced(self, mail_id: str) -> bool:
        """Note that a mail came back, once, and queue it anew for tomorrow; True when it is one of ours."""
        now = self._vault.clock.now()
        with self._vault.records.write() as connection:
            row = (
                connection.execute(select(notice_mails).where(notice_mails.c.id == mail_id))
                .mappings()
                .first()
            )
            if row is None:
                return False
            done = connection.execute(
                update(notice_mails)
                .where(notice_mails.c.id == mail_id, notice_mails.c.bounced_us.is_(None))
                .values(bounced_us=to_us(now), failure="bounced")
            )
            if not done.rowcount:
                return True
            self._record(connection, row, "failed", "bounced")
            before = connection.execute(
                select(notice_mails.c.id).where(
                    notice_mails.c.notice_id == row["notice_id"], notice_mails.c.bounced_us.is_not(None)
                )
            ).all()
            standing = connection.scalar(
                select(notices.c.id).where(
                    notices.c.id == row["notice_id"],
                    notices.c.ended_us.is_(None),
                    notices.c.acknowledged_us.is_(None),
                )
            )
            if standing is not None and len(before) < BOUNCES:
                told = self.opened(row)
                self.queue(
                    connection,
                    hold_id=row["hold_id"],
                    notice_id=row["notice_id"],
                    kind=row["kind"],
                    by="system",
                    after=REFUSED_WAIT,
                    **told,
                )
        return True

    def failing(self) -> int:
        """How many mails didn't reach anybody, and no later one of the same notice did; those that nobody
        needs any more aside."""
        later = notice_mails.alias("later")
        reached = exists().where(
            later.c.notice_id == notice_mails.c.notice_id,
            later.c.queued_us > notice_mails.c.queued_us,
            later.c.sent_us.is_not(None),
            later.c.failure.is_(None),
        )
        over = exists().where(
            notices.c.id == notice_mails.c.notice_id,
            or_(notices.c.ended_us.is_not(None), notices.c.acknowledged_us.is_not(None)),
            notice_mails.c.kind.in_((NOTICE, REMINDER)),
        )
        with self._vault.records.read() as connection:
            return int(
                connection.scalar(
                    select(func.count())
                    .select_from(notice_mails)
                    .where(notice_mails.c.failure.is_not(None), ~notice_mails.c.dropped, ~reached, ~over)
                )
                or 0
            )

    # --- inside -------------------------------------------------------------------------------

    def _claim(self) -> Sequence[RowMapping]:
        """Take what is due for ourselves for ten minutes."""
        now = self._vault.clock.now()
        due = (
            notice_mails.c.sent_us.is_(None),
            ~notice_mails.c.dropped,
            notice_mails.c.next_us <= to_us(now),
        )
        with self._vault.records.read() as connection:
            if connection.execute(select(notice_mails.c.id).where(*due).limit(1)).first() is None:
                return []
        with self._vault.records.write() as connection:
            rows = (
                connection.execute(
                    select(notice_mails)
                    .where(*due)
                    .order_by(notice_mails.c.next_us, notice_mails.c.id)
                    .limit(AT_ONCE)
                    .with_for_update(skip_locked=True)
                )
                .mappings()
                .all()
            )
            self._next(connection, rows, CLAIM)
        return rows

    def _next(self, connection: Connection, rows: Sequence[RowMapping], wait: timedelta) -> None:
        connection.execute(
            update(notice_mails)
            .where(notice_mails.c.id.in_([row["id"] for row in rows]))
            .values(next_us=to_us(self._vault.clock.now() + wait))
        )

    def _give_back(self, rows: Sequence[RowMapping]) -> None:
        if rows:
            with self._vault.records.write() as connection:
                self._next(connection, rows, timedelta(minutes=1))

    def _send(self, row: RowMapping) -> None:
        settings = self._vault.settings
        told = self.opened(row)
        if not is_address(told["to"]):
            raise RelayError("a custodian's address is none that mail can go to", 553)
        mail = letters.message(
            sender=settings.notice_from,
            message_id=f"notice-{row['id']}@{settings.smtp_domain}",
            now=self._vault.clock.now(),
            **told,
        )
        send(read_relay(settings.notice_relay), mail, settings.notice_password)

    def _sent(self, row: RowMapping) -> None:
        now = self._vault.clock.now()
        with self._vault.records.write() as connection:
            connection.execute(
                update(notice_mails)
                .where(notice_mails.c.id == row["id"], notice_mails.c.sent_us.is_(None))
                .values(sent_us=to_us(now), tries=row["tries"] + 1, failure=None)
            )
            if row["kind"] == NOTICE:
                connection.execute(
                    update(notices)
                    .where(notices.c.id == row["notice_id"], notices.c.sent_us.is_(None))
                    .values(sent_us=to_us(now))
                )
            self._record(connection, row, "success", row["kind"])

    def _failed(self, row: RowMapping, error: RelayError) -> None:
        code = f"smtp_{error.smtp_code}" if error.smtp_code else "unreachable"
        log.warning("a hold notice was not sent and will be tried again: %s", error)
        wait = min(timedelta(minutes=2 ** min(row["tries"], 6)), LONGEST_WAIT)
        if error.smtp_code and error.smtp_code >= 500:
            wait = REFUSED_WAIT
        with self._vault.records.write() as connection:
            connection.execute(
                update(notice_mails)
                .where(notice_mails.c.id == row["id"])
                .values(tries=row["tries"] + 1, failure=code)
            )
            self._next(connection, [row], wait)
            if code != row["failure"]:
                self._record(connection, row, "failed", code)

    def _record(self, connection: Connection, row: RowMapping, outcome: Any, reason: str) -> None:
        objects = tuple(one for one in (row["hold_id"], row["notice_id"], row["id"]) if one)
        event = by_system("notice.send", outcome, objects=objects, reason=reason)
        self._vault.audit.record_in(connection, event)
