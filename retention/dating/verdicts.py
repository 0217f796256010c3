"""Verdicts: the facts of archived messages, and what the disposal clock says of them.

What can't be read or isn't known stays unknown, and then the clock names it as missing: such a message is
kept (promise 5).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date
from functools import lru_cache
from typing import Any

from archiver.archive import Record
from archiver.classify.records import CLINICAL_MARKS, CORRESPONDENCE, NOT_ABOUT_PATIENTS
from archiver.clock import from_us
from archiver.errors import ArchiverError, DamagedStore, SealError
from archiver.record_types import BY_PERSON
from archiver.vault import Vault
from retention.clock.clock import Clock
from retention.clock.facts import Dates, Facts
from retention.clock.result import Result
from retention.errors import FactsError
from retention.law.schedules import MEDICAL_RECORD, Schedule
from retention.policy.grounds import Grounds, GroundsStore, grounds_of
from retention.policy.store import NEVER, Policy, PolicyStore, Version
from retention.policy.terms import extended
from retention.roster.matches import Person
from retention.roster.patients import PatientStore
from retention.units.book import Said, UnitBook, UnitBooks

UNREADABLE = "readable_description"
"""Named as missing where a message's own description doesn't open."""
UNUSABLE = "usable_facts"
"""Named as missing where a fact is out of the clock's range, like a date before 1800."""
OPAQUE = frozenset({"encrypted", "damaged", "too_large", "too_deep", "timeout", "crashed", "failed"})
"""Text states of parts that may hold anything, a medical record among it."""
NOT_READ = frozenset({"not_supported", "no_text"})
"""Text states of parts that hold no text we can read: documents of unknown kinds, pictures, scans."""
REPORTS = frozenset(
    {"radiology_image", "lab_report", "pathology_report", "mammography", "controlled_substance"}
)
"""Types for which the law gives films, slides, and a laboratory's or pharmacy's own copies shorter terms;
mail tells of them, and is part of the chart."""
SCAN_BYTES = 50_000
"""A smaller picture is taken for a logo or a signature; a fax is a TIFF of any size."""
_OTHERS = ("rule_id", "jurisdiction", "record_type", "date", "citation")
"""What is kept of a rule that didn't govern."""
_LOGIC = 7
"""Grows when this module derives other facts from the same message, or the clock's code another day from the
same facts, so that all are computed anew."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the clock says of one message, and from which facts (several: possibilities)."""

    result: Result
    facts: tuple[Facts, ...]
    unconfirmed: tuple[str, ...] = ()
    """Rules that applied and that counsel hasn't confirmed: while there are any, the message stays."""
    policy: Version = NEVER
    """The policy it was judged by."""
    units: tuple[str, ...] = ()
    """Ids of the units that its participants belong to."""

    @property
    def disposal_date(self) -> date | None:
        """The first day on which disposal is lawful; None when permanent or not known."""
        return self.result.disposal_date

    @property
    def reasoning(self) -> dict[str, Any]:
        """Why it may go, as a disposition keeps it for who asks when the message is gone; empty where no rule
        governs: the governing rule, the `facts` it was found by, and what all other rules said (`others`)."""
        governing = self.result.governing
        if governing is None:
            return {}
        others = [one.to_json() for one in self.result.candidates if one.key != governing.key]
        return {
            **governing.to_json(),
            "facts": self.facts_json(),
            "others": [{name: one[name] for name in _OTHERS} for one in others],
        }

    def facts_json(self) -> list[dict[str, Any]]:
        """The facts it was computed from, known ones only; patient information."""
        return [_plain(one) for one in self.facts]


