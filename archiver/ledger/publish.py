"""From rows to files: tiles and signed checkpoints that a stranger can fetch and check.

The rows are the authority and are complete when a transaction commits; publishing follows and may lag.
A published checkpoint is never taken back: rows that no longer reach it are a fault, not a new start.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from archiver.errors import LedgerError, StoreError
from archiver.ledger import log
from archiver.ledger.checkpoint import Checkpoint, log_origin, open_checkpoint, sign_checkpoint
from archiver.ledger.log import Log
from archiver.ledger.note import Signer
from archiver.ledger.proof import Proof, make_proof
from archiver.ledger.tiles import TileReader, TileWriter
from archiver.seal.keyring import Keyring
from archiver.store import durable
from archiver.store.records import Records


class _Rows:
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

    def __init__(self, records: Records, keyring: Keyring, archive_id: str, directory: Path) -> None:
        self._records = records
        self._directory = directory
        self._signers = {
            Log.CAPTURES: Signer(log_origin(archive_id, "captures"), keyring.branch_key("ledger-captures")),
            Log.AUDIT: Signer(log_origin(archive_id, "audit"), keyring.branch_key("ledger-audit")),
        }

    def signer(self, which: Log) -> Signer:
        """The log's signing key."""
        return self._signers[which]

    def folder(self, which: Log) -> Path:
        """Where the log's tiles and its `checkpoint` file lie."""
        return self._directory / which.folder

    def published(self, which: Log) -> Checkpoint | None:
        """The newest published checkpoint, verified; None before the first. Raises LedgerError."""
        path = self.folder(which) / "checkpoint"
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError:
            raise StoreError("the ledger folder can't be read now; try again later") from None
        return open_checkpoint(data, self._signers[which].verifier)

    def publish(self, which: Log) -> bytes:
        """Bring tiles and checkpoint up to the rows; return the signed checkpoint. Durable on return.

        Raises LedgerError when the rows are behind or differ from what was published.
        """
        folder = self.folder(which)
        durable.make_dir(folder)
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
            root = TileWriter(folder).publish(_Rows(self._records, which), old_size, frontier.size)
            if root != frontier.root():
                raise LedgerError(f"the {which.folder} log's rows don't give the root it recorded")
            signer = self._signers[which]
            signed = sign_checkpoint(Checkpoint(signer.verifier.name, frontier.size, root), [signer])
            try:
                durable.write(path, signed, mode=0o644)
            except OSError:
                raise StoreError("the ledger folder can't be written now; try again later") from None
            return signed

    def proof(self, which: Log, index: int) -> Proof:
        """An inclusion proof of an entry under a fresh checkpoint, with the leaf itself inside."""
        signed = self.publish(which)
        size = open_checkpoint(signed, self._signers[which].verifier).size
        if not 0 <= index < size:
            raise LedgerError(f"the {which.folder} log has entries 0 to {size - 1}")
        reader = TileReader(self.folder(which), size)
        return make_proof(reader, index, reader.entries(index, index + 1)[0], signed, size)

    @contextmanager
    def _locked(self, folder: Path) -> Iterator[None]:
        with (folder / "publish.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
