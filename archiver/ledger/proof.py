"""Offline proofs (c2sp.org/tlog-proof@v1): one file that shows one leaf to be in a signed log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from archiver.errors import LedgerError
from archiver.ledger.canonical import MAX_LEAF_BYTES
from archiver.ledger.checkpoint import Checkpoint, open_checkpoint, parse_decimal
from archiver.ledger.merkle import HASH_BYTES, HashReader, inclusion_proof, leaf_hash, verify_inclusion
from archiver.ledger.note import MAX_NOTE_BYTES, Verifier, b64decode, b64encode

HEADER: Final = "c2sp.org/tlog-proof@v1"
MAX_PROOF_BYTES: Final = MAX_NOTE_BYTES + 2 * MAX_LEAF_BYTES
_MAX_HASHES: Final = 63


@dataclass(frozen=True, slots=True)
class Proof:
    """What a `.tlog-proof` file says, unverified. `checkpoint` is the signed note's bytes, verbatim.

    `leaf` is the log entry itself, carried as the format's extra data; None where a file has none.
    """

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    leaf: bytes | None


def make_proof(reader: HashReader, index: int, leaf: bytes, checkpoint: bytes, size: int) -> Proof:
    """Return the proof of leaf number `index` under a signed checkpoint of `size` leaves.

    Raises LedgerError where the reader doesn't know the hashes. Verify it before handing it out.
    """
    return Proof(index, tuple(inclusion_proof(reader, index, size)), checkpoint, leaf)


def format_proof(proof: Proof) -> bytes:
    """Return the file's bytes."""
    lines = [HEADER]
    if proof.leaf is not None:
        lines.append(f"extra {b64encode(proof.leaf)}")
    lines.append(f"index {proof.index}")
    lines.extend(b64encode(item) for item in proof.hashes)
    return "\n".join((*lines, "", "")).encode("ascii") + proof.checkpoint


def parse_proof(data: bytes) -> Proof:
    """Read a proof file, verifying nothing but its form. Raises LedgerError where that is wrong."""
    if len(data) > MAX_PROOF_BYTES:
        raise LedgerError("the proof is larger than any proof can be")
    head, separator, checkpoint = data.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise LedgerError("the proof isn't a tlog-proof file") from None
    if not separator or lines.pop(0) != HEADER:
        raise LedgerError(f"the proof isn't a tlog-proof file: its first line must be {HEADER}")
    leaf = None
    if lines and lines[0].startswith("extra "):
        leaf = b64decode(lines.pop(0).removeprefix("extra "))
    if not lines or not lines[0].startswith("index "):
        raise LedgerError("the proof lacks its index line")
    index = parse_decimal(lines.pop(0).removeprefix("index "))
    if len(lines) > _MAX_HASHES:
        raise LedgerError("the proof has more hashes than any tree is high")
    return Proof(index, tuple(_hash(line) for line in lines), checkpoint, leaf)


def verify_proof(
    proof: Proof, log: Verifier, *, leaf: bytes | None = None, others: Sequence[Verifier] = ()
) -> Checkpoint:
    """Check signature and inclusion; return the verified checkpoint.

    The leaf is the proof's own unless one is given. Raises LedgerError where anything doesn't hold, or
    a given leaf differs from the proof's own.
    """
    entry = proof.leaf if leaf is None else leaf
    if entry is None or (proof.leaf is not None and proof.leaf != entry):
        raise LedgerError("the proof carries no leaf, or another than the one asked about")
    checkpoint = open_checkpoint(proof.checkpoint, log, others)
    verify_inclusion(leaf_hash(entry), proof.index, checkpoint.size, proof.hashes, checkpoint.root)
    return checkpoint


def _hash(line: str) -> bytes:
    value = b64decode(line)
    if len(value) != HASH_BYTES:
        raise LedgerError("the proof holds a hash that isn't 32 bytes")
    return value
