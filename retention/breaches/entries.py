"""Finds the entries of the audit log that an exposure rests on. What they say is read from the log itself.

Where the derived tables (`audit_facts`, `audit_objects`) already know an entry they say which to read; the
rest, or with `whole` all of it, is read leaf by leaf. Either way nothing but leaves counts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from sqlalchemy import Connection, select

from archiver.ledger import log
from archiver.ledger.log import Log
from archiver.store.schema import audit_details, audit_facts, audit_marks, audit_objects
from archiver.vault import Vault
from retention.breaches.asked import Asked

CHUNK: Final = 2_000
_AT_ONCE: Final = 500
_GAP: Final = 32
"""Entries so near to each other are read in one stretch."""
Entry = tuple[int, dict[str, Any], dict[str, Any]]
Progress = Callable[[int, int], object]


class Entries:
    """Reads the audit log for exposures. It asks no gate: `Breaches` does. Safe from any thread."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def size(self, connection: Connection) -> int:
        """How many entries the log has: the bound of a reading."""
        return log.state(connection, Log.AUDIT).size

    def find(
        self,
        connection: Connection,
        asked: Asked,
        *,
        whole: bool = False,
        progress: Progress = lambda done, total: None,
    ) -> Iterator[Entry]:
        """Entries that `asked` covers, oldest first, as `(index, leaf, detail)`; `detail["objects"]` has the
        objects where a leaf had no room. `progress` is told how far the reading is.

        Raises LedgerError or SealError where an entry is damaged: an exposure must not leave one out.
        """
        size = self.size(connection)
        known = 0 if whole else self._known(connection)
        for first, last in _stretches(self._candidates(connection, asked, known)):
            yield from self._read(connection, first, last, asked)
        for start in range(min(known, size), size, CHUNK):
            progress(start, size)
            yield from self._read(connection, start, min(start + CHUNK, size), asked)
        progress(size, size)

    # --- inside -------------------------------------------------------------------------------

    def _known(self, connection: Connection) -> int:
        """Up to which entry the derived tables go."""
        return connection.scalar(select(audit_marks.c.cursor).where(audit_marks.c.name == "facts")) or 0

    def _candidates(self, connection: Connection, asked: Asked, known: int) -> Sequence[int]:
        query = select(audit_facts.c.idx).where(audit_facts.c.idx < known, audit_facts.c.outcome == "success")
        if asked.users:
            query = query.where(audit_facts.c.user_id.in_(asked.users))
        if asked.sessions:
            query = query.where(audit_facts.c.session.in_(asked.sessions))
        if asked.since_us is not None:
            query = query.where(audit_facts.c.at_us >= asked.since_us)
        if asked.until_us is not None:
            query = query.where(audit_facts.c.at_us < asked.until_us)
        if asked.messages:
            named = select(audit_objects.c.idx).where(audit_objects.c.object.in_(asked.messages))
            query = query.where(audit_facts.c.idx.in_(named))
        return connection.scalars(query.order_by(audit_facts.c.idx)).all()

    def _read(self, connection: Connection, start: int, stop: int, asked: Asked) -> Iterator[Entry]:
        """Of a stretch, what is covered; a detail is unsealed only where the leaf may be."""
        chosen: dict[int, dict[str, Any]] = {}
        for index, raw in enumerate(log.read(connection, Log.AUDIT, start, stop), start):
            leaf = json.loads(raw)
            # Without its objects the leaf tells enough to leave most out.
            if leaf["outcome"] == "success" and asked.covers(leaf, asked.messages):
                chosen[index] = leaf
        details = self._details(connection, list(chosen))
        for index, leaf in chosen.items():
            detail = details.get(index, {})
            if asked.covers(leaf, objects_of(leaf, detail)):
                yield index, leaf, detail

    def _details(self, connection: Connection, indices: Sequence[int]) -> dict[int, dict[str, Any]]:
        """The opened details of entries; of one that is past its term there is none. Raises SealError."""
        found: dict[int, dict[str, Any]] = {}
        for start in range(0, len(indices), _AT_ONCE):
            rows = connection.execute(
                select(audit_details.c.idx, audit_details.c.sealed).where(
                    audit_details.c.idx.in_(indices[start : start + _AT_ONCE])
                )
            )
            for row in rows:
                if row.sealed is not None:
                    found[row.idx] = json.loads(self._vault.audit.open_detail(row.idx, bytes(row.sealed)))
        return found


def objects_of(leaf: dict[str, Any], detail: dict[str, Any]) -> list[str]:
    """All that an entry names, from its leaf or, where they were too many, from its detail."""
    found: list[str] = leaf["objects"] or detail.get("objects", [])
    return found


def _stretches(indices: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Numbers in ascending order as stretches `[first, last)` without large gaps."""
    first: int | None = None
    last = 0
    for index in indices:
        if first is None:
            first = index
        elif index - last > _GAP or index - first >= CHUNK:
            yield first, last + 1
            first = index
        last = index
    if first is not None:
        yield first, last + 1
