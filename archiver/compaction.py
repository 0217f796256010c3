"""Compaction: packs of which much belongs to nobody any more are written anew, without it.

What was disposed of can't be read since its key is gone; here its sealed bytes go too. Living blobs are
copied byte for byte, slice by slice: read and compared with their recorded hash, appended to a new pack, made
durable, read back, and only then do their rows point there, in one short transaction. A pack nothing lives in
is marked, deleted, and forgotten. Killed at any instant, every row points to a blob that is there; the
next run goes on. No leaf of the ledger names a place, so the logs know nothing of it.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any, Final

from sqlalchemy import delete, select, update

from archiver.clock import to_us
from archiver.errors import ArchiverError, DamagedStore, StoreError
from archiver.ledger.audit import AuditEvent
from archiver.message.content import Raw, clipped
from archiver.store import dialect, places
from archiver.store.packs import FRAME, MAGIC, PackFolder, PackWriter, Place
from archiver.store.places import Lying
from archiver.store.schema import packs
from archiver.vault import Vault

SLICE: Final = 500
SLICE_BYTES: Final = 16 * 2**20
"""Most blobs, and roughly most bytes, that are moved by one fsync and one transaction."""
AT_ONCE: Final = 64
"""Packs taken at a time: each costs an open file, and all of them one pass over the rows."""
NAMES: Final = 100
"""Frames whose objects are looked up at a time."""
REST: Final = 0.5
"""Seconds: longer it doesn't wait in one go, so that it can be stopped."""
_WHOLE: Final = 2**20

Progress = Callable[[int, int], object]
"""Told how many bytes of how many are done. What it raises ends the run where that is safe."""


@dataclass(frozen=True, slots=True)
class Share:
    """How much of a pack is dead."""

    pack_id: str
    size: int
    dead: int

    @property
    def percent(self) -> float:
        """Dead bytes of a hundred."""
        return 100 * self.dead / self.size if self.size else 100.0


@dataclass(slots=True)
class Compacted:
    """What a run did: `moved` blobs; `freed` bytes; packs gone, in use by another process, and damaged."""

    packs: int = 0
    moved: int = 0
    freed: int = 0
    busy: int = 0
    damaged: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """For answers and job histories."""
        return {
            "packs": self.packs,
            "moved": self.moved,
            "freed": self.freed,
            "busy": self.busy,
            "damaged": list(self.damaged),
        }


