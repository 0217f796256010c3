"""One row of a retention schedule as a typed, immutable rule, and the vocabulary of its columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

JsonValue = str | int | bool | None | list[str]
Combine = Literal[
    "single", "longer_of", "shorter_of", "alternative_on_death", "state_else_federal", "suspends", "none"
]

FEDERAL: Final = "US"
ANY_PROVIDER: Final = "any"
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
VERIFIED: Final = ("two_sources", "one_source", "unverified")
EVENTS: Final = (
    "none",
    "unspecified",
    "creation",
    "transfer",
    "claim_submission",
    "calendar_year_end",
    "last_entry",
    "last_encounter",
    "service_termination",
    "therapy_end",
    "discharge",
    "discharge_or_death",
    "death",
    "majority",
    "later_of_creation_or_last_in_effect",
    "contract_end_or_audit",
    "employment_end",
    "study_end",
    "cost_report_filing",
    "last_refill",
    "discontinuance",
    "program_discontinuance",
    "marketing_approval_or_discontinuance",
    "practitioner_death",
    "case_closure",
    "destruction",
)
AGE_TESTS: Final = ("minor", "everyone")
AGE_SUBJECTS: Final = ("patient", "child")


@dataclass(frozen=True, slots=True)
class Rule:
    """One retention rule. Years are whole years; None means the law prints no such number.

    Term A is the event `runs_from` plus `min_years`; term B is the birthday `minor_until_age`, or
    `age_of_majority` plus `minor_plus_years`. The fields after `note` come from the overlay.
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
    age_subject: str = "patient"
    year_end: bool = False
    second_event: str | None = None
    second_years: int | None = None
    repeat_years: int | None = None
    yields_to_named_provider: bool = False

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

    def to_json(self) -> dict[str, JsonValue]:
        """Every column under its own name, and the rule id; years as numbers, absent ones null."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name in self.__slots__
            for value in (getattr(self, name),)
        }
