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

from archiver.message.content import Raw
from archiver.message.model import Recipient


@dataclass(frozen=True, slots=True)
class Arrival:
    """One message as it came through a door.

    `raw` is exactly what arrived, as bytes or, where it is large, spooled (SMTP: after dot-unstuffing,
    CRLF as sent; files: the file's bytes).
    `smtp_sender` / `smtp_recipients` are the SMTP envelope, only where the door is SMTP.
    `folder` is the mailbox or path inside the source. `custodians` are addresses the operator vouches
    this copy belongs to. `attested_by` names who vouches for the message's own dates, or None: then
    the retention clock starts at capture. `received_at` is what the source vouches for (IMAP
    INTERNALDATE), in UTC. `first_reading` is True for mail that was in its folder when we first saw that
    folder: old mail has an old `received_at` there; what came later with an old one was put there.
    `received_by` names the hosts whose `Received:` stamps the operator vouches for (see `vouched`).
    `original` is the file that `raw` was converted from, where that file is no RFC 5322 message (MSG): it
    is kept beside the message, byte for byte. `notes` are small facts of this copy (Apple Mail's flags).
    `reports` says whether a journal report in it may be believed and unwrapped; None leaves it to the
    source: see `Source.reports` and docs/adr/0011. A report not believed is a message like any other.
    """

    raw: Raw
    source_id: str
    folder: str = ""
    custodians: tuple[str, ...] = ()
    smtp_sender: str | None = None
    smtp_recipients: tuple[Recipient, ...] = ()
    attested_by: str | None = None
    received_at: datetime | None = None
    first_reading: bool = False
    received_by: tuple[str, ...] = ()
    original: bytes | None = None
    notes: tuple[tuple[str, str], ...] = ()
    reports: bool | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of an arrival: `id` is the message it is, or repeats.

    `parse_failed` says that its structure couldn't be read; it is kept all the same.
    """

    id: str
    outcome: Literal["stored", "duplicate"]
    parse_failed: bool = False


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


class GapLog(Protocol):
    """Remembers where a source is not known to be complete (promise 9). Safe to call from any thread.

    `kind` is a short stable code (`uid_hole`, `uidvalidity_changed`, `unreachable`, `rate_limited`); `key`
    tells gaps of one kind apart and is opaque (a blind token's hex), never a folder's name; `count` is how
    many messages may be missing, 0 where nobody can say. Both calls are idempotent and durable on return.
    """

    def open(self, source_id: str, kind: str, key: str, count: int) -> None: ...

    def close(self, source_id: str, kind: str, key: str) -> None: ...
