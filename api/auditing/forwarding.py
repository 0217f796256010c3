"""Sends the audit log on: a cursor for each sink, which is an index of the log; at least once, in order.

The log here stays the authority: nothing waits for a sink, and a dead one only falls behind. How far each is
stands in the records, so that any process may go on; a lease keeps two from sending at once.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Row, select, update

from api.auditing.entry import Walk
from api.auditing.exporting import about
from api.auditing.projection import Projection
from api.auditing.sending import Send, SinkError, sender
from archiver.clock import from_us, rfc3339, to_us
from archiver.ledger import log as ledger
from archiver.ledger.log import Log
from archiver.store import dialect
from archiver.store.schema import audit_sinks
from archiver.vault import Vault
from config.errors import HoldfastError
from config.sinks import Sink
from retention.acts import by_system
from retention.notices.audit_mails import ALARM, AuditMails

AT_ONCE: Final = 200
"""Entries of one stretch: what is in memory, and what is sent again after a failure in its middle."""
LEASE: Final = timedelta(minutes=1)
"""A process that died with it lets another go on then; one of the same machine at once. Where a stretch takes
longer, two may send it: at least once."""
LOOK_SECONDS: Final = 1.0
FIRST_WAIT: Final = 1.0
LONGEST_WAIT: Final = 300.0
TELL_AGAIN: Final = timedelta(days=1)
SUBJECT: Final = "Holdfast: the audit log isn't reaching a receiver"
TEXT: Final = """A receiver of the archive's audit log takes nothing.

    Receiver   {name}
    Since      {since}
    Why        {why}
    Waiting    {waiting} entries

