"""Which rules are asked for a jurisdiction, a provider and a record type, worked out once and kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from retention.law.rules import ANY_PROVIDER, FEDERAL, Rule
from retention.law.schedules import Schedule


@dataclass(frozen=True, slots=True)
class Bound:
    """A rule with the ages it computes with in one State.

    A person under `minor_age` is a minor to it, one of `adult_age` or more an adult; years past majority
    count from `majority`. An adult rule with no minor twin `covers_minors`: it is the least the State
    says about anybody. A rule that `decides` leaves nothing to the chart's rules or the default.
    `alternatives` are the terms that may replace its own when the patient died. `at_event` tests the age
    at the rule's event only; `emancipation` says that an emancipated minor counts as an adult.
    """

    rule: Rule
    minor_age: int
    adult_age: int
    majority: int
    covers_minors: bool
    decides: bool
    alternatives: tuple[Rule, ...]
    at_event: bool
    emancipation: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """The rules to ask. `needs_provider` and `needs_state` say that unknown facts would add to them.

    `stand_ins` are recommendations that count where nothing binds, `advice` those that only advise.
    `duties` are the rules that ask for destruction, `tiers` the records that a rule's own record type is a
    part of.
    """

    state: tuple[Bound, ...]
    federal: tuple[Bound, ...]
    advice: tuple[Bound, ...]
    stand_ins: tuple[Bound, ...]
    duties: tuple[Rule, ...]
    tiers: tuple[str, ...]
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
        group = () if jurisdiction == FEDERAL else self._numeric(jurisdiction, named, record_type)
        state = tuple(rule for rule in group if not rule.is_advice)
        if any(rule.provider_type == named and named != ANY_PROVIDER for rule in state):
            state = tuple(rule for rule in state if not rule.yields_to_named_provider)
        settling = [rule for rule in state if rule.decides(named, record_type)]
        national = self._numeric(FEDERAL, named, record_type)
        federal = tuple(rule for rule in national if not rule.is_advice and not _gives_way(rule, settling))
        advice = tuple(rule for rule in (*group, *national) if rule.is_advice)
        advisers = self.schedule.advisers(FEDERAL, named, record_type)
        if jurisdiction != FEDERAL:
            advisers += self.schedule.advisers(jurisdiction, named, record_type)

        def bind(rules: tuple[Rule, ...]) -> tuple[Bound, ...]:
            beside = (*group, *national)
            return tuple(self._bind(rule, beside, jurisdiction, named, record_type) for rule in rules)

        return Plan(
            state=bind(state),
            federal=bind(federal),
            advice=bind((*(rule for rule in advice if rule.advice_only), *advisers)),
            stand_ins=bind(tuple(rule for rule in advice if not rule.advice_only)),
            duties=self._duties(jurisdiction, named, record_type),
            tiers=tuple(sorted({rule.tier_of for rule in (*state, *federal) if rule.tier_of})),
            clinical=record_type in self.schedule.clinical,
            needs_provider=self._needs_provider(jurisdiction, provider_type, record_type),
            needs_state=any(
                self._numeric(other, provider_type, record_type) for other in self.schedule.majority
            ),
        )

    def _numeric(self, jurisdiction: str, provider_type: str | None, record_type: str) -> tuple[Rule, ...]:
        # An alternative on death is no rule of its own: it may only replace the term of its siblings.
        return tuple(
            rule
            for rule in self.schedule.find(jurisdiction, provider_type, record_type)
            if (rule.has_number and rule.combine != "alternative_on_death") or rule.combine == "suspends"
        )

    def _duties(self, jurisdiction: str, named: str, record_type: str) -> tuple[Rule, ...]:
        places = (FEDERAL,) if jurisdiction == FEDERAL else (jurisdiction, FEDERAL)
        return tuple(
            rule
            for place in places
            for rule in self.schedule.find(place, named, record_type)
            if rule.destroy_required
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

    def _bind(
        self, rule: Rule, group: tuple[Rule, ...], jurisdiction: str, named: str, record_type: str
    ) -> Bound:
        if rule.also_years is not None and record_type in rule.also_types:
            rule = replace(rule, min_years=rule.also_years)
        oldest, youngest = self.ages(jurisdiction)
        majority = rule.age_of_majority or oldest
        minor_age = rule.applies_if_age_below or majority
        adult_age = rule.age_of_majority or youngest
        twins = [
            other
            for other in group
            if other.population in ("minor", "any")
            and (other.jurisdiction, other.provider_type) == (rule.jurisdiction, rule.provider_type)
        ]
        if rule.population == "adult":
            # A minor twin may test at another age than the State's: nobody may fall between the two rows.
            ages = (other.applies_if_age_below or other.age_of_majority for other in twins)
            adult_age = min((adult_age, *(age for age in ages if age is not None)))
        pair = (rule, *twins) if rule.population == "adult" else (rule,)
        return Bound(
            rule=rule,
            minor_age=minor_age,
            adult_age=adult_age,
            majority=majority,
            covers_minors=rule.minors_open or (rule.population == "adult" and not twins),
            decides=rule.decides(named, record_type) and rule.population != "deceased",
            alternatives=self._alternatives(rule),
            at_event=any(other.age_tested_at == "last_treatment" for other in pair),
            emancipation=any(other.emancipation_ends_minority for other in pair),
        )

    def _alternatives(self, rule: Rule) -> tuple[Rule, ...]:
        return tuple(
            other
            for other in self.schedule.find(rule.jurisdiction, rule.provider_type, rule.record_type)
            if other.combine == "alternative_on_death" and other.provider_type == rule.provider_type
        )


def _gives_way(rule: Rule, settling: Iterable[Rule]) -> bool:
    """Whether a federal rule for where the State has none isn't asked; the one for minors (42 CFR 483.70)
    only where a State's rule speaks of minors."""
    if rule.combine != "state_else_federal":
        return False
    of_minors = rule.population == "minor"
    return any(not of_minors or other.population == "minor" or other.has_age_term for other in settling)
