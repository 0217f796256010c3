"""What reports ask, worked out of the audit log and followed by a cursor: derived, and rebuilt at will.

Appending stays quick, as nothing of this is done there; a report catches up first. The log is the authority:
`rebuild` throws the three tables away and costs only time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from sqlalchemy import Connection, delete, func, select, update

from api.auditing.entry import CHUNK, Entry, entry_of
from archiver.ledger import log
from archiver.ledger.log import Log
from archiver.store import dialect
from archiver.store.schema import audit_facts, audit_marks, audit_objects, audit_patients
from archiver.vault import Vault

MARK: Final = "facts"
PATIENT_FIELD: Final = "audit-patient"
_COLUMNS: Final = (
    "idx",
    "at_us",
    "action",
    "outcome",
    "user_id",
    "role",
    "purpose",
    "client",
    "session",
    "reason",
    "count",
    "asked_in",
)
_FACTS: Final = dialect.Insert(audit_facts, _COLUMNS, "ignore")
_OBJECTS: Final = dialect.Insert(audit_objects, ("object", "idx"), "ignore")
_PATIENTS: Final = dialect.Insert(audit_patients, ("token", "idx"), "ignore")


class Projection:
    """The derived tables of one archive's audit log. Safe from any thread and any number of processes."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def token(self, patient: str) -> bytes:
        """By what a patient's readers are found: the keyed token of a roster id."""
        return self._vault.blind.token(PATIENT_FIELD, patient)

    def behind(self) -> int:
        """How many entries it lacks."""
        with self._vault.records.read() as connection:
            return log.state(connection, Log.AUDIT).size - _cursor(connection)

    def follow(self, check: Callable[[int, int], None] = lambda done, total: None) -> int:
        """Take in what was recorded since; how many entries. `check` is told how far it is, and may raise.

        Durable stretch by stretch; a kill costs the stretch at hand. Raises LedgerError, StoreError.
        """
        with self._vault.records.read() as connection:
            size, cursor = log.state(connection, Log.AUDIT).size, _cursor(connection)
        taken = 0
        while cursor < size:
            check(cursor, size)
            stop = min(cursor + CHUNK, size)
            with self._vault.records.read() as connection:
                found = [entry_of(one) for one in self._vault.audit.recorded(connection, cursor, stop)]
            with self._vault.records.write() as connection:
                if not self._move(connection, cursor, stop):
                    # Another process was quicker; what it took in is the same.
                    cursor = _cursor(connection)
                    continue
                self._add(connection, found)
            taken += len(found)
            cursor = stop
        return taken

    def rebuild(self, check: Callable[[int, int], None] = lambda done, total: None) -> int:
        """Throw everything derived away and read the log anew; how many entries."""
        with self._vault.records.write() as connection:
            for table in (audit_facts, audit_objects, audit_patients):
                connection.execute(delete(table))
            connection.execute(delete(audit_marks).where(audit_marks.c.name == MARK))
        return self.follow(check)

    def span(self, from_us: int | None, before_us: int | None) -> tuple[int, int]:
        """The stretch of the log in which all entries of `[from_us, before_us)` stand. A clock that was set
        back lets others stand among them."""
        with self._vault.records.read() as connection:
            chosen = select(func.min(audit_facts.c.idx), func.max(audit_facts.c.idx))
            if from_us is not None:
                chosen = chosen.where(audit_facts.c.at_us >= from_us)
            if before_us is not None:
                chosen = chosen.where(audit_facts.c.at_us < before_us)
            first, last = connection.execute(chosen).one()
        return (0, 0) if first is None else (int(first), int(last) + 1)

    # --- inside -------------------------------------------------------------------------------

    @staticmethod
    def _move(connection: Connection, cursor: int, stop: int) -> bool:
        if cursor == 0:
            row = {"name": MARK, "cursor": 0, "sealed": None}
            connection.execute(dialect.insert_or_ignore(connection, audit_marks), [row])
        moved = connection.execute(
            update(audit_marks)
            .where(audit_marks.c.name == MARK, audit_marks.c.cursor == cursor)
            .values(cursor=stop)
        )
        return moved.rowcount == 1

    def _add(self, connection: Connection, entries: Iterable[Entry]) -> None:
        facts: list[dict[str, Any]] = []
        objects: list[dict[str, Any]] = []
        seen: list[dict[str, Any]] = []
        for one in entries:
            asked_in = (one.detail or {}).get("asked_in")
            facts.append(
                {
                    "idx": one.n,
                    "at_us": one.at_us,
                    "action": one.action,
                    "outcome": one.outcome,
                    "user_id": one.user,
                    "role": one.role,
                    "purpose": one.purpose,
                    "client": one.client,
                    "session": one.session,
                    "reason": one.reason,
                    "count": one.count,
                    "asked_in": asked_in if isinstance(asked_in, int) else None,
                }
            )
            objects += [{"object": name, "idx": one.n} for name in dict.fromkeys(one.objects)]
            seen += [{"token": self.token(name), "idx": one.n} for name in patients_of(one)]
        _FACTS(connection, facts)
        _OBJECTS(connection, objects)
        _PATIENTS(connection, seen)


def patients_of(entry: Entry) -> tuple[str, ...]:
    """The roster ids that an entry tells of: patients whose mail was seen, and those looked up themselves."""
    looked_up = (name for name in entry.objects if name.startswith("p"))
    return tuple(dict.fromkeys((*entry.patients, *looked_up)))


def _cursor(connection: Connection) -> int:
    return connection.scalar(select(audit_marks.c.cursor).where(audit_marks.c.name == MARK)) or 0
