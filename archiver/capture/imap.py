"""The IMAP door: reads what is new in every folder of a mailbox, and never changes the mailbox.

DESIGN 5's fences hold here: at most 200 messages an answer, a limit on every call, implicit TLS only.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from archiver.capture.imap_answers import Fetched, Folder, FolderState, read_fetched, read_folders, read_state
from archiver.capture.imap_pending import Outcome, PendingFolder
from archiver.capture.imap_source import CheckpointStore, ImapSource
from archiver.capture.imap_wire import ImapConnection, NotAnsweredError
from archiver.capture.ports import Arrival, Intake

WINDOW = 200
"""Messages asked about in one command: aioimaplib lost answers of 2,000 lines."""

_GROUP = 25
_GROUP_BYTES = 4 * 1024 * 1024
_IN_FLIGHT = 500
_IN_FLIGHT_BYTES = 64 * 1024 * 1024


@dataclass(slots=True)
class FolderResult:
    """What one poll did in one folder: `read == stored + duplicates + refused` at its end.

    `vanished` counts messages expunged before they could be read, `left` those the server wouldn't give
    out (the checkpoint stays before the first; they are asked for again). `problem` is a short code:
    `not_selectable`, `not_readable`, `bad_name` or `left_messages`.
    """

    name: str
    read: int = 0
    stored: int = 0
    duplicates: int = 0
    refused: int = 0
    vanished: int = 0
    left: int = 0
    problem: str | None = None


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


class ImapPoller:
    """Reads one mailbox. Not for two polls at a time."""

    def __init__(self, source: ImapSource, checkpoints: CheckpointStore, intake: Intake) -> None:
        self._source = source
        self._checkpoints = checkpoints
        self._intake = intake

    async def poll_once(self, progress: Callable[[PollResult], None] | None = None) -> PollResult:
        """Read every message above each folder's checkpoint and hand it to the archive.

        Folders are opened with EXAMINE and read with BODY.PEEK[], so no flag changes. A folder whose
        UIDVALIDITY changed is read from its start; the archive knows its duplicates. `progress` is
        called after each group of messages. Durability point: a checkpoint moves only past messages
        that are durable, counted as refused, or gone.

        Raises SourceUnreachable when the server can't be reached, refuses the sign-in, stops answering
        or hangs up, and the archive's own error (StoreError) when that can't take a message. What was
        durable by then stays so, and the next poll goes on from there.
        """
        result = PollResult()
        connection = await ImapConnection.open(self._source)
        try:
            for folder in list(read_folders(await connection.list_folders())):
                if self._wanted(folder.name):
                    entry = FolderResult(folder.name, problem=folder.problem)
                    result.folders.append(entry)
                    if folder.problem is None:
                        await _FolderPoll(self, connection, folder, entry).run(
                            lambda: _tell(progress, result)
                        )
            await connection.sign_off()
        finally:
            await connection.close()
        return result

    def _wanted(self, name: str) -> bool:
        folded = "INBOX" if name.upper() == "INBOX" else name
        return any(folded == wanted or fnmatchcase(folded, wanted) for wanted in self._source.folders)


class _FolderPoll:
    """One folder in one poll."""

    def __init__(
        self, poller: ImapPoller, connection: ImapConnection, folder: Folder, result: FolderResult
    ) -> None:
        self._source = poller._source
        self._checkpoints = poller._checkpoints
        self._intake = poller._intake
        self._connection = connection
        self._folder = folder
        self._result = result

    async def run(self, tell: Callable[[], None]) -> None:
        try:
            state = read_state(await self._connection.examine(self._folder.wire))
        except NotAnsweredError:
            self._result.problem = "not_selectable"
            return
        pending = PendingFolder(
            self._source, self._folder.name, state.uidvalidity, self._checkpoints, self._intake, self._count
        )
        last_uid = await self._start(pending, state)
        try:
            for window in _slices(await self._new_uids(state, last_uid), WINDOW):
                for group in _groups(window, await self._sizes(window)):
                    await self._take(group, pending)
                    await pending.settle(keep=_IN_FLIGHT, keep_bytes=_IN_FLIGHT_BYTES)
                    tell()
            await pending.settle()
        except NotAnsweredError:
            # The server refuses to list this folder's messages. The others may still be read.
            await pending.settle()
            self._result.problem = "not_readable"
        except Exception:
            await pending.salvage()
            raise
        finally:
            tell()

    async def _start(self, pending: PendingFolder, state: FolderState) -> int:
        """Return the last UID read, 0 to begin at the start."""
        known = await pending.load()
        same = known is not None and known.uidvalidity == state.uidvalidity and state.uidvalidity != 0
        # A server restored from a backup may number anew without saying so.
        went_back = known is not None and state.uidnext is not None and known.last_uid >= state.uidnext
        if known is not None and same and not went_back:
            return known.last_uid
        await pending.start_over()
        return 0

    async def _new_uids(self, state: FolderState, last_uid: int) -> Sequence[int]:
        """Return the UIDs above `last_uid`, upwards.

        Asked for by message number, newest window first until a known UID appears: the number of
        commands follows the number of new messages, however far apart their UIDs are. Numbers can't
        shift meanwhile, as a server may not announce an expunge during FETCH (RFC 3501, 7.4.1).
        """
        found = array("Q")
        top = state.exists
        if state.uidnext is not None and state.uidnext <= last_uid + 1:
            top = 0
        while top > 0:
            bottom = max(top - WINDOW + 1, 1)
            lines = await self._connection.fetch(f"{bottom}:{top}", "(UID)", by_uid=False)
            uids = [entry.uid for entry in read_fetched(lines) if entry.uid]
            found.extend(uid for uid in uids if uid > last_uid)
            if uids and min(uids) <= last_uid:
                break
            top = bottom - 1
        return sorted(set(found))

    async def _sizes(self, uids: Sequence[int]) -> dict[int, int]:
        """Return the size in bytes of each UID that still exists."""
        lines = await self._connection.fetch(_uid_set(uids), "(UID RFC822.SIZE)", by_uid=True)
        return {entry.uid: entry.size or 0 for entry in read_fetched(lines) if entry.uid}

    async def _take(self, group: Sequence[tuple[int, int | None]], pending: PendingFolder) -> None:
        """Read a group of (UID, size) and hand it over, in order; size None is a message gone."""
        wanted = [uid for uid, size in group if size is not None and size <= self._source.max_size]
        bodies = await self._bodies(wanted)
        arrivals: list[tuple[int, Arrival]] = []
        for uid, size in group:
            entry = bodies.get(uid)
            if entry is not None and entry.body is not None:
                arrivals.append((uid, self._arrival(entry, entry.body)))
                continue
            await pending.hand_over(arrivals)
            arrivals = []
            if size is not None and size > self._source.max_size:
                await pending.refuse(uid, "too_large")
            elif size is None or not await self._sizes([uid]):
                pending.vanished(uid)
            else:
                # It is there and isn't given out: read on, and ask again at the next poll.
                pending.left(uid)
        await pending.hand_over(arrivals)

    async def _bodies(self, uids: Sequence[int]) -> dict[int, Fetched]:
        """Return what the server gives of these messages, one by one where it refuses them together."""
        if not uids:
            return {}
        try:
            lines = await self._connection.fetch(
                _uid_set(uids), "(UID INTERNALDATE BODY.PEEK[])", by_uid=True
            )
        except NotAnsweredError:
            if len(uids) == 1:
                return {}
            found: dict[int, Fetched] = {}
            for uid in uids:
                found |= await self._bodies([uid])
            return found
        return {entry.uid: entry for entry in read_fetched(lines) if entry.uid and entry.body is not None}

    def _arrival(self, entry: Fetched, raw: bytes) -> Arrival:
        return Arrival(
            raw=raw,
            source_id=self._source.id,
            folder=self._folder.name,
            custodians=(self._source.custodian,) if self._source.custodian else (),
            attested_by=self._source.attested_by,
            received_at=entry.internal_date,
        )

    def _count(self, outcome: Outcome) -> None:
        if outcome == "vanished":
            self._result.vanished += 1
            return
        if outcome == "left":
            self._result.left += 1
            self._result.problem = "left_messages"
            return
        self._result.read += 1
        if outcome == "stored":
            self._result.stored += 1
        elif outcome == "duplicate":
            self._result.duplicates += 1
        else:
            self._result.refused += 1


def _tell(progress: Callable[[PollResult], None] | None, result: PollResult) -> None:
    if progress is not None:
        progress(result)


def _slices(uids: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(uids), size):
        yield uids[start : start + size]


def _groups(uids: Sequence[int], sizes: dict[int, int]) -> Iterator[list[tuple[int, int | None]]]:
    """Yield (UID, size) in groups small enough for one answer; a large message is alone in its group."""
    group: list[tuple[int, int | None]] = []
    total = 0
    for uid in uids:
        size = sizes.get(uid)
        if group and (len(group) >= _GROUP or total + (size or 0) > _GROUP_BYTES):
            yield group
            group, total = [], 0
        group.append((uid, size))
        total += size or 0
    if group:
        yield group


def _uid_set(uids: Sequence[int]) -> str:
    """Write ascending UIDs as a sequence set, runs as ranges."""
    runs: list[list[int]] = []
    for uid in uids:
        if runs and uid == runs[-1][1] + 1:
            runs[-1][1] = uid
        else:
            runs.append([uid, uid])
    return ",".join(str(a) if a == b else f"{a}:{b}" for a, b in runs)
