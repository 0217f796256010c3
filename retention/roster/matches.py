"""Which patients a message is about: by record number, address, name with birth date, name in context.

Worked out from tokens at every reading, so that it depends on what the roster says now and not on the order
in which it came to say it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from sqlalchemy import Connection, func, select

from archiver.store.schema import (
    BY_ADDRESS,
    BY_BIRTH,
    BY_NAME,
    BY_NUMBER,
    CUSTODIAN,
    MATCHING,
    PATIENT,
    borne_tokens,
    match_decisions,
    messages,
    patient_tokens,
    patients,
)
from archiver.vault import Vault
from retention.fields import SealedFields
from retention.roster.patient import Days, Patient

CHUNK: Final = 500
WHY: Final[Mapping[int, str]] = {
    BY_NUMBER: "record_number",
    BY_ADDRESS: "address",
    BY_BIRTH: "name_and_birth_date",
    BY_NAME: "name",
}
_STRONG: Final = frozenset({BY_NUMBER, BY_BIRTH})
"""What says of a name whose it is. An address doesn't: a parent writes about a child of the same name."""


@dataclass(frozen=True, slots=True)
class Person:
    """A patient with all her records, the united facts of which are the properties. `ids` are the records'
    own, in their order."""

    id: str
    records: tuple[Patient, ...]
    ids: tuple[str, ...] = ()

    @property
    def born(self) -> Days:
        """Every day that a record names; one alone where they agree."""
        return _days(record.born for record in self.records)

    @property
    def died(self) -> Days:
        """Likewise; where some record doesn't know of a death, None is among what may be, see `alive`."""
        return _days(record.died for record in self.records)

    @property
    def alive(self) -> bool:
        """Whether a record knows of no day of death."""
        return any(record.died is None for record in self.records)

    @property
    def emancipated(self) -> tuple[date | None, ...]:
        """Every day on which she may have come of age before the law; None is among them where some record
        knows of none."""
        days = {record.emancipated for record in self.records}
        return tuple(sorted(days, key=lambda day: day or date.max))

    @property
    def states(self) -> frozenset[str]:
        """Every State."""
        return frozenset(state for record in self.records for state in record.all_states)

    @property
    def last_encounter(self) -> date | None:
        """The latest known; None too while an encounter is open."""
        days = (day for record in self.records for day in (record.last_encounter, record.met_last))
        return None if self._open else _latest(days)

    @property
    def discharged(self) -> date | None:
        """The latest known; None too while an encounter is open."""
        days = (day for record in self.records for day in (record.discharged, record.met_discharged))
        return None if self._open else _latest(days)

    @property
    def numbers(self) -> tuple[str, ...]:
        """Every record number."""
        return tuple(dict.fromkeys(n for record in self.records for n in record.all_numbers))

    @property
    def emails(self) -> tuple[str, ...]:
        """Every e-mail address."""
        return tuple(dict.fromkeys(e for record in self.records for e in record.all_emails))

    @property
    def postal(self) -> str:
        """Where a letter reaches her; of several the first record's."""
        return next((record.postal for record in self.records if record.postal), "")

    @property
    def _open(self) -> bool:
        return any(record.open_encounters for record in self.records)


@dataclass(frozen=True, slots=True)
class Match:
    """A person whom a message is about, or may be, and by what."""

    person: str
    why: tuple[str, ...]
    decided: bool = False


@dataclass(slots=True)
class Matched:
    """The persons of one message; `ambiguous` are sets of persons of whom it may be about any."""

    matches: list[Match] = field(default_factory=list)
    ambiguous: list[frozenset[str]] = field(default_factory=list)


