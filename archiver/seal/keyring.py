"""The key hierarchy (docs/FORMAT.md, section 2): data keys under monthly epoch keys, and branch keys, all
under the root key. Holds unwrapped keys in memory only.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal, Protocol

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from archiver.errors import KeyUnavailable, SealError
from archiver.seal.context import object_context
from archiver.seal.root import RootKey
from archiver.seal.wrap import unwrap_key, wrap_key

KeyKind = Literal["canary", "branch", "epoch"]
"""What the root key wraps."""

Branch = Literal["blind", "index", "field", "audit", "ledger-captures", "ledger-audit", "export", "sign-in"]
"""Keys beside the message keys: destroying a message never touches them."""

WRAPS_PER_EPOCH: Final = 2**31
CACHE_SECONDS: Final = 300.0
CANARY_ID: Final = "root"

# Wraps are reserved in the store this many at a time: one row update each, at most this many lost by a crash.
_RESERVED_AT_ONCE: Final = 2**16
_TO_OTHERS: Final = 64
_MARGIN_SECONDS: Final = 1.0
_KEY_BYTES: Final = 32
_CANARY: Final = hashlib.sha256(b"holdfast root canary v1").digest()


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A key as a store keeps it: `id` is the epoch id, branch name or `root` (the canary).

    `root_id` is the fingerprint of the root key that wrapped it.
    """

    id: str
    root_id: str
    wrapped: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class DataKey:
    """A fresh message key: `key` (32 bytes) seals, `epoch_id` and `wrapped` (61 bytes) are stored."""

    key: bytes = field(repr=False)
    epoch_id: str
    wrapped: bytes = field(repr=False)


class KeyStore(Protocol):
    """Where wrapped keys live. Every write is durable on return, in a transaction of its own.

    Several processes may use one store at once. Raises StoreError where it can't answer.
    """

    def add_if_absent(self, kind: KeyKind, key: WrappedKey) -> WrappedKey:
        """Insert unless `kind` and `key.id` are there; return what the store holds afterwards."""
        ...

    def load(self, kind: KeyKind, key_id: str) -> WrappedKey | None: ...

    def newest_epoch(self, month: str) -> str | None:
        """Return the id of the epoch key last added of those of a month (`YYYY-MM`)."""
        ...

    def reserve_wraps(self, epoch_id: str, count: int) -> int:
        """Add `count` to an epoch's number of wraps, atomically, and return the new number."""
        ...


@dataclass(slots=True)
class _Writing:
    """The epoch key that new data keys are wrapped under, and how many wraps are still reserved."""

    epoch_id: str
    month: str
    left: int


