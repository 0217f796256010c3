"""The port between the doors (SMTP, IMAP, files) and the archive.

A door turns what it receives into an `Arrival` and hands it to an `Intake`. It may acknowledge to the
outside (SMTP 250, IMAP checkpoint, an import's "stored" count) only once the receipt's future is done
without an error: by then the bytes and the rows are durable.
"""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from archiver.message.model import Recipient


@dataclass(frozen=True, slots=True)
class Arrival:
    """One message as it came through a door.

    `raw` is exactly what arrived (SMTP: after dot-unstuffing, CRLF as sent; files: the file's bytes).
    `smtp_sender` / `smtp_recipients` are the SMTP envelope, only where the door is SMTP.
    `folder` is the mailbox or path inside the source. `custodians` are addresses the operator vouches
    this copy belongs to. `attested_by` names who vouches for the message's own dates, or None: then
    the retention clock starts at capture. `received_at` is what the source vouches for (IMAP
    INTERNALDATE), in UTC, informative only.
    """

    raw: bytes
    source_id: str
    folder: str = ""
    custodians: tuple[str, ...] = ()
    smtp_sender: str | None = None
    smtp_recipients: tuple[Recipient, ...] = ()
    attested_by: str | None = None
    received_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of an arrival: `id` is the message it is, or repeats."""

    id: str
    outcome: Literal["stored", "duplicate"]


class Intake(Protocol):
    """Takes arrivals and makes them durable, many at a time.

    `submit` returns at once with a future; it blocks the caller only while the bounded queue is full.
    The future ends with a `Receipt`, or with an `ArchiverError` whose `retry` is True (answer 451).
    A cancelled or failed future acknowledges nothing, though the bytes may be stored: the next
    delivery is then a duplicate. Safe to call from any thread.
    """

    def submit(self, arrival: Arrival) -> Future[Receipt]: ...

    def refuse(self, source_id: str, reason: str) -> None:
        """Count one refused arrival for a source, with a short stable reason code. Durable on return."""
        ...
