"""The audit log: who did what, for which purpose, durable before any content leaves.

A leaf holds ids, counts and a salted commitment; what could be patient information (query texts,
names) is sealed beside it, so that it can be erased one day and the tree still verifies.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Connection, select

from archiver.clock import Clock, to_us
from archiver.errors import LedgerError, SealError
from archiver.ledger import canonical, log
from archiver.ledger.log import Log
from archiver.ledger.together import Together
from archiver.seal.container import open_sealed, seal
from archiver.seal.context import object_context
from archiver.store import dialect
from archiver.store.records import Records
from archiver.store.schema import audit_details

Outcome = Literal["success", "denied", "failed", "empty", "begun"]
OBJECTS_IN_LEAF = 200

_OPAQUE = re.compile(r"[a-z][a-z2-7]{15}(?:[a-z2-7]{4})?|[0-9]{4}-[0-9]{2}-[0-9a-f]{8}")
"""What an id of ours looks like (`new_id`, epochs): only that may stand in a leaf."""
_CODE = re.compile(r"[a-z0-9][a-z0-9_.:-]{0,63}|")
"""What a reason code looks like; other words are sealed, since people may have typed them."""
_DETAILS = dialect.Insert(audit_details, ("idx", "salt", "sealed"))


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One thing that was asked for.

    `action` is `noun.verb`; `objects` are opaque ids; `count` is how many objects it concerned;
    `detail` is sealed and may hold patient information. `user_id` is `operator` for commands that act
    on the home directly, `system` for scheduled work, `anonymous` before a sign-in. `session` is the
    opaque id of the session it was done in. `patients` are the roster ids of those whose mail was seen:
    they are sealed, and reports find them again by keyed tokens.
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
    session: str = ""
    patients: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Kept:
    index: int
    leaf: bytes
    sealed: bytes | None


@dataclass(frozen=True, slots=True)
class Recorded:
    """An entry as it was recorded: the very bytes of its leaf, and what was sealed beside it."""

    index: int
    leaf: bytes
    detail: dict[str, Any] | None


class AuditLog:
    """Appends audit events. Safe from any thread; what many threads record at once shares one fsync."""

    def __init__(self, records: Records, key: bytes, archive_id: str, clock: Clock) -> None:
        self._records = records
        self._key = key
        self._archive_id = archive_id
        self._clock = clock
        self._together: Together[AuditEvent, int] = Together(self._write)

    def record(self, event: AuditEvent) -> int:
        """Append one event in a transaction of its own, or of those that come at the same time, and return
        its index. Durable on return.

        Raises StoreError; whoever was about to show content must then refuse (fail closed).
        """
        return self._together(event)

    def record_in(self, connection: Connection, event: AuditEvent) -> int:
        """Append one event in the caller's write transaction and return its index."""
        dialect.lock(connection, dialect.LOCK_AUDIT)
        (result,) = self._append(connection, [event])
        if isinstance(result, Exception):
            raise result
        return result

    def _write(self, events: Sequence[AuditEvent]) -> list[int | Exception]:
        with self._records.write(dialect.LOCK_AUDIT) as connection:
            if len(events) == 1:
                return [self.record_in(connection, events[0])]
            return self._append(connection, events)

    def _append(self, connection: Connection, events: Sequence[AuditEvent]) -> list[int | Exception]:
        """The index of each event, or why it can't be in the log: one that can't keeps no other out."""
        results: list[int | Exception] = []
        leaves: list[bytes] = []
        details: list[tuple[bytes, bytes]] = []
        frontier = log.state(connection, Log.AUDIT)
        for event in events:
            plain, salt = _detail(event), secrets.token_bytes(32)
            try:
                leaves.append(canonical.leaf(self._leaf(event, hashlib.sha256(salt + plain).hexdigest())))
            except LedgerError as error:
                results.append(error)
                continue
            details.append((salt, plain))
            results.append(frontier.size + len(leaves) - 1)
        first = log.append(connection, Log.AUDIT, leaves, frontier)
        _DETAILS(
            connection,
            [
                {"idx": index, "salt": salt, "sealed": seal(self._key, self._context(index), plain)}
                for index, (salt, plain) in enumerate(details, first)
            ],
        )
        return results

    def _leaf(self, event: AuditEvent, commitment: str) -> dict[str, Any]:
        objects = [name for name in event.objects if _OPAQUE.fullmatch(name)]
        leaf = {
            "v": 1,
            "at": to_us(self._clock.now()),
            "action": event.action,
            "outcome": event.outcome,
            "user": event.user_id,
            "role": event.role,
            "purpose": event.purpose,
            "client": event.client,
            "objects": objects if len(objects) <= OBJECTS_IN_LEAF else [],
            "count": event.count,
            "reason": event.reason if _CODE.fullmatch(event.reason) else "other",
            "detail": commitment,
        }
        # Leaves of before there were sessions lack it, and so do those of work that nobody signed in for.
        if _OPAQUE.fullmatch(event.session):
            leaf["session"] = event.session
        return leaf

    def entries(
        self, connection: Connection, start: int, stop: int
    ) -> list[tuple[int, dict[str, Any], dict[str, Any]]]:
        """Entries as `(index, leaf, detail)`; the detail of one that is past its term is empty.

        Raises LedgerError or SealError when one is damaged.
        """
        found = []
        for one in self._read(connection, start, stop):
            detail = {} if one.sealed is None else json.loads(self.open_detail(one.index, one.sealed))
            found.append((one.index, json.loads(one.leaf), detail))
        return found

    def recorded(self, connection: Connection, start: int, stop: int) -> Iterator[Recorded]:
        """Entries one by one, those too whose detail doesn't open: `detail` is None there, and where it is
        past its term. Raises LedgerError where a leaf is gone."""
        for one in self._read(connection, start, stop):
            try:
                detail = None if one.sealed is None else self.open_detail(one.index, one.sealed)
                yield Recorded(one.index, one.leaf, detail if detail is None else json.loads(detail))
            except (SealError, ValueError):
                yield Recorded(one.index, one.leaf, None)

    @staticmethod
    def _read(connection: Connection, start: int, stop: int) -> list[_Kept]:
        leaves = log.read(connection, Log.AUDIT, start, stop)
        rows = connection.execute(
            select(audit_details.c.idx, audit_details.c.sealed).where(
                audit_details.c.idx >= start, audit_details.c.idx < stop
            )
        )
        sealed = {row.idx: bytes(row.sealed) for row in rows}
        return [_Kept(index, leaf, sealed.get(index)) for index, leaf in enumerate(leaves, start)]

    def open_detail(self, index: int, sealed: bytes) -> bytes:
        """The plain detail of an entry, for verification."""
        return open_sealed(self._key, self._context(index), sealed)

    def _context(self, index: int) -> bytes:
        return object_context(self._archive_id, f"audit-{index}", "audit")


def _detail(event: AuditEvent) -> bytes:
    """What is sealed of an event: its detail, and whatever of it may not stand in a leaf."""
    detail = dict(event.detail)
    objects = [name for name in event.objects if _OPAQUE.fullmatch(name)]
    if len(objects) < len(event.objects):
        # A leaf is published and can't be taken back; what isn't an id of ours may be anything.
        detail["named"] = [name for name in event.objects if not _OPAQUE.fullmatch(name)]
    if len(objects) > OBJECTS_IN_LEAF:
        detail["objects"] = objects
    if event.patients:
        detail["patients"] = list(event.patients)
    if not _CODE.fullmatch(event.reason):
        detail["said"] = event.reason
    # Escaped, since a query typed in a broken encoding holds what UTF-8 can't carry.
    return json.dumps(detail, sort_keys=True).encode()
