"""Shows every checkpoint to those who are to see it, and asks them at each start what they have seen.

Trouble of theirs is told and never stops capture; but who has seen more than the records hold, or another
root, closes the archive (`archiver.standing`) until the gap is explained.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final

from archiver.clock import Clock, to_us
from archiver.errors import ArchiverError, LedgerError, ReadOnly, StoreError
from archiver.ledger.checkpoint import Checkpoint, open_checkpoint
from archiver.ledger.log import Log
from archiver.ledger.merkle import consistency_proof, verify_consistency
from archiver.ledger.note import Verifier
from archiver.ledger.publish import Publisher
from archiver.ledger.tiles import TileReader
from archiver.standing import Standing
from archiver.store.records import Records
from archiver.witnessing import heads, stamps
from archiver.witnessing.asking import WitnessClient
from archiver.witnessing.copies import Copies
from archiver.witnessing.heads import Head
from archiver.witnessing.history import History
from archiver.witnessing.roots import roots_at
from archiver.witnessing.unseen import unseen_since
from archiver.witnessing.watchers import Watchers
from archiver.witnessing.web import OutsideError
from config.witnesses import WitnessSettings

SECONDS: Final = 5.0
START_SECONDS: Final = 3.0
FAILING_SECONDS: Final = 0.5
"""For one that has been failing, where somebody waits: it must not hold up every command."""
AGAIN_SECONDS: Final = 60.0
"""Copies that couldn't be written, and stamps, are tried again so soon."""
_TRIES: Final = 4
COPIES, STAMPS = "copies", "stamps"


class QuorumMissing(ArchiverError):
    """Fewer witnesses have cosigned than `witness_quorum` asks for. Try again later."""

    code = "quorum_missing"
    exit_code = 75
    http_status = 503
    audit_code = "quorum_missing"
    retry = True


