"""Mails that remind of requests and breaches which come due: an id, a day and where to look. No word of them.

By the relay of the hold notices, and as those are sent (`retention.notices.sending`). Written down in the
transaction that notes the reminder: one in the last seven days of a deadline, one when it is over, then
weekly."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from email.message import EmailMessage
from typing import Final

from sqlalchemy import Connection, RowMapping, Table, select, update

from archiver.capture.ids import new_id
from archiver.clock import to_us
from archiver.ledger.audit import Outcome
from archiver.store import dialect
from archiver.store.schema import breaches, case_mails, patient_requests
from archiver.vault import Vault
from config.cases import zone_of
from retention.acts import by_system
from retention.cases.clock import day_of, urgency
from retention.fields import SealedFields
from retention.notices import letters
from retention.notices.sending import Sending

TEXT: Final = """{what} in the archive {when}.

    {name}   {id}
    Last day   {due}

See it here, after signing in:
{link}

This mail says nothing of what it is about.
"""
_NAMES: Final = {"request": "A patient's request", "breach": "A breach"}
_TABLES: Final = {"request": patient_requests, "breach": breaches}
_PLACES: Final = {"request": "requests", "breach": "breaches"}


@dataclass(frozen=True, slots=True)
class Due:
    """An open request or breach with its next deadline; `reminded` is the last stage somebody was told of."""

    kind: str
    id: str
    last: date
    reminded: str | None


class Reminders(Sending):
    """The reminders of one archive. Safe from any thread and any number of processes."""

    def __init__(self, vault: Vault) -> None:
        super().__init__(vault, case_mails, select(case_mails), "a reminder of a case")
        self._fields = SealedFields(vault)

    def run(self, due: Iterable[Due]) -> dict[str, int]:
        """Write what is due, and send it; `{queued, sent}`. Never raises for the relay's sake."""
        settings = self._vault.settings
        if not settings.notice_relay or not settings.cases_to:
            return {"queued": 0, "sent": 0}
        today = day_of(self._vault.clock.now(), zone_of(settings.time_zone))
        queued = sum(self._write(one, stage) for one in due if (stage := _stage(one, today)))
        return {"queued": queued, "sent": self.flush()}

    # --- writing ------------------------------------------------------------------------------

    def _write(self, due: Due, stage: str) -> int:
        now_us = to_us(self._vault.clock.now())
        table: Table = _TABLES[due.kind]
        with self._vault.records.write(dialect.LOCK_ARCHIVE) as connection:
            there = connection.execute(
                select(table.c.reminded, table.c.state).where(table.c.id == due.id)
            ).one()
            if there.reminded == stage or there.state == "closed":
                return 0
            connection.execute(update(table).where(table.c.id == due.id).values(reminded=stage))
            for to in self._vault.settings.cases_to:
                mail_id = new_id("l")
                told = {"to": to, "due": due.last.isoformat()}
                connection.execute(
                    case_mails.insert().values(
                        id=mail_id,
                        about_id=due.id,
                        kind=due.kind,
                        stage=stage,
                        sealed=self._fields.seal(mail_id, told),
                        queued_us=now_us,
                        next_us=now_us,
                    )
                )
                event = by_system(f"{due.kind}.remind", "success", objects=(due.id, mail_id), reason=stage)
                self._vault.audit.record_in(connection, event)
        return len(self._vault.settings.cases_to)

    # --- sending ------------------------------------------------------------------------------

    def _message(self, row: RowMapping) -> EmailMessage | None:
        with self._vault.records.read() as connection:
            table: Table = _TABLES[row["kind"]]
            if connection.scalar(select(table.c.state).where(table.c.id == row["about_id"])) == "closed":
                return None  # answered before the mail could go
        told = self._fields.open(row["id"], row["sealed"])
        settings = self._vault.settings
        over = row["stage"].startswith("overdue")
        what = _NAMES[row["kind"]]
        values = {
            "what": what,
            "when": "is overdue" if over else "comes due",
            "name": row["kind"].capitalize(),
            "id": row["about_id"],
            "due": told["due"],
            "link": f"{settings.url}/{_PLACES[row['kind']]}/{row['about_id']}",
        }
        return letters.message(
            sender=settings.notice_from,
            to=told["to"],
            subject=f"Holdfast: {what.lower().removeprefix('a ')} {values['when']}",
            text=TEXT.format(**values),
            message_id=f"case-{row['id']}@{settings.smtp_domain}",
            now=self._vault.clock.now(),
        )

    def _taken(self, connection: Connection, row: RowMapping, now_us: int) -> None:
        self._record(connection, row, "success", row["stage"])

    def _record(self, connection: Connection, row: RowMapping, outcome: Outcome, reason: str) -> None:
        objects = (row["about_id"], row["id"])
        event = by_system(f"{row['kind']}.reminded", outcome, objects=objects, reason=reason)
        self._vault.audit.record_in(connection, event)


def open_requests(vault: Vault) -> list[Due]:
    """Every open request, for the reminders."""
    with vault.records.read() as connection:
        rows = connection.execute(
            select(patient_requests.c.id, patient_requests.c.due_on, patient_requests.c.reminded).where(
                patient_requests.c.state == "open"
            )
        ).all()
    return [Due("request", row.id, row.due_on, row.reminded) for row in rows]


def _stage(due: Due, today: date) -> str:
    """What somebody is to be told of now; empty where they were, or nothing is due soon."""
    how = urgency(due.last, today)
    if how == "in_time":
        return ""
    # The day is part of it: a deadline that was moved is reminded of anew.
    stage = f"soon:{due.last}" if how == "soon" else f"overdue:{due.last}:{(today - due.last).days // 7}"
    return "" if stage == due.reminded else stage
