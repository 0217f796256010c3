"""What the audit log tells that was decided, by entries that nobody but this archive can have made."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Final

from sqlalchemy import select

from archiver import verify_audit
from archiver.errors import LedgerError, SealError
from archiver.ledger import log
from archiver.ledger.log import Log
from archiver.roll import Roll
from archiver.store.schema import audit_details
from archiver.vault import Vault

CHUNK: Final = 2_000
NAME: Final = "decisions in the audit log"
_ACTS: Final = re.compile(
    rb'"action":"(?:disposition\.(?:approve|execute|unextend)|hold\.(?:create|change|release|approve|apply'
    rb'|reinstate|released)|retention\.confirm|policy\.change|correction\.(?:make|approve))"'
)
_DONE: Final = frozenset({"success", "begun"})
Progress = Callable[[str, int, int], None]


class Told:
    """Who did what about which object, two numbers of 9 bytes each. Reading it takes one pass over the log.

    An entry counts when its sealed detail opens and is what its leaf committed to: who writes entries by
    SQL, log and checkpoint with them, lacks the key for that. Of one past its term the leaf counts alone.
    """

    def __init__(self, vault: Vault, progress: Progress) -> None:
        """Raises LedgerError where the log can't be read, StoreError."""
        self._vault = vault
        # Python's own hash of text is keyed anew in each process: no two of these can be made to meet.
        self._known = Roll(self._all(progress))

    def tells(self, action: str, by: str | None, about: str | None) -> bool:
        """Whether the log tells that this was done about this object, by this person (None: by anybody)."""
        return hash((action, by, about)) in self._known

    def _all(self, progress: Progress) -> Iterator[int]:
        with self._vault.records.read() as connection:
            size = log.state(connection, Log.AUDIT).size
            ended = verify_audit.ended_before(connection, size)
        for start in range(0, size, CHUNK):
            yield from self._heard(start, min(start + CHUNK, size), ended)
            progress(NAME, min(start + CHUNK, size), size)

    def _heard(self, start: int, stop: int, ended: int) -> Iterator[int]:
        with self._vault.records.read() as connection:
            leaves = log.read(connection, Log.AUDIT, start, stop)
            wanted = [index for index, leaf in enumerate(leaves, start) if _ACTS.search(leaf)]
            details = {
                row.idx: row
                for first in range(0, len(wanted), 500)
                for row in connection.execute(
                    select(audit_details).where(audit_details.c.idx.in_(wanted[first : first + 500]))
                )
            }
        for index in wanted:
            leaf, row = leaves[index - start], details.get(index)
            try:
                if row is not None:
                    detail = verify_audit.detail_of(self._vault, index, leaf, row)
                elif index < ended:
                    detail = {}
                else:
                    continue
                said = json.loads(leaf)
            except (SealError, LedgerError, ValueError):
                continue
            if said["outcome"] in _DONE:
                # Of more objects than a leaf holds, the detail has them all.
                for about in said["objects"] or detail.get("objects", ()):
                    for by in (said["user"], None):
                        yield hash((said["action"], by, about))