class Witnessing:
    """The outside of one archive's ledger. Safe from any thread."""

    def __init__(
        self,
        settings: WitnessSettings,
        archive_id: str,
        records: Records,
        publisher: Publisher,
        standing: Standing,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._records = records
        self._publisher = publisher
        self._standing = standing
        self.clients = tuple(WitnessClient(address) for address in settings.witness_addresses)
        self.history = History(records, clock)
        self._clock = clock
        self._copies = Copies(Path(settings.witness_file), archive_id) if settings.witness_file else None
        self._authority: stamps.Authority | None = None
        if settings.timestamp_url:
            certificates = stamps.read_certificates(settings.timestamp_ca)
            self._authority = stamps.Authority(settings.timestamp_url, certificates)
        names = [
            *(f"witness:{client.name}" for client in self.clients),
            *([COPIES] if self._copies else []),
            *([STAMPS] if self._authority else []),
        ]
        alarm = timedelta(minutes=settings.witness_alarm_minutes)
        self.watchers = Watchers(records, clock, names, alarm)
        self.late_after: Final = alarm + timedelta(seconds=settings.witness_seconds)
        """An entry that a witness hasn't cosigned is a fault when it is so old."""
        self._began = time.monotonic()
        self.found: tuple[Head, ...] = ()
        """The heads for which the archive was closed."""
        self._turn = threading.Lock()
        self._asked = 0.0
        self._copied: dict[Log, float] = {}
        self._stamped: dict[Log, float] = {}

    @property
    def active(self) -> bool:
        """True where anybody outside is to see the checkpoints."""
        return bool(self.clients or self._copies or self._authority)

    @property
    def verifiers(self) -> tuple[Verifier, ...]:
        """The witnesses' keys."""
        return tuple(key for client in self.clients for key in client.verifiers)

    @property
    def authority(self) -> stamps.Authority | None:
        """The time-stamping authority, where one is set."""
        return self._authority

    # --- at a start ---------------------------------------------------------------------------

    def look(self, *, ask: bool = True) -> bool:
        """Compare what others have seen with what the records hold; True when the archive may go on.

        The ledger folder, its stamps, the folder of copies; and, where `ask`, the witnesses. Nothing new is
        signed, unless nothing was published yet or a witness names a size between that and the records'.
        """
        # What is damaged is named by `verify`, and refused where it is needed.
        with contextlib.suppress(LedgerError, StoreError):
            self._compare(list(heads.in_folders(self._publisher, self._copies)))
        # Even where the archive is closed already: all that is missing is to be told, of both logs.
        if ask and self.clients:
            self._each_witness(START_SECONDS, again=True, hurry=True)
        return not self._standing.closed

    def _compare(self, seen: list[Head]) -> None:
        if found := heads.unexplained(self._records, self._publisher, seen):
            self._close(found)

    def _close(self, found: list[Head]) -> None:
        known = {(h.which, h.generation, h.size, h.root, h.by): h for h in (*self.found, *found)}
        self.found = tuple(known.values())
        self._standing.close(tuple(head.line for head in self.found))

    def reconsider(self) -> bool:
        """Whether what the archive was closed for has been explained since; then it is open again."""
        self._publisher.refresh()
        if heads.unexplained(self._records, self._publisher, self.found):
            return False
        self.found = ()
        self._standing.open()
        return self.look()

    def forget(self) -> None:
        """The gap was explained: what was found is no reason to stay closed."""
        self.found = ()

    def common(self, which: Log, generation: int, size: int, seen: Sequence[Head]) -> int:
        """How many entries are known to be the same in the records and in what others have seen of a log.

        The newest cosigned checkpoint on record that isn't beyond either; at worst 0.
        """
        limit = min([size, *(head.size for head in seen if head.generation == generation)])
        return self.history.newest_cosigned(which, generation, limit)

    # --- each round ---------------------------------------------------------------------------

    def unseen_since(self, client: WitnessClient, which: Log) -> int | None:
        """When the oldest entry was made that a witness hasn't cosigned; see `archiver.witnessing.unseen`."""
        last = self.history.last_cosigned(which, self._publisher.generation(which), client.name)
        return unseen_since(self._records, which, last or 0)

    def late(self) -> list[WitnessClient]:
        """The witnesses that haven't cosigned an entry older than `late_after`."""
        due = to_us(self._clock.now() - self.late_after)
        return [
            client
            for client in self.clients
            if any((since := self.unseen_since(client, w)) is not None and since < due for w in Log)
        ]

    def run(self, *, at_once: bool = False, hurry: bool = False) -> None:
        """Show the newest checkpoints to whoever hasn't seen them and is due. Raises nothing of theirs.

        `at_once` doesn't wait for `witness_seconds` to pass since the last round. `hurry` is for when
        somebody waits: who has been failing gets `FAILING_SECONDS` only.
        """
        with self._turn:
            if self._standing.closed:
                return
            now = time.monotonic()
            if self.clients and (at_once or now - self._asked >= self._settings.witness_seconds):
                self._asked = now
                self._each_witness(SECONDS, again=False, hurry=hurry)
                self._notice_silence()
            now = time.monotonic()
            if self._copies is not None:
                self._with(COPIES, *(partial(self._copy, w) for w in Log if now >= self._copied.get(w, 0.0)))
            if self._authority is not None:
                self._with(
                    STAMPS, *(partial(self._stamp, w) for w in Log if now >= self._stamped.get(w, 0.0))
                )

    def covering(self, which: Log, index: int) -> bytes | None:
        """See `Vouched`: a checkpoint with entry `index` under the cosignatures that the settings ask for."""
        if not self.clients:
            return None
        found = self._covering(which, index)
        if found is None and self._settings.witness_quorum:
            self.run(at_once=True)
            found = self._covering(which, index)
            if found is None:
                raise QuorumMissing(
                    f"fewer than {self._settings.witness_quorum} witnesses have cosigned this "
                    "entry; try again, and see `holdfast ledger status`"
                )
        return found

    def _covering(self, which: Log, index: int) -> bytes | None:
        names = [client.name for client in self.clients]
        generation = self._publisher.generation(which)
        kept = self.history.covering(which, generation, index, names, max(1, self._settings.witness_quorum))
        return kept.note if kept is not None else None

    def _notice_silence(self) -> None:
        """One that answers, and yet sees nothing new because nothing gets published, is failing, too."""
        if time.monotonic() - self._began < self.late_after.total_seconds():
            return  # what was done while nobody served is being published just now
        try:
            failing = {watcher.name for watcher in self.watchers.failing()}
            for client in self.late():
                if (name := f"witness:{client.name}") not in failing:
                    self.watchers.failed(name, "nothing_published")
        except (LedgerError, StoreError):
            return  # the next round will

    def _each_witness(self, seconds: float, *, again: bool, hurry: bool) -> None:
        """Let all witnesses see both logs, side by side: one that is slow keeps no other waiting."""
        failing = {watcher.name for watcher in self.watchers.failing()} if hurry else set()

        def one(client: WitnessClient) -> None:
            name = f"witness:{client.name}"
            wait = FAILING_SECONDS if name in failing else seconds
            self._with(name, *(partial(self._show, client, which, wait, again=again) for which in Log))

        with ThreadPoolExecutor(len(self.clients), thread_name_prefix="witness") as pool:
            list(pool.map(one, self.clients))

    def _with(self, name: str, *turns: Callable[[], bool]) -> None:
        """Do a watcher's turns, each for itself, and note what became of them; never raises for its sake."""
        failure, done = "", False
        for turn in turns:
            try:
                done |= turn()
            except OutsideError as error:
                failure = failure or error.reason
            except ReadOnly:
                continue
            except (LedgerError, StoreError) as error:
                failure = failure or error.code
        if failure:
            self._noted(self.watchers.failed, name, failure)
        elif done:
            self._noted(self.watchers.ok, name)

    @staticmethod
    def _noted(note: Callable[..., object], *args: str) -> None:
        try:
            note(*args)
        except StoreError:
            return  # the database can't say now either; the next round will

    # --- a witness ----------------------------------------------------------------------------

    def _show(self, client: WitnessClient, which: Log, seconds: float, *, again: bool) -> bool:
        """Have the newest published checkpoint cosigned; False where the witness has it already.

        `again` asks even then: a restored archive doesn't know what it had asked before. Raises OutsideError.
        """
        # Without what other witnesses have said: that is none of this one's business, and long.
        note = _alone(self._publisher.published_note(which) or self._publisher.publish(which))
        checkpoint = self._open(which, note)
        generation = checkpoint.generation
        last = self.history.last_cosigned(which, generation, client.name)
        if last == checkpoint.size and not again:
            return False
        old = min(last or 0, checkpoint.size)
        for _ in range(_TRIES):
            proof = self._proof(which, old, checkpoint.size)
            said = client.add_checkpoint(old, proof, note, seconds)
            if said.lines:
                self.history.cosigned(which, generation, checkpoint.size, note, client.name, said.lines)
                self._publisher.add_cosignatures(which, note, said.lines)
                return True
            if said.size is None or said.size == old:
                self._require_sound(which, old, checkpoint, proof)
                self._disagrees(client, which, checkpoint, seconds)
            elif said.size <= checkpoint.size:
                old = said.size
            else:
                self._ahead(client, which, generation, said.size, seconds)
                note = _alone(self._publisher.publish(which))
                checkpoint = self._open(which, note)
                old = said.size
        raise OutsideError("bad_answer", "it names one size after the other")

    def _proof(self, which: Log, old: int, size: int) -> list[bytes]:
        return consistency_proof(TileReader(self._publisher.folder(which), size), old, size)

    def _open(self, which: Log, note: bytes) -> Checkpoint:
        return open_checkpoint(note, self._publisher.signer(which).verifier)

    def _ahead(self, client: WitnessClient, which: Log, generation: int, size: int, seconds: float) -> None:
        """A witness has seen more than was published. Raises ReadOnly unless the records hold that, too.

        Asked before anything is signed: a head that doesn't continue what was seen must never be.
        """
        last = client.last_checkpoint(self._publisher.signer(which).verifier, seconds)
        root = last.checkpoint.root if last is not None and last.checkpoint.size == size else None
        roots = roots_at(self._records, self._publisher, which, [size])
        if size not in roots or (root is not None and roots[size] != root):
            by = f"the witness {client.name}"
            self._close([Head(which, generation, size, root, by, signed=root is not None)])
        self._standing.require_open()

    def _require_sound(self, which: Log, old: int, ours: Checkpoint, proof: Sequence[bytes]) -> None:
        """Raise OutsideError where our own proof is at fault: a tile is damaged, and nobody disagrees."""
        before = roots_at(self._records, self._publisher, which, [old]).get(old)
        if before is None or old == ours.size:
            return
        try:
            verify_consistency(old, before, ours.size, ours.root, proof)
        except LedgerError:
            raise OutsideError("bad_proof", "our own proof doesn't hold; run `holdfast verify`") from None

    def _disagrees(self, client: WitnessClient, which: Log, ours: Checkpoint, seconds: float) -> None:
        """A witness can't bring our checkpoint together with its own. Raises ReadOnly, or OutsideError where
        what it shows is a head of ours after all."""
        last = client.last_checkpoint(self._publisher.signer(which).verifier, seconds)
        by = f"the witness {client.name}"
        if last is None:
            # It says only that there is another root; whoever it is, that must be looked into.
            self._close(
                [Head(which, ours.generation, ours.size, None, f"{by}, with another root,", signed=False)]
            )
            self._standing.require_open()
        else:
            seen = last.checkpoint
            roots = roots_at(self._records, self._publisher, which, [seen.size])
            if roots.get(seen.size) != seen.root:
                self._close([Head(which, seen.generation, seen.size, seen.root, by)])
                self._standing.require_open()
        raise OutsideError("bad_answer", "it refuses a proof from the very head it shows")

    # --- copies and stamps --------------------------------------------------------------------

    def _copy(self, which: Log) -> bool:
        note = self._publisher.published_note(which)
        if note is None or self._copies is None:
            return False
        checkpoint = self._open(which, note)
        pause = self._settings.witness_file_minutes * 60
        self._copied[which] = time.monotonic() + min(pause, AGAIN_SECONDS)
        # By the files themselves: other processes copy, too.
        age = self._copies.age(which, checkpoint.generation)
        if age is not None and 0 <= age < pause:
            self._copied[which] = time.monotonic() + pause - age
            return False
        if self._copies.add(which, checkpoint.generation, checkpoint.size, note):
            self.history.keep(which, checkpoint.generation, checkpoint.size, _alone(note))
        self._copied[which] = time.monotonic() + pause
        return True

    def _stamp(self, which: Log) -> bool:
        note = self._publisher.published_note(which)
        if note is None or self._authority is None:
            return False
        self._stamped[which] = time.monotonic() + AGAIN_SECONDS
        folder = self._publisher.folder(which)
        checkpoint = self._open(which, note)
        for last in stamps.kept(folder, newest=1):
            if last.size >= checkpoint.size:
                return False
            # One that doesn't hold, or is by another authority, keeps no new one away; `verify` names it.
            with contextlib.suppress(LedgerError):
                age = self._clock.now() - self._authority.verify(last.answer, last.checkpoint)
                if age.total_seconds() < self._settings.timestamp_hours * 3_600:
                    return False
        note = _alone(note)
        answer = self._authority.stamp(note, SECONDS)
        stamps.keep(folder, checkpoint.size, note, answer)
        self.history.keep(which, checkpoint.generation, checkpoint.size, note)
        return True


def _alone(note: bytes) -> bytes:
    """A checkpoint without the cosignatures behind it: as it was signed first."""
    text, separator, lines = note.rpartition(b"\n\n")
    return text + separator + lines.splitlines(keepends=True)[0]
