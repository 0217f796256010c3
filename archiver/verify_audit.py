"""The scrubber's checks of audit details: each opens, and is what its entry in the log committed to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Connection, Row, select

from archiver.errors import LedgerError, SealError
from archiver.fault import Fault
from archiver.ledger import log
from archiver.ledger.log import Log
from archiver.store.schema import audit_details, audit_expiries
from archiver.vault import Vault

CHUNK = 500


def details(vault: Vault, progress: Callable[[str, int, int], None]) -> Iterator[Fault]:
    """Yield every fault of a sealed detail: gone, unreadable, or not what its entry committed to."""
    with vault.records.read() as connection:
        try:
            size = log.state(connection, Log.AUDIT).size
        except LedgerError:
            return
        ended = ended_before(connection, size)
    for start in range(0, size, CHUNK):
        stop = min(start + CHUNK, size)
        with vault.records.read() as connection:
            try:
                leaves = log.read(connection, Log.AUDIT, start, stop)
            except LedgerError:
                return
            rows = {
                row.idx: row
                for row in connection.execute(
                    select(audit_details).where(audit_details.c.idx >= start, audit_details.c.idx < stop)
                )
            }
        for index, leaf in enumerate(leaves, start):
            row = rows.get(index)
            where = f"audit/{index}"
            if row is None:
                if index >= ended:
                    yield Fault("missing_row", where, "its sealed detail is gone")
                continue
            try:
                detail_of(vault, index, leaf, row)
            except SealError:
                yield Fault("seal_broken", where, "its sealed detail doesn't open")
            except LedgerError:
                yield Fault("changed_row", where, "its detail is not what the log committed to")
        progress("audit details", stop, size)


def detail_of(vault: Vault, index: int, leaf: bytes, row: Row[Any]) -> dict[str, Any]:
    """The detail of an entry, which only this archive's keys can have made.

    Raises SealError where it doesn't open, LedgerError where it isn't what the leaf committed to.
    """
    plain = vault.audit.open_detail(index, row.sealed)
    try:
        said = json.loads(leaf)["detail"]
    except (ValueError, KeyError):
        said = None
    if hashlib.sha256(bytes(row.salt) + plain).hexdigest() != said:
        raise LedgerError("an audit entry's detail is not what the log committed to")
    detail: dict[str, Any] = json.loads(plain)
    return detail


def ended_before(connection: Connection, size: int) -> int:
    """Before which entry details have ended by the word of two persons, which the log itself tells of."""
    rows = connection.execute(
        select(audit_expiries.c.until_idx, audit_expiries.c.audit_index, audit_expiries.c.id).where(
            audit_expiries.c.state.in_(("approved", "done"))
        )
    ).all()
    ended = 0
    for row in rows:
        # One that is being carried out has no entry of its end yet, but that of its approval.
        if row.audit_index is not None:
            told = _tells(connection, row.audit_index, row.audit_index + 1, "audit.expire", row.id)
        else:
            told = any(
                _tells(connection, max(0, stop - CHUNK), stop, "audit.expiry_approve", row.id)
                for stop in range(size, 0, -CHUNK)
            )
        if told:
            ended = max(ended, int(row.until_idx))
    return ended


def _tells(connection: Connection, start: int, stop: int, action: str, about: str) -> bool:
    """Whether an entry of a stretch of the log says that this was done."""
    try:
        leaves = log.read(connection, Log.AUDIT, start, stop)
    except LedgerError:
        return False  # named with the log itself
    said = (json.loads(leaf) for leaf in leaves if about.encode() in leaf)
    return any(
        one["action"] == action and one["outcome"] == "success" and about in one["objects"] for one in said
    )