class Compactor:
    """Compacts the packs of one vault. Two at once do no harm: they leave each other's packs alone."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._target: PackWriter | None = None
        self._written: set[str] = set()
        self._begun = 0.0
        self._copied = 0

    def shares(self) -> list[Share]:
        """How much of each pack is dead, the deadest first."""
        with self._vault.records.read() as connection:
            gone = places.dead(connection)
            rows = connection.execute(select(packs.c.id, packs.c.committed, packs.c.retired_us)).all()
        found = []
        for row in rows:
            if row.retired_us is not None:
                continue
            try:
                size = self._vault.packs.path(row.id).stat().st_size
            except OSError:
                continue  # `verify` names it
            # What a crash left behind the committed size belongs to nobody either.
            tail = max(0, size - row.committed)
            found.append(Share(row.id, size, gone[row.id] + tail))
        return sorted(found, key=lambda share: (-share.percent, share.pack_id))

    def run(self, percent: int, bytes_per_second: int = 0, progress: Progress | None = None) -> Compacted:
        """Write every pack anew of which at least `percent` of a hundred is dead. Durable on return.

        `bytes_per_second` bounds what is read and written (0: no bound). Raises StoreError: then a part of it
        is done, and another run goes on.
        """
        done = Compacted()
        done.packs += self._finish()
        wanted = [share for share in self.shares() if share.dead and share.percent >= percent]
        told = _Told(progress, sum(share.size for share in wanted))
        self._begun, self._copied = time.monotonic(), 0
        try:
            for start in range(0, len(wanted), AT_ONCE):
                self._some(wanted[start : start + AT_ONCE], done, bytes_per_second, told)
                told.passed(sum(share.size for share in wanted[start : start + AT_ONCE]))
        finally:
            self._let_go()
        return done

    # --- one pass -----------------------------------------------------------------------------

    def _some(self, shares: Sequence[Share], done: Compacted, rate: int, told: _Told) -> None:
        folder, records = self._vault.packs, self._vault.records
        self._vault.archive.give_up_packs({share.pack_id for share in shares})
        held = {share.pack_id: fd for share in shares if (fd := folder.take(share.pack_id)) is not None}
        try:
            done.busy += len(shares) - len(held)
            if not held:
                return
            # Whoever wrote to them may still have a commit under way, and it has this lock: after it nobody
            # can make another row point there.
            with records.write(dialect.LOCK_ARCHIVE):
                pass
            damaged: set[str] = set()
            copied = 0
            for kind in places.KINDS:
                for blobs in places.living(records, kind, held, limit=SLICE, most_bytes=SLICE_BYTES):
                    sound = [blob for blob in blobs if self._sound(blob, damaged)]
                    self._move(sound)
                    done.moved += len(sound)
                    size = sum(FRAME.size + blob.place.length for blob in blobs)
                    copied += size
                    self._pace(size, rate, partial(told.inside, copied))
            with records.read() as connection:
                kept = places.inhabited(connection, held)
            needed = {pack_id for pack_id in held.keys() - kept if self._needed(pack_id)}
            done.damaged += sorted(damaged | needed)
            sizes = {share.pack_id: share.size for share in shares}
            for pack_id in sorted(held.keys() - kept - needed):
                self._retire(pack_id, sizes[pack_id])
                done.packs += 1
                done.freed += sizes[pack_id]
            done.freed = max(0, done.freed - copied)
        finally:
            for descriptor in held.values():
                os.close(descriptor)

    def _sound(self, blob: Lying, damaged: set[str]) -> bool:
        """Whether a blob is as recorded. A damaged one stays where it is, with its pack: it is evidence."""
        try:
            if _sha256(self._vault.packs, blob.place, blob.id) == blob.blob_sha256:
                return True
        except DamagedStore:
            pass
        damaged.add(blob.place.pack_id)
        return False

    def _needed(self, pack_id: str) -> bool:
        """Whether something was written to a pack that lives, and isn't where its row says: its row may be
        wrong, and this the only copy."""
        names = self._vault.packs.objects(pack_id)
        known = {pack_id, *self._written}
        while some := list(islice(names, NAMES)):
            with self._vault.records.read() as connection:
                # What this run moved it has read back already.
                elsewhere = places.outside(connection, some, known)
            if not all(self._sound(blob, set()) for blob in elsewhere):
                return True
        return False

    def _move(self, blobs: Sequence[Lying]) -> None:
        if not blobs:
            return
        if self._target is not None and self._target.full:
            self._let_go()
        target = self._target or self._begin()
        try:
            there = target.append([(blob.id, self._content(blob)) for blob in blobs])
        except ArchiverError:
            self._let_go()  # what may lie in it belongs to nobody, and so is dead
            raise
        for blob, place in zip(blobs, there, strict=True):
            if _sha256(self._vault.packs, place, blob.id) != blob.blob_sha256:
                raise StoreError(
                    "a blob read back otherwise than it was written; check the disk, run it again"
                )
        with self._vault.records.write(dialect.LOCK_ARCHIVE) as connection:
            connection.execute(update(packs).where(packs.c.id == target.pack_id).values(committed=target.end))
            places.move(connection, list(zip(blobs, there, strict=True)))

    def _begin(self) -> PackWriter:
        """A new pack. Its row comes first, so that no crash leaves bytes in it that nobody knows of."""
        target = PackWriter(self._vault.packs)
        target.settle()
        with self._vault.records.write(dialect.LOCK_ARCHIVE) as connection:
            connection.execute(
                packs.insert().values(
                    id=target.pack_id, committed=len(MAGIC), created_us=to_us(self._vault.clock.now())
                )
            )
        self._target = target
        self._written.add(target.pack_id)
        return target

    def _content(self, blob: Lying) -> Raw:
        if blob.place.length <= _WHOLE:
            return self._vault.packs.read(blob.place, blob.id)
        return _Packed(self._vault.packs, blob.place, blob.id)

    def _let_go(self) -> None:
        if self._target is not None:
            self._target.close()
            self._target = None

    def _pace(self, size: int, rate: int, tell: Callable[[], None]) -> None:
        """Wait, between transactions, until so much may be read and written again; told of it meanwhile."""
        # Read to compare, read to copy, written, read back: the disk sees about three times of it.
        self._copied += 3 * size
        tell()
        left = self._copied / rate - (time.monotonic() - self._begun) if rate else 0.0
        while left > 0:
            time.sleep(min(left, REST))
            left -= REST
            tell()

    # --- the end of a pack --------------------------------------------------------------------

    def _retire(self, pack_id: str, size: int) -> None:
        now = to_us(self._vault.clock.now())
        with self._vault.records.write(dialect.LOCK_ARCHIVE) as connection:
            connection.execute(update(packs).where(packs.c.id == pack_id).values(retired_us=now))
            event = AuditEvent("pack.retire", "success", "system", detail={"pack": pack_id, "bytes": size})
            self._vault.audit.record_in(connection, event)
        self._forget(pack_id)

    def _finish(self) -> int:
        """Delete what an earlier run marked and didn't come to delete; how many packs that were.

        The mark alone isn't believed: a pack in which anything lives is in use, whoever marked it.
        """
        folder, records = self._vault.packs, self._vault.records
        with records.read() as connection:
            marked = set(places.retired(connection))
        there = {pack_id for pack_id in marked if folder.path(pack_id).exists()}
        held = {pack_id: fd for pack_id in there if (fd := folder.take(pack_id)) is not None}
        try:
            # Those that can't be taken are being written to, or deleted by another run.
            idle = (marked - there) | held.keys()
            if not idle:
                return 0
            with records.write(dialect.LOCK_ARCHIVE):
                pass  # see `_some`
            with records.read() as connection:
                used = places.inhabited(connection, idle)
            used |= {pack_id for pack_id in held.keys() - used if self._needed(pack_id)}
            for pack_id in sorted(idle - used):
                self._forget(pack_id)
        finally:
            for descriptor in held.values():
                os.close(descriptor)
        if used:
            with records.write(dialect.LOCK_ARCHIVE) as connection:
                connection.execute(update(packs).where(packs.c.id.in_(used)).values(retired_us=None))
                event = AuditEvent(
                    "pack.retire", "failed", "system", reason="in_use", detail={"packs": sorted(used)}
                )
                self._vault.audit.record_in(connection, event)
        return len(idle - used)

    def _forget(self, pack_id: str) -> None:
        self._vault.packs.delete(pack_id)
        with self._vault.records.write(dialect.LOCK_ARCHIVE) as connection:
            connection.execute(delete(packs).where(packs.c.id == pack_id, packs.c.retired_us.is_not(None)))


class _Told:
    """Adds up how far a run is, pass by pass."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress = progress
        self._total = total
        self._before = 0

    def inside(self, copied: int) -> None:
        """So much of the present pass is done."""
        if self._progress is not None:
            self._progress(min(self._before + copied, self._total), self._total)

    def passed(self, size: int) -> None:
        """A pass over so many bytes is over."""
        self._before += size
        self.inside(0)


class _Packed:
    """A large sealed blob in a pack, read whenever it is asked for."""

    def __init__(self, folder: PackFolder, place: Place, object_id: str) -> None:
        self._folder = folder
        self._place = place
        self._object_id = object_id

    def __len__(self) -> int:
        return self._place.length

    def chunks(self, start: int = 0, end: int | None = None) -> Any:
        """See `Content.chunks`."""
        return clipped(self._folder.chunks(self._place, self._object_id), start, end)


def _sha256(folder: PackFolder, place: Place, object_id: str) -> bytes:
    digest = hashlib.sha256()
    for piece in folder.chunks(place, object_id):
        digest.update(piece)
    return digest.digest()
