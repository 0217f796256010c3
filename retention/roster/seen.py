"""Whose mail somebody saw, by roster ids, for the audit log (`search.seen`). Opens no sealed fact."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from archiver.store.schema import patients
from archiver.vault import Vault
from retention.roster.matches import CHUNK, Matcher


class PatientsSeen:
    """Says whose mail messages are, as roster and people's decisions have it now. Safe from any thread."""

    def __init__(self, vault: Vault) -> None:
        self._records = vault.records
        self._matcher = Matcher(vault)

    def __call__(self, pks: Sequence[int]) -> tuple[str, ...]:
        """Ids of all records of every person whom any of the messages is or may be about, in order.

        All records: two that become one person's, or are told apart again, still lead to the same reader.
        """
        if not pks:
            return ()
        found: set[str] = set()
        with self._records.read() as connection:
            if connection.execute(select(patients.c.id).limit(1)).first() is None:
                return ()
            matched = self._matcher.match(connection, pks)
            persons = sorted({one.person for about in matched.values() for one in about.matches})
            for start in range(0, len(persons), CHUNK):
                chunk = persons[start : start + CHUNK]
                alone = patients.c.person.is_(None) & patients.c.id.in_(chunk)
                records = select(patients.c.id).where(patients.c.person.in_(chunk) | alone)
                found.update(connection.scalars(records))
        return tuple(sorted(found))
