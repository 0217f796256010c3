"""Alerts by mail, out of a table: queued with what they tell of, sent until the relay takes them.

A mail names a source by id and kind, with counts and times; by name only where `alert_names` is on, for
names may tell of patients or people. One that was sent and not marked so (a crash between) is sent again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Final

from sqlalchemy import Row, delete, select, update

from archiver.clock import from_us, rfc3339, to_us
from archiver.coverage.gaps import Gap, Gaps
from archiver.coverage.relay import RelayError, read_relay, send
from archiver.store.schema import alerts, sources
from archiver.vault import Vault

AT_ONCE: Final = 10
"""When more wait, one mail tells of them all."""
MOST: Final = 500
CLAIM: Final = timedelta(minutes=10)
LONGEST_WAIT: Final = timedelta(hours=1)
KEEP: Final = timedelta(days=90)
FAULTS: Final = "faults"
log = logging.getLogger("holdfast.coverage")
Told = Callable[[Row[tuple[object, ...]]], str]


class Alerts:
    """The mails of one archive that wait. `report` makes the text of a day's report."""

    def __init__(self, vault: Vault, gaps: Gaps, report: Callable[[object], str]) -> None:
        self._vault = vault
        self._records = vault.records
        self._clock = vault.clock
        self._settings = vault.settings
        self._gaps = gaps
        self._report = report

    def flush(self) -> int:
        """Send what is due; how many alerts the relay took. Never raises for the relay's sake."""
        if not self._settings.alerts:
            return 0
        sent = 0
        waiting = self._claim()
        reports = [row for row in waiting if row.kind == "report"]
        about_gaps = [row for row in waiting if row.kind != "report"]
        batches = [[row] for row in reports]
        batches += [about_gaps] if len(about_gaps) > AT_ONCE else [[row] for row in about_gaps]
        for number, batch in enumerate(batches):
            try:
                self._send(batch)
            except RelayError as error:
                log.warning("alert not sent, will be tried again: %s", error)
                away = error.smtp_code is None or error.refuses_us
                # A relay that keeps one waiting would keep each, and longer than they are claimed for.
                self._failed([row for one in (batches[number:] if away else [batch]) for row in one])
                if away:
                    break
            else:
                sent += len(batch)
        return sent

    def faults(self) -> None:
        """Tell that bytes or rows were found damaged, unless such a mail waits already. Durable on return."""
        if not self._settings.alerts:
            return
        now = to_us(self._clock.now())
        with self._records.write() as connection:
            waits = select(alerts.c.id).where(alerts.c.kind == FAULTS, alerts.c.sent_us.is_(None))
            if connection.execute(waits.limit(1)).first() is None:
                connection.execute(alerts.insert().values(kind=FAULTS, queued_us=now, next_us=now))

    def waiting(self) -> int:
        """How many the relay hasn't taken yet."""
        with self._records.read() as connection:
            return len(connection.execute(select(alerts.c.id).where(alerts.c.sent_us.is_(None))).all())

    def forget_old(self) -> None:
        """Drop what was sent long ago."""
        with self._records.write() as connection:
            connection.execute(delete(alerts).where(alerts.c.sent_us < to_us(self._clock.now() - KEEP)))

    # --- inside -------------------------------------------------------------------------------

    def _claim(self) -> Sequence[Row[tuple[object, ...]]]:
        """Take what is due for ourselves for ten minutes."""
        now = self._clock.now()
        due = (alerts.c.sent_us.is_(None), alerts.c.next_us <= to_us(now))
        with self._records.read() as connection:
            if connection.execute(select(alerts.c.id).where(*due).limit(1)).first() is None:
                return []
        with self._records.write() as connection:
            rows = connection.execute(
                select(alerts).where(*due).order_by(alerts.c.id).limit(MOST).with_for_update(skip_locked=True)
            ).all()
            connection.execute(
                update(alerts)
                .where(alerts.c.id.in_([row.id for row in rows]))
                .values(next_us=to_us(now + CLAIM))
            )
        return rows

    def _failed(self, rows: Sequence[Row[tuple[object, ...]]]) -> None:
        now = self._clock.now()
        with self._records.write() as connection:
            for row in rows:
                wait = min(timedelta(minutes=2 ** min(row.tries, 6)), LONGEST_WAIT)
                connection.execute(
                    update(alerts)
                    .where(alerts.c.id == row.id)
                    .values(tries=row.tries + 1, next_us=to_us(now + wait))
                )

    def _send(self, rows: Sequence[Row[tuple[object, ...]]]) -> None:
        """Send a mail and mark that it went. Raises RelayError."""
        send(read_relay(self._settings.alert_relay), self._message(rows), self._settings.alert_password)
        with self._records.write() as connection:
            connection.execute(
                update(alerts)
                .where(alerts.c.id.in_([row.id for row in rows]))
                .values(sent_us=to_us(self._clock.now()))
            )

    def _message(self, rows: Sequence[Row[tuple[object, ...]]]) -> EmailMessage:
        message = EmailMessage()
        message["From"] = self._settings.alert_from
        message["To"] = ", ".join(self._settings.alert_to)
        message["Date"] = format_datetime(self._clock.now())
        # The same when it is sent again, so that who reads it can tell.
        name = f"alert-{rows[0].id}-{len(rows)}-{self._vault.archive_id[:12]}"
        message["Message-ID"] = f"<{name}@{self._vault.settings.smtp_domain}>"
        message["Auto-Submitted"] = "auto-generated"
        if rows[0].kind == "report":
            message["Subject"] = f"[holdfast] coverage of {rows[0].day}"
            message.set_content(self._report(rows[0].day))
            return message
        lines = [self._line(row) for row in rows]
        if len(rows) == 1:
            message["Subject"] = f"[holdfast] {lines[0].partition(';')[0]}"
        else:
            message["Subject"] = f"[holdfast] {len(rows)} news of gaps"
        told = "\n".join(lines)
        message.set_content(
            f"{told}\n\n`holdfast source show SOURCE` says more; docs/completeness.md says what to do.\n"
        )
        return message

    def _line(self, row: Row[tuple[object, ...]]) -> str:
        if row.kind == FAULTS:
            return "what is stored has faults; `holdfast verify --full` names them"
        gap = self._gaps.get(row.gap_id)
        if gap is None:
            return "a gap that is no longer known"
        word = {"opened": "gap", "reminder": "gap still open", "closed": "gap closed"}[row.kind]
        told = f"{word}: {gap.kind} at {self._source(gap)}; since {rfc3339(from_us(gap.opened_us))}"
        if gap.closed_us is not None:
            told += f" until {rfc3339(from_us(gap.closed_us))}"
        return told + (f", {gap.count} counted" if gap.count else "")

    def _source(self, gap: Gap) -> str:
        if self._settings.alert_names:
            source = self._vault.sources.get(gap.source_id)
            # A name is one line in a header.
            return f"{source.kind} source {gap.source_id} ({' '.join(source.name.split())})"
        with self._records.read() as connection:
            kind = connection.scalar(select(sources.c.kind).where(sources.c.id == gap.source_id))
        return f"{kind} source {gap.source_id}"
