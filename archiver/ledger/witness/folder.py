"""What a witness keeps on disk: its key, the logs it knows, and the last head it cosigned of each.

key          its name and two seeds, made at the first start (0600)
logs         one log a line: its vkey, and behind a blank its origin where that isn't the key's name
heads/<hex>  the last checkpoint cosigned of the origin whose SHA-256 this is, with our cosignatures
lock         held by the one process that serves
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from archiver.errors import LedgerError, StoreError
from archiver.ledger.note import Cosigner, Verifier, parse_vkey
from archiver.store import durable

HEADER: Final = "holdfast-witness-key-v1"
_SEED: Final = re.compile(r"[0-9a-f]{64}")
_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._/-]{0,98}[A-Za-z0-9])?")


class WitnessFolder:
    """A witness's folder. What is written is durable on return; every method raises StoreError."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def cosigner(self, name: str | None = None) -> Cosigner:
        """The witness's keys; made, durably, where there are none yet.

        Raises LedgerError for a damaged key file or another name than it was made with: a witness that
        changes its key is another witness.
        """
        file = self.path / "key"
        try:
            durable.make_dir(self.path)
            if not file.exists():
                self._make_key(file, name or "holdfast-witness")
            lines = file.read_text("ascii").splitlines()
        except (OSError, UnicodeDecodeError):
            raise StoreError("the witness's folder can't be used; check its permissions") from None
        said = dict(line.partition(" ")[::2] for line in lines[1:])
        seeds = [said.get(kind, "") for kind in ("ed25519", "ml-dsa-44")]
        if lines[:1] != [HEADER] or not all(map(_SEED.fullmatch, seeds)) or "name" not in said:
            raise LedgerError("the witness's key file isn't of a form this version knows")
        if name is not None and name != said["name"]:
            raise LedgerError(f"this witness is named {said['name']}; another name needs a folder of its own")
        return Cosigner(said["name"], bytes.fromhex(seeds[0]), bytes.fromhex(seeds[1]))

    def logs(self) -> Mapping[str, tuple[Verifier, ...]]:
        """The keys of each log it knows, by origin. Raises LedgerError naming the line that can't be read."""
        try:
            text = (self.path / "logs").read_text("utf-8")
        except FileNotFoundError:
            return {}
        except (OSError, UnicodeDecodeError):
            raise StoreError("the witness's list of logs can't be read") from None
        found: dict[str, tuple[Verifier, ...]] = {}
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            vkey, _, origin = line.strip().partition(" ")
            try:
                key = parse_vkey(vkey)
            except LedgerError as error:
                raise LedgerError(f"line {number} of the witness's list of logs: {error}") from None
            if key.cosigns:
                raise LedgerError(
                    f"line {number} of the witness's list of logs is a witness's key, not a log's"
                )
            origin = origin.strip() or key.name
            found[origin] = (*found.get(origin, ()), key)
        return found

    def add_log(self, vkey: str, origin: str = "") -> str:
        """Add a log to the list, if it isn't there; return its origin. Raises LedgerError for a bad key."""
        key = parse_vkey(vkey)
        known = self.logs()
        origin = origin or key.name
        if key.cosigns or "\n" in origin:
            raise LedgerError("a log has a key of type 1, and an origin of one line")
        if key not in known.get(origin, ()):
            file = self.path / "logs"
            before = file.read_text("utf-8") if file.exists() else ""
            line = vkey if origin == key.name else f"{vkey} {origin}"
            if before and not before.endswith("\n"):
                before += "\n"
            self._write(file, f"{before}{line}\n".encode())
        return origin

    def head(self, origin: str) -> bytes | None:
        """The last checkpoint cosigned of a log, as `keep` was given it; None before the first."""
        try:
            return self._head(origin).read_bytes()
        except FileNotFoundError:
            return None
        except OSError:
            raise StoreError("the witness's folder can't be read now") from None

    def keep(self, origin: str, checkpoint: bytes) -> None:
        """Remember a checkpoint as the last one of its log. Durable on return, or unchanged."""
        self._write(self._head(origin), checkpoint)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the one process that serves from this folder. Raises StoreError where another does."""
        durable.make_dir(self.path / "heads")
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise StoreError("another witness serves from this folder; stop that one first") from None
            yield
        finally:
            os.close(descriptor)

    def _head(self, origin: str) -> Path:
        return self.path / "heads" / hashlib.sha256(origin.encode("utf-8")).hexdigest()

    def _make_key(self, file: Path, name: str) -> None:
        if not _NAME.fullmatch(name):
            raise LedgerError("a witness's name is like witness.example.org/w1: letters, digits, . - _ /")
        lines = [
            HEADER,
            f"name {name}",
            f"ed25519 {secrets.token_hex(32)}",
            f"ml-dsa-44 {secrets.token_hex(32)}",
        ]
        self._write(file, ("\n".join(lines) + "\n").encode())

    @staticmethod
    def _write(file: Path, data: bytes) -> None:
        try:
            durable.make_dir(file.parent)
            durable.write(file, data)
        except OSError:
            raise StoreError("the witness's folder can't be written now; nothing was cosigned") from None
