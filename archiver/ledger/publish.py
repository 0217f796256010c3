"""From rows to files: tiles and signed checkpoints that a stranger can fetch and check.

The rows are the authority and are complete when a transaction commits; publishing follows and may lag.
A published checkpoint is never taken back: rows that no longer reach it are a fault, not a new start. Only a
gap that was explained and signed begins another generation, under another origin and in another folder.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

from archiver.clock import Clock, SystemClock, to_us
from archiver.errors import LedgerError, StoreError
from archiver.ledger import log
from archiver.ledger.checkpoint import (
    Checkpoint,
    log_origin,
    open_checkpoint,
    sign_checkpoint,
)
from archiver.ledger.generations import of_generation
from archiver.ledger.log import Log
from archiver.ledger.note import Signer
from archiver.ledger.proof import Proof, make_proof
from archiver.ledger.tiles import TileReader, TileWriter
from archiver.seal.keyring import Keyring
from archiver.standing import Standing
from archiver.store import durable
from archiver.store.records import Records

UNWRITABLE: Final = "the ledger folder can't be written now; check its space and permissions, then try again"
_MINUTE_US = 60_000_000


class Vouched(Protocol):
    """Knows which published checkpoints bear enough cosignatures."""

    def covering(self, which: Log, index: int) -> bytes | None:
        """The newest checkpoint with an entry in it that has what the settings ask for, cosigned.

        None where nothing is asked for and nobody has cosigned one. Raises QuorumMissing.
        """
        ...


class Rows:
    """The entry reader over the records database."""

    def __init__(self, records: Records, which: Log) -> None:
        self._records = records
        self._which = which

    def entries(self, start: int, end: int) -> list[bytes]:
        """Leaves `start <= index < end`."""
        with self._records.read() as connection:
            return log.read(connection, self._which, start, end)


class Publisher:
    """Publishes both logs. Safe from several processes: a file lock lets one publish at a time."""

    def __init__(
        self,
        records: Records,
        keyring: Keyring,
        archive_id: str,
        directory: Path,
        clock: Clock | None = None,
        standing: Standing | None = None,
    ) -> None:
        self._records = records
        self._directory = directory
        self._clock = clock or SystemClock()
        self._standing = standing or Standing()
        self._seeds = {
            Log.CAPTURES: (log_origin(archive_id, "captures"), keyring.branch_key("ledger-captures")),
            Log.AUDIT: (log_origin(archive_id, "audit"), keyring.branch_key("ledger-audit")),
        }
        self._kept: dict[Log, int] = {}
        self._generations: dict[Log, int] = {}
        self.vouched: Vouched | None = None

    def generation(self, which: Log) -> int:
        """Which generation of the log the records hold; as of the last look. See `refresh`."""
        if which not in self._generations:
            self.refresh()
        return self._generations[which]

    def refresh(self) -> None:
        """Look again which generations the records hold."""
        with self._records.read() as connection:
            self._generations = {which: log.generation(connection, which) for which in Log}

    def origin(self, which: Log, generation: int | None = None) -> str:
        """The origin of a log's generation, the present one unless told."""
        return of_generation(self._seeds[which][0], generation or self.generation(which))

    def signer(self, which: Log, generation: int | None = None) -> Signer:
        """The log's signing key, under the name of a generation."""
        return Signer(self.origin(which, generation), self._seeds[which][1])

    def folder(self, which: Log, generation: int | None = None) -> Path:
        """Where the tiles and the `checkpoint` file of a log's generation lie."""
        number = generation or self.generation(which)
        return self._directory / (which.folder if number == 1 else f"{which.folder}.{number}")

    def generations_published(self, which: Log) -> list[int]:
        """The generations of a log that have a folder, whatever the records hold."""
        found = []
        if self._directory.is_dir():
            for path in self._directory.iterdir():
                name, dot, number = path.name.partition(".")
                if name == which.folder and path.is_dir() and (not dot or number.isdigit()):
                    found.append(int(number or 1))
        return sorted(found)

    def published(self, which: Log, generation: int | None = None) -> Checkpoint | None:
        """The newest published checkpoint, verified; None before the first. Raises LedgerError."""
        data = self.published_note(which, generation)
        if data is None:
            return None
        number = generation or self.generation(which)
        found = open_checkpoint(data, self.signer(which, number).verifier)
        if found.generation != number:
            raise LedgerError(f"the checkpoint of the {which.folder} log is of another generation")
        return found

    def published_note(self, which: Log, generation: int | None = None) -> bytes | None:
        """The file of the newest published checkpoint, as it is."""
        try:
            return (self.folder(which, generation) / "checkpoint").read_bytes()
        except FileNotFoundError:
            return None
        except OSError:
            raise StoreError("the ledger folder can't be read now; try again later") from None

    def publish(self, which: Log) -> bytes:
        """Bring tiles and checkpoint up to the rows; return the signed checkpoint. Durable on return.

        Raises LedgerError when the rows are behind or differ from what was published, ReadOnly while nothing
        may be signed.
        """
        self._standing.require_open()
        with self._records.read() as connection:
            self._generations[which] = log.generation(connection, which)
        folder = self.folder(which)
        try:
            durable.make_dir(folder)
        except OSError:
            raise StoreError(UNWRITABLE) from None
        with self._locked(folder):
            with self._records.read() as connection:
                frontier = log.state(connection, which)
            before = self.published(which)
            old_size = before.size if before else 0
            path = folder / "checkpoint"
            if before is not None and frontier.size == old_size:
                if before.root != frontier.root():
                    raise LedgerError(f"the {which.folder} log differs from its published checkpoint")
                return path.read_bytes()
            if frontier.size < old_size:
                raise LedgerError(
                    f"the {which.folder} log is shorter than its checkpoint of {old_size} entries: a cut tail"
                )
            root = TileWriter(folder).publish(Rows(self._records, which), old_size, frontier.size)
            if root != frontier.root():
                raise LedgerError(f"the {which.folder} log's rows don't give the root it recorded")
            signer = self.signer(which)
            signed = sign_checkpoint(Checkpoint(signer.verifier.name, frontier.size, root), [signer])
            try:
                durable.write(path, signed, mode=0o644)
            except OSError:
                raise StoreError(UNWRITABLE) from None
        self._keep(which, frontier.size, signed)
        return signed

    def add_cosignatures(self, which: Log, checkpoint: bytes, lines: bytes) -> bool:
        """Add signature lines to the published checkpoint if it is still this one; whether it was.

        The lines must have been verified. Durable on return.
        """
        folder = self.folder(which)
        with self._locked(folder):
            path = folder / "checkpoint"
            now = path.read_bytes()
            if now.rpartition(b"\n\n")[0] != checkpoint.rpartition(b"\n\n")[0]:
                return False
            fresh = [line for line in lines.splitlines(keepends=True) if line not in now]
            try:
                durable.write(path, now + b"".join(fresh), mode=0o644)
            except OSError:
                raise StoreError(UNWRITABLE) from None
        return True

    def proof(self, which: Log, index: int) -> Proof:
        """An inclusion proof of an entry, with the leaf itself inside, under a checkpoint that bears what the
        settings ask for. Raises LedgerError, QuorumMissing (try again later), ReadOnly."""
        signed = self.publish(which)
        if self.vouched is not None:
            signed = self.vouched.covering(which, index) or signed
        size = open_checkpoint(signed, self.signer(which).verifier).size
        if not 0 <= index < size:
            raise LedgerError(f"the {which.folder} log has entries 0 to {size - 1}")
        reader = TileReader(self.folder(which), size)
        return make_proof(reader, index, reader.entries(index, index + 1)[0], signed, size)

    # --- inside -------------------------------------------------------------------------------

    def _keep(self, which: Log, size: int, signed: bytes) -> None:
        """Put one checkpoint of each minute on record; those that were shown to others are besides."""
        now = to_us(self._clock.now())
        if self._kept.get(which) == now // _MINUTE_US:
            return
        with self._records.write() as connection:
            log.keep_checkpoint(connection, which, self.generation(which), size, signed, now)
        self._kept[which] = now // _MINUTE_US

    @contextmanager
    def _locked(self, folder: Path) -> Iterator[None]:
        try:
            file = (folder / "publish.lock").open("w")
        except OSError:
            raise StoreError(UNWRITABLE) from None
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
