"""Keeps custodians told, by a job: whoever a hold newly names, whoever hasn't confirmed, whoever it lets go.

Every step is a transaction that queues some mails and notes that it did: killed anywhere, nothing is lost and
nothing is queued twice. A hold may name ten thousand, so a step is short and captures get their turn.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, select, update

from archiver.capture.prepare import new_id
from archiver.clock import from_us, to_us
from archiver.store import dialect
from archiver.store.schema import hold_reviews, notice_mails, notice_starts, notices
from archiver.vault import Vault
from retention.acts import by_system
from retention.fields import SealedFields
from retention.holds import versions
from retention.holds.apply import turn
from retention.holds.reviews import Reviews
from retention.holds.versions import Versions
from retention.notices import letters, secrets_of
from retention.notices.outbox import ESCALATION, NOTICE, RELEASE, REMINDER, REVIEW, Outbox
from retention.notices.plans import Plan, Plans

REVIEW_AGAIN: Final = timedelta(days=7)
AT_ONCE: Final = 100
"""People who are told of something in one transaction."""


@dataclass(slots=True)
class Due:
    """What is to be done for one hold, nothing without a `plan`. `new` are addresses by token, the others are
    rows of notices."""

    plan: Plan | None
    new: Mapping[bytes, str] = field(default_factory=dict)
    gone: Sequence[RowMapping] = ()
    remind: Sequence[RowMapping] = ()
    escalate: Sequence[RowMapping] = ()
    over: bool = False

    @property
    def any(self) -> bool:
        return self.plan is not None and bool(
            self.new or self.gone or self.remind or self.escalate or self.over
        )

    def first(self) -> Due:
        """As much of it as one step does; that all is over when nothing else is left."""
        left = AT_ONCE
        new = dict(islice(self.new.items(), left))
        gone = self.gone[: (left := left - len(new))]
        remind = self.remind[: (left := left - len(gone))]
        over = self.over and left - len(remind) > 0
        return Due(self.plan, new, gone, remind, self.escalate, over)


class Telling:
    """Everything that happens to notices by itself."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._fields = SealedFields(vault)
        self._plans = Plans(vault)
        self._reviews = Reviews(vault)
        self.outbox = Outbox(vault)

    def run(self) -> dict[str, int]:
        """The job: queue what has come due, then send; `{queued, sent}`. Safe to kill anywhere."""
        with self._vault.records.read() as connection:
            holds = connection.scalars(
                select(notice_starts.c.hold_id)
                .where(notice_starts.c.ended_us.is_(None))
                .order_by(notice_starts.c.started_us)
            ).all()
        queued = sum(self.catch_up(hold_id) for hold_id in holds) + self._review()
        return {"queued": queued, "sent": self.outbox.flush()}

    def catch_up(self, hold_id: str, seconds: float | None = None, by: str = "system") -> int:
        """Queue what is due for one hold, on the word of `by`; how many mails. What would take longer than
        `seconds` is left to the job."""
        end = None if seconds is None else time.monotonic() + seconds
        queued = 0
        while end is None or time.monotonic() < end:
            with self._vault.records.read() as connection:
                if not self.due(connection, hold_id).any:
                    break
            with turn(self._vault, time.sleep) as connection:
                queued += self.step_in(connection, hold_id, by)
        return queued

    def step_in(self, connection: Connection, hold_id: str, by: str) -> int:
        """The first of what is due, in a transaction under LOCK_ARCHIVE."""
        due = self.due(connection, hold_id).first()
        if (plan := due.plan) is None:
            return 0
        now = self._vault.clock.now()
        queued = sum(self._tell(connection, hold_id, plan, token, to, by) for token, to in due.new.items())
        queued += sum(self._let_go(connection, hold_id, plan, row, now) for row in due.gone)
        queued += sum(self._remind(connection, hold_id, plan, row, now) for row in due.remind)
        queued += self._escalate(connection, hold_id, plan, due.escalate, now)
        if due.over:
            connection.execute(
                update(notice_starts).where(notice_starts.c.hold_id == hold_id).values(ended_us=to_us(now))
            )
        return queued

    def custodians(self, found: Versions) -> dict[bytes, str]:
        """Whom the unreleased versions of a hold name, by blind token."""
        named: dict[bytes, str] = {}
        for row in versions.protecting(found):
            for address in self._fields.open(row["id"], row["sealed_scope"])["scope"]["custodians"]:
                named.setdefault(self._vault.blind.token("address", address), address)
        return named

    def address(self, row: RowMapping) -> str:
        """The custodian of a notice."""
        found: str = self._fields.open(row["id"], row["sealed"])["address"]
        return found

    def link(self, notice_id: str) -> str:
        """The address by which a custodian confirms a notice."""
        return f"{self._vault.settings.url}/notices/{secrets_of(self._vault, notice_id)}"

    def letter(self, plan: Plan, hold_id: str, link: str) -> tuple[str, str]:
        """Subject and text of a notice."""
        values = {"hold": hold_id, "contact": plan.contact, "link": link}
        return letters.fill(plan.subject, **values), letters.fill(plan.text, **values)

    # --- what is due --------------------------------------------------------------------------

    def due(self, connection: Connection, hold_id: str) -> Due:
        """What is to be done for one hold now."""
        found = versions.read(connection, hold_id)
        plan = self._plans.of(connection, found[0]["matter_id"])
        wanted = self.custodians(found)
        rows = (
            connection.execute(
                select(notices)
                .where(notices.c.hold_id == hold_id, notices.c.ended_us.is_(None))
                .order_by(notices.c.id)
            )
            .mappings()
            .all()
        )
        told = {bytes(row["token"]): row for row in rows}
        told_of = select(notice_starts.c.hold_id).where(
            notice_starts.c.hold_id == hold_id, notice_starts.c.ended_us.is_(None)
        )
        now = self._vault.clock.now()
        silent = [
            row
            for token, row in told.items()
            if token in wanted and row["sent_us"] is not None and row["acknowledged_us"] is None
        ]
        waiting = set(
            connection.scalars(
                select(notice_mails.c.notice_id).where(
                    notice_mails.c.hold_id == hold_id,
                    notice_mails.c.sent_us.is_(None),
                    ~notice_mails.c.dropped,
                )
            )
        )
        due = Due(
            plan,
            new={token: address for token, address in wanted.items() if token not in told},
            gone=[row for token, row in told.items() if token not in wanted],
            over=not versions.protecting(found) and connection.scalar(told_of) is not None,
        )
        if plan is not None:
            due.remind = [
                row
                for row in silent
                if row["id"] not in waiting and _next_reminder(row, plan.remind_days) <= now
            ]
            due.escalate = [
                row
                for row in silent
                if row["escalated_us"] is None
                and from_us(row["sent_us"]) + timedelta(days=plan.escalate_days) <= now
            ]
        return due

    # --- what is done -------------------------------------------------------------------------

    def _tell(
        self, connection: Connection, hold_id: str, plan: Plan, token: bytes, address: str, by: str
    ) -> int:
        notice_id = new_id("n")
        connection.execute(
            notices.insert().values(
                id=notice_id,
                hold_id=hold_id,
                token=token,
                secret=hashlib.sha256(secrets_of(self._vault, notice_id).encode()).digest(),
                sealed=self._fields.seal(notice_id, {"address": address}),
                created_us=to_us(self._vault.clock.now()),
            )
        )
        subject, text = self.letter(plan, hold_id, self.link(notice_id))
        return self._queue(connection, hold_id, notice_id, NOTICE, address, subject, text, by)

    def _remind(
        self, connection: Connection, hold_id: str, plan: Plan, row: RowMapping, now: datetime
    ) -> int:
        subject, text = self.letter(plan, hold_id, self.link(row["id"]))
        connection.execute(
            update(notices)
            .where(notices.c.id == row["id"])
            .values(
                reminders=row["reminders"] + 1,
                next_reminder_us=to_us(now + timedelta(days=plan.remind_days)),
            )
        )
        text = letters.fill(letters.REMINDER, told=_day(row["sent_us"])) + text
        return self._queue(
            connection, hold_id, row["id"], REMINDER, self.address(row), f"Reminder: {subject}", text
        )

    def _escalate(
        self, connection: Connection, hold_id: str, plan: Plan, rows: Sequence[RowMapping], now: datetime
    ) -> int:
        if not rows:
            return 0
        connection.execute(
            update(notices)
            .where(notices.c.id.in_([row["id"] for row in rows]))
            .values(escalated_us=to_us(now))
        )
        text = letters.fill(
            letters.ESCALATION,
            hold=hold_id,
            days=str(plan.escalate_days),
            contact=plan.contact,
            people=letters.people([self.address(row) for row in rows]),
        )
        return self._queue(
            connection, hold_id, None, ESCALATION, plan.manager, letters.ESCALATION_SUBJECT, text
        )

    def _let_go(
        self, connection: Connection, hold_id: str, plan: Plan, row: RowMapping, now: datetime
    ) -> int:
        self.outbox.drop(connection, row["id"])
        connection.execute(update(notices).where(notices.c.id == row["id"]).values(ended_us=to_us(now)))
        if row["sent_us"] is None:
            return 0  # who was never told needs no all-clear
        others = connection.scalar(
            select(notices.c.id)
            .where(
                notices.c.token == row["token"],
                notices.c.id != row["id"],
                notices.c.sent_us.is_not(None),
                notices.c.ended_us.is_(None),
            )
            .limit(1)
        )
        values = {
            "hold": hold_id,
            "contact": plan.contact,
            "told": _day(row["sent_us"]),
            "others": letters.STILL_HELD if others else "",
        }
        return self._queue(
            connection,
            hold_id,
            row["id"],
            RELEASE,
            self.address(row),
            letters.fill(plan.release_subject, **values),
            letters.fill(plan.release_text, **values),
        )

    def _queue(
        self,
        connection: Connection,
        hold_id: str,
        notice_id: str | None,
        kind: str,
        to: str,
        subject: str,
        text: str,
        by: str = "system",
    ) -> int:
        mail_id = self.outbox.queue(
            connection,
            hold_id=hold_id,
            notice_id=notice_id,
            kind=kind,
            to=to,
            subject=subject,
            text=text,
            by=by,
        )
        objects = tuple(one for one in (hold_id, notice_id, mail_id) if one)
        self._vault.audit.record_in(
            connection, by_system("notice.queue", "success", by, objects=objects, reason=kind)
        )
        return 1

    # --- reviews ------------------------------------------------------------------------------

    def _review(self) -> int:
        """Remind of the holds whose review is near or past, once a week until its date is moved."""
        now = self._vault.clock.now()
        due = hold_reviews.c.next_us <= to_us(now)
        with self._vault.records.read() as connection:
            ids = connection.scalars(select(hold_reviews.c.hold_id).where(due)).all()
        queued = 0
        for hold_id in ids:
            with self._vault.records.write(dialect.LOCK_ARCHIVE) as connection:
                row = (
                    connection.execute(select(hold_reviews).where(hold_reviews.c.hold_id == hold_id, due))
                    .mappings()
                    .first()
                )
                if row is None:
                    continue
                found = versions.read(connection, hold_id)
                over = not versions.protecting(found)
                connection.execute(
                    update(hold_reviews)
                    .where(hold_reviews.c.hold_id == hold_id)
                    .values(next_us=None if over else to_us(now + REVIEW_AGAIN))
                )
                to = self._reviews.address(hold_id, row["sealed"])
                if not over and to:
                    queued += self._review_mail(connection, found, row, to, now)
        return queued

    def _review_mail(
        self, connection: Connection, found: Versions, row: RowMapping, to: str, now: datetime
    ) -> int:
        day = row["review_on"]
        told: dict[str, Any] = versions.summary(connection, found)
        values = {
            "hold": told["id"],
            "matter": told["matter"],
            "messages": f"{told['matched']:,}",
            "when": f"was to be reviewed by {day}: that is overdue"
            if day < now.date()
            else f"is to be reviewed by {day}",
        }
        subject = letters.fill(letters.REVIEW_SUBJECT, **values)
        return self._queue(
            connection, told["id"], None, REVIEW, to, subject, letters.fill(letters.REVIEW, **values)
        )


def _next_reminder(row: RowMapping, days: int) -> datetime:
    if row["next_reminder_us"] is not None:
        return from_us(row["next_reminder_us"])
    return from_us(row["sent_us"]) + timedelta(days=days)


def _day(us: int) -> str:
    return from_us(us).date().isoformat()