class Verdicts:
    """Computes verdicts of messages. Safe from any thread.

    Raises UnknownFact at once where the settings name a State or provider that the schedule doesn't know.
    What the settings say is taken into the policy then: see `retention.policy.store`.
    """

    def __init__(self, vault: Vault, schedule: Schedule, patients: PatientStore) -> None:
        settings = vault.settings
        self._vault = vault
        self._patients = patients
        self._schedule = schedule
        self._units = UnitBooks(vault)
        for case in Facts(
            jurisdictions=tuple(sorted(settings.jurisdictions)), provider_type=settings.provider_type or None
        ).cases():
            _clock_of(schedule, settings.retention_default_years).check(case)
        self.version = hashlib.sha256(json.dumps([_LOGIC, schedule.version]).encode()).hexdigest()[:32]
        """Changes with the schedule; the policy is followed by its epoch, patients' facts one by one."""
        self.policies = PolicyStore(vault, schedule)
        # Whoever comes to verify or repair a damaged database must get in; a run or a disposal looks again.
        with contextlib.suppress(ArchiverError):
            self.policies.notice()
        self.grounds = GroundsStore(vault, self.policies.tokens)

    @property
    def schedule(self) -> Schedule:
        """The schedules that the program brought."""
        return self._schedule

    def of(self, pks: Sequence[int], policy: Policy | None = None) -> dict[int, Verdict]:
        """The verdicts of living messages; disposed ones are left out, unreadable ones are kept.

        By the policy in force, or by another one to see what it would say.
        """
        policy = policy or self.policies.current()
        records = self._records(pks)
        patients, units = self._patients.of_messages(records), self._units.current()
        found = {
            pk: self._judge(record, patients.get(pk, ()), units, policy)
            if record is not None
            else _kept(UNREADABLE)
            for pk, record in records.items()
        }
        return {pk: self._under(policy, verdict) for pk, verdict in found.items()}

    def grounds_of(self, verdict: Verdict) -> Grounds:
        """Why a message is kept, without what is a single patient's."""
        return grounds_of(verdict.result, verdict.facts, self._schedule)

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

    def _judge(self, record: Record, patients: Sequence[Person], units: UnitBook, policy: Policy) -> Verdict:
        clock = _clock_of(self._schedule, policy.default_years)
        said = units.of(participants(record), record.row["captured_us"])
        try:
            facts = tuple(self._facts(record, patients, said, policy))
            found = Verdict(clock.compute(facts), facts)
            return replace(found, units=tuple(dict.fromkeys(one.unit for one in said)))
        except FactsError:
            return _kept(UNUSABLE)

    def _under(self, policy: Policy, verdict: Verdict) -> Verdict:
        """A verdict by the law with the organisation's own terms, and what still waits for counsel."""
        result = extended(verdict.result, verdict.facts, verdict.units, policy.terms, self._schedule)
        waiting = policy.unconfirmed(result, self._schedule)
        return replace(verdict, result=result, unconfirmed=waiting, policy=policy.version)

    def _facts(
        self, record: Record, patients: Sequence[Person], units: Sequence[Said], policy: Policy
    ) -> Iterable[Facts]:
        """One possibility for each patient; the longest wins.

        States are those of the policy, of every unit of the participants, of the patients and of the text;
        provider types those of the policy and the units: whichever gives the longest.
        """
        row = record.row
        places = policy.jurisdictions | {p for p in record.meta["jurisdictions"] if p}
        places |= {state for patient in patients for state in patient.states}
        places |= {state for one in units for state in one.facts.states}
        providers = dict.fromkeys((*policy.providers, *(u.facts.provider for u in units if u.facts.provider)))
        common = Facts(
            record_types=_record_types(record, about_patient=bool(patients)),
            jurisdictions=tuple(sorted(places & frozenset(self._schedule.jurisdictions))) or None,
            provider_type=tuple(providers) if len(providers) > 1 else next(iter(providers), None),
            use_death_alternative="death_alternative" in policy.options or None,
            use_emancipation="emancipation" in policy.options or None,
            anchor=row["anchor"],
            captured_at=from_us(row["captured_us"]).date(),
        )
        for patient in patients:
            yield replace(
                common,
                born=patient.born,
                died=_deaths(patient),
                emancipated_on=_one_or_several(patient.emancipated),
                last_encounter=_perhaps_later(patient.last_encounter, row["anchor"]),
                discharged=_perhaps_later(patient.discharged, row["anchor"]),
            )
        if not patients:
            yield common


