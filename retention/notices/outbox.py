"""Mails about holds on their way: queued with what they tell of, sent as `retention.notices.sending` says."""

from __future__ import annotations

from datetime import timedelta
from email.message import EmailMessage
from typing import Final

from sqlalchemy import Connection, RowMapping, case, exists, func, or_, select, update

from archiver.capture.prepare import new_id
from archiver.clock import to_us
from archiver.coverage.relay import RelayError
from archiver.ledger.audit import Outcome
from archiver.store import standing
from archiver.store.schema import holds, notice_mails, notices
from archiver.vault import Vault
from config.relay import is_address
from retention.acts import by_system
from retention.fields import SealedFields
from retention.holds.custodians import in_ascii
from retention.notices import letters
from retention.notices.sending import REFUSED_WAIT, Sending

NOTICE, REMINDER, ESCALATION, RELEASE, REVIEW = "notice", "reminder", "escalation", "release", "review"
BOUNCES: Final = 3
"""A notice that came back so often isn't sent anew by itself."""
REMEMBERED: Final = timedelta(days=30)
"""So long a lost word of a hold's end is told of: nobody can send it again."""


class Outbox(Sending):
    """The mails about holds of one archive. Safe from any thread and any number of processes."""

    def __init__(self, vault: Vault) -> None:
        super().__init__(vault, notice_mails, select(notice_mails), "a hold notice")
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
        """How many mails didn't reach anybody, and no later one in their place did; those that nobody needs
        any more aside, or that can't be sent again and are a month old."""
        later = notice_mails.alias("later")
        # A manager and who reviews a hold are told of the whole hold, not by a custodian's notice.
        same = func.coalesce(later.c.notice_id, later.c.kind)
        reached = exists().where(
            later.c.hold_id == notice_mails.c.hold_id,
            same == func.coalesce(notice_mails.c.notice_id, notice_mails.c.kind),
            later.c.queued_us > notice_mails.c.queued_us,
            later.c.sent_us.is_not(None),
            later.c.failure.is_(None),
        )
        over = exists().where(
            notices.c.id == notice_mails.c.notice_id,
            or_(notices.c.ended_us.is_not(None), notices.c.acknowledged_us.is_not(None)),
            notice_mails.c.kind.in_((NOTICE, REMINDER)),
        )
        silent = exists().where(
            notices.c.hold_id == notice_mails.c.hold_id,
            notices.c.ended_us.is_(None),
            notices.c.acknowledged_us.is_(None),
        )
        stands = exists().where(notice_mails.c.hold_id == standing.KNOWN_AS, holds.c.state != "released")
        long_ago = to_us(self._vault.clock.now() - REMEMBERED)
        needed = case(
            (notice_mails.c.kind == ESCALATION, silent),
            (notice_mails.c.kind == REVIEW, stands),
            (notice_mails.c.kind == RELEASE, notice_mails.c.queued_us > long_ago),
            else_=~over,
        )
        with self._vault.records.read() as connection:
            return int(
                connection.scalar(
                    select(func.count())
                    .select_from(notice_mails)
                    .where(notice_mails.c.failure.is_not(None), ~notice_mails.c.dropped, ~reached, needed)
                )
                or 0
            )

    # --- inside -------------------------------------------------------------------------------

    def _message(self, row: RowMapping) -> EmailMessage:
        settings = self._vault.settings
        told = self.opened(row)
        told["to"] = in_ascii(told["to"])
        if not is_address(told["to"]):
            raise RelayError("a custodian's address is none that mail can go to", 553)
        return letters.message(
            sender=settings.notice_from,
            message_id=f"notice-{row['id']}@{settings.smtp_domain}",
            now=self._vault.clock.now(),
            **told,
        )

    def _taken(self, connection: Connection, row: RowMapping, now_us: int) -> None:
        if row["kind"] == NOTICE:
            connection.execute(
                update(notices)
                .where(notices.c.id == row["notice_id"], notices.c.sent_us.is_(None))
                .values(sent_us=now_us)
            )
        self._record(connection, row, "success", row["kind"])

    def _record(self, connection: Connection, row: RowMapping, outcome: Outcome, reason: str) -> None:
        objects = tuple(one for one in (row["hold_id"], row["notice_id"], row["id"]) if one)
        event = by_system("notice.send", outcome, objects=objects, reason=reason)
        self._vault.audit.record_in(connection, event)
