"""The IMAP door: reads what is new in every folder of a mailbox, and never changes the mailbox.

DESIGN 5's fences hold here: at most 200 messages an answer, a limit on every call, implicit TLS only.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from archiver.capture.imap.answers import Folder, FolderState, read_folders, read_state, read_statuses
from archiver.capture.imap.errors import NotAnsweredError, RateLimited, SignInExpired
from archiver.capture.imap.folder import FolderPoll, FolderResult, Reading
from archiver.capture.imap.pending import in_thread
from archiver.capture.imap.source import FolderCheckpoint, ImapSource
from archiver.capture.imap.wire import ImapConnection
from archiver.errors import SourceUnreachable

PATIENCE = 60.0
"""Seconds a new access token must have lasted for another one to be asked for at once."""
RENEW_IDLE = 25 * 60.0
"""Seconds after which IDLE is begun anew: servers may hang up after 30 minutes (RFC 2177)."""
SERVER = "server"
"""Key of the gaps that are the whole mailbox's."""


@dataclass(slots=True)
class PollResult:
    """What one poll did, folder by folder, and in sum."""

    folders: list[FolderResult] = field(default_factory=list)

    @property
    def read(self) -> int:
        return sum(folder.read for folder in self.folders)

    @property
    def stored(self) -> int:
        return sum(folder.stored for folder in self.folders)

    @property
    def duplicates(self) -> int:
        return sum(folder.duplicates for folder in self.folders)

    @property
    def refused(self) -> int:
        return sum(folder.refused for folder in self.folders)

    @property
    def problems(self) -> list[str]:
        """The codes of what was wrong with folders."""
        return [folder.problem for folder in self.folders if folder.problem]


Told = Callable[[PollResult], None]


