"""One rule applied to one case: the date it gives, the fact it lacks, or nothing because it doesn't apply."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from retention.clock import sentences
from retention.clock.dates import ONE_DAY, add_months, add_years, is_under, year_end
from retention.clock.events import CARE, Event, event_of
from retention.clock.facts import Case
from retention.clock.plan import Bound
from retention.clock.result import ORG_DEFAULT, Candidate, Duty
from retention.clock.sentences import Term
from retention.law.rules import FormerVersion, Rule
from retention.law.words import notice, years


class Answer(NamedTuple):
    """A rule that applies: its candidate, or the names of the facts it lacks.

    `decides` is False for a rule that only adds to the others (on death, an adult rule standing in for a
    minor's, a condition nobody knows of): the chart's rules or the default are still asked.
    """

    candidate: Candidate | None
    missing: tuple[str, ...] = ()
    decides: bool = True


def ask(bound: Bound, case: Case) -> Answer | None:
    """Apply a rule. None when it doesn't bind this patient (an adult rule and a minor, no death, ...)."""
    rule = bound.rule
    if rule.combine == "suspends":
        return _suspended(rule, case)
    if rule.population == "deceased" and case.dates["died"] is None:
        return None
    if rule.population == "incompetent" and not case.incompetent:
        return None
    if rule.effective_to is not None and case.anchor is not None and case.anchor > rule.effective_to:
        return None
    if rule.permanent:
        words = "kept permanently: the rule sets no end"
        return Answer(_candidate(rule, case, None, words), decides=bound.decides)
    event = _event(rule, case)
    born, unborn = _born(rule, case)
    by_age = rule.has_age_term
    decides = bound.decides and not (rule.events_from and event.day and event.day < rule.events_from)
    if not rule.binds_every_age:
        if born is not None:
            under, adult = _stages(bound, born, event, case)
            if rule.population == "minor" and not under:
                return None
            if rule.population == "adult" and not adult and not bound.covers_minors:
                return None
            by_age = by_age and under
            decides = decides and not (under and bound.covers_minors)
        elif rule.population == "minor" or bound.covers_minors:
            return Answer(None, (unborn,), decides=bound.decides)
    if rule.disability_permanent and case.incompetent:
        words = "kept permanently: the patient is without capacity"
        return Answer(_candidate(rule, case, None, words), decides=decides)
    return _combine(bound, case, event, born if by_age else None, unborn if by_age else "", decides)


def ask_default(count: int, majority: int, jurisdiction: str, case: Case) -> Answer:
    """The organisation's default for a chart the State has no number for.

    `count` years from the last encounter; for a minor at the entry or the encounter not before `majority`
    plus `count`.
    """
    event = event_of("last_encounter", case)
    born = case.dates["born"]
    lacking = [name for name, known in ((event.missing, event.day), ("born", born)) if known is None and name]
    if event.day is None or born is None:
        return Answer(None, tuple(lacking))
    terms = [_from_event(count, event.name, event.day)]
    if is_under(majority, born, min(event.day, case.anchor or event.day)):
        through = add_years(born, majority + count)
        terms.append(sentences.past_majority(majority, count, born, through, "patient"))
    return Answer(_default("medical_record", jurisdiction, case, terms))


def ask_default_from_entry(count: int, jurisdiction: str, record_type: str, case: Case) -> Answer:
    """The organisation's default for mail that is no chart: `count` years from the entry's own date."""
    if case.anchor is None:
        return Answer(None, ("anchor",))
    terms = [_from_event(count, "creation of the entry", case.anchor)]
    return Answer(_default(record_type, jurisdiction, case, terms))


def duty(rule: Rule, case: Case) -> Duty | None:
    """A rule's duty to destroy; None while its event isn't known."""
    event = event_of(rule.cap_from or rule.runs_from, case)
    if event.day is None:
        return None
    count = rule.max_years_cap or 0
    last = add_years(event.day, count)
    when = f"{years(count)} from {event.name}" if count else event.name
    words = (
        f"The rule asks for destruction after {when} on {event.day}: by {last}, unless a hold is in force."
    )
    return Duty(rule.rule_id, rule.jurisdiction, rule.record_type, last, rule.citation, words, rule.condition)


# --- terms --------------------------------------------------------------------------------------------


def _combine(
    bound: Bound, case: Case, event: Event, born: date | None, unborn: str, decides: bool
) -> Answer | None:
    rule = bound.rule
    terms: list[Term] = []
    missing: list[str] = []
    if rule.min_years is not None:
        if event.day is not None:
            terms.append(_from_event(_years(rule, case), event.name, event.day))
        elif event.missing:
            missing.append(event.missing)
        else:
            return None
    if born is not None:
        terms.append(_age_term(bound, born, case))
    elif unborn:
        missing.append(unborn)
    if rule.second_event is not None:
        second = event_of(rule.second_event, case)
        if second.day is not None:
            terms.append(_second(rule, second.name, second.day))
        elif second.missing:
            missing.append(second.missing)
    limit = _cap(rule, case)
    ended = case.dates["disability_ended"]
    if rule.disability_plus_years is not None and (case.incompetent or ended is not None):
        if ended is not None:
            terms.append(_from_event(rule.disability_plus_years, "the end of the disability", ended))
        elif limit is not None:
            terms.append(Term(limit.through, f"while the disability lasts, {limit.words} at most"))
        else:
            missing.append("disability_ended")
    if missing:
        return Answer(None, tuple(missing), decides)
    if not terms:
        return None
    shortest = rule.combine == "shorter_of"
    through = (min if shortest else max)(term.through for term in terms)
    words = sentences.joined(terms, shortest=shortest)
    if limit is not None and limit.through < through:
        through = limit.through
        words += f"; never longer than {limit.words}, through {through}"
    for former in rule.former:
        for term in _former(former, bound, case, born):
            if term.through > through:
                through = term.through
            words += (
                f"; under the version in force until {former.effective_to}, {term.words} ({term.through})"
            )
    ending = _ended_by_death(bound, case)
    rests_on: tuple[str, ...] = ()
    if ending is not None and ending.through < through:
        through = ending.through
        rests_on = (ending.rule_id,) if ending.rule_id else ()
        words += (
            f"; the organisation lets the term after death count instead: {ending.words}, through {through}"
        )
    if rule.events_from and event.day and event.day < rule.events_from:
        words += (
            f"; the rule speaks of {event.name} on {rule.events_from} or later, so others count beside it"
        )
    return Answer(_candidate(rule, case, through, words, rests_on), decides=decides)


def _event(rule: Rule, case: Case) -> Event:
    event = event_of(rule.runs_from, case)
    entry = case.anchor if rule.contact_includes_entry else None
    if entry is not None and event.day is not None and entry > event.day:
        return Event("the last contact, this entry,", entry)
    return event


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

    A rule that runs from no event looks at the discharge and the last encounter too; one that tests at
    the last treatment looks at nothing else. With no date at all both are true: what is uncertain is kept.
    """
    days = [event.day] if bound.at_event and event.day is not None else [case.anchor, event.day]
    if bound.rule.runs_from in ("none", "majority"):
        days += [case.dates["discharged"], case.dates["last_encounter"]]
    known = [day for day in days if day is not None]
    if not known:
        return True, True
    ends, begins = add_years(born, bound.minor_age), add_years(born, bound.adult_age)
    freed = _emancipated(bound, case)
    if freed is not None:
        ends, begins = min(ends, freed), min(begins, freed)
    return min(known) < ends, max(known) >= begins


def _emancipated(bound: Bound, case: Case) -> date | None:
    return _chosen(case, "emancipated_on") if case.use_emancipation and bound.emancipation else None


def _death(case: Case) -> date | None:
    return _chosen(case, "died") if case.use_death_alternative else None


def _chosen(case: Case, event: str) -> date | None:
    """An event that may shorten; one before the birth doesn't, as one of the two dates is wrong."""
    day, born = case.dates[event], case.dates["born"]
    return None if day is None or (born is not None and day < born) else day


def _years(rule: Rule, case: Case) -> int:
    count = rule.min_years or 0
    again = case.dates["later_mammogram"]
    if rule.repeat_years is None or again is None or case.anchor is None:
        return count
    if case.anchor < again <= add_years(case.anchor, rule.repeat_years):
        return rule.repeat_years
    return count


def _from_event(count: int, name: str, day: date) -> Term:
    return sentences.from_event(count, name, day, add_years(day, count))


def _second(rule: Rule, name: str, day: date) -> Term:
    if rule.second_years is not None:
        return _from_event(rule.second_years, name, day)
    count = rule.second_months or 0
    return sentences.months_from_event(count, name, day, add_months(day, count))


def _age_term(bound: Bound, born: date, case: Case) -> Term:
    rule = bound.rule
    whose = rule.age_subject
    if rule.minor_until_age is not None:
        through = add_years(born, rule.minor_until_age)
        freed = _emancipated(bound, case)
        # Only a term that is the minority itself ends with it; a term beyond majority stays.
        if freed is not None and freed < through and rule.minor_until_age == bound.minor_age:
            return Term(freed, f"until the patient's emancipation on {freed}")
        return sentences.birthday(rule.minor_until_age, born, through, whose)
    count = rule.minor_plus_years or 0
    through = add_years(born, bound.majority + count)
    died = _death(case)
    if rule.death_ends_minority and died is not None:
        after = add_years(died, count)
        if after < through:
            return Term(after, f"{years(count)} from the minor's death on {died}, as the organisation chose")
    term = sentences.past_majority(bound.majority, count, born, through, whose)
    if rule.year_end:
        return Term(year_end(through), f"{term.words}, to the end of that year")
    return term


def _cap(rule: Rule, case: Case) -> Term | None:
    """The law's own limit of the term; None where it has none or its event isn't known."""
    if rule.max_years_cap is None or rule.cap_from is None or rule.destroy_required:
        return None
    event = event_of(rule.cap_from, case)
    return None if event.day is None else _from_event(rule.max_years_cap, event.name, event.day)


def _former(former: FormerVersion, bound: Bound, case: Case, born: date | None) -> Sequence[Term]:
    """The former version's terms as far as they are known: a law no longer in force lacks no fact."""
    if case.anchor is None or case.anchor > former.effective_to:
        return ()
    terms = []
    event = event_of(former.runs_from, case)
    if former.min_years is not None and event.day is not None:
        terms.append(_from_event(former.min_years, event.name, event.day))
    patient = born if born is not None else case.dates["born"]
    if patient is None or bound.rule.population == "adult":
        return terms
    if former.minor_until_age is not None:
        through = add_years(patient, former.minor_until_age)
        terms.append(sentences.birthday(former.minor_until_age, patient, through, "patient"))
    elif former.minor_plus_years is not None:
        through = add_years(patient, bound.majority + former.minor_plus_years)
        count = former.minor_plus_years
        terms.append(sentences.past_majority(bound.majority, count, patient, through, "patient"))
    return terms


def _ended_by_death(bound: Bound, case: Case) -> Term | None:
    """The shortest term that the law offers instead after death, where the organisation lets it count."""
    died = _death(case)
    if died is None:
        return None
    terms = []
    if bound.rule.death_alternative_years is not None:
        terms.append(_from_event(bound.rule.death_alternative_years, "death", died))
    for other in bound.alternatives:
        event = event_of(other.runs_from, case)
        discharged = case.dates["discharged"]
        if other.min_years is None or event.day is None:
            continue
        if other.discharged_at_death and (discharged is None or discharged < died):
            continue
        last = add_years(event.day, other.min_years)
        words = sentences.from_event(other.min_years, event.name, event.day, last).words
        terms.append(Term(last, words, rule_id=other.rule_id))
    return min(terms, key=lambda term: term.through, default=None)


def _suspended(rule: Rule, case: Case) -> Answer:
    released = case.dates["hold_released"]
    if released is None:
        return Answer(None, ("hold_released",))
    return Answer(_candidate(rule, case, released, f"held until {released}"))


# --- candidates ---------------------------------------------------------------------------------------


def _candidate(
    rule: Rule, case: Case, through: date | None, words: str, rests_on: tuple[str, ...] = ()
) -> Candidate:
    last = through
    # An entry is itself the latest event the archive knows of, so no term ends before it was written.
    if through is not None and case.anchor is not None and case.anchor > through:
        last = case.anchor
    return Candidate(
        rule_id=rule.rule_id,
        jurisdiction=rule.jurisdiction,
        record_type=rule.record_type,
        date=last + ONE_DAY if last else None,
        retain_through=last,
        citation=rule.citation,
        explanation=sentences.sentence(
            words, last, through, advised=rule.is_advice, of_care=rule.runs_from in CARE
        ),
        basis=rule.basis,
        verified=rule.verified,
        condition=rule.condition,
        notice=notice(rule),
        rests_on=rests_on,
    )


def _default(record_type: str, jurisdiction: str, case: Case, terms: list[Term]) -> Candidate:
    through = max(term.through for term in terms)
    last = through if case.anchor is None or case.anchor <= through else case.anchor
    words = (
        f"no rule settles the period here, so the organisation's default counts: {sentences.joined(terms)}"
    )
    return Candidate(
        rule_id=ORG_DEFAULT,
        jurisdiction=jurisdiction,
        record_type=record_type,
        date=last + ONE_DAY,
        retain_through=last,
        citation="organisation default, where no rule settles the period",
        explanation=sentences.sentence(words, last, through, of_care=record_type == "medical_record"),
        basis="organisation_default",
        verified="not_applicable",
    )
