"""Puts patients' records into the archive: sealed, with their tokens, and what follows from each change.

Everything that a change bears on happens in its transaction: dates of the patient's mail are void, holds on
the patient learn what else she is known by, names never seen before wait to be looked for in old mail.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, select, update

from archiver.capture.prepare import new_id
from archiver.classify import normalise_identifier
from archiver.store import dialect, standing
from archiver.store.dialect import Insert
from archiver.store.schema import (
    BY_FHIR,
    BY_KEY,
    MATCHING,
    hold_patients,
    holds,
    name_book,
    patient_links,
    patient_tokens,
    patients,
)
from archiver.vault import Vault
from retention.fields import SealedFields
from retention.roster import persons, stale
from retention.roster.fhir_node import first_day, last_day
from retention.roster.patient import Patient
from retention.roster.tokens import (
    fhir_token,
    hold_pairs,
    key_token,
    links_of,
    name_keys,
    name_token,
    tokens_of,
)

CHUNK: Final = 500
_MET: Final = frozenset({"met_last", "met_discharged", "open_encounters"})
EVERYTHING: Final = frozenset(field.name for field in fields(Patient)) - _MET
"""What a roster may say of a patient; what encounters say is only ever added to."""
FHIR_FIELDS: Final = EVERYTHING - {"last_encounter", "discharged", "emancipated"}
"""What a FHIR Patient speaks of; encounters come as resources of their own, and R4 has no place for an
emancipation."""

# Written out once: a roster has as many rows as a year's mail.
_PATIENTS: Final = Insert(patients, ("id", "sealed", "person"))
_TOKENS: Final = Insert(patient_tokens, ("token", "patient_id", "kind"))
_LINKS: Final = Insert(patient_links, ("patient_id", "other"))


@dataclass(slots=True)
class Met:
    """What a roster's encounters say of one patient: added to what is known, never taken from it."""

    last: date | None = None
    discharged: date | None = None
    open: dict[str, str] = field(default_factory=dict)
    over: set[str] = field(default_factory=set)
    """Encounters that were open and are so no more."""


@dataclass(frozen=True, slots=True)
class Change:
    """A record as a roster has it: the fields of `given` take the place of what is known."""

    patient: Patient
    given: frozenset[str] = EVERYTHING
    met: Met | None = None


