"""Packs: append-only files of sealed blobs. Only bytes below a pack's committed size count.

A process appends to a pack of its own, held by a file lock, so that importers and servers never share
a tail. What a crash left beyond the committed size is skipped, never cut: a commit that a dead process
sent may still arrive at the database, and its rows must then find their bytes.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from archiver.errors import DamagedStore, StoreError
from archiver.message.content import PIECE, Content, Raw
from archiver.store import durable

MAGIC = b"holdfast-pack/1\n"
FRAME = struct.Struct(">4sQ16s")
FRAME_MARK = b"HFbl"
FULL_AT = 512 * 2**20
"""A pack of this many bytes takes no further blob."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a blob lies: `offset` is of the blob itself, behind its frame; `length` in bytes."""

    pack_id: str
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class PackTail:
    """A pack as the records know it: everything below `committed` belongs to rows."""

    pack_id: str
    committed: int


def object_mark(object_id: str) -> bytes:
    """The 16 bytes that name an object in its frame."""
    return object_id.encode("ascii")[:16].ljust(16, b"\0")


class PackFolder:
    """The local folder of packs. Reads are safe from any thread."""

    def __init__(self, directory: Path, moved: Callable[[str], Place | None] | None = None) -> None:
        """`moved` says where an object's blob lies now, for readers whose pack was compacted meanwhile."""
        self.directory = directory
        self._moved = moved or (lambda _: None)
        durable.make_dir(directory)

    def path(self, pack_id: str) -> Path:
        """The file of a pack; ids are ours, never input."""
        return self.directory / f"{pack_id}.pack"

    def read(self, place: Place, object_id: str) -> bytes:
        """Return a blob. Raises DamagedStore if its frame or file isn't as written."""
        with self._opened(place, object_id) as (descriptor, here):
            read = _read_at(descriptor, here.offset - FRAME.size, FRAME.size + here.length)
        _check_frame(read, here, object_id)
        if len(read) != FRAME.size + here.length:
            raise _damaged(here)
        return read[FRAME.size :]

    def chunks(self, place: Place, object_id: str) -> Iterator[bytes]:
        """Yield a blob in pieces; raises as `read` does."""
        with self._opened(place, object_id) as (descriptor, here):
            _check_frame(_read_at(descriptor, here.offset - FRAME.size, FRAME.size), here, object_id)
            for at in range(0, here.length, PIECE):
                size = min(PIECE, here.length - at)
                piece = _read_at(descriptor, here.offset + at, size)
                if len(piece) != size:
                    raise _damaged(here)
                yield piece

    def take(self, pack_id: str) -> int | None:
        """Lock a pack that no process writes to, so that none will; the descriptor holds the lock.

        None where one does, or where there is no such file.
        """
        path = self.path(pack_id)
        try:
            descriptor = os.open(path, os.O_RDWR)
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Who had the lock a moment ago may have deleted the file: what was written to it would be lost.
            if not os.path.samestat(os.fstat(descriptor), path.stat()):
                raise FileNotFoundError
        except OSError:
            os.close(descriptor)
            return None
        return descriptor

    def objects(self, pack_id: str) -> Iterator[str]:
        """What the headers of a pack's frames name, see `object_mark`: of one that was cut short too, and now
        and then of nothing, where a blob's bytes look like a header. Raises StoreError."""
        try:
            with self.path(pack_id).open("rb", buffering=0) as file:
                descriptor = file.fileno()
                at, end = len(MAGIC), os.fstat(descriptor).st_size
                while at + FRAME.size <= end:
                    mark, length, name = FRAME.unpack(_read_at(descriptor, at, FRAME.size))
                    if mark != FRAME_MARK:
                        at = _next_mark(descriptor, at, end)
                        continue
                    if (name := name.rstrip(b"\0")).isalnum():
                        yield name.decode("ascii")
                    behind = at + FRAME.size + length
                    # A length that a flipped bit made is no place to look at.
                    whole = behind == end or (
                        behind < end and _read_at(descriptor, behind, len(FRAME_MARK)) == FRAME_MARK
                    )
                    at = behind if whole else at + len(FRAME_MARK)
        except OSError:
            raise StoreError(f"pack {pack_id} can't be read now; try again later") from None

    def delete(self, pack_id: str) -> None:
        """Delete a pack's file, durably; one that is gone already is none the worse. Raises StoreError."""
        try:
            self.path(pack_id).unlink(missing_ok=True)
            durable.fsync_dir(self.directory)
        except OSError as error:
            raise _unwritable(error) from error

    @contextlib.contextmanager
    def _opened(self, place: Place, object_id: str) -> Iterator[tuple[int, Place]]:
        """An open file and the place of the blob in it: another where its pack was just compacted."""
        descriptor, here = self._open(place, object_id)
        try:
            yield descriptor, here
        except (OSError, ValueError, OverflowError):
            raise _unreadable(here) from None
        finally:
            os.close(descriptor)

    def _open(self, place: Place, object_id: str) -> tuple[int, Place]:
        while True:
            try:
                return os.open(self.path(place.pack_id), os.O_RDONLY), place
            except FileNotFoundError:
                now = self._moved(object_id)
                if now is None or now == place:
                    missing = f"pack {place.pack_id} is missing; restore it from a backup"
                    raise DamagedStore(missing) from None
                place = now
            except (OSError, ValueError):
                raise _unreadable(place) from None