def participants(record: Record) -> set[str]:
    """Whose mail a message is: all who sent or received it by its headers or any envelope, and declared
    owners; casefolded."""
    found = {one["address"] for name in ("from", "to", "cc", "bcc") for one in record.meta[name]}
    for delivery in record.deliveries:
        envelope = delivery.detail["envelope"]
        found.update((envelope["sender"], envelope["on_behalf_of"], *delivery.detail["custodians"]))
        for one in envelope["recipients"]:
            found.update((one["address"], one["expanded_from"], one["forwarded_from"]))
    return {address.strip().casefold() for address in found if address}


def _one_or_several(days: tuple[date | None, ...]) -> Dates:
    return days[0] if len(days) == 1 else days


def _deaths(patient: Person) -> Dates:
    """When a patient died, so far as the records agree; that she lives is possible where one says so."""
    died = patient.died
    if died is None or not patient.alive:
        return died
    return (None, *(died if isinstance(died, tuple) else (died,)))


def _record_types(record: Record, *, about_patient: bool) -> tuple[str, ...] | None:
    """All types the classifier found; None, so that the message is kept, where its text couldn't be read.

    Mail about a patient is part of the medical record, whatever its words: so is what carries a record
    number or a patient's address without saying a clinical word, what may hold anything, and what tells of
    images, tests or drugs. What two persons agreed on takes the place of all that; what one person said is
    added.
    """
    types = {str(name) for name, _ in record.meta["record_types"]}
    if record.meta.get("record_types_by") == BY_PERSON:
        besides = record.meta["record_types_besides"]
        if besides is None:
            return tuple(sorted(types))
        types |= {str(name) for name in besides}
    if record.row["parse_failed"]:
        return None
    # By the rules' own types: what is added to them takes nothing away that would be supposed without it.
    rules = {str(name) for name, _ in record.meta.get("record_types_by_rules", record.meta["record_types"])}
    opaque = any(_opaque(part) for part in record.meta["parts"])
    if opaque or (
        rules <= NOT_ABOUT_PATIENTS and (about_patient or not CLINICAL_MARKS.isdisjoint(record.meta["phi"]))
    ):
        types = (types - {CORRESPONDENCE}) | {MEDICAL_RECORD}
    if not REPORTS.isdisjoint(types | rules):
        types.add(MEDICAL_RECORD)
    return tuple(sorted(types)) or (CORRESPONDENCE,)


def _opaque(part: Mapping[str, Any]) -> bool:
    """True for a part we could not read and that may be a document: a scan, a fax, but not a logo."""
    if part["text_status"] in OPAQUE:
        return True
    if part["text_status"] not in NOT_READ or not part["attachment"]:
        return False
    small_picture = str(part["content_type"]).startswith("image/") and part["size"] < SCAN_BYTES
    return not small_picture or part["content_type"] == "image/tiff"


def _perhaps_later(day: date | None, anchor: date) -> Dates:
    """A message about a patient may be of care that the roster doesn't know of yet, or of what it knows: with
    the latter she may have been a minor still."""
    return day if day is None or day >= anchor else (day, anchor)


@lru_cache(maxsize=8)
def _clock_of(schedule: Schedule, default_years: int) -> Clock:
    return Clock(schedule, default_years)


def _kept(missing: str) -> Verdict:
    return Verdict(Result(None, False, None, (), (missing,)), ())


def _plain(facts: Facts) -> dict[str, Any]:
    known = ((field.name, getattr(facts, field.name)) for field in fields(facts))
    return {name: _value(value) for name, value in known if value is not None}


def _value(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_value(one) for one in value]
    return value.isoformat() if isinstance(value, date) else value
