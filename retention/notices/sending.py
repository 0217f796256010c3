"""Mails of ours on their way, notices and alerts alike: sent until the relay takes them.

A mail is written down before it is sent and marked after the relay took it. Whoever dies in between leaves a
mail that is sent again, under the same Message-ID: at least once, and seen as one by who reads it.
"""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import timedelta
from email.message import EmailMessage
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, Select, Table, select, update

from archiver.clock import to_us
from archiver.coverage.relay import RelayError, read_relay, send
from archiver.ledger.audit import Outcome
from archiver.vault import Vault

AT_ONCE: Final = 50
"""Mails claimed at a time: so many wait for the claim's end when a process dies with them."""
CLAIM: Final = timedelta(minutes=10)
BUSY: Final = timedelta(seconds=150)
"""No mail is begun later than this: a slow relay would outlast the claim, and jobs of the same lane wait."""
LONGEST_WAIT: Final = timedelta(hours=1)
REFUSED_WAIT: Final = timedelta(hours=24)
"""Between two tries of a mail that the relay refuses for good (5xx): somebody may mend the mailbox. A relay
that refuses us altogether (a wrong password) is tried again as one that is away: that is mended here."""
_AWAY_WAIT: Final = timedelta(minutes=1)
log = logging.getLogger("holdfast.notices")


class Sending(ABC):
    """The mails of one table, which has `id, next_us, tries, sent_us, failure, dropped`. Safe from any thread
    and any number of processes."""

    def __init__(self, vault: Vault, table: Table, chosen: Select[Any], name: str) -> None:
        """`chosen` are the mails with all that is needed to make them, `name` is what a log calls one."""
        self._vault = vault
        self._table = table
        self._chosen = chosen
        self._name = name

    def flush(self) -> int:
        """Send what is due, for as long as others needn't wait for it; how many mails the relay took. Never
        raises for the relay's sake."""
        sent = 0
        end = time.monotonic() + BUSY.total_seconds()
        while self._vault.settings.notice_relay and (rows := self._claim()):
            for number, row in enumerate(rows):
                if time.monotonic() > end:
                    self._give_back(rows[number:])
                    return sent
                try:
                    sent += self._send(row)
                except RelayError as error:
                    self._failed(row, error)
                    if error.smtp_code is None or error.refuses_us:
                        self._give_back(rows[number + 1 :])
                        return sent
        return sent

    # --- what a table's mails are -------------------------------------------------------------

    @abstractmethod
    def _message(self, row: RowMapping) -> EmailMessage | None:
        """A mail as it is sent; None where nobody needs it any more. Raises RelayError where it can't go."""

    @abstractmethod
    def _taken(self, connection: Connection, row: RowMapping, now_us: int) -> None:
        """What follows from the relay's taking a mail, its record among it."""

    @abstractmethod
    def _record(self, connection: Connection, row: RowMapping, outcome: Outcome, reason: str) -> None:
        """Put on record what became of a mail."""

    # --- inside -------------------------------------------------------------------------------

    def _claim(self) -> Sequence[RowMapping]:
        """Take what is due for ourselves for ten minutes."""
        columns = self._table.c
        now = self._vault.clock.now()
        due = (columns.sent_us.is_(None), ~columns.dropped, columns.next_us <= to_us(now))
        with self._vault.records.read() as connection:
            if connection.execute(select(columns.id).where(*due).limit(1)).first() is None:
                return []
        with self._vault.records.write() as connection:
            rows = (
                connection.execute(
                    self._chosen.where(*due)
                    .order_by(columns.next_us, columns.id)
                    .limit(AT_ONCE)
                    .with_for_update(skip_locked=True, of=self._table)
                )
                .mappings()
                .all()
            )
            self._next(connection, rows, CLAIM)
        return rows

    def _next(self, connection: Connection, rows: Sequence[RowMapping], wait: timedelta) -> None:
        connection.execute(
            update(self._table)
            .where(self._table.c.id.in_([row["id"] for row in rows]))
            .values(next_us=to_us(self._vault.clock.now() + wait))
        )

    def _give_back(self, rows: Sequence[RowMapping]) -> None:
        if rows:
            with self._vault.records.write() as connection:
                self._next(connection, rows, _AWAY_WAIT)

    def _send(self, row: RowMapping) -> int:
        with self._vault.records.read() as connection:
            columns = self._table.c
            waits = (columns.id == row["id"], columns.sent_us.is_(None), ~columns.dropped)
            if connection.scalar(select(columns.id).where(*waits)) is None:
                return 0  # confirmed or let go since it was claimed
        message = self._message(row)
        if message is None:
            with self._vault.records.write() as connection:
                self._change(connection, row, dropped=True)
            return 0
        settings = self._vault.settings
        send(read_relay(settings.notice_relay), message, settings.notice_password)
        self._sent(row)
        return 1

    def _sent(self, row: RowMapping) -> None:
        now_us = to_us(self._vault.clock.now())
        with self._vault.records.write() as connection:
            self._change(connection, row, sent_us=now_us, tries=row["tries"] + 1, failure=None)
            self._taken(connection, row, now_us)

    def _failed(self, row: RowMapping, error: RelayError) -> None:
        log.warning("%s was not sent and will be tried again: %s", self._name, error)
        wait = min(timedelta(minutes=2 ** min(row["tries"], 6)), LONGEST_WAIT)
        if error.smtp_code and error.smtp_code >= 500 and not error.refuses_us:
            wait = REFUSED_WAIT
        with self._vault.records.write() as connection:
            self._change(connection, row, tries=row["tries"] + 1, failure=error.kind)
            self._next(connection, [row], wait)
            if error.kind != row["failure"]:
                self._record(connection, row, "failed", error.kind)

    def _change(self, connection: Connection, row: RowMapping, **values: Any) -> None:
        connection.execute(
            update(self._table)
            .where(self._table.c.id == row["id"], self._table.c.sent_us.is_(None))
            .values(**values)
        )
