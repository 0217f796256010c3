"""One row of a retention schedule as a typed, immutable rule, and the vocabulary of its columns."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Final, Literal

JsonValue = str | int | bool | None | list[str] | list[dict[str, str | int | None]]
Combine = Literal[
    "single", "longer_of", "shorter_of", "alternative_on_death", "state_else_federal", "suspends", "none"
]

FEDERAL: Final = "US"
ANY_PROVIDER: Final = "any"
EMPLOYER: Final = "employer"
POPULATIONS: Final = ("any", "adult", "minor", "deceased", "incompetent")
COMBINES: Final = (
    "single",
    "longer_of",
    "shorter_of",
    "alternative_on_death",
    "state_else_federal",
    "suspends",
    "none",
)
BASES: Final = ("statute", "regulation", "board_policy", "recommendation", "none")
ADVICE: Final = "recommendation"
VERIFIED: Final = ("two_sources", "one_source", "unverified")
ENTRY_EVENTS: Final = ("creation", "transfer", "claim_submission", "calendar_year_end")
"""Events of the entry itself: each entry has a clock of its own."""
PATIENT_EVENTS: Final = (
    "unspecified",
    "last_entry",
    "last_encounter",
    "service_termination",
    "therapy_end",
    "discharge",
    "discharge_or_death",
    "death",
    "majority",
    "last_refill",
    "case_closure",
)
"""Events of the patient: what happens later moves the clock of all earlier entries."""
OTHER_EVENTS: Final = (
    "none",
    "later_of_creation_or_last_in_effect",
    "contract_end_or_audit",
    "employment_end",
    "study_end",
    "cost_report_filing",
    "discontinuance",
    "program_discontinuance",
    "marketing_approval_or_discontinuance",
    "practitioner_death",
    "destruction",
    "practice_closure",
    "proceedings_end",
    "product_expiry",
)
EVENTS: Final = (*ENTRY_EVENTS, *PATIENT_EVENTS, *OTHER_EVENTS)
AGE_TESTS: Final = ("minor", "everyone")
AGES_TESTED_AT: Final = ("creation", "last_treatment", "destruction")
AGE_SUBJECTS: Final = ("patient", "child")
KIND_OF: Final = MappingProxyType(
    {"critical_access_hospital": "hospital", "psychiatric_hospital": "hospital"}
)
"""Provider types that are a kind of another: its rules may bind them, beside what counts without them."""


@dataclass(frozen=True, slots=True)
class OverlayLine:
    """What the overlay says of a rule: a field, its value, the law it stands on, and why."""

    field: str
    value: str
    citation: str
    why: str


@dataclass(frozen=True, slots=True)
class FormerVersion:
    """The terms of a rule before it was changed; they bind what was created through `effective_to`."""

    effective_to: date
    min_years: int | None
    runs_from: str
    minor_until_age: int | None
    minor_plus_years: int | None
    citation: str
    note: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One retention rule. Years are whole years; None means the law prints no such number.

    Term A is the event `runs_from` plus `min_years`; term B is the birthday `minor_until_age`, or
    `age_of_majority` plus `minor_plus_years`. The fields after `note` come from the overlay; what each
    means to the clock is told in docs/retention-law.md. `digest` (SHA-256, hex) covers all of the rule,
    its overlay and its former versions; `version` is the edition of the data and the digest's start.
    """

    rule_id: str
    jurisdiction: str
    provider_type: str
    record_type: str
    population: str
    min_years: int | None
    runs_from: str
    minor_until_age: int | None
    minor_plus_years: int | None
    age_of_majority: int | None
    combine: str
    permanent: bool
    basis: str
    citation: str
    source_urls: tuple[str, ...]
    verified: str
    note: str
    age_test: str = "minor"
    age_tested_at: str | None = None
    applies_if_age_below: int | None = None
    age_subject: str = "patient"
    year_end: bool = False
    second_event: str | None = None
    second_years: int | None = None
    second_months: int | None = None
    repeat_years: int | None = None
    max_years_cap: int | None = None
    cap_from: str | None = None
    destroy_required: bool = False
    disability_plus_years: int | None = None
    disability_permanent: bool = False
    death_alternative_years: int | None = None
    death_ends_minority: bool = False
    discharged_at_death: bool = False
    emancipation_ends_minority: bool = False
    contact_includes_entry: bool = False
    tier_of: str | None = None
    yields_to_named_provider: bool = False
    also_providers: tuple[str, ...] = ()
    also_types: tuple[str, ...] = ()
    also_years: int | None = None
    doubtful_for: tuple[str, ...] = ()
    never_alone: bool = False
    minors_open: bool = False
    advice_only: bool = False
    advises_also: tuple[str, ...] = ()
    condition: str | None = None
    notice_to: str | None = None
    notice_before_destruction_days: int | None = None
    effective_from: date | None = None
    effective_to: date | None = None
    events_from: date | None = None
    overlay: tuple[OverlayLine, ...] = ()
    former: tuple[FormerVersion, ...] = ()
    digest: str = ""
    version: str = ""

    @property
    def has_age_term(self) -> bool:
        """Whether the rule has a term B."""
        return self.minor_until_age is not None or self.minor_plus_years is not None

    @property
    def has_number(self) -> bool:
        """Whether the rule yields a date or permanence; `none` and `suspends` rows don't."""
        if self.permanent:
            return True
        if self.combine in ("none", "suspends") or self.basis == "none":
            return False
        return self.min_years is not None or self.has_age_term

    @property
    def is_advice(self) -> bool:
        """Whether nobody is bound by it: a recommendation, or a row that states no duty."""
        return self.basis == ADVICE or self.advice_only

    @property
    def binds_every_age(self) -> bool:
        """Whether the term by age counts for every patient, whatever the age when treated."""
        return self.age_test == "everyone" or self.age_tested_at == "destruction"

    @property
    def clock_level(self) -> str:
        """`entry`: each entry has its own clock. `patient`: what the patient does later moves it.
        `event`: it waits for something else, like the end of a contract. `none`: no clock at all."""
        if self.permanent or not self.has_number:
            return "none"
        if self.runs_from in ENTRY_EVENTS:
            return "entry"
        return "patient" if self.runs_from in PATIENT_EVENTS or self.has_age_term else "event"

    def binds_provider(self, provider_type: str) -> bool:
        """Whether the rule speaks of this provider type, of any, of what it is a kind of, or of employers:
        each of them is one."""
        named = (provider_type, KIND_OF.get(provider_type), EMPLOYER, ANY_PROVIDER)
        return not {self.provider_type, *self.also_providers}.isdisjoint(named)

    def decides(self, provider_type: str, record_type: str) -> bool:
        """Whether nothing has to stand beside the rule where it binds this provider and record type."""
        if self.never_alone or provider_type in self.doubtful_for or record_type != self.record_type:
            return False
        return self.provider_type in (provider_type, ANY_PROVIDER) or provider_type in self.also_providers

    def to_json(self) -> dict[str, JsonValue]:
        """Every column under its own name, and the rule id; years as numbers, absent ones null."""
        document = {name: _plain(getattr(self, name)) for name in self.__slots__}
        return document | {"clock_level": self.clock_level}


def digest_of(rule: Rule, majority: int | None) -> str:
    """SHA-256 (hex) of a rule's canonical data: sorted JSON of all that it says.

    Blank fields are left out, so that a column added later changes no digest of a row without it.
    `majority` is the State's age where the rule prints none of its own (None for federal rules).
    """
    unsaid: tuple[JsonValue, ...] = (None, False, "", [])
    document: dict[str, object] = {
        name: value
        for name, value in rule.to_json().items()
        if name not in ("digest", "version", "clock_level") and value not in unsaid
    }
    if rule.age_of_majority is None and (rule.has_age_term or rule.population in ("adult", "minor")):
        document["majority"] = majority
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: object) -> JsonValue:
    if isinstance(value, date):
        return value.isoformat()
    if not isinstance(value, tuple):
        assert value is None or isinstance(value, (str, int, bool))
        return value
    if value and isinstance(value[0], (OverlayLine, FormerVersion)):
        return [{name: _cell(getattr(item, name)) for name in item.__slots__} for item in value]
    return [str(item) for item in value]


def _cell(value: object) -> str | int | None:
    return value if value is None or isinstance(value, int) else str(value)
