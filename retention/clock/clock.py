"""The disposal clock: facts in, the first day on which disposal is lawful out. Pure; no archive needed.

Every rule that applies is computed and the longest wins; a term is retained through its anniversary and
disposal is lawful on the day after. What can't be said is not said: the missing facts are named instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

from retention.clock.facts import Case, Facts
from retention.clock.plan import Bound, Plan, Planner
from retention.clock.result import Candidate, Duty, Result, conclude
from retention.clock.terms import Answer, ask, ask_default, ask_default_from_entry, duty
from retention.errors import FactsError, RetentionError, UnknownFact
from retention.law.rules import ANY_PROVIDER, FEDERAL
from retention.law.schedules import MEDICAL_RECORD, Schedule

DEFAULT_YEARS: Final = 10
_MEMO: Final = 8192


class Clock:
    """A clock for one schedule and one organisation default (years, 1 to 100), remembering its answers.

    Safe for threads. Raises RetentionError for a default out of range.
    """

    def __init__(self, schedule: Schedule, default_years: int = DEFAULT_YEARS) -> None:
        if not 1 <= default_years <= 100:
            raise RetentionError("the organisation's default must be from 1 to 100 years")
        self.schedule: Final = schedule
        self.default_years: Final = default_years
        self._planner: Final = Planner(schedule)
        self._providers: Final = frozenset((*schedule.provider_types, ANY_PROVIDER))
        self._remembered: Final = lru_cache(maxsize=_MEMO)(self._compute)

    def compute(self, facts: Facts | Sequence[Facts]) -> Result:
        """The disposal date of a message, or why it can't be said; a sequence holds possibilities.

        Raises UnknownFact for a jurisdiction, provider or record type the schedule doesn't know.
        """
        return self._remembered(facts if isinstance(facts, Facts) else tuple(facts))

    def _compute(self, facts: Facts | tuple[Facts, ...]) -> Result:
        possible = (facts,) if isinstance(facts, Facts) else facts
        if not possible:
            raise FactsError("facts: none given; give one object, or a list of possibilities")
        reckoning = _Reckoning(self)
        for one in possible:
            for case in one.cases():
                reckoning.add(case)
        return conclude(
            reckoning.found, reckoning.missing, reckoning.advice, reckoning.duties, reckoning.advice_missing
        )

    def check(self, case: Case) -> None:
        """Raises UnknownFact for a name the schedule doesn't know."""
        for jurisdiction in case.jurisdictions or ():
            if jurisdiction not in self.schedule.jurisdictions:
                raise UnknownFact(
                    f"jurisdictions: unknown name; use {', '.join(self.schedule.jurisdictions)}"
                )
        if case.provider_type is not None and case.provider_type not in self._providers:
            raise UnknownFact(f"provider_type: unknown name; use {', '.join(sorted(self._providers))}")


class _Reckoning:
    """Collects the answers of every rule over every possibility."""

    def __init__(self, clock: Clock) -> None:
        self.clock: Final = clock
        self.planner: Final = clock._planner
        self.found: Final[list[Candidate]] = []
        self.missing: Final[set[str]] = set()
        self.advice: Final[list[Candidate]] = []
        self.advice_missing: Final[set[str]] = set()
        self.duties: Final[list[Duty]] = []

    def add(self, case: Case) -> None:
        """Ask every rule about one case: each record type in each jurisdiction."""
        self.clock.check(case)
        if case.record_types is None:
            self.missing.add("record_types")
        # No record type at all is what the classifier calls correspondence.
        record_types = ("correspondence",) if case.record_types == () else case.record_types or ()
        jurisdictions = _states(case)
        for name in record_types:
            record_type = self.clock.schedule.canonical(name)
            for jurisdiction in jurisdictions:
                self._record_type(jurisdiction, record_type, case)

    def _record_type(self, jurisdiction: str, record_type: str, case: Case) -> None:
        plan = self.planner.plan(jurisdiction, case.provider_type, record_type)
        unsure = self._unsure(plan, case)
        state = self._ask(plan.state, case)
        federal = self._ask(plan.federal, case)
        for rule in plan.duties:
            owed = duty(rule, case)
            if owed is not None:
                self.duties.append(owed)
        for tier in plan.tiers:
            # A part of a record is kept as long as the record itself.
            self._record_type(jurisdiction, tier, case)
        # Federal conditions of participation are floors: only the State says how long a chart is kept, and
        # where it isn't known it may say so of a part of one too.
        chart = record_type == MEDICAL_RECORD
        floor = plan.clinical if not case.jurisdictions else chart and jurisdiction != FEDERAL
        silent = not (unsure or state or (federal and not floor))
        self._advise(plan, case, silent)
        if not silent:
            return
        if chart:
            majority, _ = self.planner.ages(jurisdiction)
            self._take(ask_default(self.clock.default_years, majority, jurisdiction, case))
        elif plan.clinical:
            # A clinical message without a rule of its own is part of the chart.
            self._record_type(jurisdiction, MEDICAL_RECORD, case)
        else:
            self._take(ask_default_from_entry(self.clock.default_years, jurisdiction, record_type, case))

    def _advise(self, plan: Plan, case: Case, silent: bool) -> None:
        """Where the law is silent a recommendation counts beside the default; elsewhere it only advises."""
        if silent or case.follow_recommendations:
            self._ask(plan.stand_ins, case)
        else:
            self._note(plan.stand_ins, case)
        self._note(plan.advice, case)

    def _note(self, rules: Iterable[Bound], case: Case) -> None:
        for bound in rules:
            answer = ask(bound, case)
            if answer is not None:
                self.advice_missing.update(answer.missing)
                if answer.candidate is not None:
                    self.advice.append(answer.candidate)

    def _unsure(self, plan: Plan, case: Case) -> bool:
        if plan.needs_provider:
            self.missing.add("provider_type")
        stateless = plan.needs_state and not case.jurisdictions
        if stateless:
            self.missing.add("jurisdictions")
        return plan.needs_provider or stateless

    def _ask(self, rules: Iterable[Bound], case: Case) -> bool:
        """Ask rules; True if one applied that decides, so that nothing has to stand in for it."""
        applied = False
        for bound in rules:
            answer = ask(bound, case)
            if answer is not None:
                self._take(answer)
                applied = applied or answer.decides
        return applied

    def _take(self, answer: Answer) -> None:
        if answer.candidate is not None:
            self.found.append(answer.candidate)
        self.missing.update(answer.missing)


def compute(
    facts: Facts | Sequence[Facts], schedule: Schedule, *, default_years: int = DEFAULT_YEARS
) -> Result:
    """`Clock(schedule, default_years).compute(facts)`, with the clocks themselves remembered."""
    return _clock(schedule, default_years).compute(facts)


@lru_cache(maxsize=16)
def _clock(schedule: Schedule, default_years: int) -> Clock:
    return Clock(schedule, default_years)


def _states(case: Case) -> tuple[str, ...]:
    """The States to compute for; federal rules bind in each, so `US` beside a State says nothing more."""
    if not case.jurisdictions:
        return (FEDERAL,)
    states = tuple(place for place in case.jurisdictions if place != FEDERAL)
    return states or (FEDERAL,)