Nothing is lost: the log is here, and what waits is sent when the receiver takes it again. Capture and reading
are not touched by this.
"""
log = logging.getLogger("holdfast.audit")


class Forwarder:
    """Sends one archive's audit log to the sinks of its settings. Safe from any thread and any process."""

    def __init__(self, vault: Vault, projection: Projection, mails: AuditMails) -> None:
        self._vault = vault
        self._mails = mails
        self._walk = Walk(vault)
        self._owner = f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(8)}"
        self.sinks: Mapping[str, Sink] = {sink.name: sink for sink in vault.settings.sinks}
        self._senders: dict[str, Send] = {
            name: sender(sink, about(vault, projection, phi=sink.phi)) for name, sink in self.sinks.items()
        }

    def step(self, name: str) -> int:
        """Send the next stretch to a sink; how many entries it took. 0 when none waits, or another process
        sends to it just now. Raises SinkError, which is written down; StoreError, LedgerError."""
        row = self._claim(name)
        if row is None:
            return 0
        size = self._walk.size()
        if row.cursor >= size:
            return 0
        entries = self._walk.stretch(row.cursor, min(row.cursor + AT_ONCE, size))
        try:
            self._senders[name](entries)
        except SinkError as error:
            self._failed(row, error)
            raise
        self._sent(row, row.cursor + len(entries))
        return len(entries)

    def run(self, name: str, stop: threading.Event) -> None:
        """Send to a sink until told to stop, waiting longer after each failure. Never raises."""
        wait = FIRST_WAIT
        while not stop.is_set():
            try:
                pause = 0.0 if self.step(name) else LOOK_SECONDS
                wait = FIRST_WAIT
            except HoldfastError as error:
                if not isinstance(error, SinkError):
                    log.error("the audit log could not be read for %s: %s", name, error.code)
                pause, wait = wait, min(wait * 2, LONGEST_WAIT)
            stop.wait(pause)

    def state(self) -> list[dict[str, Any]]:
        """Each sink of the settings: `[{name, kind, format, phi, sent, waiting, sent_at, failing_since,
        why}]`.

        `sent` is how many entries from the log's start are behind it, `why` a code or null.
        """
        with self._vault.records.read() as connection:
            size = ledger.state(connection, Log.AUDIT).size
            rows = {row.name: row for row in connection.execute(select(audit_sinks))}
        found = []
        for name, sink in self.sinks.items():
            row = rows.get(name)
            cursor = row.cursor if row is not None else 0 if sink.whole else size
            found.append(
                {
                    "name": name,
                    "kind": sink.kind,
                    "format": sink.format,
                    "phi": sink.phi,
                    "sent": cursor,
                    "waiting": size - cursor,
                    "sent_at": _moment(row.sent_us) if row else None,
                    "failing_since": _moment(row.failing_us) if row else None,
                    "why": row.failure if row else None,
                }
            )
        return found

    def alarm(self) -> int:
        """Write mails of sinks that have taken nothing for so long; how many sinks. Durable on return."""
        settings, now = self._vault.settings, self._vault.clock.now()
        late = to_us(now - timedelta(minutes=settings.audit_sink_alarm_minutes))
        told = 0
        for one in self.state():
            with self._vault.records.write() as connection:
                row = connection.execute(select(audit_sinks).where(audit_sinks.c.name == one["name"])).first()
                if row is None or row.failing_us is None or row.failing_us > late:
                    continue
                if row.told_us is not None and row.told_us > to_us(now - TELL_AGAIN):
                    continue
                text = TEXT.format(
                    name=row.name,
                    since=rfc3339(from_us(row.failing_us)),
                    why=row.failure,
                    waiting=f"{one['waiting']:,}",
                )
                self._mails.queue(connection, ALARM, SUBJECT, text)
                connection.execute(
                    update(audit_sinks).where(audit_sinks.c.name == row.name).values(told_us=to_us(now))
                )
                told += 1
        return told

    # --- inside -------------------------------------------------------------------------------

    def _claim(self, name: str) -> Row[Any] | None:
        """Our turn at a sink, for the length of the lease; a new sink begins now, or at the start."""
        now = to_us(self._vault.clock.now())
        mine = (audit_sinks.c.owner == self._owner) & (audit_sinks.c.lease_us > now + to_us_span(LEASE) // 2)
        with self._vault.records.read() as connection:
            row = connection.execute(select(audit_sinks).where(audit_sinks.c.name == name)).first()
            held = connection.execute(select(audit_sinks).where(audit_sinks.c.name == name, mine)).first()
        if held is not None:
            return held
        with self._vault.records.write() as connection:
            if row is None:
                cursor = 0 if self.sinks[name].whole else ledger.state(connection, Log.AUDIT).size
                fresh = {"name": name, "cursor": cursor, "tries": 0}
                connection.execute(dialect.insert_or_ignore(connection, audit_sinks), [fresh])
            free = (
                (audit_sinks.c.owner.is_(None))
                | (audit_sinks.c.owner == self._owner)
                | (audit_sinks.c.lease_us < now)
            )
            if row is not None and row.owner and _dead(row.owner):
                free |= audit_sinks.c.owner == row.owner
            taken = connection.execute(
                update(audit_sinks)
                .where(audit_sinks.c.name == name, free)
                .values(owner=self._owner, lease_us=now + to_us_span(LEASE))
            )
            if not taken.rowcount:
                return None
            return connection.execute(select(audit_sinks).where(audit_sinks.c.name == name)).first()

    def _sent(self, row: Row[Any], cursor: int) -> None:
        now = to_us(self._vault.clock.now())
        with self._vault.records.write() as connection:
            connection.execute(
                update(audit_sinks)
                .where(audit_sinks.c.name == row.name, audit_sinks.c.owner == self._owner)
                .values(
                    cursor=cursor, sent_us=now, tries=0, failure=None, failing_us=None, told_us=None,
                    lease_us=now + to_us_span(LEASE),
                )
            )  # fmt: skip
            if row.failure is not None:
                event = by_system("audit.sink", "success", reason="recovered", detail={"sink": row.name})
                self._vault.audit.record_in(connection, event)
                log.warning("the receiver %s of the audit log takes entries again", row.name)

    def _failed(self, row: Row[Any], error: SinkError) -> None:
        now = to_us(self._vault.clock.now())
        with self._vault.records.write() as connection:
            connection.execute(
                update(audit_sinks)
                .where(audit_sinks.c.name == row.name, audit_sinks.c.owner == self._owner)
                .values(
                    cursor=row.cursor + error.sent,
                    tries=audit_sinks.c.tries + 1,
                    failure=error.why,
                    failing_us=row.failing_us or now,
                )
            )
            # Once for each way of failing: a record of each try would itself have to be sent.
            if row.failure != error.why:
                event = by_system("audit.sink", "failed", reason=error.why, detail={"sink": row.name})
                self._vault.audit.record_in(connection, event)
                log.error("the receiver %s of the audit log takes nothing: %s", row.name, error.why)


def _dead(owner: str) -> bool:
    """Whether who sent was a process of this machine that has ended."""
    host, _, rest = owner.rpartition("/")[0].rpartition("/")
    if host != socket.gethostname() or not rest.isdigit():
        return False
    try:
        os.kill(int(rest), 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass
    return False


def to_us_span(span: timedelta) -> int:
    """A length of time in microseconds."""
    return span // timedelta(microseconds=1)


def _moment(us: int | None) -> str | None:
    return rfc3339(from_us(us)) if us is not None else None