class Changes:
    """Applies changes, chunk by chunk. Safe from any thread."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._fields = SealedFields(vault)

    def apply(self, connection: Connection, changes: Sequence[Change]) -> Counter[str]:
        """Add and replace records; the caller holds LOCK_ARCHIVE. Returns how many were added, changed and
        unchanged, and `persons`: how many records have another person than before."""
        counts: Counter[str] = Counter()
        known = _Known(connection, self._fields, [self._identity(one.patient) for one in changes])
        touched: set[str] = set()
        void: set[bytes] = set()
        reindex: set[bytes] = set()
        names: dict[bytes, dict[str, str]] = {}
        pending: dict[str, _Written] = {}
        for one in changes:
            identity = self._identity(one.patient)
            before = known.find(identity)
            now = _merged(before.patient if before else None, one)
            if before is not None and before.patient == now and before.whole:
                counts["unchanged"] += 1
                continue
            patient_id = before.id if before else new_id("p")
            own, links = tokens_of(self._vault.blind, now), links_of(self._vault.blind, now)
            fresh = patient_id in pending and pending[patient_id].fresh
            pending[patient_id] = _Written(now, own, links, fresh or before is None)
            matching = {token for token, kind in own.items() if kind in MATCHING}
            former = before.matching if before else set()
            void |= matching | former
            if matching != former or before is None or before.links != links:
                reindex |= matching | former
            counts["added" if before is None else "changed"] += 1
            touched.add(patient_id)
            known.put(identity, _Record(patient_id, now, matching, links, True))
            for key in name_keys(now):
                names[name_token(self._vault.blind, key)] = {"given": key.given, "family": key.family}
        if not touched:
            return counts
        self._write(connection, pending)
        self._learn_names(connection, names)
        group = persons.regroup(connection, touched)
        if others := group - touched:
            counts["persons"] += len(others)
            more = self._matching(connection, others)
            void |= more
            reindex |= more
        stale.void_by_tokens(connection, void, reindex=reindex)
        self._widen_holds(connection, group)
        stale.next_version(connection)
        return counts

    def another_person(self, connection: Connection, patients_: Sequence[Patient]) -> int | None:
        """Which of these, if any, would take the place of somebody else's record: its name and its birth date
        are other ones, and so are the numbers of a FHIR record."""
        known = _Known(connection, self._fields, [self._identity(one) for one in patients_])
        for position, now in enumerate(patients_):
            before = known.find(self._identity(now))
            if before is not None and _another(before.patient, now):
                return position
        return None

    def renew(self, connection: Connection, limit: int = CHUNK) -> int:
        """Bring records of earlier versions up to this one's tokens; return how many. Under LOCK_ARCHIVE."""
        rows = connection.execute(
            select(patients.c.id, patients.c.sealed).where(patients.c.person.is_(None)).limit(limit)
        ).all()
        found = [Patient.from_json(self._fields.open(row.id, row.sealed)) for row in rows]
        if found:
            self.apply(connection, [Change(patient, frozenset()) for patient in found])
        return len(found)

    # --- inside -------------------------------------------------------------------------------

    def _identity(self, patient: Patient) -> tuple[bytes, ...]:
        """The tokens that name the record itself: FHIR ids, or else its number."""
        if patient.fhir:
            return tuple(fhir_token(self._vault.blind, own) for own in patient.fhir)
        own = key_token(self._vault.blind, patient.mrn, patient.system)
        # An earlier version told neither systems nor kinds of tokens apart.
        return (own,) if patient.system else (own, self._vault.blind.token("mrn", _normal(patient.mrn)))

    def _write(self, connection: Connection, pending: Mapping[str, _Written]) -> None:
        sealed = {one: self._fields.seal(one, record.patient.to_json()) for one, record in pending.items()}
        fresh = [one for one, record in pending.items() if record.fresh]
        known = [one for one, record in pending.items() if not record.fresh]
        _PATIENTS(connection, [{"id": one, "sealed": sealed[one], "person": one} for one in fresh])
        if known:
            connection.execute(
                update(patients).where(patients.c.id == bindparam("of_id")).values(sealed=bindparam("now")),
                [{"of_id": one, "now": sealed[one]} for one in known],
            )
            for table in (patient_tokens, patient_links):
                connection.execute(delete(table).where(table.c.patient_id.in_(known)))
        tokens = [
            {"token": token, "patient_id": one, "kind": kind}
            for one, record in pending.items()
            for token, kind in record.tokens.items()
        ]
        links = [
            {"patient_id": one, "other": other}
            for one, record in pending.items()
            for other in sorted(record.links)
        ]
        _TOKENS(connection, tokens)
        _LINKS(connection, links)

    def _learn_names(self, connection: Connection, names: Mapping[bytes, dict[str, str]]) -> None:
        for chunk in _chunks(sorted(names)):
            there = set(
                map(bytes, connection.scalars(select(name_book.c.token).where(name_book.c.token.in_(chunk))))
            )
            fresh = [
                {"token": token, "sealed": self._fields.seal(f"name:{token.hex()}", names[token])}
                for token in chunk
                if token not in there
            ]
            if fresh:
                connection.execute(name_book.insert(), fresh)

    def _matching(self, connection: Connection, ids: Iterable[str]) -> set[bytes]:
        found: set[bytes] = set()
        for chunk in _chunks(sorted(ids)):
            tokens = connection.scalars(
                select(patient_tokens.c.token).where(
                    patient_tokens.c.patient_id.in_(chunk),
                    patient_tokens.c.kind.in_(MATCHING) | patient_tokens.c.kind.is_(None),
                )
            )
            found.update(map(bytes, tokens))
        return found

    def _widen_holds(self, connection: Connection, group: Iterable[str]) -> None:
        """Holds on these patients take in all that they are known by now, in old mail and in new."""
        if connection.execute(select(hold_patients.c.hold_id).limit(1)).first() is None:
            return
        records = self.records(connection, persons.members(connection, group))
        holding: dict[str, set[tuple[int, bytes]]] = {}
        by_person: dict[str, set[tuple[int, bytes]]] = {}
        numbers: dict[str, set[bytes]] = {}
        for person, patient in records:
            by_person.setdefault(person, set()).update(hold_pairs(self._vault.blind, patient))
            numbers.setdefault(person, set()).update(
                self._vault.blind.token("mrn", _normal(number)) for number in patient.all_numbers
            )
        for person, tokens in numbers.items():
            for chunk in _chunks(sorted(tokens)):
                placed = connection.scalars(
                    select(hold_patients.c.hold_id)
                    .join(holds, holds.c.id == hold_patients.c.hold_id)
                    .where(hold_patients.c.token.in_(chunk), holds.c.state.in_(standing.STANDING))
                    .distinct()
                )
                for hold_id in placed:
                    holding.setdefault(hold_id, set()).update(by_person[person])
        for hold_id, pairs in sorted(holding.items()):
            connection.execute(
                dialect.insert_or_ignore(connection, hold_patients),
                [{"hold_id": hold_id, "field": f, "token": t} for f, t in sorted(pairs)],
            )
            standing.match(connection, hold_id=hold_id)

    def records(self, connection: Connection, ids: Mapping[str, str]) -> list[tuple[str, Patient]]:
        """(person, record) of records, given as record to person, in the order of their ids."""
        found = []
        for chunk in _chunks(sorted(ids)):
            rows = connection.execute(
                select(patients.c.id, patients.c.sealed)
                .where(patients.c.id.in_(chunk))
                .order_by(patients.c.id)
            )
            for row in rows:
                found.append((ids[row.id], Patient.from_json(self._fields.open(row.id, row.sealed))))
        return found