class ImapPoller:
    """Reads one mailbox. Not for two polls at a time; keep it from poll to poll.

    `taken` counts the messages it had an outcome for, those of polls that failed halfway too.
    """

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._source = reading.source
        self._checkpoints = reading.checkpoints
        self._gaps = reading.gaps
        self._complete: set[str] = set()
        self.taken = 0

    async def poll_once(self, progress: Told | None = None) -> PollResult:
        """Read every message above each folder's checkpoint and hand it to the archive.

        Folders are opened with EXAMINE and read with BODY.PEEK[], so no flag changes. A folder whose
        UIDVALIDITY changed is read from its start; the archive knows its duplicates. `progress` is
        called after each group of messages. Durability point: a checkpoint moves only past messages that are
        durable, counted as refused, or gone.

        Raises SourceUnreachable when the server can't be reached, refuses the sign-in, stops answering
        or hangs up, RateLimited when it wants to be left alone, and the archive's own error (StoreError)
        when that can't take a message. What was durable by then stays so, and the next poll goes on from
        there. Each is noted as a gap until a poll succeeds.
        """
        result = PollResult()
        for expired in (False, True):
            try:
                async with self._signed_in() as connection:
                    await self._round(connection, result, progress)
                    await connection.sign_off()
                break
            except SignInExpired:
                if expired:
                    raise
                await asyncio.get_running_loop().run_in_executor(None, self._source.secret, True)
        return result

    async def watch(self, stop: asyncio.Event, every: float, progress: Told | None = None) -> None:
        """Read on and on over one connection until `stop`: new mail seconds after it came where the server
        has IDLE, in the INBOX or the first folder wanted; all folders every `every` seconds.

        `progress` is called after each reading. Raises as `poll_once` does; call it again then.
        """
        loop = asyncio.get_running_loop()
        expired = -PATIENCE
        while not stop.is_set():
            try:
                async with self._signed_in() as connection:
                    await self._stay(connection, stop, every, progress)
                    await connection.sign_off()
            except SignInExpired:
                if loop.time() - expired < PATIENCE:
                    raise
                expired = loop.time()
                await loop.run_in_executor(None, self._source.secret, True)

    async def _stay(
        self, connection: ImapConnection, stop: asyncio.Event, every: float, progress: Told | None
    ) -> None:
        loop = asyncio.get_running_loop()
        while not stop.is_set():
            result = PollResult()
            folders = await self._round(connection, result, None)
            _tell(progress, result)
            until = loop.time() + every
            while not stop.is_set() and (left := until - loop.time()) > 0:
                if await self._wait(connection, [] if result.problems else folders, left, stop):
                    result = PollResult()
                    await self._read(connection, folders[:1], {}, result, None)
                    _tell(progress, result)

    # --- one connection -----------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def _signed_in(self) -> AsyncIterator[ImapConnection]:
        """A connection; what goes wrong with the server is on record as a gap until it goes well again."""
        kind = ""
        try:
            connection = await ImapConnection.open(self._source)
            try:
                await self._gap("close", "unreachable")
                yield connection
            finally:
                await connection.close()
        except RateLimited:
            kind = "rate_limited"
            raise
        except SourceUnreachable as error:
            kind = "" if isinstance(error, SignInExpired) else "unreachable"
            raise
        finally:
            if kind:
                await self._gap("open", kind, 0)

    async def _round(
        self, connection: ImapConnection, result: PollResult, progress: Told | None
    ) -> list[Folder]:
        """Read every folder wanted; return them, the one to wait in first."""
        lines = await connection.list_folders()
        folders = [folder for folder in read_folders(lines) if wanted(self._source, folder)]
        states = read_statuses(lines)
        await self._first_contact(connection, folders, states)
        await self._read(connection, folders, states, result, progress)
        if not any(problem == "busy" for problem in result.problems):
            await self._gap("close", "rate_limited")
        else:
            await self._gap("open", "rate_limited", 0)
        return sorted((f for f in folders if not f.problem), key=lambda f: f.key != "INBOX")

    async def _read(
        self,
        connection: ImapConnection,
        folders: list[Folder],
        states: dict[str, FolderState],
        result: PollResult,
        progress: Told | None,
    ) -> None:
        for folder in folders:
            entry = FolderResult(folder.name, problem=folder.problem)
            result.folders.append(entry)
            if folder.problem is None:
                known = await self._known(folder.key)
                if not self._nothing_new(folder, known, states.get(folder.wire)):
                    poll = FolderPoll(self._reading, connection, folder, known, entry)
                    try:
                        await poll.run(lambda: _tell(progress, result))
                    finally:
                        self.taken += entry.read
                if entry.problem is None:
                    self._complete.add(folder.key)
            await self._gap_of(folder, entry)

    def _nothing_new(self, folder: Folder, known: FolderCheckpoint | None, state: FolderState | None) -> bool:
        """True where the folder is as we left it, says STATUS; the first time it is looked into anyway."""
        return folder.key in self._complete and bool(known and state and _as_left(known, state))

    async def _first_contact(
        self, connection: ImapConnection, folders: list[Folder], states: dict[str, FolderState]
    ) -> None:
        """Before anything is read for the first time, note each folder's UIDNEXT.

        What is below it was there before us (`Arrival.first_reading`). A folder that appears later gets no
        such mark: whoever made it may have put mail of any date there.
        """
        if await self._known("") is not None:
            return
        for folder in folders:
            if folder.problem is not None or await self._known(folder.key) is not None:
                continue
            state = states.get(folder.wire)
            if state is None or not state.uidnext:
                try:
                    state = read_state(await connection.examine(folder.wire))
                except NotAnsweredError:
                    continue
            uidnext = state.uidnext or 0
            await self._save(folder.key, FolderCheckpoint(state.uidvalidity, 0, uidnext, max(uidnext - 1, 0)))
        await self._save("", FolderCheckpoint(0, 0))

    async def _wait(
        self, connection: ImapConnection, folders: list[Folder], seconds: float, stop: asyncio.Event
    ) -> bool:
        """Wait for new mail in the first folder; True when there may be some."""
        if folders and self._source.idle and connection.offers("IDLE"):
            with contextlib.suppress(NotAnsweredError):
                # What came since it was last opened is told here, and not by IDLE.
                state = read_state(await connection.examine(folders[0].wire))
                known = await self._known(folders[0].key)
                if known is not None and state.uidnext and not _as_left(known, state):
                    return True
                return await connection.idle(min(seconds, RENEW_IDLE), stop)
        stopped = asyncio.ensure_future(stop.wait())
        await asyncio.wait([stopped], timeout=min(seconds, RENEW_IDLE))
        stopped.cancel()
        return False

    # --- the archive --------------------------------------------------------------------------

    async def _known(self, key: str) -> FolderCheckpoint | None:
        return await in_thread(self._source, self._checkpoints.get, self._source.id, key)

    async def _save(self, key: str, checkpoint: FolderCheckpoint) -> None:
        await in_thread(self._source, self._checkpoints.set, self._source.id, key, checkpoint)

    async def _gap(self, what: str, kind: str, *count: int) -> None:
        call = self._gaps.open if what == "open" else self._gaps.close
        await in_thread(self._source, call, self._source.id, kind, SERVER, *count)

    async def _gap_of(self, folder: Folder, entry: FolderResult) -> None:
        """A folder that is wanted and can't be read is a gap, until it can."""
        key = self._checkpoints.blind(self._source.id, folder.key, "folder")
        source = self._source
        if entry.problem in ("not_selectable", "not_readable", "bad_name", "left_messages"):
            await in_thread(source, self._gaps.open, source.id, "folder_unreadable", key, entry.left)
        elif entry.problem is None:
            await in_thread(source, self._gaps.close, source.id, "folder_unreadable", key)


def wanted(source: ImapSource, folder: Folder) -> bool:
    """True for a folder that is to be read."""
    return _named(folder, source.folders) and not _named(folder, source.exclude)


def _named(folder: Folder, patterns: tuple[str, ...]) -> bool:
    name = "INBOX" if folder.name.upper() == "INBOX" else folder.name
    return any(
        pattern.lower() in folder.uses
        if pattern.startswith("\\")
        else name == pattern or fnmatchcase(name, pattern)
        for pattern in patterns
    )


def _as_left(known: FolderCheckpoint, state: FolderState) -> bool:
    return state.uidvalidity == known.uidvalidity != 0 and state.uidnext == known.seen_uid + 1


def _tell(progress: Told | None, result: PollResult) -> None:
    if progress is not None:
        progress(result)
