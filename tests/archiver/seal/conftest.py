"""What the seal tests share: a key store in memory, a clock that is set by hand."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from archiver.errors import StoreError
from archiver.seal.keyring import KeyKind, WrappedKey


@dataclass
class MemoryKeyStore:
    """A KeyStore and RotatableStore as a dictionary, with the same promises as the SQL one."""

    keys: dict[tuple[KeyKind, str], WrappedKey] = field(default_factory=dict)
    wraps: dict[str, int] = field(default_factory=dict)
    loads: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add_if_absent(self, kind: KeyKind, key: WrappedKey) -> WrappedKey:
        with self.lock:
            return self.keys.setdefault((kind, key.id), key)

    def load(self, kind: KeyKind, key_id: str) -> WrappedKey | None:
        with self.lock:
            self.loads += 1
            return self.keys.get((kind, key_id))

    def newest_epoch(self, month: str) -> str | None:
        with self.lock:
            ids = [key_id for kind, key_id in self.keys if kind == "epoch" and key_id.startswith(month + "-")]
        return ids[-1] if ids else None

    def reserve_wraps(self, epoch_id: str, count: int) -> int:
        with self.lock:
            self.wraps[epoch_id] = self.wraps.get(epoch_id, 0) + count
            return self.wraps[epoch_id]

    def all_keys(self) -> Sequence[tuple[KeyKind, WrappedKey]]:
        with self.lock:
            return [(kind, key) for (kind, _), key in self.keys.items()]

    def replace_all(self, keys: Sequence[tuple[KeyKind, WrappedKey]]) -> None:
        new = {(kind, key.id): key for kind, key in keys}
        with self.lock:
            if self.keys.keys() - new.keys():
                raise StoreError("a key was added meanwhile")
            self.keys.update(new)


@dataclass
class HandClock:
    """Wall clock and monotonic seconds, moved only by the test."""

    wall: datetime = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
    seconds: float = 1000.0

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def key_store() -> MemoryKeyStore:
    return MemoryKeyStore()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()
