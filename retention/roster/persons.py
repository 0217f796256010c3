"""Which records are one person: connected by links, and by the record number of a CSV row.

Nothing is merged for good: a person is worked out anew from the links whenever one comes or goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, bindparam, select, update

from archiver.store.schema import patient_links, patient_tokens, patients

_CHUNK: Final = 500


def regroup(connection: Connection, changed: Iterable[str]) -> set[str]:
    """Bring `patients.person` up to date after the links or tokens of records changed.

    Returns the ids of all records whose person has a changed record, now or before: what is known of one of
    them is known of all. The caller holds LOCK_ARCHIVE.
    """
    start = set(changed)
    former = _persons(connection, start)
    start |= _members(connection, {person for person in former.values() if person is not None})
    edges = _connected(connection, start)
    groups = _components(edges)
    known = former | _persons(connection, edges.keys() - former.keys())
    # A record that joins from another person takes that one's other records with it: they are in `edges`
    # already, since a connection is walked to its end.
    moved = [
        {"of_id": one, "new_person": person} for one, person in groups.items() if known.get(one) != person
    ]
    if moved:
        connection.execute(
            update(patients)
            .where(patients.c.id == bindparam("of_id"))
            .values(person=bindparam("new_person")),
            moved,
        )
    return set(edges)


def members(connection: Connection, ids: Iterable[str]) -> dict[str, str]:
    """The records of the same persons as these, each with its person."""
    persons = {person or one for one, person in _persons(connection, set(ids)).items()}
    found = {}
    for chunk in _chunks(sorted(persons)):
        rows = connection.execute(
            select(patients.c.id, patients.c.person).where(
                patients.c.person.in_(chunk) | (patients.c.person.is_(None) & patients.c.id.in_(chunk))
            )
        )
        found.update({row.id: row.person or row.id for row in rows})
    return found


def _connected(connection: Connection, start: set[str]) -> dict[str, set[str]]:
    edges: dict[str, set[str]] = {one: set() for one in start}
    fresh = set(start)
    while fresh:
        found: set[str] = set()
        for one, other in _neighbours(connection, sorted(fresh)):
            found |= {one, other} - edges.keys()
            edges.setdefault(one, set()).add(other)
            edges.setdefault(other, set()).add(one)
        fresh = found
    return edges


def _neighbours(connection: Connection, ids: Sequence[str]) -> Iterable[tuple[str, str]]:
    for chunk in _chunks(ids):
        joined = select(patient_links.c.patient_id, patient_tokens.c.patient_id.label("other")).join(
            patient_tokens, patient_tokens.c.token == patient_links.c.other
        )
        for condition in (patient_links.c.patient_id.in_(chunk), patient_tokens.c.patient_id.in_(chunk)):
            for row in connection.execute(joined.where(condition)):
                if row.patient_id != row.other:
                    yield row.patient_id, row.other


def _components(edges: dict[str, set[str]]) -> dict[str, str]:
    """Each record's person: the least id among the connected ones."""
    found: dict[str, str] = {}
    for one in sorted(edges):
        if one in found:
            continue
        waiting = [one]
        while waiting:
            at = waiting.pop()
            if at not in found:
                found[at] = one
                waiting += edges[at]
    return found


def _persons(connection: Connection, ids: Iterable[str]) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for chunk in _chunks(sorted(ids)):
        rows = connection.execute(select(patients.c.id, patients.c.person).where(patients.c.id.in_(chunk)))
        found.update({row.id: row.person for row in rows})
    return found


def _members(connection: Connection, persons: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for chunk in _chunks(sorted(persons)):
        found.update(connection.scalars(select(patients.c.id).where(patients.c.person.in_(chunk))))
    return found


def _chunks(values: Sequence[Any]) -> Iterable[Sequence[Any]]:
    for start in range(0, len(values), _CHUNK):
        yield values[start : start + _CHUNK]