class PackWriter:
    """Appends blobs to one pack. Not thread-safe: the committer owns it."""

    pack_id: str
    _descriptor: int
    _end: int

    def __init__(self, folder: PackFolder, candidates: Iterable[PackTail] = ()) -> None:
        """Take over a pack that no living process writes to, or begin a new one."""
        self._folder = folder
        self._untouched = False
        for tail in candidates:
            if tail.committed < FULL_AT and self._take(tail):
                return
        self._begin()

    @property
    def end(self) -> int:
        """Size of the pack including what is appended but perhaps not yet committed."""
        return self._end

    @property
    def full(self) -> bool:
        """True when the next blob belongs into a new pack."""
        return self._end >= FULL_AT

    def settle(self) -> None:
        """Make a new, empty pack durable, so that a row may name it. Raises StoreError."""
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            self._abandon()
            raise _unwritable(error) from error
        self._untouched = False

    def append(self, blobs: Sequence[tuple[str, Raw]]) -> list[Place]:
        """Append `(object id, blob)` pairs and return their places. Durable on return (one fsync).

        Raises StoreError; the pack must then be abandoned, since after a failed fsync the kernel may
        already have thrown away what it could not write.
        """
        places = []
        held: list[bytes] = []
        try:
            for object_id, blob in blobs:
                held.append(FRAME.pack(FRAME_MARK, len(blob), object_mark(object_id)))
                places.append(Place(self.pack_id, self._end + FRAME.size, len(blob)))
                self._end += FRAME.size + len(blob)
                if isinstance(blob, bytes):
                    held.append(blob)
                else:
                    self._write(held)
                    self._copy(blob)
                    held = []
            self._write(held)
            os.fsync(self._descriptor)
        except StoreError:
            self._abandon()
            raise
        except OSError as error:
            self._abandon()
            raise _unwritable(error) from error
        self._untouched = False
        return places

    def _write(self, pieces: Sequence[bytes]) -> None:
        view = memoryview(b"".join(pieces))
        while view:
            view = view[os.write(self._descriptor, view) :]

    def _copy(self, blob: Content) -> None:
        size = 0
        for piece in blob.chunks():
            self._write((piece,))
            size += len(piece)
        if size != len(blob):
            raise StoreError("a sealed part was cut short while it waited; try again")

    def _abandon(self) -> None:
        self.close()
        if self._untouched:
            # No row can ever name this pack: on a full disk such files would only pile up.
            self._folder.path(self.pack_id).unlink(missing_ok=True)

    def close(self) -> None:
        """Release the pack for the next writer. Calling it again does nothing."""
        descriptor, self._descriptor = self._descriptor, -1
        # After an I/O error even close may complain; there is nothing left to lose by then.
        with contextlib.suppress(OSError):
            os.close(descriptor)

    def _take(self, tail: PackTail) -> bool:
        descriptor = self._folder.take(tail.pack_id)
        if descriptor is None:
            return False
        try:
            end = os.lseek(descriptor, 0, os.SEEK_END)
            if end < tail.committed:
                raise OSError  # a cut pack is evidence: leave it for `verify` to name
        except OSError:
            os.close(descriptor)
            return False
        self.pack_id, self._descriptor, self._end = tail.pack_id, descriptor, end
        return True

    def _begin(self) -> None:
        self.pack_id = "p" + secrets.token_hex(8)
        path = self._folder.path(self.pack_id)
        try:
            durable.make_dir(path.parent)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise _unwritable(error) from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.write(self._descriptor, MAGIC) != len(MAGIC):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            durable.fsync_dir(path.parent)
        except OSError as error:
            self.close()
            path.unlink(missing_ok=True)
            raise _unwritable(error) from error
        self._end = len(MAGIC)
        self._untouched = True


def _check_frame(read: bytes, place: Place, object_id: str) -> None:
    if read[: FRAME.size] != FRAME.pack(FRAME_MARK, place.length, object_mark(object_id)):
        raise _damaged(place)


def _damaged(place: Place) -> DamagedStore:
    return DamagedStore(f"pack {place.pack_id} is damaged at offset {place.offset}")


def _read_at(descriptor: int, offset: int, length: int) -> bytes:
    """All of a range, or what there is of it: one call gives at most 2 GiB, and may give less."""
    read = os.pread(descriptor, length, offset)
    while len(read) < length and (more := os.pread(descriptor, length - len(read), offset + len(read))):
        read += more
    return read


def _next_mark(descriptor: int, at: int, end: int) -> int:
    """Where the next frame may begin, or the end."""
    while at < end:
        piece = _read_at(descriptor, at, PIECE + len(FRAME_MARK) - 1)
        if (found := piece.find(FRAME_MARK)) >= 0:
            return at + found
        at += PIECE
    return end


def _unreadable(place: Place) -> StoreError:
    return StoreError(f"pack {place.pack_id} can't be read now; try again later")


def _unwritable(error: OSError) -> StoreError:
    reason = os.strerror(error.errno or 0)
    return StoreError(f"the pack folder can't be written ({reason}); free space or repair the disk")
