"""Which rules are asked for a jurisdiction, a provider and a record type, worked out once and kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from retention.law.rules import ANY_PROVIDER, FEDERAL, Rule
from retention.law.schedules import MEDICAL_RECORD, Schedule


@dataclass(frozen=True, slots=True)
class Bound:
    """A rule with the ages it computes with in one State.

    A person under `minor_age` is a minor to it, one of `adult_age` or more an adult. An adult rule with
    no minor twin `covers_minors`: it is the least the State says about anybody.
    """

    rule: Rule
    minor_age: int
    adult_age: int
    covers_minors: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """The rules to ask. `needs_provider` and `needs_state` say that unknown facts would add to them."""

    state: tuple[Bound, ...]
    federal: tuple[Bound, ...]
    clinical: bool
    needs_provider: bool
    needs_state: bool


class Planner:
    """Plans for one schedule, computed on first use. Safe for threads: a plan computed twice is equal."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule: Final = schedule
        self._plans: dict[tuple[str, str | None, str], Plan] = {}

    def plan(self, jurisdiction: str, provider_type: str | None, record_type: str) -> Plan:
        """The plan for one State (or `US` for federal rules only) and a canonical record type."""
        key = (jurisdiction, provider_type, record_type)
        found = self._plans.get(key)
        if found is None:
            found = self._plans[key] = self._make(jurisdiction, provider_type, record_type)
        return found

    def ages(self, jurisdiction: str) -> tuple[int, int]:
        """The age below which one is a minor and the age from which one is an adult.

        They differ only where no State is known: then the oldest and the youngest of all States.
        """
        majority = self.schedule.majority
        if jurisdiction == FEDERAL:
            return max(majority.values()), min(majority.values())
        return majority[jurisdiction], majority[jurisdiction]

    def _make(self, jurisdiction: str, provider_type: str | None, record_type: str) -> Plan:
        named = ANY_PROVIDER if provider_type is None else provider_type
        state = () if jurisdiction == FEDERAL else self._numeric(jurisdiction, named, record_type)
        if any(rule.provider_type == named and named != ANY_PROVIDER for rule in state):
            state = tuple(rule for rule in state if not rule.yields_to_named_provider)
        federal = tuple(
            rule for rule in self._numeric(FEDERAL, named, record_type) if _federal_applies(rule, bool(state))
        )
        return Plan(
            state=tuple(self._bind(rule, state, jurisdiction) for rule in state),
            federal=tuple(self._bind(rule, federal, jurisdiction) for rule in federal),
            clinical=record_type in self.schedule.clinical,
            needs_provider=self._needs_provider(jurisdiction, provider_type, record_type),
            needs_state=any(
                self._numeric(other, provider_type, record_type) for other in self.schedule.majority
            ),
        )

    def _numeric(self, jurisdiction: str, provider_type: str | None, record_type: str) -> tuple[Rule, ...]:
        # A rule that is an alternative on death could only shorten what the others say: never asked.
        return tuple(
            rule
            for rule in self.schedule.find(jurisdiction, provider_type, record_type)
            if (rule.has_number and rule.combine != "alternative_on_death") or rule.combine == "suspends"
        )

    def _needs_provider(self, jurisdiction: str, provider_type: str | None, record_type: str) -> bool:
        if provider_type not in (None, ANY_PROVIDER):
            return False
        # `any`, said outright, is the schedules' own word: only the State's named providers put it in doubt.
        places = (jurisdiction, FEDERAL) if provider_type is None else (jurisdiction,)
        return any(
            rule.provider_type != ANY_PROVIDER
            for place in places
            for rule in self._numeric(place, None, record_type)
        )

    def _bind(self, rule: Rule, group: tuple[Rule, ...], jurisdiction: str) -> Bound:
        minor_age, adult_age = self.ages(jurisdiction)
        if rule.age_of_majority is not None:
            minor_age = adult_age = rule.age_of_majority
        twins = [
            other
            for other in group
            if other.population in ("minor", "any") and other.provider_type == rule.provider_type
        ]
        # A minor twin may test at another age than the State's: nobody may fall between the two rows.
        for twin in twins:
            if rule.population == "adult" and twin.age_of_majority is not None:
                adult_age = min(adult_age, twin.age_of_majority)
        return Bound(rule, minor_age, adult_age, rule.population == "adult" and not twins)


def _federal_applies(rule: Rule, state_has_rules: bool) -> bool:
    if rule.combine == "state_else_federal":
        return not state_has_rules
    # Advice on the whole chart stands in only as the organisation's default.
    return not (rule.record_type == MEDICAL_RECORD and rule.basis == "recommendation")
