"""What the clock answers: the disposal date, the rule that governs it, and the trace of all the others."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

ORG_DEFAULT = "ORG-default"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One rule's answer. `date` is the first day on which disposal is lawful, None where it never is.

    `retain_through` is the last day of the term. `condition` and `notice` repeat what the rule says beside
    its term. `rests_on` names the other rules it took its term from: they need confirming too. Dates and
    explanation follow from a patient's birth: treat them as patient information.
    """

    rule_id: str
    jurisdiction: str
    record_type: str
    date: datetime.date | None
    retain_through: datetime.date | None
    citation: str
    explanation: str
    basis: str
    verified: str
    condition: str | None = None
    notice: str | None = None
    rests_on: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes two answers answers of the same rule."""
        return self.rule_id, self.jurisdiction, self.record_type

    def to_json(self) -> dict[str, Any]:
        """As `retention compute --json` prints it; condition and notice only where the rule has them."""
        document: dict[str, Any] = {
            "rule_id": self.rule_id,
            "jurisdiction": self.jurisdiction,
            "record_type": self.record_type,
            "date": self.date.isoformat() if self.date else None,
            "retain_through": self.retain_through.isoformat() if self.retain_through else None,
            "citation": self.citation,
            "explanation": self.explanation,
            "basis": self.basis,
            "verified": self.verified,
        }
        if self.condition:
            document["condition"] = self.condition
        if self.notice:
            document["notice"] = self.notice
        if self.rests_on:
            document["rests_on"] = list(self.rests_on)
        return document


@dataclass(frozen=True, slots=True)
class Duty:
    """A duty to destroy by `date` (the last day the law allows). It destroys nothing by itself, and yields
    to every longer rule and to every hold."""

    rule_id: str
    jurisdiction: str
    record_type: str
    date: datetime.date
    citation: str
    explanation: str
    condition: str | None = None

    def to_json(self) -> dict[str, Any]:
        document: dict[str, Any] = {
            "rule_id": self.rule_id,
            "jurisdiction": self.jurisdiction,
            "record_type": self.record_type,
            "date": self.date.isoformat(),
            "citation": self.citation,
            "explanation": self.explanation,
        }
        if self.condition:
            document["condition"] = self.condition
        return document


@dataclass(frozen=True, slots=True)
class Result:
    """`disposal_date` is None when `permanent`, or when `missing` facts keep it from being said.

    `candidates` are sorted latest first, permanent ones before all; `governing` is the first of them
    unless something is missing. `advice` are answers of recommendations, which set no date, and
    `advice_missing` the facts that others lack; `destroy_by` is the earliest duty to destroy, if a rule has
    one.
    """

    disposal_date: datetime.date | None
    permanent: bool
    governing: Candidate | None
    candidates: tuple[Candidate, ...]
    missing: tuple[str, ...]
    advice: tuple[Candidate, ...] = ()
    destroy_by: Duty | None = None
    advice_missing: tuple[str, ...] = ()

    @property
    def advised_date(self) -> datetime.date | None:
        """The day from which disposal is advised: the latest of the advice, where that is after the law's."""
        if self.disposal_date is None or not self.advice:
            return None
        latest = self.advice[0].date
        return latest if latest is not None and latest > self.disposal_date else None

    def to_json(self) -> dict[str, Any]:
        """The document `retention compute --json` prints; `missing`, `advice` and `destroy_by` only where
        there is something to say."""
        document: dict[str, Any] = {
            "disposal_date": self.disposal_date.isoformat() if self.disposal_date else None,
            "permanent": self.permanent,
            "governing": self.governing.to_json() if self.governing else None,
            "candidates": [candidate.to_json() for candidate in self.candidates],
        }
        if self.missing:
            document["missing"] = list(self.missing)
        if self.advice:
            document["advice"] = [candidate.to_json() for candidate in self.advice]
            advised = self.advised_date
            document["advised_date"] = advised.isoformat() if advised else None
        if self.destroy_by:
            document["destroy_by"] = self.destroy_by.to_json()
        return document


def conclude(
    found: Iterable[Candidate],
    missing: Iterable[str],
    advice: Iterable[Candidate] = (),
    duties: Iterable[Duty] = (),
    advice_missing: Iterable[str] = (),
) -> Result:
    """The longest wins: permanence first, then a missing fact, then the latest date.

    Of several answers by one rule (other possibilities, other States) the latest stays. Of duties to
    destroy the earliest counts, each at the latest of its possibilities.
    """
    candidates = _latest(found)
    advised = _latest(advice)
    names = tuple(sorted(set(missing)))
    day: datetime.date | None = None
    governing: Candidate | None = None
    permanent = bool(candidates) and candidates[0].date is None
    if permanent:
        governing, names = candidates[0], ()
    elif candidates and not names:
        governing = candidates[0]
        day = governing.date
    unadvised = tuple(sorted(set(advice_missing)))
    return Result(day, permanent, governing, candidates, names, advised, _earliest(duties, day), unadvised)


def _latest(found: Iterable[Candidate]) -> tuple[Candidate, ...]:
    latest: dict[tuple[str, str, str], Candidate] = {}
    for candidate in found:
        other = latest.get(candidate.key)
        if other is None or _order(candidate) < _order(other):
            latest[candidate.key] = candidate
    return tuple(sorted(latest.values(), key=_order))


def _earliest(duties: Iterable[Duty], disposal: datetime.date | None) -> Duty | None:
    latest: dict[tuple[str, str, str], Duty] = {}
    for duty in duties:
        key = duty.rule_id, duty.jurisdiction, duty.record_type
        if key not in latest or duty.date > latest[key].date:
            latest[key] = duty
    if not latest:
        return None
    first = min(latest.values(), key=lambda duty: (duty.date, duty.rule_id, duty.record_type))
    if disposal is None or disposal > first.date:
        return replace(first, explanation=f"{first.explanation} Another rule keeps it longer, and that wins.")
    return first


def _order(candidate: Candidate) -> tuple[int, int, str, str, str, str]:
    day = candidate.date.toordinal() if candidate.date else datetime.date.max.toordinal() + 1
    rank = 2 if candidate.rule_id == ORG_DEFAULT else 1 if candidate.jurisdiction == "US" else 0
    return -day, rank, candidate.rule_id, candidate.jurisdiction, candidate.record_type, candidate.explanation
