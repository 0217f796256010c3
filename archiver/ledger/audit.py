"""The audit log: who did what, for which purpose, durable before any content leaves.

A leaf holds ids, counts and a salted commitment; what could be patient information (query texts,
names) is sealed beside it, so that it can be erased one day and the tree still verifies.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Connection, select

from archiver.clock import Clock, to_us
from archiver.ledger import canonical, log
from archiver.ledger.log import Log
from archiver.seal.container import open_sealed, seal
from archiver.seal.context import object_context
from archiver.store import dialect
from archiver.store.records import Records
from archiver.store.schema import audit_details

Outcome = Literal["success", "denied", "failed", "empty", "begun"]
OBJECTS_IN_LEAF = 200

_OPAQUE = re.compile(r"[a-z][a-z2-7]{15}(?:[a-z2-7]{4})?|[0-9]{4}-[0-9]{2}-[0-9a-f]{8}")
"""What an id of ours looks like (`new_id`, epochs): only that may stand in a leaf."""


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One thing that was asked for.

    `action` is `noun.verb`; `objects` are opaque ids; `count` is how many objects it concerned;
    `detail` is sealed and may hold patient information. `user_id` is `operator` for commands that act
    on the home directly, `system` for scheduled work, `anonymous` before a sign-in.
    """

    action: str
    outcome: Outcome
    user_id: str
    role: str = ""
    purpose: str = ""
    client: str = ""
    objects: tuple[str, ...] = ()
    count: int | None = None
    reason: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


class AuditLog:
    """Appends audit events. Safe from any thread."""

    def __init__(self, records: Records, key: bytes, archive_id: str, clock: Clock) -> None:
        self._records = records
        self._key = key
        self._archive_id = archive_id
        self._clock = clock

    def record(self, event: AuditEvent) -> int:
        """Append one event in a transaction of its own and return its index. Durable on return.

        Raises StoreError; whoever was about to show content must then refuse (fail closed).
        """
        with self._records.write(dialect.LOCK_AUDIT) as connection:
            return self.record_in(connection, event)

    def record_in(self, connection: Connection, event: AuditEvent) -> int:
        """Append one event in the caller's write transaction and return its index."""
        dialect.lock(connection, dialect.LOCK_AUDIT)
        detail = dict(event.detail)
        objects = [name for name in event.objects if _OPAQUE.fullmatch(name)]
        if len(objects) < len(event.objects):
            # A leaf is published and can't be taken back; what isn't an id of ours may be anything.
            detail["named"] = [name for name in event.objects if not _OPAQUE.fullmatch(name)]
        if len(objects) > OBJECTS_IN_LEAF:
            detail["objects"] = objects
            objects = []
        # Escaped, since a query typed in a broken encoding holds what UTF-8 can't carry.
        plain = json.dumps(detail, sort_keys=True).encode()
        salt = secrets.token_bytes(32)
        leaf = canonical.leaf(
            {
                "v": 1,
                "at": to_us(self._clock.now()),
                "action": event.action,
                "outcome": event.outcome,
                "user": event.user_id,
                "role": event.role,
                "purpose": event.purpose,
                "client": event.client,
                "objects": objects,
                "count": event.count,
                "reason": event.reason,
                "detail": hashlib.sha256(salt + plain).hexdigest(),
            }
        )
        index = log.append(connection, Log.AUDIT, [leaf])
        connection.execute(
            audit_details.insert().values(
                idx=index, salt=salt, sealed=seal(self._key, self._context(index), plain)
            )
        )
        return index

    def entries(
        self, connection: Connection, start: int, stop: int
    ) -> list[tuple[int, dict[str, Any], dict[str, Any]]]:
        """Entries as `(index, leaf, detail)`. Raises LedgerError or SealError when one is damaged."""
        leaves = log.read(connection, Log.AUDIT, start, stop)
        sealed = {
            row.idx: row.sealed
            for row in connection.execute(
                select(audit_details.c.idx, audit_details.c.sealed).where(
                    audit_details.c.idx >= start, audit_details.c.idx < stop
                )
            )
        }
        result = []
        for index, leaf in enumerate(leaves, start):
            detail: dict[str, Any] = {}
            if index in sealed:
                detail = json.loads(open_sealed(self._key, self._context(index), sealed[index]))
            result.append((index, json.loads(leaf), detail))
        return result

    def open_detail(self, index: int, sealed: bytes) -> bytes:
        """The plain detail of an entry, for verification."""
        return open_sealed(self._key, self._context(index), sealed)

    def _context(self, index: int) -> bytes:
        return object_context(self._archive_id, f"audit-{index}", "audit")
