"""The Merkle tree of RFC 6962 / RFC 9162: growing it, proving inclusion and consistency, checking proofs."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from typing import Final, Protocol

from archiver.errors import LedgerError

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
MAX_SIZE: Final = 2**63 - 1

_FORMAT: Final = b"\x01"
_HEADER_BYTES: Final = 9


def leaf_hash(leaf: bytes) -> bytes:
    """Return SHA-256(0x00 || leaf) (RFC 6962, 2.1)."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return SHA-256(0x01 || left || right) (RFC 6962, 2.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class HashReader(Protocol):
    """Gives the roots of perfect subtrees."""

    def read(self, level: int, index: int) -> bytes:
        """Return the root of the leaves [index << level, (index + 1) << level).

        Raises LedgerError where it isn't known.
        """
        ...


class Frontier:
    """The right edge of a growing tree: the roots of its perfect subtrees, largest first."""

    __slots__ = ("_hashes", "_size")

    def __init__(self) -> None:
        self._size = 0
        self._hashes: list[bytes] = []

    @property
    def size(self) -> int:
        """How many leaves the tree has."""
        return self._size

    def append(self, leaf_hash: bytes) -> int:
        """Add one leaf by its hash and return its index. About log2(size) / 2 hashes, amortised one."""
        index = self._size
        node = leaf_hash
        # Each trailing one-bit of the old size is a full subtree that this leaf completes.
        bits = index
        while bits & 1:
            node = node_hash(self._hashes.pop(), node)
            bits >>= 1
        self._hashes.append(node)
        self._size = index + 1
        return index

    def root(self) -> bytes:
        """Return the root hash of the tree as it is now."""
        return _fold(self._hashes)

    def copy(self) -> Frontier:
        """Return an independent copy, to try a batch on."""
        twin = Frontier()
        twin._size = self._size
        twin._hashes = self._hashes.copy()
        return twin

    def to_bytes(self) -> bytes:
        """Return the stored form (docs/FORMAT.md, section 7)."""
        return b"".join((_FORMAT, self._size.to_bytes(8, "big"), *self._hashes))

    @classmethod
    def from_bytes(cls, data: bytes) -> Frontier:
        """Read the stored form. Raises LedgerError where it is of another length or version.

        Compare `root()` with a signed checkpoint before trusting what was read.
        """
        if len(data) < _HEADER_BYTES or data[:1] != _FORMAT:
            raise LedgerError("a stored frontier isn't of a form this version knows")
        size = int.from_bytes(data[1:_HEADER_BYTES], "big")
        if size > MAX_SIZE or len(data) != _HEADER_BYTES + HASH_BYTES * size.bit_count():
            raise LedgerError("a stored frontier's hashes don't fit its size")
        frontier = cls()
        frontier._size = size
        frontier._hashes = [data[at : at + HASH_BYTES] for at in range(_HEADER_BYTES, len(data), HASH_BYTES)]
        return frontier


def range_root(reader: HashReader, start: int, end: int) -> bytes:
    """Return the hash MTH(D[start:end]) of RFC 6962 for a range as the tree's own splits make it.

    `start` is a multiple of the smallest power of two not below `end - start`. An empty range gives
    the empty root.
    """
    hashes = []
    while start < end:
        level = (end - start).bit_length() - 1
        hashes.append(reader.read(level, start >> level))
        start += 1 << level
    return _fold(hashes)


def inclusion_proof(reader: HashReader, index: int, size: int) -> list[bytes]:
    """Return PATH(index, D[size]), from the leaf's sibling up (RFC 6962, 2.1.1).

    Raises LedgerError where the tree of `size` leaves has no leaf `index`.
    """
    if not 0 <= index < size <= MAX_SIZE:
        raise LedgerError("no such leaf in a tree of this size")
    proof = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            proof.append(range_root(reader, middle, end))
            end = middle
        else:
            proof.append(range_root(reader, start, middle))
            start = middle
    proof.reverse()
    return proof


