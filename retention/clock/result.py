"""What the clock answers: the disposal date, the rule that governs it, and the trace of all the others."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

ORG_DEFAULT = "ORG-default"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One rule's answer. `date` is the first day on which disposal is lawful, None where it never is.

    `retain_through` is the last day of the term. Dates and explanation follow from a patient's birth:
    treat them as patient information.
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

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes two answers answers of the same rule."""
        return self.rule_id, self.jurisdiction, self.record_type

    def to_json(self) -> dict[str, Any]:
        return {
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


@dataclass(frozen=True, slots=True)
class Result:
    """`disposal_date` is None when `permanent`, or when `missing` facts keep it from being said.

    `candidates` are sorted latest first, permanent ones before all; `governing` is the first of them
    unless something is missing.
    """

    disposal_date: datetime.date | None
    permanent: bool
    governing: Candidate | None
    candidates: tuple[Candidate, ...]
    missing: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The document `retention compute --json` prints; `missing` only when something is."""
        document: dict[str, Any] = {
            "disposal_date": self.disposal_date.isoformat() if self.disposal_date else None,
            "permanent": self.permanent,
            "governing": self.governing.to_json() if self.governing else None,
            "candidates": [candidate.to_json() for candidate in self.candidates],
        }
        if self.missing:
            document["missing"] = list(self.missing)
        return document


def conclude(found: Iterable[Candidate], missing: Iterable[str]) -> Result:
    """The longest wins: permanence first, then a missing fact, then the latest date.

    Of several answers by one rule (other possibilities, other States) the latest stays.
    """
    latest: dict[tuple[str, str, str], Candidate] = {}
    for candidate in found:
        other = latest.get(candidate.key)
        if other is None or _order(candidate) < _order(other):
            latest[candidate.key] = candidate
    candidates = tuple(sorted(latest.values(), key=_order))
    names = tuple(sorted(set(missing)))
    if candidates and candidates[0].date is None:
        return Result(None, True, candidates[0], candidates, ())
    if names or not candidates:
        return Result(None, False, None, candidates, names)
    return Result(candidates[0].date, False, candidates[0], candidates, ())


def _order(candidate: Candidate) -> tuple[int, int, str, str, str, str]:
    day = candidate.date.toordinal() if candidate.date else datetime.date.max.toordinal() + 1
    rank = 2 if candidate.rule_id == ORG_DEFAULT else 1 if candidate.jurisdiction == "US" else 0
    return -day, rank, candidate.rule_id, candidate.jurisdiction, candidate.record_type, candidate.explanation