class Matcher:
    """Says which patients messages are about. Safe from any thread."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._fields = SealedFields(vault)

    def match(
        self, connection: Connection, pks: Sequence[int], *, decided: bool = True
    ) -> dict[int, Matched]:
        """What each message is matched to; those that are about nobody on the roster are left out.

        With what people decided, or by the mail and the roster alone.
        """
        bearing: dict[int, dict[bytes, tuple[int, set[str]]]] = {}
        for chunk in _chunks(pks):
            rows = connection.execute(
                select(
                    messages.c.pk,
                    borne_tokens.c.token,
                    patient_tokens.c.kind,
                    func.coalesce(patients.c.person, patients.c.id).label("person"),
                )
                .join(borne_tokens, borne_tokens.c.seq == messages.c.seq)
                .join(patient_tokens, patient_tokens.c.token == borne_tokens.c.token)
                .join(patients, patients.c.id == patient_tokens.c.patient_id)
                .where(
                    messages.c.pk.in_(chunk),
                    messages.c.disposed_us.is_(None),
                    borne_tokens.c.field.in_((CUSTODIAN, PATIENT)),
                    patient_tokens.c.kind.in_(MATCHING) | patient_tokens.c.kind.is_(None),
                )
            )
            for row in rows:
                kind = BY_NUMBER if row.kind is None else row.kind
                tokens = bearing.setdefault(row.pk, {})
                tokens.setdefault(bytes(row.token), (kind, set()))[1].add(row.person)
        said = self._decisions(connection, pks) if decided else {}
        return {
            pk: _settle(bearing.get(pk, {}), said.get(pk, {})) for pk in sorted(bearing.keys() | said.keys())
        }

    def persons(self, connection: Connection, ids: Iterable[str]) -> dict[str, Person]:
        """Persons with their records."""
        found: dict[str, list[Patient]] = {}
        records: dict[str, list[str]] = {}
        wanted = sorted(set(ids))
        for chunk in _chunks(wanted):
            known_as = func.coalesce(patients.c.person, patients.c.id)
            rows = connection.execute(
                select(patients.c.id, patients.c.sealed, known_as.label("person"))
                .where(
                    patients.c.person.in_(chunk) | (patients.c.person.is_(None) & patients.c.id.in_(chunk))
                )
                .order_by(patients.c.id)
            )
            for row in rows:
                record = Patient.from_json(self._fields.open(row.id, row.sealed))
                found.setdefault(row.person, []).append(record)
                records.setdefault(row.person, []).append(row.id)
        return {one: Person(one, tuple(found[one]), tuple(records[one])) for one in found}

    def of_messages(self, connection: Connection, pks: Sequence[int]) -> dict[int, tuple[Person, ...]]:
        """Everybody whom each message is about or may be."""
        matched = self.match(connection, pks)
        people = self.persons(connection, {m.person for one in matched.values() for m in one.matches})
        return {
            pk: tuple(people[m.person] for m in one.matches if m.person in people)
            for pk, one in matched.items()
            if one.matches
        }

    def _decisions(self, connection: Connection, pks: Sequence[int]) -> dict[int, dict[str, bool]]:
        """What people decided, by message and person; of two decisions on one person the later holds."""
        if connection.execute(select(match_decisions.c.id).limit(1)).first() is None:
            return {}
        found: dict[int, dict[str, bool]] = {}
        for chunk in _chunks(pks):
            rows = connection.execute(
                select(
                    match_decisions.c.message_pk,
                    match_decisions.c.about,
                    func.coalesce(patients.c.person, patients.c.id).label("person"),
                )
                .join(patients, patients.c.id == match_decisions.c.patient_id)
                .where(match_decisions.c.message_pk.in_(chunk), match_decisions.c.undone_us.is_(None))
                # Records that became one person may have been decided on apart: then `about` holds.
                .order_by(match_decisions.c.decided_us, match_decisions.c.about, match_decisions.c.id)
            )
            for row in rows:
                found.setdefault(row.message_pk, {})[row.person] = row.about
        return found


def _settle(tokens: Mapping[bytes, tuple[int, set[str]]], decided: Mapping[str, bool]) -> Matched:
    why: dict[str, set[str]] = {}
    strong = {person for kind, persons in tokens.values() if kind in _STRONG for person in persons}
    writing = {person for kind, persons in tokens.values() if kind == BY_ADDRESS for person in persons}
    found = Matched()
    for _, (kind, persons) in sorted(tokens.items()):
        # A name is of those whom something stronger points to, where there is one among its bearers.
        chosen = persons & strong if kind == BY_NAME and persons & strong else persons
        for person in chosen:
            why.setdefault(person, set()).add(WHY[kind])
        open_ = frozenset(person for person in chosen if decided.get(person) is not False)
        # Mail from or to one of a name is likely about that one: the others keep it, and nobody is asked.
        likely = kind == BY_NAME and not writing.isdisjoint(open_)
        if len(open_) > 1 and not likely and not any(decided.get(person) for person in open_):
            found.ambiguous.append(open_)
    for person, about in decided.items():
        if about:
            why.setdefault(person, set()).add("decided")
    found.matches = [
        Match(person, tuple(sorted(why[person])), decided=decided.get(person, False))
        for person in sorted(why)
        if decided.get(person) is not False
    ]
    found.ambiguous = sorted(set(found.ambiguous), key=sorted)
    return found


def _days(values: Iterable[Days]) -> Days:
    found: set[date] = set()
    for value in values:
        found.update(value if isinstance(value, tuple) else (value,) if value else ())
    ordered = tuple(sorted(found))
    return ordered[0] if len(ordered) == 1 else ordered or None


def _latest(days: Iterable[date | None]) -> date | None:
    return max((day for day in days if day), default=None)


def _chunks(values: Sequence[int] | Sequence[str]) -> Iterable[Sequence[int] | Sequence[str]]:
    for start in range(0, len(values), CHUNK):
        yield values[start : start + CHUNK]
