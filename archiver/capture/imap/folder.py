"""One folder of a mailbox in one poll: what is new in it, in groups that fit into memory."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from archiver.capture.imap.answers import Fetched, Folder, FolderState, read_fetched, read_state
from archiver.capture.imap.budget import ByteBudget
from archiver.capture.imap.errors import BusyError, NotAnsweredError, RateLimited
from archiver.capture.imap.pending import Outcome, PendingFolder, in_thread
from archiver.capture.imap.source import CheckpointStore, FolderCheckpoint, ImapSource
from archiver.capture.imap.wire import ImapConnection
from archiver.capture.ports import Arrival, GapLog, Intake

WINDOW = 200
"""Messages asked about in one command: aioimaplib lost answers of 2,000 lines."""

_GROUP = 25
_GROUP_BYTES = 4 * 1024 * 1024
_IN_FLIGHT = 500
_IN_FLIGHT_BYTES = 64 * 1024 * 1024


@dataclass(slots=True)
class FolderResult:
    """What one poll did in one folder: `read == stored + duplicates + refused` at its end.

    `vanished` counts messages expunged before they could be read, `holes` UIDs that came and went between two
    polls; both are gaps of the kind `uid_hole`. `left` are those the server wouldn't give out (the
    checkpoint stays before the first; they are asked for again). `problem` is a short code: `not_selectable`,
    `not_readable`, `busy`, `bad_name` or `left_messages`.
    """

    name: str
    read: int = 0
    stored: int = 0
    duplicates: int = 0
    refused: int = 0
    vanished: int = 0
    holes: int = 0
    left: int = 0
    problem: str | None = None

    def count(self, outcome: Outcome) -> None:
        """Add one message."""
        if outcome == "vanished":
            self.vanished += 1
            return
        if outcome == "left":
            self.left += 1
            self.problem = "left_messages"
            return
        self.read += 1
        if outcome == "stored":
            self.stored += 1
        elif outcome == "duplicate":
            self.duplicates += 1
        else:
            self.refused += 1


@dataclass(frozen=True, slots=True)
class Reading:
    """What every folder of one mailbox is read with."""

    source: ImapSource
    checkpoints: CheckpointStore
    intake: Intake
    gaps: GapLog
    budget: ByteBudget
    today: Callable[[], datetime] = lambda: datetime.now(UTC)


class FolderPoll:
    """One folder in one poll."""

    def __init__(
        self,
        reading: Reading,
        connection: ImapConnection,
        folder: Folder,
        known: FolderCheckpoint | None,
        result: FolderResult,
    ) -> None:
        self._reading = reading
        self._source = reading.source
        self._connection = connection
        self._folder = folder
        self._known = known
        self._result = result

    async def run(self, tell: Callable[[], None]) -> None:
        """Read what is new. Raises SourceUnreachable and its kin, and the archive's own errors."""
        try:
            state = read_state(await self._connection.examine(self._folder.wire))
        except NotAnsweredError as error:
            self._result.problem = "busy" if isinstance(error, BusyError) else "not_selectable"
            return
        reading = self._reading
        pending = PendingFolder(
            self._source,
            self._folder.key,
            await self._begin(state),
            reading.checkpoints,
            reading.intake,
            reading.budget,
            self._result.count,
        )
        try:
            await self._read(state, pending, tell)
        except NotAnsweredError as error:
            # The server refuses to list this folder's messages. The others may still be read.
            await pending.settle()
            self._result.problem = "busy" if isinstance(error, BusyError) else "not_readable"
        except Exception:
            await pending.salvage()
            raise
        finally:
            pending.close()
            tell()
        if self._result.problem is None:
            key = self._gap_key("uidvalidity", str(state.uidvalidity))
            await self._gap(reading.gaps.close, "uidvalidity_changed", key)

    async def _read(self, state: FolderState, pending: PendingFolder, tell: Callable[[], None]) -> None:
        uids = await self._new_uids(state, pending.state.last_uid)
        await self._note_holes(state, uids, pending)
        for window in _slices(uids, WINDOW):
            for group in _groups(window, await self._sizes(window)):
                await self._take(group, pending)
                await pending.settle(keep=_IN_FLIGHT, keep_bytes=_IN_FLIGHT_BYTES)
                tell()
        await pending.settle()

    async def _begin(self, state: FolderState) -> FolderCheckpoint:
        """Return what is known of the folder; where it is numbered anew, that nothing has been read."""
        known = self._known
        same = known is not None and known.uidvalidity == state.uidvalidity and state.uidvalidity != 0
        # A server restored from a backup may number anew without saying so.
        went_back = known is not None and state.uidnext is not None and known.last_uid >= state.uidnext
        if known is not None and same and not went_back:
            return known
        if known is not None:
            key = self._gap_key("uidvalidity", str(state.uidvalidity))
            await self._gap(self._reading.gaps.open, "uidvalidity_changed", key, 0)
        # Not a first reading, whether the folder is new in a mailbox we know or numbered anew: who made it
        # may have put mail of any date there. Nor do we know of holes from before.
        fresh = FolderCheckpoint(state.uidvalidity, 0, 0, (state.uidnext or 1) - 1)
        source, checkpoints = self._source, self._reading.checkpoints
        await in_thread(source, checkpoints.set, source.id, self._folder.key, fresh)
        return fresh

    # --- what is there ------------------------------------------------------------------------

    async def _new_uids(self, state: FolderState, last_uid: int) -> Sequence[int]:
        """Return the UIDs above `last_uid`, upwards; once more where an expunge shifted the numbers."""
        if state.uidnext is not None and state.uidnext <= last_uid + 1:
            return []
        try:
            return await self._list_new(state.exists, last_uid)
        except BusyError:
            raise
        except NotAnsweredError:
            # The number of messages has shrunk meanwhile, for all we know.
            again = read_state(await self._connection.examine(self._folder.wire))
            if again.uidvalidity != state.uidvalidity or again.exists >= state.exists:
                raise
            return await self._list_new(again.exists, last_uid)

    async def _list_new(self, exists: int, last_uid: int) -> Sequence[int]:
        """Ask by message number, newest window first, until a known UID appears.

        The number of commands follows the number of new messages, however far apart their UIDs are. An
        expunge meanwhile moves messages into windows that are still to come, so none is missed.
        """
        found = array("Q")
        top = exists
        while top > 0:
            bottom = max(top - WINDOW + 1, 1)
            lines = await self._connection.fetch(f"{bottom}:{top}", "(UID)", by_uid=False)
            uids = [entry.uid for entry in read_fetched(lines) if entry.uid]
            found.extend(uid for uid in uids if uid > last_uid)
            if uids and min(uids) <= last_uid:
                break
            top = bottom - 1
        return sorted(set(found))

    async def _note_holes(self, state: FolderState, uids: Sequence[int], pending: PendingFolder) -> None:
        """Remember UIDs given out since the last poll that nobody can read any more."""
        seen = max(pending.state.seen_uid, pending.state.last_uid)
        if state.uidnext is None or not pending.state.uidvalidity:
            return
        end = max(state.uidnext - 1, uids[-1] if uids else 0)
        if end <= seen:
            return
        # A poll cut off earlier may have read beyond what was looked through.
        missing = end - seen - sum(1 for uid in uids if uid > seen)
        if missing > 0:
            self._result.holes += missing
            key = self._gap_key("hole", str(state.uidvalidity), str(seen + 1))
            await self._gap(self._reading.gaps.open, "uid_hole", key, missing)
        await pending.save(seen_uid=end)

    async def _sizes(self, uids: Sequence[int]) -> dict[int, int]:
        """Return the size in bytes of each UID that still exists."""
        lines = await self._connection.fetch(uid_set(uids), "(UID RFC822.SIZE)", by_uid=True)
        return {entry.uid: entry.size or 0 for entry in read_fetched(lines) if entry.uid}

    # --- taking -------------------------------------------------------------------------------

    async def _take(self, group: Sequence[tuple[int, int | None]], pending: PendingFolder) -> None:
        """Read a group of (UID, size) and hand it over, in order; size None is a message gone."""
        fit = {uid: size for uid, size in group if size is not None and size <= self._source.max_size}
        total = sum(fit.values())
        await self._spend(total)
        number = await pending.room_for(total)
        bodies = await self._bodies(list(fit), total)
        arrivals: list[tuple[int, Arrival]] = []
        for uid, size in group:
            entry = bodies.pop(uid, None)
            if entry is not None and entry.body is not None:
                arrivals.append((uid, self._arrival(entry, entry.body, pending.state)))
                continue
            await pending.hand_over(arrivals, number)
            arrivals = []
            if (entry is not None and entry.oversize) or (size is not None and uid not in fit):
                await pending.refuse(uid, "too_large")
            elif size is None or not await self._sizes([uid]):
                key = self._gap_key("vanished", str(pending.state.uidvalidity), str(uid))
                await self._gap(self._reading.gaps.open, "uid_hole", key, 1)
                pending.vanished(uid)
            else:
                # It is there and isn't given out: read on, and ask again at the next poll.
                pending.left(uid)
        await pending.hand_over(arrivals, number)
        pending.end_group(number)

    async def _bodies(self, uids: Sequence[int], size: int) -> dict[int, Fetched]:
        """Return what the server gives of these messages, one by one where it refuses them together."""
        if not uids:
            return {}
        labels = " X-GM-LABELS" if self._connection.offers("X-GM-EXT-1") else ""
        what = f"(UID INTERNALDATE FLAGS{labels} BODY.PEEK[])"
        try:
            lines = await self._connection.fetch(uid_set(uids), what, by_uid=True, size=size)
        except BusyError:
            raise
        except NotAnsweredError:
            if len(uids) == 1:
                return {}
            found: dict[int, Fetched] = {}
            for uid in uids:
                found |= await self._bodies([uid], size)
            return found
        given = (entry for entry in read_fetched(lines) if entry.body is not None or entry.oversize)
        return {entry.uid: entry for entry in given if entry.uid}

    def _arrival(self, entry: Fetched, raw: bytes, state: FolderCheckpoint) -> Arrival:
        flags = tuple(flag for flag in entry.flags if flag.lower() != "\\recent")
        noted = (("flags", " ".join(flags)), ("labels", "\n".join(entry.labels)))
        return Arrival(
            raw=raw,
            source_id=self._source.id,
            folder=self._folder.name,
            custodians=(self._source.custodian,) if self._source.custodian else (),
            attested_by=self._source.attested_by,
            received_at=entry.internal_date,
            first_reading=(entry.uid or 0) < state.first_uidnext,
            notes=tuple((name, value) for name, value in noted if value),
        )

    async def _spend(self, count: int) -> None:
        """Count bytes against what may be read today. Raises RateLimited when that is used up."""
        allowed = self._source.bytes_per_day
        if not allowed:
            return
        now = self._reading.today()
        source, checkpoints = self._source, self._reading.checkpoints
        used = await in_thread(source, checkpoints.used, source.id, now.date())
        # A message larger than a day's allowance has a day of its own.
        if used and used + count > allowed:
            midnight = datetime(now.year, now.month, now.day, tzinfo=UTC) + timedelta(days=1)
            raise RateLimited(
                "this mailbox's bytes a day are used up: it goes on at midnight UTC",
                (midnight - now).total_seconds(),
            )
        await in_thread(source, checkpoints.use, source.id, now.date(), count)

    # --- gaps ---------------------------------------------------------------------------------

    def _gap_key(self, *words: str) -> str:
        return self._reading.checkpoints.blind(self._source.id, self._folder.key, *words)

    async def _gap(self, call: Callable[..., None], kind: str, key: str, *count: int) -> None:
        await in_thread(self._source, call, self._source.id, kind, key, *count)


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


def uid_set(uids: Sequence[int]) -> str:
    """Write ascending UIDs as a sequence set, runs as ranges."""
    runs: list[list[int]] = []
    for uid in uids:
        if runs and uid == runs[-1][1] + 1:
            runs[-1][1] = uid
        else:
            runs.append([uid, uid])
    return ",".join(str(a) if a == b else f"{a}:{b}" for a, b in runs)
