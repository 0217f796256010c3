"""The organisation's own terms: further candidates beside the law's, so that they can only lengthen. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date
from typing import Any, Final

from retention.clock.dates import ONE_DAY, add_years
from retention.clock.facts import Facts
from retention.clock.result import Candidate, Result
from retention.law.schedules import Schedule
from retention.policy.errors import BadPolicy

OWN_BASIS: Final = "organisation_policy"
MAX_YEARS: Final = 100
VALUES: Final = ("years", "plus_years", "not_before", "recommendations", "permanent")
_FIRST, _LAST = date(1990, 1, 1), date(2300, 1, 1)
_PLACE: Final = re.compile(r"[A-Z]{2}", re.ASCII)
_UNIT: Final = re.compile(r"[a-z][a-z2-7]{15,31}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Scope:
    """Which messages a term is for: all that it says must hold; a scope that says nothing is everything."""

    record_type: str | None = None
    state: str | None = None
    provider: str | None = None
    unit: str | None = None

    def to_json(self) -> dict[str, str]:
        """What it says, by name."""
        said = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: value for name, value in said if value is not None}

    def words(self) -> str:
        """The scope in words."""
        said = [
            value.replace("_", " ")
            if name in ("record_type", "state")
            else f"{name} {value.replace('_', ' ')}"
            for name, value in self.to_json().items()
        ]
        return ", ".join(said) or "everything"


@dataclass(frozen=True, slots=True)
class OwnTerm:
    """One own term. Exactly one of the five is said.

    `years` from the entry or the last contact known, the later; `plus_years` beyond what the law asks;
    `not_before`, the first day on which disposal may be thought of; `recommendations`, so that what is only
    recommended counts as well; `permanent`.
    """

    id: str
    scope: Scope
    years: int | None = None
    plus_years: int | None = None
    not_before: date | None = None
    recommendations: bool = False
    permanent: bool = False

    def to_json(self) -> dict[str, Any]:
        """The term as plain data."""
        return {"scope": self.scope.to_json(), **self.value_json()}

    def value_json(self) -> dict[str, Any]:
        """What it asks, without the scope."""
        if self.permanent:
            return {"permanent": True}
        if self.recommendations:
            return {"recommendations": True}
        if self.not_before is not None:
            return {"not_before": self.not_before.isoformat()}
        if self.plus_years is not None:
            return {"plus_years": self.plus_years}
        return {"years": self.years}

    def words(self) -> str:
        """What it asks, in words."""
        if self.permanent:
            return "kept permanently"
        if self.recommendations:
            return "as long as is recommended"
        if self.not_before is not None:
            return f"not before {self.not_before}"
        if self.plus_years is not None:
            return f"{_years(self.plus_years)} more than the law asks"
        return f"{_years(self.years or 0)} from the entry or the last contact"

    def at_least(self, other: OwnTerm) -> bool:
        """True when this term keeps every message of its scope as long as the other one would."""
        if self.scope != other.scope:
            return False
        if self.permanent or self.value_json() == other.value_json():
            return True
        for name in ("years", "plus_years", "not_before"):
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine is not None and theirs is not None:
                return bool(mine >= theirs)
        return False

    def candidate(self, law: Result, facts: Sequence[Facts]) -> Candidate | None:
        """Its answer beside the law's; None where it hangs on what isn't known, and so nothing may go."""
        if self.permanent:
            return self._answer(None, "kept permanently, as the organisation wants")
        if self.recommendations:
            return self._advised(law)
        if self.not_before is not None:
            return self._answer(self.not_before - ONE_DAY, f"not before {self.not_before}")
        if self.plus_years is not None:
            if law.disposal_date is None:
                return None
            last = law.disposal_date - ONE_DAY
            through = add_years(last, self.plus_years)
            return self._answer(through, f"{_years(self.plus_years)} after the law's own end, {last}")
        start = _latest(facts)
        if start is None or self.years is None:
            return None
        through = add_years(start, self.years)
        return self._answer(through, f"{_years(self.years)} from the entry or the last contact, {start}")

    def _advised(self, law: Result) -> Candidate | None:
        latest = law.advice[0] if law.advice else None
        if latest is None:
            return None
        return self._answer(latest.retain_through, f"as {latest.rule_id} recommends ({latest.citation})")

    def _answer(self, through: date | None, words: str) -> Candidate:
        day = through + ONE_DAY if through is not None else None
        return Candidate(
            rule_id=f"OWN-{self.id}",
            jurisdiction=self.scope.state or "",
            record_type=self.scope.record_type or "",
            date=day,
            retain_through=through,
            citation="the organisation's own term",
            explanation=f"{words}; disposal by own policy from {day}" if day else words,
            basis=OWN_BASIS,
            verified="not_applicable",
        )


def read_term(entry_id: str, document: Mapping[str, Any], schedule: Schedule) -> OwnTerm:
    """A term from plain data: `{scope, years}`, or another of the four. Raises BadPolicy."""
    scope = _read_scope(document.get("scope") or {}, schedule)
    given = {name: document.get(name) for name in VALUES}
    said = {name: value for name, value in given.items() if value is not None and value is not False}
    if len(said) != 1:
        raise BadPolicy("a term says one thing: years, plus years, not before, recommendations or permanent")
    ((name, value),) = said.items()
    if name in ("permanent", "recommendations"):
        if value is not True:
            raise BadPolicy(f"{name}: must be true or left out")
        return OwnTerm(entry_id, scope, permanent=name == "permanent", recommendations=name != "permanent")
    if name == "not_before":
        return OwnTerm(entry_id, scope, not_before=_read_day(value))
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_YEARS:
        raise BadPolicy(f"{name.replace('_', ' ')}: must be a whole number from 1 to {MAX_YEARS}")
    return (
        OwnTerm(entry_id, scope, years=value)
        if name == "years"
        else OwnTerm(entry_id, scope, plus_years=value)
    )


def extended(
    law: Result,
    facts: Sequence[Facts],
    units: Collection[str],
    terms: Iterable[OwnTerm],
    schedule: Schedule,
) -> Result:
    """The law's result with the own terms that apply. Never earlier than the law's, never less permanent.

    Where what is recommended counts, a fact that a recommendation lacks is missing like one that a law lacks.
    """
    chosen = [term for term in terms if _applies(term.scope, law, facts, units, schedule)]
    added = [answer for term in chosen if (answer := term.candidate(law, facts)) is not None]
    if law.advice_missing and not law.permanent and any(term.recommendations for term in chosen):
        missing = tuple(sorted({*law.missing, *law.advice_missing}))
        law = replace(law, disposal_date=None, governing=None, missing=missing)
    if not added:
        return law
    longest = max(added, key=lambda one: (one.date or date.max, one.rule_id))
    both = (*law.candidates, *added)
    candidates = tuple(sorted(both, key=lambda one: -(one.date or date.max).toordinal()))
    law = replace(law, candidates=candidates)
    if law.permanent:
        return law
    if longest.date is None:
        return replace(law, disposal_date=None, permanent=True, governing=longest, missing=())
    if law.disposal_date is None or law.disposal_date >= longest.date:
        return law
    return replace(law, disposal_date=longest.date, governing=longest)


def _applies(
    scope: Scope, law: Result, facts: Sequence[Facts], units: Collection[str], schedule: Schedule
) -> bool:
    """True unless the facts, or any possibility of them, say that the scope isn't this message's."""
    return (
        (scope.unit is None or scope.unit in units)
        and (scope.record_type is None or _of_type(scope.record_type, law, facts, schedule))
        and (scope.state is None or _of_state(scope.state, law, facts))
        and (scope.provider is None or _of_provider(scope.provider, facts))
    )


def _of_type(wanted: str, law: Result, facts: Sequence[Facts], schedule: Schedule) -> bool:
    if any(one.record_type == wanted for one in law.candidates):
        return True
    return any(
        one.record_types is None or wanted in map(schedule.canonical, one.record_types) for one in facts
    )


def _of_state(wanted: str, law: Result, facts: Sequence[Facts]) -> bool:
    if any(one.jurisdiction == wanted for one in law.candidates):
        return True
    return any(not one.jurisdictions or wanted in one.jurisdictions for one in facts)


def _of_provider(wanted: str, facts: Sequence[Facts]) -> bool:
    for one in facts:
        known = one.provider_type if isinstance(one.provider_type, tuple) else (one.provider_type,)
        if any(kind in (None, wanted) for kind in known):
            return True
    return False


def _latest(facts: Sequence[Facts]) -> date | None:
    """The latest day on which anything is known to have happened to the record, over every possibility."""
    days: list[date] = []
    for one in facts:
        for value in (
            one.anchor,
            one.captured_at if one.anchor is None else None,
            one.last_encounter,
            one.discharged,
        ):
            many = value if isinstance(value, tuple) else (value,)
            days += [day for day in many if day is not None]
    return max(days, default=None)


def _read_scope(document: Mapping[str, Any], schedule: Schedule) -> Scope:
    known = {field.name for field in fields(Scope)}
    if not isinstance(document, Mapping) or not set(document) <= known:
        raise BadPolicy("a term is for a record type, a State, a provider type, a unit, or everything")
    said = {name: str(value).strip() for name, value in document.items() if value not in (None, "")}
    if "record_type" in said:
        said["record_type"] = schedule.canonical(said["record_type"])
    if "state" in said:
        said["state"] = said["state"].upper()
        if not _PLACE.fullmatch(said["state"]) or said["state"] not in schedule.jurisdictions[1:]:
            raise BadPolicy("state: unknown; use a postal code of two letters, like CA")
    if "provider" in said and said["provider"] not in schedule.provider_types:
        raise BadPolicy(f"provider: unknown; use one of {', '.join(schedule.provider_types)}")
    if "unit" in said and not _UNIT.fullmatch(said["unit"]):
        raise BadPolicy("unit: give its id; `holdfast unit list` shows them")
    return Scope(**said)


def _read_day(value: object) -> date:
    try:
        day = value if isinstance(value, date) else date.fromisoformat(str(value))
    except ValueError:
        raise BadPolicy("not before: must be a day like 2040-01-01") from None
    if not _FIRST <= day <= _LAST:
        raise BadPolicy(f"not before: must be a day from {_FIRST.year} to {_LAST.year}")
    return day


def _years(count: int) -> str:
    return "1 year" if count == 1 else f"{count} years"