class Keyring:
    """Makes, wraps and unwraps keys for one archive. Safe from any thread.

    Unwrapped epoch keys are used for at most five minutes after they were unwrapped and are dropped at
    the next call; branch keys stay as long as the keyring. Python can't promise that a dropped key's
    memory is overwritten.
    """

    def __init__(
        self,
        store: KeyStore,
        root: RootKey,
        archive_id: str,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open the keyring and check the root key against the archive's canary, made on first use.

        `now` gives the time in UTC, `monotonic` seconds for the cache. Raises KeyUnavailable where the
        root key isn't the one this archive is sealed under.
        """
        self._store = store
        self._root = root
        self._archive_id = archive_id
        self._now = now
        self._monotonic = monotonic
        self._lock = threading.RLock()
        # Apart from the cache's lock: whoever writes to the store may have to wait for a transaction
        # whose owner is just unwrapping a key.
        self._turn = threading.Lock()
        self._epochs: dict[str, tuple[AESGCM, float]] = {}
        self._branches: dict[str, bytes] = {}
        self._writing: _Writing | None = None
        self._check_root()

    def new_data_key(self, message_id: str) -> DataKey:
        """Return a fresh data key for a message, wrapped under this month's epoch key.

        The epoch key is durable in the store before this returns; the wrapped data key becomes so with
        the caller's own transaction. May write to the store, so don't call it inside a transaction.
        """
        key = os.urandom(_KEY_BYTES)
        with self._turn:
            epoch_id = self._epoch_to_write()
        with self._lock:
            wrapping = self._epoch(epoch_id)
        return DataKey(key, epoch_id, wrap_key(wrapping, self._context(message_id, "data-key"), key))

    def at_hand(self, count: int) -> bool:
        """True when `new_data_key` can give `count` keys, and some to others meanwhile, from memory alone."""
        if not self._turn.acquire(blocking=False):
            return False  # whoever has it may be asking the store
        try:
            writing = self._writing
            if writing is None or writing.month != self._month() or writing.left < count + _TO_OTHERS:
                return False
            epoch_id = writing.epoch_id
        finally:
            self._turn.release()
        if not self._lock.acquire(blocking=False):
            return False
        try:
            held = self._epochs.get(epoch_id)
            return held is not None and held[1] > self._monotonic() + _MARGIN_SECONDS
        finally:
            self._lock.release()

    def unwrap_data_key(self, message_id: str, epoch_id: str, wrapped: bytes) -> bytes:
        """Return a message's 32-byte data key.

        Raises SealError where it doesn't open for this message, KeyUnavailable where the epoch key
        isn't in the store.
        """
        with self._lock:
            wrapping = self._epoch(epoch_id)
        return unwrap_key(wrapping, self._context(message_id, "data-key"), wrapped)

    def check_epoch(self, epoch_id: str) -> None:
        """Raises KeyUnavailable where the store's epoch key is gone or doesn't open; what is cached counts
        for nothing."""
        self._load_epoch(epoch_id)

    def branch_key(self, name: Branch) -> bytes:
        """Return a branch key (32 bytes), made on first use; all processes get the same one."""
        with self._lock:
            known = self._branches.get(name)
            if known is not None:
                return known
            context = self._context(name, "branch-key")
            stored = self._store.load("branch", name)
            if stored is None:
                fresh = self._root.wrap(context, os.urandom(_KEY_BYTES))
                # Another process may have been first: whatever the store then holds is the key.
                stored = self._store.add_if_absent("branch", WrappedKey(name, self._root.id, fresh))
            key = self._unwrap_by_root(context, stored)
            self._branches[name] = key
            return key

    def start_epoch(self) -> str:
        """Begin a new epoch key now and return its id, durable; others follow within 65,536 wraps."""
        self.drop_expired()
        with self._turn:
            return self._begin(self._month()).epoch_id

    def drop_expired(self) -> None:
        """Forget unwrapped epoch keys older than five minutes; call it now and then from an idle process."""
        with self._lock:
            self._drop_expired()

    def _check_root(self) -> None:
        context = self._context(CANARY_ID, "root-canary")
        stored = self._store.load("canary", CANARY_ID)
        if stored is None:
            wrapped = self._root.wrap(context, _CANARY)
            stored = self._store.add_if_absent("canary", WrappedKey(CANARY_ID, self._root.id, wrapped))
        if self._unwrap_by_root(context, stored) != _CANARY:
            raise KeyUnavailable("the archive's root canary holds something else: its key store is damaged")

    def _unwrap_by_root(self, context: bytes, stored: WrappedKey) -> bytes:
        if stored.root_id != self._root.id:
            raise KeyUnavailable(
                f"this archive is sealed under the root key {stored.root_id}, but HOLDFAST_ROOT_KEY gives "
                f"{self._root.id}; give the archive's own root key"
            )
        try:
            return self._root.unwrap(context, stored.wrapped)
        except SealError:
            raise KeyUnavailable(
                "a key of this archive doesn't open under its root key: wrong root key, another archive's "
                "key store, or a damaged one; check HOLDFAST_ROOT_KEY, then restore the key store"
            ) from None

    def _epoch_to_write(self) -> str:
        """Return the epoch to wrap under, one reserved wrap taken from it."""
        month = self._month()
        writing = self._writing
        if writing is None or writing.month != month or writing.left == 0:
            writing = self._reserve(month) or self._begin(month)
        writing.left -= 1
        return writing.epoch_id

    def _reserve(self, month: str) -> _Writing | None:
        """Take a block of wraps from the newest epoch of this month, if it has one left."""
        epoch_id = self._store.newest_epoch(month)
        if epoch_id is None or self._store.reserve_wraps(epoch_id, _RESERVED_AT_ONCE) > WRAPS_PER_EPOCH:
            return None
        self._writing = _Writing(epoch_id, month, _RESERVED_AT_ONCE)
        return self._writing

    def _begin(self, month: str) -> _Writing:
        epoch_id = f"{month}-{secrets.token_hex(4)}"
        wrapped = self._root.wrap(self._context(epoch_id, "epoch-key"), os.urandom(_KEY_BYTES))
        stored = self._store.add_if_absent("epoch", WrappedKey(epoch_id, self._root.id, wrapped))
        if stored.wrapped != wrapped:
            raise KeyUnavailable("a new epoch key met another of the same id; try again")
        self._store.reserve_wraps(epoch_id, _RESERVED_AT_ONCE)
        self._writing = _Writing(epoch_id, month, _RESERVED_AT_ONCE)
        return self._writing

    def _epoch(self, epoch_id: str) -> AESGCM:
        self._drop_expired()
        cached = self._epochs.get(epoch_id)
        if cached is not None:
            return cached[0]
        wrapping = self._load_epoch(epoch_id)
        self._epochs[epoch_id] = (wrapping, self._monotonic() + CACHE_SECONDS)
        return wrapping

    def _load_epoch(self, epoch_id: str) -> AESGCM:
        stored = self._store.load("epoch", epoch_id)
        if stored is None:
            raise KeyUnavailable(
                f"the epoch key {epoch_id} isn't in the key store; restore the key store's newest backup"
            )
        return AESGCM(self._unwrap_by_root(self._context(epoch_id, "epoch-key"), stored))

    def _drop_expired(self) -> None:
        moment = self._monotonic()
        if any(until <= moment for _, until in self._epochs.values()):
            self._epochs = {key: held for key, held in self._epochs.items() if held[1] > moment}

    def _month(self) -> str:
        now = self._now().astimezone(UTC)
        return f"{now.year:04}-{now.month:02}"

    def _context(
        self, object_id: str, kind: Literal["data-key", "epoch-key", "branch-key", "root-canary"]
    ) -> bytes:
        return object_context(self._archive_id, object_id, kind)
