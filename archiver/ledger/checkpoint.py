"""Checkpoints (c2sp.org/tlog-checkpoint): a log's name, size and root, signed by the log."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from archiver.errors import LedgerError
from archiver.ledger.generations import same_log, split_origin
from archiver.ledger.merkle import EMPTY_ROOT, HASH_BYTES, MAX_SIZE
from archiver.ledger.note import Signer, Verifier, b64decode, b64encode, open_note, sign_note

_DECIMAL: Final = re.compile(r"(?:0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of a log: `size` leaves under the 32-byte `root`, said by the log named `origin`."""

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        if not self.origin or "\n" in self.origin:
            raise LedgerError("a checkpoint's origin must be one line and not empty")
        if not 0 <= self.size <= MAX_SIZE or len(self.root) != HASH_BYTES:
            raise LedgerError("a checkpoint's size or root is out of range")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise LedgerError("a checkpoint of no leaves must have the empty root")

    @property
    def generation(self) -> int:
        """Which generation of its log it is of: 1 unless a gap was explained."""
        return split_origin(self.origin)[1]

    def text(self) -> str:
        """Return the note text that is signed."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root)}\n"


def log_origin(archive_id: str, log: Literal["captures", "audit"]) -> str:
    """Return the origin, and so the key name, of one of an archive's two logs."""
    return f"holdfast/{archive_id}/{log}"


def key_for(log: Verifier, data: bytes) -> Verifier:
    """The log's key under the name of the generation that a signed checkpoint says it is of.

    All generations of a log have one key; whoever trusts it for one knows it for all.
    """
    origin = data.partition(b"\n")[0].decode("utf-8", "replace")
    return log.renamed(origin) if origin != log.name and same_log(origin, log.name) else log


def parse_decimal(text: str) -> int:
    """Return a number of ASCII digits without leading zeros, at most 2**63 - 1, or raise LedgerError."""
    if not _DECIMAL.fullmatch(text) or int(text) > MAX_SIZE:
        raise LedgerError("a size or index isn't a plain decimal number")
    return int(text)


def parse_checkpoint(text: str, *, extended: bool = False) -> Checkpoint:
    """Read a checkpoint's note text, signatures not included. Raises LedgerError where it is malformed.

    Extension lines are refused: no log of ours writes them, and nobody audits them. `extended` passes them
    over, for a witness of others' logs.
    """
    lines = text.split("\n")
    if len(lines) < 4 or lines.pop() or (len(lines) != 3 and not extended) or not all(lines[3:]):
        raise LedgerError("a checkpoint must be three lines: origin, size, root")
    return Checkpoint(lines[0], parse_decimal(lines[1]), b64decode(lines[2]))


def sign_checkpoint(checkpoint: Checkpoint, signers: Sequence[Signer]) -> bytes:
    """Return the signed checkpoint. The caller answers for it that no inconsistent one was signed before.

    The first signer is the log: its name must equal the origin. Raises LedgerError otherwise.
    """
    if not signers or signers[0].verifier.name != checkpoint.origin:
        raise LedgerError("a checkpoint must first be signed by the log it is of")
    return sign_note(checkpoint.text(), signers)


def open_checkpoint(data: bytes, log: Verifier, others: Sequence[Verifier] = ()) -> Checkpoint:
    """Verify a signed checkpoint and return it.

    `log` must have signed it and be named as its origin, so that one log's checkpoint can't stand in
    for another's; another generation of the same log may, and the origin says which. `others` (witnesses)
    are verified where their signatures are there. Raises LedgerError otherwise.
    """
    log = key_for(log, data)
    note = open_note(data, [log, *others])
    checkpoint = parse_checkpoint(note.text)
    if log.cosigns or log not in note.signed_by or checkpoint.origin != log.name:
        raise LedgerError("the checkpoint isn't of the log whose key you trust")
    return checkpoint


@dataclass(frozen=True, slots=True)
class Cosigned:
    """A verified checkpoint and which witnesses, by name, saw it when (seconds since 1970), newest saying."""

    checkpoint: Checkpoint
    witnesses: Mapping[str, int]


def open_cosigned(data: bytes, log: Verifier, witnesses: Sequence[Verifier] = ()) -> Cosigned:
    """`open_checkpoint`, telling whose cosignatures it bears. A witness of two keys is one witness."""
    checkpoint = open_checkpoint(data, log, witnesses)
    note = open_note(data, [key_for(log, data), *witnesses])
    seen: dict[str, int] = {}
    for key, time in zip(note.signed_by, note.times, strict=True):
        if key.cosigns and time is not None:
            seen[key.name] = max(time, seen.get(key.name, 0))
    return Cosigned(checkpoint, seen)
