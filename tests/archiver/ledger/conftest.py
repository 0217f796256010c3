"""What the ledger tests share: a tree computed as RFC 6962 defines it, without any cleverness."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import pytest


class NaiveTree:
    """RFC 6962, 2.1, written as the definitions stand. A HashReader and an EntryReader."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self.leaves = list(leaves)

    def root(self, start: int = 0, end: int | None = None) -> bytes:
        leaves = self.leaves[start:end]
        if not leaves:
            return hashlib.sha256(b"").digest()
        if len(leaves) == 1:
            return hashlib.sha256(b"\x00" + leaves[0]).digest()
        k = self._k(len(leaves))
        left, right = NaiveTree(leaves[:k]).root(), NaiveTree(leaves[k:]).root()
        return hashlib.sha256(b"\x01" + left + right).digest()

    def path(self, m: int) -> list[bytes]:
        n = len(self.leaves)
        if n == 1:
            return []
        k = self._k(n)
        if m < k:
            return [*NaiveTree(self.leaves[:k]).path(m), self.root(k)]
        return [*NaiveTree(self.leaves[k:]).path(m - k), self.root(0, k)]

    def subproof(self, m: int, whole: bool = True) -> list[bytes]:
        n = len(self.leaves)
        if m == n:
            return [] if whole else [self.root()]
        k = self._k(n)
        if m <= k:
            return [*NaiveTree(self.leaves[:k]).subproof(m, whole), self.root(k)]
        return [*NaiveTree(self.leaves[k:]).subproof(m - k, False), self.root(0, k)]

    def read(self, level: int, index: int) -> bytes:
        return self.root(index << level, (index + 1) << level)

    def entries(self, start: int, end: int) -> list[bytes]:
        return self.leaves[start:end]

    @staticmethod
    def _k(n: int) -> int:
        k = 1
        while k * 2 < n:
            k *= 2
        return k


@pytest.fixture(scope="session")
def naive() -> Callable[[Sequence[bytes]], NaiveTree]:
    return NaiveTree
