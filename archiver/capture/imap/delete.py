"""Deletion at the source: only of mail whose archived bytes were opened and compared with a fresh copy.

Off unless asked for by name. The mailbox is looked through with EXAMINE; SELECT comes only once messages are
verified, on a connection of its own, and only these UIDs are expunged (UIDPLUS, RFC 4315): a message that
somebody else marked as deleted stays.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

from sqlalchemy import select

from archiver.archive import Archive
from archiver.capture.imap.answers import Fetched, Folder, read_fetched, read_folders, read_state
from archiver.capture.imap.budget import ByteBudget
from archiver.capture.imap.errors import NotAnsweredError
from archiver.capture.imap.folder import WINDOW, Reading, uid_set
from archiver.capture.imap.pending import in_thread
from archiver.capture.imap.poller import wanted
from archiver.capture.imap.wire import ImapConnection
from archiver.clock import from_us
from archiver.errors import ArchiverError, CaptureError
from archiver.store.records import Records
from archiver.store.schema import messages, reports

Step = Literal["begun", "success", "failed"]


class Verifier(Protocol):
    """Says whether the archive has a message."""

    def captured(self, raw: bytes) -> datetime | None:
        """When the archive took in these very bytes; None where it can't give them back. Blocks."""
        ...


class VaultVerifier:
    """`Verifier` over an archive: opens what is stored and compares it, byte for byte."""

    def __init__(self, records: Records, archive: Archive) -> None:
        self._records = records
        self._archive = archive

    def captured(self, raw: bytes) -> datetime | None:
        """When these bytes were captured, as a message or as the report around one; None if not for sure."""
        digest = hashlib.sha256(raw).digest()
        alive = messages.c.disposed_us.is_(None)
        with self._records.read() as connection:
            message = connection.execute(
                select(messages.c.pk, messages.c.captured_us).where(messages.c.sha256 == digest, alive)
            ).first()
            report = connection.execute(
                select(reports.c.id, reports.c.captured_us)
                .join(messages, messages.c.pk == reports.c.message_pk)
                .where(reports.c.sha256 == digest, alive)
            ).first()
        try:
            if message is not None and self._archive.scan(message.pk).raw == raw:
                return from_us(message.captured_us)
            if report is not None and self._archive.scan_report(report.id).raw == raw:
                return from_us(report.captured_us)
        except ArchiverError:
            return None  # it is stored and doesn't open: the source's copy may be the only good one
        return None


@dataclass(slots=True)
class DeletionResult:
    """What one run did: of `looked_at` messages old enough by INTERNALDATE, `kept` were not verified."""

    looked_at: int = 0
    deleted: int = 0
    kept: int = 0


class ImapDeleter:
    """Deletes from one mailbox what is `days` days old there, and has been in the archive for as long."""

    def __init__(
        self,
        reading: Reading,
        verifier: Verifier,
        days: int,
        record: Callable[[Step, int], None],
    ) -> None:
        """`record(outcome, count)` writes the audit log: `begun` before messages are expunged, `success` or
        `failed` after. Raises CaptureError for less than a day."""
        if days < 1:
            raise CaptureError("mail is kept at the source for a day at the least")
        self._reading = reading
        self._verifier = verifier
        self._days = timedelta(days=days)
        self._record = record

    async def run(self) -> DeletionResult:
        """Look through every folder once. Raises SourceUnreachable, StoreError when it can't be recorded."""
        result = DeletionResult()
        connection = await ImapConnection.open(self._reading.source)
        try:
            if not connection.offers("UIDPLUS"):
                raise NotAnsweredError("the mailbox server can't delete single messages: it has no UIDPLUS")
            for folder in [
                f for f in read_folders(await connection.list_folders()) if wanted(self._reading.source, f)
            ]:
                if folder.problem is None:
                    await self._folder(connection, folder, result)
            await connection.sign_off()
        finally:
            await connection.close()
        return result

    async def _folder(self, connection: ImapConnection, folder: Folder, result: DeletionResult) -> None:
        source, checkpoints = self._reading.source, self._reading.checkpoints
        known = await in_thread(source, checkpoints.get, source.id, folder.key)
        try:
            state = read_state(await connection.examine(folder.wire))
        except NotAnsweredError:
            return
        if known is None or not known.uidvalidity or state.uidvalidity != known.uidvalidity:
            return
        verified: list[int] = []
        for top in range(state.exists, 0, -WINDOW):
            lines = await connection.fetch(
                f"{max(top - WINDOW + 1, 1)}:{top}", "(UID INTERNALDATE RFC822.SIZE)", by_uid=False
            )
            old = [entry for entry in read_fetched(lines) if self._old(entry, known.last_uid)]
            result.looked_at += len(old)
            verified += (good := await self._verified(connection, old))
            result.kept += len(old) - len(good)
        if verified:
            result.deleted += await self._expunge(connection, folder, known.uidvalidity, sorted(verified))

    def _old(self, entry: Fetched, last_uid: int) -> bool:
        return (
            entry.uid is not None
            and entry.uid <= last_uid
            and entry.internal_date is not None
            and entry.internal_date <= self._reading.today() - self._days
            and (entry.size or 0) <= self._reading.source.max_size
        )

    async def _verified(self, connection: ImapConnection, old: Sequence[Fetched]) -> list[int]:
        """Fetch anew, one by one, and ask the archive for each."""
        found: list[int] = []
        budget: ByteBudget = self._reading.budget
        for entry in old:
            size = entry.size or 0
            await budget.take(size)
            try:
                lines = await connection.fetch(str(entry.uid), "(UID BODY.PEEK[])", by_uid=True, size=size)
                given = {e.uid: e.body for e in read_fetched(lines) if e.body is not None}
                raw = given.get(entry.uid)
                if raw is not None and entry.uid is not None and await self._long_kept(raw):
                    found.append(entry.uid)
            except NotAnsweredError:
                continue
            finally:
                budget.give(size)
        return found

    async def _long_kept(self, raw: bytes) -> bool:
        captured = await in_thread(self._reading.source, self._verifier.captured, raw)
        return captured is not None and captured <= self._reading.today() - self._days

    async def _expunge(
        self, connection: ImapConnection, folder: Folder, uidvalidity: int, uids: Sequence[int]
    ) -> int:
        source = self._reading.source
        state = read_state(await connection.select(folder.wire))
        if state.uidvalidity != uidvalidity:
            return 0
        deleted = 0
        for part in _parts(uids):
            await in_thread(source, self._record, "begun", len(part))
            try:
                await connection.delete(uid_set(part))
            except BaseException:
                await in_thread(source, self._record, "failed", len(part))
                raise
            await in_thread(source, self._record, "success", len(part))
            deleted += len(part)
        return deleted


def _parts(uids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(uids), WINDOW):
        yield uids[start : start + WINDOW]
