"""The scrubber's checks of pack files: each that is in use is there, begins as one, and is long enough."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select

from archiver.fault import Fault
from archiver.store.packs import MAGIC
from archiver.store.schema import packs
from archiver.vault import Vault


def faults(vault: Vault) -> Iterator[Fault]:
    """Yield every fault of a pack file. Raises StoreError only when the database can't be read."""
    in_use = select(packs).where(packs.c.retired_us.is_(None))
    with vault.records.read() as connection:
        rows = connection.execute(in_use).all()
    for row in rows:
        path, where = vault.packs.path(row.id), f"pack {row.id}"
        try:
            if path.stat().st_size < row.committed:
                yield Fault("cut_tail", where, "the file is shorter than what was committed")
            with path.open("rb") as file:
                if file.read(len(MAGIC)) != MAGIC:
                    yield Fault("pack", where, "the file's first bytes are not a pack's")
        except OSError:
            # A compaction may have deleted it since we looked.
            with vault.records.read() as connection:
                still = connection.execute(in_use.where(packs.c.id == row.id)).first()
            if still is not None:
                yield Fault("pack", where, "the file is missing or unreadable")
