"""One audit entry as reports and exports see it, and how the log is walked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select

from archiver.clock import from_us, rfc3339
from archiver.ledger import log
from archiver.ledger.audit import Recorded
from archiver.ledger.log import Log
from archiver.ledger.merkle import leaf_hash
from archiver.store.schema import users
from archiver.vault import Vault

CHUNK: Final = 500
NOBODY: Final = frozenset({"operator", "system", "anonymous"})
"""Who acts without being a user."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the audit log.

    `n` is its index, `hash` its leaf's hash in the tree (RFC 9162, 2.1.1), `commitment` what the leaf says of
    the sealed detail. `detail` is None where it is past its term or doesn't open. Everything in `detail`, and
    `patients`, may be patient information; nothing else is.
    """

    n: int
    at_us: int
    action: str
    outcome: str
    user: str
    role: str
    purpose: str
    client: str
    session: str
    objects: tuple[str, ...]
    count: int | None
    reason: str
    commitment: str
    hash: str
    detail: Mapping[str, Any] | None = None
    patients: tuple[str, ...] = ()
    user_name: str = ""
    asked: Mapping[str, Any] | None = None
    """The detail of the entry with the question that this one answers."""

    @property
    def at(self) -> datetime:
        """When it was written."""
        return from_us(self.at_us)

    @property
    def query(self) -> str | None:
        """The text that was searched for, by this entry or the one it answers."""
        for detail in (self.detail, self.asked):
            if detail and isinstance(found := detail.get("query"), str):
                return found
        return None

    def to_json(self) -> dict[str, Any]:
        """The entry as `audit list` has it, detail opened."""
        opened = {k: v for k, v in (self.detail or {}).items() if k != "objects"}
        return {
            "n": self.n,
            "at": rfc3339(self.at),
            "action": self.action,
            "outcome": self.outcome,
            "user": self.user,
            "role": self.role,
            "purpose": self.purpose,
            "client": self.client,
            "user_name": self.user_name or None,
            "objects": list(self.objects),
            "count": self.count,
            "reason": self.reason,
            "detail": opened,
            "session": self.session,
        }


def entry_of(recorded: Recorded, names: Mapping[str, str] | None = None) -> Entry:
    """An entry out of what was recorded; `names` of users, by id."""
    leaf = json.loads(recorded.leaf)
    detail = recorded.detail
    return Entry(
        n=recorded.index,
        at_us=leaf["at"],
        action=leaf["action"],
        outcome=leaf["outcome"],
        user=leaf["user"],
        role=leaf["role"],
        purpose=leaf["purpose"],
        client=leaf["client"],
        session=leaf.get("session", ""),
        objects=tuple(leaf["objects"] or (detail or {}).get("objects", ())),
        count=leaf["count"],
        reason=leaf["reason"],
        commitment=leaf["detail"],
        hash=leaf_hash(recorded.leaf).hex(),
        detail=detail,
        patients=tuple((detail or {}).get("patients", ())),
        user_name=(names or {}).get(leaf["user"], ""),
    )


class Walk:
    """Reads the log by stretches, each in a look of its own, with what a question said beside its answer."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._names: dict[str, str] = {}
        self._asked: dict[int, Mapping[str, Any] | None] = {}

    def size(self) -> int:
        """How many entries the log has now."""
        with self._vault.records.read() as connection:
            return log.state(connection, Log.AUDIT).size

    def stretch(self, start: int, stop: int) -> list[Entry]:
        """Entries `start <= n < stop`. Raises LedgerError where one is gone, StoreError."""
        with self._vault.records.read() as connection:
            found = [
                entry_of(one)
                for one in self._vault.audit.recorded(connection, start, min(stop, start + CHUNK))
            ]
        return [self._completed(one) for one in found]

    def one(self, n: int) -> Entry:
        """One entry."""
        return self.stretch(n, n + 1)[0]

    def all(self, start: int = 0, stop: int | None = None) -> Iterator[Entry]:
        """Entries from `start` on, up to where the log ended when this was asked, or to `stop`."""
        end = self.size() if stop is None else stop
        while start < end:
            found = self.stretch(start, min(start + CHUNK, end))
            yield from found
            start += len(found)

    def _completed(self, entry: Entry) -> Entry:
        asked = None
        question = (entry.detail or {}).get("asked_in")
        if entry.action == "search.query":
            self._remember(entry.n, entry.detail)
        elif isinstance(question, int) and 0 <= question < entry.n:
            if question not in self._asked:
                with self._vault.records.read() as connection:
                    for one in self._vault.audit.recorded(connection, question, question + 1):
                        self._remember(question, one.detail)
            asked = self._asked[question]
        return replace(entry, user_name=self._name(entry.user), asked=asked)

    def _remember(self, n: int, detail: Mapping[str, Any] | None) -> None:
        if len(self._asked) >= 4 * CHUNK:
            self._asked.clear()
        self._asked[n] = detail

    def _name(self, user: str) -> str:
        if user in NOBODY:
            return ""
        if user not in self._names:
            with self._vault.records.read() as connection:
                found = connection.scalar(select(users.c.name).where(users.c.id == user))
            self._names[user] = found or ""
        return self._names[user]
