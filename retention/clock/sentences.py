"""How the clock explains itself: sentences a records manager can check against a calendar."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from retention.clock.dates import ONE_DAY
from retention.law.words import years

_ENDINGS = {1: "st", 2: "nd", 3: "rd"}


class Term(NamedTuple):
    """One term of a rule: the last day it asks for, what it is, how its day came about where that isn't
    plain, and the other rule it comes from, if any."""

    through: date
    words: str
    remark: str = ""
    rule_id: str = ""


def from_event(count: int, name: str, day: date, through: date) -> Term:
    """So many years from an event."""
    return Term(through, f"{years(count)} from {name} on {day}", _rolled(day, through))


def months_from_event(count: int, name: str, day: date, through: date) -> Term:
    """So many months from an event."""
    return Term(through, f"{count} months from {name} on {day}")


def birthday(age: int, born: date, through: date, whose: str) -> Term:
    """Until a birthday."""
    return Term(through, f"until the {whose}'s {ordinal(age)} birthday", _rolled(born, through))


def past_majority(majority: int, count: int, born: date, through: date, whose: str) -> Term:
    """Until a birthday so many years past the age of majority."""
    age = ordinal(majority + count)
    words = f"until {years(count)} after majority at {majority}, the {whose}'s {age} birthday"
    return Term(through, words, _rolled(born, through))


def ordinal(number: int) -> str:
    """`21st`, `22nd`, `13th`."""
    ending = "th" if number % 100 in (11, 12, 13) else _ENDINGS.get(number % 10, "th")
    return f"{number}{ending}"


def joined(terms: Sequence[Term], *, shortest: bool = False) -> str:
    """The terms of one rule, and which of them counts."""
    if len(terms) == 1:
        return f"kept {terms[0].words}, through {terms[0].through}{terms[0].remark}"
    listed = ", or ".join(f"{term.words} ({term.through}{term.remark})" for term in terms)
    return f"kept {listed}; the {'earlier' if shortest else 'later'} counts"


def sentence(
    words: str, last: date | None, computed: date | None, *, advised: bool = False, of_care: bool = False
) -> str:
    """The whole explanation: the terms, the entry as the earliest end, and the first lawful day.

    `of_care`: the terms run from the patient's care, and the entry may be of later care than they know.
    """
    text = words[0].upper() + words[1:]
    if last is None:
        return f"{text}."
    if computed is not None and last > computed:
        text += f"; never before the entry itself, dated {last}"
        if of_care:
            text += " (if that is of later care, give its day as another possibility)"
    if advised:
        return f"{text}; advised, not required. Disposal is advised from {last + ONE_DAY} only."
    return f"{text}. Disposal is lawful from {last + ONE_DAY}."


def _rolled(day: date, through: date) -> str:
    if (day.month, day.day) == (2, 29) and through.month == 3:
        return ", as 29 February counts as 1 March in a common year"
    return ""
