"""Imports a roster of any length: read twice, checked wholly before anything is changed, applied in chunks.

Each chunk is a transaction, durable for itself: an import that is interrupted is resumed by running it again,
since what is the same already changes nothing. Memory grows with the patients that encounters are of (some
200 bytes each), not with the encounters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sqlalchemy import select

from archiver.classify import normalise_identifier
from archiver.store import dialect, tokens
from archiver.store.schema import BY_OPEN, patient_tokens
from archiver.vault import Vault
from config.errors import HoldfastError
from retention.acts import by_system
from retention.errors import RosterError
from retention.roster.changes import CHUNK, FHIR_FIELDS, Change, Changes, Met
from retention.roster.csv_file import AS_IS, Form, Row
from retention.roster.encounters import Encounters
from retention.roster.fhir import Clinician, Meeting, Reader
from retention.roster.patient import Patient
from retention.roster.reading import File, How, Item, files_of, read
from retention.roster.tokens import open_token

Progress = Callable[[str, int, int], object]
"""Told what is done, how much of it, and of how much."""

_NOTHING: Final = Met()
_CARE_CHUNK: Final = 2_000
_PLACES: Final = 40
"""Bits of a place in a file."""


@dataclass(slots=True)
class _Plan:
    """What the first reading found: how many there are, and what the encounters say, by patient."""

    patients: int = 0
    encounters: int = 0
    met: dict[str, Met] = field(default_factory=dict)
    seen: dict[int, int] = field(default_factory=dict)
    """The patients so far: where each is, by the hash of what names it, since a roster may have millions."""
    passed: dict[str, int] = field(default_factory=dict)
    files: dict[Path, File] = field(default_factory=dict)
    """Those with patients: in a bulk export, encounters have files of their own."""
    care: dict[Path, File] = field(default_factory=dict)
    """Those with encounters and clinicians."""


class RosterImport:
    """Imports rosters into one archive. Safe from any thread; two at once take turns chunk by chunk."""

    def __init__(self, vault: Vault, changes: Changes) -> None:
        self._vault = vault
        self._changes = changes
        self._encounters = Encounters(vault)

    def run(
        self,
        path: Path,
        progress: Progress | None = None,
        *,
        dry_run: bool = False,
        form: Form = AS_IS,
        replace: bool = False,
    ) -> dict[str, Any]:
        """Import a file or a folder: CSV, FHIR R4 JSON (Bundle or one resource) or ndjson, each also gzipped.

        Returns `{read, added, changed, unchanged, persons, encounters, encounters_open,
        encounters_elsewhere, deletions, states_unknown}`: `persons` are records that became another person's
        by a link, `elsewhere` are patients with encounters whose record isn't in these files, `deletions`
        entries of FHIR that take something back, which nothing follows from here, and `states_unknown`
        addresses of FHIR patients whose State none is. With `dry_run` the files are checked
        and nothing is changed. Raises RosterError, before anything has changed, for whatever can't be read,
        and, unless it is to `replace`, for a patient who is somebody else than the record of the same number
        or id: another name and another birth date.
        """
        tell = progress or (lambda *_: None)
        files = files_of(path)
        how = How(Reader(self._vault.settings.roster_number_systems, form.system), form)
        plan = self._plan(files, how, tell, replace)
        counts: dict[str, Any] = {
            "read": plan.patients,
            "added": 0,
            "changed": 0,
            "unchanged": 0,
            "persons": 0,
            "encounters": plan.encounters,
            "encounters_open": sum(len(met.open) for met in plan.met.values()),
            "encounters_elsewhere": 0,
            "deletions": plan.passed.get("deletions", 0),
            "states_unknown": plan.passed.get("states", 0),
        }
        if dry_run:
            return counts
        event = by_system("roster.import", "begun", "operator", count=plan.patients)
        self._vault.audit.record(event)
        try:
            # What many messages bear is found quickly by token once it is filed.
            tokens.file(self._vault.records, 1)
            self._apply(how, plan, counts, tell)
        except HoldfastError as error:
            self._vault.audit.record(
                by_system("roster.import", "failed", "operator", reason=error.code, detail=counts)
            )
            raise
        self._vault.audit.record(
            by_system("roster.import", "success", "operator", count=plan.patients, detail=counts)
        )
        return counts

    # --- first reading ------------------------------------------------------------------------

    def _plan(self, files: list[File], how: How, tell: Progress, replace: bool) -> _Plan:
        plan = _Plan()
        some: dict[int, Patient] = {}
        open_before = self._open_before()
        for item, place, file in _items(files, how, tell, "checked"):
            if isinstance(item, Clinician):
                plan.care[file.path] = file
                continue
            if isinstance(item, Meeting):
                plan.care[file.path] = file
                plan.encounters += 1
                self._meet(plan.met.setdefault(item.patient, Met()), item, open_before)
                continue
            plan.patients += 1
            plan.files[file.path] = file
            for name in _names_of(item):
                if (before := plan.seen.setdefault(hash(name), place)) != place:
                    raise RosterError(
                        f"{_where(files, place)}: the same patient as in {_where(files, before)}"
                    )
            if not replace:
                some[place] = item.patient if isinstance(item, Row) else item
            if len(some) == CHUNK:
                self._must_be_the_same(files, some)
                some = {}
        self._must_be_the_same(files, some)
        plan.passed = dict(how.fhir.passed)
        return plan

    def _must_be_the_same(self, files: list[File], some: dict[int, Patient]) -> None:
        with self._vault.records.read() as connection:
            found = self._changes.another_person(connection, list(some.values()))
        if found is not None:
            where = _where(files, list(some)[found])
            raise RosterError(
                f"{where}: another person than on the roster, by name and birth date;"
                " give --system NAME if another system counts these, --replace if this is right"
            )

    def _meet(self, met: Met, one: Meeting, open_before: frozenset[bytes]) -> None:
        if one.open_since:
            met.open[one.id] = one.open_since
            return
        if open_before and open_token(self._vault.blind, one.id) in open_before:
            met.over.add(one.id)
        if one.last is not None:
            met.last = max(met.last or one.last, one.last)
            if one.stay:
                met.discharged = max(met.discharged or one.last, one.last)

    def _open_before(self) -> frozenset[bytes]:
        with self._vault.records.read() as connection:
            found = connection.scalars(select(patient_tokens.c.token).where(patient_tokens.c.kind == BY_OPEN))
            return frozenset(map(bytes, found))

    # --- second reading -----------------------------------------------------------------------

    def _apply(self, how: How, plan: _Plan, counts: dict[str, Any], tell: Progress) -> None:
        chunk: list[Change] = []
        done = 0
        for item, _, _ in _items(list(plan.files.values()), how, None, ""):
            if isinstance(item, Meeting | Clinician):
                continue
            chunk.append(self._change(item, plan))
            if len(chunk) == CHUNK:
                done = self._commit(chunk, counts, tell, done, plan.patients)
                chunk = []
        done = self._commit(chunk, counts, tell, done, plan.patients)
        # Patients of whom there are only encounters here. Their record may be known, or come later.
        rest = sorted(plan.met)
        counts["encounters_elsewhere"] = len(rest)
        for start in range(0, len(rest), CHUNK):
            more = [_met_elsewhere(name, plan.met[name]) for name in rest[start : start + CHUNK]]
            done = self._commit(more, counts, tell, done, plan.patients + len(rest))
        self._keep_care(list(plan.care.values()), how, tell, plan.encounters)

    def _keep_care(self, files: list[File], how: How, tell: Progress, total: int) -> None:
        """Keep when patients were seen and by whom. No date follows from it, so it comes last."""
        chunk: list[Meeting | Clinician] = []
        done = 0
        for item, _, _ in _items(files, how, None, ""):
            if isinstance(item, Meeting | Clinician):
                chunk.append(item)
            if len(chunk) == _CARE_CHUNK:
                done += self._commit_care(chunk)
                tell("encounters", done, max(total, done))
                chunk = []
        done += self._commit_care(chunk)
        if done:
            tell("encounters", done, max(total, done))

    def _commit_care(self, chunk: list[Meeting | Clinician]) -> int:
        meetings = [one for one in chunk if isinstance(one, Meeting)]
        if chunk:
            with self._vault.records.write(dialect.LOCK_ARCHIVE) as connection:
                self._encounters.keep(connection, meetings)
                self._encounters.keep_clinicians(
                    connection, [one for one in chunk if isinstance(one, Clinician)]
                )
        return len(meetings)

    def _change(self, item: Row | Patient, plan: _Plan) -> Change:
        patient = item.patient if isinstance(item, Row) else item
        found = [plan.met.pop(name) for name in _names_of(item) if name in plan.met]
        met = _joined(found) if found else None
        return Change(patient, item.given if isinstance(item, Row) else FHIR_FIELDS, met)

    def _commit(
        self, chunk: list[Change], counts: dict[str, Any], tell: Progress, done: int, total: int
    ) -> int:
        if not chunk:
            return done
        with self._vault.records.write(dialect.LOCK_ARCHIVE) as connection:
            found: Counter[str] = self._changes.apply(connection, chunk)
        for name in ("added", "changed", "unchanged", "persons"):
            counts[name] += found[name]
        tell("patients", done + len(chunk), max(total, done + len(chunk)))
        return done + len(chunk)


def _items(files: list[File], how: How, tell: Progress | None, what: str) -> Iterator[tuple[Item, int, File]]:
    """What the files hold, and where: which file, and in it a CSV's line, or which of its patients."""
    total, done = sum(file.size for file in files), 0

    def advance(more: int) -> None:
        nonlocal done
        done += more
        if tell is not None:
            tell(what, done, max(total, done))

    for at, file in enumerate(files):
        number = 0
        for item in read(file, how, advance):
            number = item.line if isinstance(item, Row) else number + isinstance(item, Patient)
            yield item, at << _PLACES | number, file


def _where(files: list[File], place: int) -> str:
    file, number = files[place >> _PLACES], place & (1 << _PLACES) - 1
    return f"{file.where}{'line' if file.kind == 'csv' else 'patient'} {number}"


def _names_of(item: Row | Patient) -> tuple[str, ...]:
    """What encounters name a patient by, and what must not be there twice."""
    if isinstance(item, Row):
        number = normalise_identifier("mrn", item.patient.mrn)
        return (f"mrn:{item.patient.system}|{number}" if item.patient.system else f"mrn:{number}",)
    return item.fhir


def _met_elsewhere(name: str, met: Met) -> Change:
    by_number = name.startswith("mrn:")
    system, _, own = name.removeprefix("mrn:").rpartition("|")
    patient = Patient(mrn=own if by_number else "", name="", fhir=() if by_number else (name,), system=system)
    return Change(patient, frozenset(), met)


def _joined(found: list[Met]) -> Met:
    one = Met()
    for met in found:
        one.last = max((day for day in (one.last, met.last) if day), default=None)
        one.discharged = max((day for day in (one.discharged, met.discharged) if day), default=None)
        one.open |= met.open
        one.over |= met.over
    return one
