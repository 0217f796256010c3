"""Verdicts: the facts of archived messages, and what the disposal clock says of them.

What can't be read or isn't known stays unknown, and then the clock names it as missing: such a message is
kept (promise 5).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from archiver.archive import Record
from archiver.classify.records import CORRESPONDENCE
from archiver.clock import from_us
from archiver.errors import DamagedStore, SealError
from archiver.vault import Vault
from retention.clock.clock import Clock
from retention.clock.facts import Facts
from retention.clock.result import Result
from retention.errors import FactsError
from retention.law.schedules import MEDICAL_RECORD, Schedule
from retention.roster.csv_file import Patient
from retention.roster.patients import PatientStore

UNREADABLE = "readable_description"
"""Named as missing where a message's own description doesn't open."""
UNUSABLE = "usable_facts"
"""Named as missing where a fact is out of the clock's range, like a date before 1800."""
OPAQUE = frozenset({"encrypted", "damaged", "too_large", "too_deep", "timeout", "crashed", "failed"})
"""Text states of parts that may hold anything, a medical record among it."""
NOT_READ = frozenset({"not_supported", "no_text"})
"""Text states of parts that hold no text we can read: documents of unknown kinds, pictures, scans."""
CLINICAL_MARKS = frozenset({"mrn", "mbi", "icd10", "health_plan_id"})
"""Kinds of PHI that only mail about a patient carries."""
SCAN_BYTES = 50_000
"""A smaller picture is taken for a logo or a signature; a fax is a TIFF of any size."""
_LOGIC = 3
"""Grows when this module derives other facts from the same message, so that all are computed anew."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the clock says of one message, and from which facts (several: possibilities)."""

    result: Result
    facts: tuple[Facts, ...]

    @property
    def disposal_date(self) -> date | None:
        """The first day on which disposal is lawful; None when permanent or not known."""
        return self.result.disposal_date

    @property
    def rule(self) -> dict[str, Any]:
        """The governing rule, as a disposition keeps it; empty where none governs."""
        governing = self.result.governing
        return governing.to_json() if governing is not None else {}


class Verdicts:
    """Computes verdicts of messages. Safe from any thread.

    Raises UnknownFact at once where the settings name a State or provider that the schedule doesn't know.
    """

    def __init__(self, vault: Vault, schedule: Schedule, patients: PatientStore) -> None:
        settings = vault.settings
        self._vault = vault
        self._patients = patients
        self._schedule = schedule
        self._clock = Clock(schedule, settings.retention_default_years)
        self._jurisdictions = frozenset(settings.jurisdictions)
        self._provider = settings.provider_type or None
        for case in Facts(
            jurisdictions=tuple(sorted(self._jurisdictions)), provider_type=self._provider
        ).cases():
            self._clock.check(case)
        basis = [
            _LOGIC,
            schedule.version,
            sorted(self._jurisdictions),
            self._provider,
            settings.retention_default_years,
        ]
        self.version = hashlib.sha256(json.dumps(basis).encode()).hexdigest()[:32]
        """Changes with the schedule and the settings; patients' facts are followed one by one."""

    def of(self, pks: Sequence[int]) -> dict[int, Verdict]:
        """The verdicts of living messages; disposed ones are left out, unreadable ones are kept."""
        records = self._records(pks)
        patients = self._patients.of_messages(records)
        return {
            pk: self._judge(record, patients.get(pk, ())) if record is not None else _kept(UNREADABLE)
            for pk, record in records.items()
        }

    # --- inside -------------------------------------------------------------------------------

    def _records(self, pks: Sequence[int]) -> dict[int, Record | None]:
        try:
            return dict(self._vault.archive.scan_records(pks))
        except (SealError, DamagedStore):
            pass  # one of them is damaged: below, each is read by itself
        found: dict[int, Record | None] = {}
        for pk in pks:
            try:
                found |= self._vault.archive.scan_records([pk])
            except (SealError, DamagedStore):
                found[pk] = None
        return found

    def _judge(self, record: Record, patients: Sequence[Patient]) -> Verdict:
        try:
            facts = tuple(self._facts(record, patients))
            return Verdict(self._clock.compute(facts), facts)
        except FactsError:
            return _kept(UNUSABLE)

    def _facts(self, record: Record, patients: Sequence[Patient]) -> Iterable[Facts]:
        """One possibility for each patient; the longest wins."""
        row = record.row
        places = self._jurisdictions | {p for p in record.meta["jurisdictions"] if p}
        places |= {patient.state for patient in patients if patient.state}
        common = Facts(
            record_types=_record_types(record, about_patient=bool(patients)),
            jurisdictions=tuple(sorted(places & frozenset(self._schedule.jurisdictions))) or None,
            provider_type=self._provider,
            anchor=row["anchor"],
            captured_at=from_us(row["captured_us"]).date(),
        )
        for patient in patients:
            yield replace(
                common,
                born=patient.born,
                died=patient.died,
                # A message about a patient is itself contact: neither date is earlier than it.
                last_encounter=_not_before(patient.last_encounter, row["anchor"]),
                discharged=_not_before(patient.discharged, row["anchor"]),
            )
        if not patients:
            yield common


def _record_types(record: Record, *, about_patient: bool) -> tuple[str, ...] | None:
    """All types the classifier found; None, so that the message is kept, where its text couldn't be read.

    Mail about a patient is part of the medical record, whatever its words: so is what carries a record
    number or a patient's address without saying a clinical word, and what may hold anything.
    """
    if record.row["parse_failed"]:
        return None
    types = {str(name) for name, _ in record.meta["record_types"]}
    opaque = any(_opaque(part) for part in record.meta["parts"])
    if opaque or (
        types <= {CORRESPONDENCE} and (about_patient or not CLINICAL_MARKS.isdisjoint(record.meta["phi"]))
    ):
        types = (types - {CORRESPONDENCE}) | {MEDICAL_RECORD}
    return tuple(sorted(types)) or (CORRESPONDENCE,)


def _opaque(part: Mapping[str, Any]) -> bool:
    """True for a part we could not read and that may be a document: a scan, a fax, but not a logo."""
    if part["text_status"] in OPAQUE:
        return True
    if part["text_status"] not in NOT_READ or not part["attachment"]:
        return False
    small_picture = str(part["content_type"]).startswith("image/") and part["size"] < SCAN_BYTES
    return not small_picture or part["content_type"] == "image/tiff"


def _not_before(day: date | None, anchor: date) -> date | None:
    return max(day, anchor) if day is not None else None


def _kept(missing: str) -> Verdict:
    return Verdict(Result(None, False, None, (), (missing,)), ())
