"""The body of `add-checkpoint` (c2sp.org/tlog-witness): an old size, a consistency proof, a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from archiver.errors import LedgerError
from archiver.ledger.checkpoint import parse_decimal
from archiver.ledger.merkle import HASH_BYTES
from archiver.ledger.note import MAX_NOTE_BYTES, b64decode, b64encode

SIZE_TYPE: Final = "text/x.tlog.size"
"""Of the answer that names the size from which a proof is wanted."""
MAX_HASHES: Final = 63
MAX_BODY: Final = MAX_NOTE_BYTES + 4_096
"""The checkpoint, and 63 hashes of 45 bytes with the old size before it."""


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """A request as it was sent, nothing of it verified. `checkpoint` is the signed note, verbatim."""

    old_size: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes


def format_request(old_size: int, hashes: Sequence[bytes], checkpoint: bytes) -> bytes:
    """The body to send."""
    lines = [f"old {old_size}", *(b64encode(item) for item in hashes)]
    return "\n".join((*lines, "", "")).encode("ascii") + checkpoint


def parse_request(body: bytes) -> AddCheckpoint:
    """Read a body. Raises LedgerError where it isn't of the form."""
    head, separator, checkpoint = body.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise LedgerError("the request isn't of the form") from None
    if not separator or not lines[0].startswith("old ") or len(lines) > 1 + MAX_HASHES:
        raise LedgerError("the request isn't an old size, at most 63 hashes, an empty line and a checkpoint")
    hashes = tuple(b64decode(line) for line in lines[1:])
    if any(len(item) != HASH_BYTES for item in hashes):
        raise LedgerError("the request holds a hash that isn't 32 bytes")
    return AddCheckpoint(parse_decimal(lines[0].removeprefix("old ")), hashes, checkpoint)
