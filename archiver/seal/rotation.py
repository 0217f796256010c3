"""Changing the root key: every key it wraps is wrapped anew, in one transaction.

Data keys and part keys are wrapped by epoch keys, which stay what they are: no message, and no part that
messages share, is touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from archiver.errors import KeyUnavailable, SealError
from archiver.seal.context import Kind, object_context
from archiver.seal.keyring import KeyKind, WrappedKey
from archiver.seal.root import RootKey

_CONTEXT_KIND: Final[dict[KeyKind, Kind]] = {
    "canary": "root-canary",
    "branch": "branch-key",
    "epoch": "epoch-key",
}


class RotatableStore(Protocol):
    """What a key store adds so that its root key can be changed."""

    def all_keys(self) -> Sequence[tuple[KeyKind, WrappedKey]]:
        """Return every key the root key wraps."""
        ...

    def replace_all(self, keys: Sequence[tuple[KeyKind, WrappedKey]]) -> None:
        """Replace all wrapped keys in one durable transaction.

        Raises StoreError, changing nothing, where the store holds a key that isn't among `keys`: it
        came after `all_keys` was read and would be lost.
        """
        ...


def change_root_key(store: RotatableStore, archive_id: str, old: RootKey, new: RootKey) -> int:
    """Wrap every epoch key, branch key and the canary under `new`; return how many. Durable on return.

    A crash before the end changes nothing; keep `old` until the archive has opened with `new`, and as
    long as backups of the key store from before. Keyrings open under `old` must be reopened. Raises
    KeyUnavailable where a key isn't wrapped by `old`.
    """
    rewrapped: list[tuple[KeyKind, WrappedKey]] = []
    for kind, key in store.all_keys():
        context = object_context(archive_id, key.id, _CONTEXT_KIND[kind])
        try:
            plain = old.unwrap(context, key.wrapped)
        except SealError:
            raise KeyUnavailable(
                f"a key of this archive doesn't open under the root key {old.id}; nothing was changed"
            ) from None
        rewrapped.append((kind, WrappedKey(key.id, new.id, new.wrap(context, plain))))
    store.replace_all(rewrapped)
    return len(rewrapped)
