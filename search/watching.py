"""Tells the privacy officers that somebody outside sees our checkpoints no more, or has seen others."""

from __future__ import annotations

from typing import Final

from archiver.vault import Vault
from search.alarms import tell_officers

FAILING, CLOSED = "witness_failing", "archive_read_only"
_READ_ONLY: Final = "read-only"


def tell_of_watchers(vault: Vault) -> None:
    """Write down a notice for each officer, once for each trouble. Raises StoreError."""
    watchers = vault.witnessing.watchers
    if vault.standing.closed:
        watchers.failed(_READ_ONLY, "seen_more")
    elif any(watcher.name == _READ_ONLY for watcher in watchers.failing()):
        watchers.ok(_READ_ONLY)
    for watcher in watchers.to_tell(at_once=(_READ_ONLY,)):
        with vault.records.write() as connection:
            kind = CLOSED if watcher.name == _READ_ONLY else FAILING
            tell_officers(connection, vault.clock, kind, "system")
        watchers.told(watcher.name)