@dataclass(frozen=True, slots=True)
class _Written:
    """A record to be written; `fresh` where it is new."""

    patient: Patient
    tokens: dict[bytes, int]
    links: set[bytes]
    fresh: bool


@dataclass(frozen=True, slots=True)
class _Record:
    id: str
    patient: Patient
    matching: set[bytes]
    links: set[bytes]
    whole: bool
    """False where an earlier version wrote it: its tokens aren't all there."""


class _Known:
    """The records that a chunk's identities name, as they are and as the chunk changes them."""

    def __init__(
        self, connection: Connection, sealed: SealedFields, identities: Sequence[tuple[bytes, ...]]
    ) -> None:
        self._by_token: dict[bytes, _Record] = {}
        wanted = sorted({token for identity in identities for token in identity})
        ids: dict[bytes, str] = {}
        for chunk in _chunks(wanted):
            rows = connection.execute(
                select(patient_tokens.c.token, patient_tokens.c.patient_id, patient_tokens.c.kind)
                .where(
                    patient_tokens.c.token.in_(chunk),
                    # A number names the record only where an earlier version didn't tell tokens apart.
                    patient_tokens.c.kind.is_(None) | (patient_tokens.c.kind.in_((BY_KEY, BY_FHIR))),
                )
                .order_by(patient_tokens.c.patient_id.desc())
            )
            ids.update({bytes(row.token): row.patient_id for row in rows})
        loaded = self._load(connection, sealed, sorted(set(ids.values())))
        self._by_token = {token: loaded[one] for token, one in ids.items()}

    def find(self, identity: tuple[bytes, ...]) -> _Record | None:
        """The record of the first of these tokens that names one."""
        return next((self._by_token[token] for token in identity if token in self._by_token), None)

    def put(self, identity: tuple[bytes, ...], record: _Record) -> None:
        """What a record has become, for later changes of the chunk."""
        for token in identity:
            self._by_token[token] = record

    @staticmethod
    def _load(connection: Connection, sealed: SealedFields, ids: Sequence[str]) -> dict[str, _Record]:
        found: dict[str, _Record] = {}
        for chunk in _chunks(ids):
            tokens: dict[str, set[bytes]] = {}
            for row in connection.execute(
                select(patient_tokens).where(
                    patient_tokens.c.patient_id.in_(chunk),
                    patient_tokens.c.kind.in_(MATCHING) | patient_tokens.c.kind.is_(None),
                )
            ):
                tokens.setdefault(row.patient_id, set()).add(bytes(row.token))
            links: dict[str, set[bytes]] = {}
            for row in connection.execute(select(patient_links).where(patient_links.c.patient_id.in_(chunk))):
                links.setdefault(row.patient_id, set()).add(bytes(row.other))
            for row in connection.execute(select(patients).where(patients.c.id.in_(chunk))):
                found[row.id] = _Record(
                    row.id,
                    Patient.from_json(sealed.open(row.id, row.sealed)),
                    tokens.get(row.id, set()),
                    links.get(row.id, set()),
                    row.person is not None,
                )
        return found


def _merged(before: Patient | None, change: Change) -> Patient:
    given, patient = change.given, change.patient
    if before is None:
        now = patient
    else:
        now = replace(before, **{name: getattr(patient, name) for name in given})
        if patient.fhir:
            now = replace(now, fhir=tuple(dict.fromkeys((*before.fhir, *patient.fhir))))
    met = change.met
    if met is None:
        return now
    still = {**dict(now.open_encounters), **met.open}
    return replace(
        now,
        met_last=_later(now.met_last, met.last),
        met_discharged=_later(now.met_discharged, met.discharged),
        open_encounters=tuple(sorted((one, since) for one, since in still.items() if one not in met.over)),
    )


def _another(before: Patient, now: Patient) -> bool:
    former, names = name_keys(before), name_keys(now)
    numbers = {_normal(number) for number in before.all_numbers}
    return (
        bool(former and names and former.isdisjoint(names))
        and bool(before.born and now.born and not _may_agree(before.born, now.born))
        and (not now.fhir or numbers.isdisjoint(map(_normal, now.all_numbers)))
    )


def _may_agree(one: date | tuple[date, ...], other: date | tuple[date, ...]) -> bool:
    """Whether two days, each sure or the first and the last that it can be, may be the same."""
    return first_day(one) <= last_day(other) and first_day(other) <= last_day(one)


def _later(one: date | None, other: date | None) -> date | None:
    return max(one, other) if one and other else one or other


def _normal(number: str) -> str:
    return normalise_identifier("mrn", number)


def _chunks(values: Sequence[Any]) -> Iterable[Sequence[Any]]:
    for start in range(0, len(values), CHUNK):
        yield values[start : start + CHUNK]