def consistency_proof(reader: HashReader, old_size: int, new_size: int) -> list[bytes]:
    """Return PROOF(old_size, D[new_size]) (RFC 6962, 2.1.2); empty where a size is zero or both agree.

    Raises LedgerError where the old tree is larger than the new one.
    """
    if not 0 <= old_size <= new_size <= MAX_SIZE:
        raise LedgerError("a tree can only be consistent with a larger one")
    if old_size in (0, new_size):
        return []
    proof = []
    start, end = 0, new_size
    while end != old_size:
        middle = start + _split(end - start)
        if old_size <= middle:
            proof.append(range_root(reader, middle, end))
            end = middle
        else:
            proof.append(range_root(reader, start, middle))
            start = middle
    # The old root itself is left out: the verifier has it.
    if start > 0:
        proof.append(range_root(reader, start, end))
    proof.reverse()
    return proof


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that the leaf of hash `leaf` is number `index` in the tree of `size` leaves under `root`.

    The algorithm of RFC 9162, 2.1.3.2. Raises LedgerError where it isn't, or the proof is malformed.
    """
    if not 0 <= index < size <= MAX_SIZE:
        raise LedgerError("the proof is for a leaf that the checkpoint's tree doesn't have")
    node, last = index, size - 1
    computed = leaf
    for sibling in _checked(proof):
        if last == 0:
            raise LedgerError("the inclusion proof is too long for its tree")
        if node & 1 or node == last:
            computed = node_hash(sibling, computed)
            while node and not node & 1:
                node >>= 1
                last >>= 1
        else:
            computed = node_hash(computed, sibling)
        node >>= 1
        last >>= 1
    if last != 0 or not hmac.compare_digest(computed, root):
        raise LedgerError("the inclusion proof doesn't lead from this leaf to the checkpoint's root")


def verify_consistency(
    old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that the tree of `new_size` leaves continues the one of `old_size`: nothing changed or gone.

    The algorithm of RFC 9162, 2.1.4.2. Raises LedgerError where it doesn't, or the proof is malformed.
    """
    if not 0 <= old_size <= new_size <= MAX_SIZE:
        raise LedgerError("the log has shrunk: its newer checkpoint is the smaller one")
    if old_size in (0, new_size):
        expected = EMPTY_ROOT if old_size == 0 else new_root
        if proof or not hmac.compare_digest(old_root, expected):
            raise LedgerError("two checkpoints of one log don't agree")
        return
    path = _checked(proof)
    if old_size & (old_size - 1) == 0:
        path = [old_root, *path]
    if not path:
        raise LedgerError("the consistency proof is empty")
    node, last = old_size - 1, new_size - 1
    while node & 1:
        node >>= 1
        last >>= 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise LedgerError("the consistency proof is too long for its trees")
        if node & 1 or node == last:
            old = node_hash(sibling, old)
            new = node_hash(sibling, new)
            while node and not node & 1:
                node >>= 1
                last >>= 1
        else:
            new = node_hash(new, sibling)
        node >>= 1
        last >>= 1
    agree = hmac.compare_digest(old, old_root) and hmac.compare_digest(new, new_root)
    if last != 0 or not agree:
        raise LedgerError("the newer checkpoint doesn't continue the older one: the log was rewritten")


def _split(count: int) -> int:
    """Return the largest power of two below `count` (count > 1): RFC 6962's k."""
    return 1 << ((count - 1).bit_length() - 1)


def _fold(hashes: Sequence[bytes]) -> bytes:
    """Return the root over perfect subtrees given largest first."""
    if not hashes:
        return EMPTY_ROOT
    root = hashes[-1]
    for left in reversed(hashes[:-1]):
        root = node_hash(left, root)
    return root


def _checked(proof: Sequence[bytes]) -> list[bytes]:
    if any(len(item) != HASH_BYTES for item in proof):
        raise LedgerError("a proof holds a hash that isn't 32 bytes")
    return list(proof)
