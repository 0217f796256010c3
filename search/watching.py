"""Tells the privacy officers that somebody outside sees our checkpoints no more, or has seen others."""

from __future__ import annotations

from archiver.vault import Vault
from archiver.witnessing.watchers import READ_ONLY
from search.alarms import tell_officers

FAILING, CLOSED = "witness_failing", "archive_read_only"


def tell_of_watchers(vault: Vault) -> None:
    """Write down a notice for each officer, once for each trouble and again each day it lasts. Raises
    StoreError."""
    watchers = vault.witnessing.watchers
    if vault.standing.closed:
        watchers.failed(READ_ONLY, "seen_more")
    elif any(watcher.name == READ_ONLY for watcher in watchers.failing()):
        watchers.ok(READ_ONLY)
    for watcher in watchers.to_tell(at_once=(READ_ONLY,)):
        with vault.records.write() as connection:
            kind = CLOSED if watcher.name == READ_ONLY else FAILING
            tell_officers(connection, vault.clock, kind, "system")
        watchers.told(watcher.name)
