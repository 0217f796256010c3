"""One rule applied to one case: the date it gives, the fact it lacks, or nothing because it doesn't apply."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

from retention.clock.dates import ONE_DAY, add_years, is_under, year_end
from retention.clock.events import Event, event_of
from retention.clock.facts import Case
from retention.clock.plan import Bound
from retention.clock.result import ORG_DEFAULT, Candidate
from retention.law.rules import Rule


@dataclass(frozen=True, slots=True)
class Answer:
    """A rule that applies: its candidate, or the names of the facts it lacks.

    `decides` is False for a rule that only adds to the others (on death, or an adult rule standing in
    for a minor's): the chart's rules or the default are still asked.
    """

    candidate: Candidate | None
    missing: tuple[str, ...] = ()
    decides: bool = True


@dataclass(frozen=True, slots=True)
class _Term:
    through: date
    words: str


def ask(bound: Bound, case: Case) -> Answer | None:
    """Apply a rule. None when it doesn't bind this patient (an adult rule and a minor, no death, ...)."""
    rule = bound.rule
    if rule.combine == "suspends":
        return _suspended(rule, case)
    if rule.population == "deceased" and case.dates["died"] is None:
        return None
    if rule.population == "incompetent" and not case.incompetent:
        return None
    if rule.permanent:
        return Answer(_candidate(rule, None, "kept permanently: the rule sets no end"))
    event = event_of(rule.runs_from, case)
    born, unborn = _born(rule, case)
    by_age = rule.has_age_term
    decides = rule.population != "deceased"
    if rule.age_test != "everyone":
        if born is not None:
            under, adult = _stages(bound, born, event, case)
            if rule.population == "minor" and not under:
                return None
            if rule.population == "adult" and not adult and not bound.covers_minors:
                return None
            by_age = by_age and under
            decides = decides and not (under and bound.covers_minors)
        elif rule.population == "minor" or bound.covers_minors:
            return Answer(None, (unborn,))
    answer = _combine(bound, case, event, born if by_age else None, unborn if by_age else "")
    return answer if decides or answer is None else replace(answer, decides=False)


def ask_default(years: int, majority: int, jurisdiction: str, case: Case) -> Answer:
    """The organisation's default for a chart the State has no number for.

    `years` from the last encounter; for a minor at the entry or the encounter not before `majority`
    plus `years`.
    """
    event = event_of("last_encounter", case)
    born = case.dates["born"]
    lacking = [name for name, known in ((event.missing, event.day), ("born", born)) if known is None and name]
    if event.day is None or born is None:
        return Answer(None, tuple(lacking))
    terms = [_from_event(years, event.name, event.day)]
    if is_under(majority, born, min(event.day, case.anchor or event.day)):
        terms.append(_at_age(majority, years, born))
    return Answer(_default("medical_record", jurisdiction, case, terms))


def ask_default_from_entry(years: int, jurisdiction: str, record_type: str, case: Case) -> Answer:
    """The organisation's default for mail that is no chart: `years` from the entry's own date."""
    if case.anchor is None:
        return Answer(None, ("anchor",))
    terms = [_from_event(years, "creation", case.anchor)]
    return Answer(_default(record_type, jurisdiction, case, terms))


def _combine(bound: Bound, case: Case, event: Event, born: date | None, unborn: str) -> Answer | None:
    rule = bound.rule
    terms: list[_Term] = []
    missing: list[str] = []
    if rule.min_years is not None:
        if event.day is not None:
            terms.append(_from_event(_years(rule, case), event.name, event.day))
        elif event.missing:
            missing.append(event.missing)
        else:
            return None
    if born is not None:
        terms.append(_age_term(bound, born))
    elif unborn:
        missing.append(unborn)
    if rule.second_event is not None and rule.second_years is not None:
        second = event_of(rule.second_event, case)
        if second.day is not None:
            terms.append(_from_event(rule.second_years, second.name, second.day))
        elif second.missing:
            missing.append(second.missing)
    if missing:
        return Answer(None, tuple(missing))
    if not terms:
        return None
    shortest = rule.combine == "shorter_of"
    pick = min if shortest else max
    through = pick(term.through for term in terms)
    words = "; ".join(term.words for term in terms)
    if len(terms) > 1:
        words += "; the earlier counts" if shortest else "; the later counts"
    return Answer(_candidate(rule, _not_before_entry(through, case), words, through))


def _born(rule: Rule, case: Case) -> tuple[date | None, str]:
    """The birth a term by age counts from, and the fact's name.

    The patient of an obstetric record is the mother unless the patient was born about when it was
    made; the child's birth is then a fact of its own.
    """
    born = case.dates["born"]
    if rule.age_subject == "patient":
        return born, "born"
    child = case.dates["child_born"]
    if child is not None:
        return child, "child_born"
    if born is not None and case.anchor is not None and case.anchor < add_years(born, 1):
        return born, "child_born"
    return None, "child_born"


def _stages(bound: Bound, born: date, event: Event, case: Case) -> tuple[bool, bool]:
    """Whether the patient was a minor, and whether an adult, at the entry or at the rule's event.

    A rule that runs from no event looks at the discharge and the last encounter too. With no date at
    all both are true: what is uncertain is kept.
    """
    days = [case.anchor, event.day]
    if bound.rule.runs_from in ("none", "majority"):
        days += [case.dates["discharged"], case.dates["last_encounter"]]
    known = [day for day in days if day is not None]
    if not known:
        return True, True
    return is_under(bound.minor_age, born, min(known)), not is_under(bound.adult_age, born, max(known))


def _years(rule: Rule, case: Case) -> int:
    years = rule.min_years or 0
    again = case.dates["later_mammogram"]
    if rule.repeat_years is None or again is None or case.anchor is None:
        return years
    if case.anchor < again <= add_years(case.anchor, rule.repeat_years):
        return rule.repeat_years
    return years


def _from_event(years: int, name: str, day: date) -> _Term:
    through = add_years(day, years)
    return _Term(through, f"{_count(years)} from {name} {day} = {through}")


def _age_term(bound: Bound, born: date) -> _Term:
    rule = bound.rule
    if rule.minor_until_age is not None:
        through = add_years(born, rule.minor_until_age)
        return _Term(through, f"birthday at age {rule.minor_until_age} = {through}")
    term = _at_age(bound.minor_age, rule.minor_plus_years or 0, born)
    if rule.year_end:
        through = year_end(term.through)
        return _Term(through, f"{term.words}, to the end of that year = {through}")
    return term


def _at_age(majority: int, years: int, born: date) -> _Term:
    through = add_years(born, majority + years)
    return _Term(through, f"age of majority {majority} + {_count(years)} = {through}")


def _count(years: int) -> str:
    return "1 year" if years == 1 else f"{years} years"


def _suspended(rule: Rule, case: Case) -> Answer:
    released = case.dates["hold_released"]
    if released is None:
        return Answer(None, ("hold_released",))
    return Answer(_candidate(rule, _not_before_entry(released, case), f"held until {released}", released))


def _not_before_entry(through: date, case: Case) -> date:
    # An entry is itself the latest event the archive knows of, so no term ends before it was written.
    return through if case.anchor is None or case.anchor <= through else case.anchor


def _candidate(rule: Rule, last: date | None, words: str, computed: date | None = None) -> Candidate:
    return Candidate(
        rule_id=rule.rule_id,
        jurisdiction=rule.jurisdiction,
        record_type=rule.record_type,
        date=last + ONE_DAY if last else None,
        retain_through=last,
        citation=rule.citation,
        explanation=_explain(words, last, computed),
        basis=rule.basis,
        verified=rule.verified,
    )


def _default(record_type: str, jurisdiction: str, case: Case, terms: list[_Term]) -> Candidate:
    computed = max(term.through for term in terms)
    last = _not_before_entry(computed, case)
    words = "; ".join(term.words for term in terms)
    if len(terms) > 1:
        words += "; the later counts"
    return Candidate(
        rule_id=ORG_DEFAULT,
        jurisdiction=jurisdiction,
        record_type=record_type,
        date=last + ONE_DAY,
        retain_through=last,
        citation="organisation default, where no rule sets a period",
        explanation=_explain(words, last, computed),
        basis="organisation_default",
        verified="not_applicable",
    )


def _explain(words: str, last: date | None, computed: date | None) -> str:
    if last is None:
        return words
    if computed is not None and last > computed:
        words += f"; never before the entry itself, dated {last}"
    return f"{words}; disposal lawful from {last + ONE_DAY}"
