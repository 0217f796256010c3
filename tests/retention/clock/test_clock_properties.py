"""What must hold of every answer: more possibilities never bring a disposal forward, and so on."""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retention.clock import clock
from retention.clock.clock import Clock
from retention.clock.dates import add_years, is_under
from retention.clock.facts import DATE_FIELDS, FLAGS, Case, Facts
from retention.clock.plan import Bound, Plan, Planner
from retention.clock.result import Result
from retention.clock.terms import Answer, ask
from retention.law.rules import Rule
from retention.law.schedules import default_schedule
from tests.retention.clock.generated import cases
from tests.retention.clock.oracle_book import Book

SCHEDULE = default_schedule()
CLOCK = Clock(SCHEDULE)
STATES = sorted(SCHEDULE.majority)
TYPES = sorted(SCHEDULE.record_type_names)
PROVIDERS = [name for name in SCHEDULE.provider_types if name != "any"]

ALL = Facts.__slots__

days = st.dates(date(1990, 1, 1), date(2030, 12, 31))
rarely_known = st.none() | days


@st.composite
def complete(draw: st.DrawFn) -> Facts:
    dates = {name: draw(days) for name in DATE_FIELDS if name not in ("died", "captured_at", "hold_released")}
    return Facts(
        record_types=tuple(draw(st.lists(st.sampled_from(TYPES), min_size=1, max_size=3))),
        jurisdictions=tuple(draw(st.lists(st.sampled_from(STATES), min_size=1, max_size=3))),
        provider_type=draw(st.sampled_from(PROVIDERS)),
        died=draw(rarely_known),
        hold_released=draw(days),
        **{name: draw(st.sampled_from([None, None, True])) for name in FLAGS},
        **dates,
    )


def values_of(name: str) -> st.SearchStrategy[Any]:
    if name in FLAGS:
        return st.just(True)
    if name == "provider_type":
        return st.sampled_from(PROVIDERS)
    if name in ("record_types", "jurisdictions"):
        return st.lists(st.sampled_from(TYPES if name == "record_types" else STATES), min_size=1).map(tuple)
    return days


def plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return value.isoformat() if isinstance(value, date) else value


@cache
def clock_of(years: int) -> Clock:
    return Clock(SCHEDULE, years)


def late(result: Result) -> date:
    """An answer as a date that can be compared: never and not-sayable are later than any day."""
    return result.disposal_date or date.max


def but(facts: Facts, **changes: Any) -> Facts:
    values = {name: getattr(facts, name) for name in Facts.__slots__}
    return Facts(**{**values, **changes})


MAY_SHORTEN = {
    "anchor": "the entry's vouched date takes the place of the day it was captured",
    "discharged": "it takes the place of the last encounter that stood in for it",
    "child_born": "the child's birth takes the place of the patient's own",
    "disability_ended": "it takes the place of the cap that stood in for it",
    "jurisdictions": "the State's own majority takes the place of the oldest of all",
    "later_mammogram": "21 CFR 900.12 and Ind. Code 16-39-7-3 ask for five years instead of ten",
    "died": "only with use_death_alternative",
    "emancipated_on": "only with use_emancipation",
    "use_death_alternative": "the organisation's choice",
    "use_emancipation": "the organisation's choice",
}
"""Facts that may bring a date forward that could be said without them, and why: docs/retention-law.md.

A later encounter may, too, where it brings a record under a rule that speaks of later events only
(`events_from`), so that the organisation's longer default no longer stands beside it.
"""


def speaks_of_later_events(result: Result) -> bool:
    named = (SCHEDULE.rule(one.rule_id) for one in result.candidates)
    return any(rule is not None and rule.events_from is not None for rule in named)


@settings(max_examples=250, deadline=None)
@given(complete(), st.data())
def test_more_facts_never_shorten_unless_a_rule_says_so(facts: Facts, data: st.DataObject) -> None:
    unknown = data.draw(st.sets(st.sampled_from(ALL), max_size=4))
    name = data.draw(st.sampled_from(sorted(ALL)))
    value = data.draw(values_of(name))
    without = but(facts, **dict.fromkeys({*unknown, name}))
    before = CLOCK.compute(without)
    after = CLOCK.compute(but(without, **{name: value}))
    if before.missing or name in MAY_SHORTEN or speaks_of_later_events(before):
        return
    assert late(after) >= late(before)


def test_taking_away_a_fact_shows_which_may_shorten() -> None:
    """The same over cases made for every row: there the list is not only kept but used."""
    book = Book()
    shortened: set[str] = set()
    for number, row in enumerate(book.rows):
        for facts in list(cases(book, row))[number % 40 :: 40]:
            after = late(CLOCK.compute(Facts(**facts)))
            for name in (one for one, value in facts.items() if value is not None):
                before = CLOCK.compute(Facts(**{**facts, name: None}))
                if not before.missing and late(before) > after and not speaks_of_later_events(before):
                    shortened.add(name)
    assert shortened <= set(MAY_SHORTEN)
    assert shortened >= {"discharged", "died", "use_death_alternative"}


@settings(max_examples=250, deadline=None)
@given(complete(), days, st.sampled_from(["died", "emancipated_on"]))
def test_death_and_emancipation_never_shorten_unasked(facts: Facts, day: date, name: str) -> None:
    unasked = but(facts, use_death_alternative=None, use_emancipation=None)
    assert late(CLOCK.compute(but(unasked, **{name: day}))) >= late(
        CLOCK.compute(but(unasked, **{name: None}))
    )


@settings(max_examples=200, deadline=None)
@given(complete(), st.integers(1, 99), st.integers(1, 20))
def test_a_higher_default_never_shortens(facts: Facts, years: int, more: int) -> None:
    higher = min(100, years + more)
    assert late(clock_of(higher).compute(facts)) >= late(clock_of(years).compute(facts))


@settings(max_examples=200, deadline=None)
@given(complete(), st.randoms(use_true_random=False))
def test_the_order_in_which_facts_are_told_changes_nothing(facts: Facts, chance: Random) -> None:
    told = {name: plain(getattr(facts, name)) for name in ALL if getattr(facts, name) is not None}
    names = list(told)
    chance.shuffle(names)
    other = {name: told[name] for name in names}
    for name in ("record_types", "jurisdictions"):
        chance.shuffle(other[name])
    first, second = (CLOCK.compute(Facts.from_json(one, SCHEDULE)) for one in (told, other))
    assert first == second
    assert first == CLOCK.compute(facts)


@settings(max_examples=200, deadline=None)
@given(st.lists(complete(), min_size=2, max_size=4), st.randoms(use_true_random=False))
def test_the_order_of_possibilities_changes_nothing(several: list[Facts], chance: Random) -> None:
    before = CLOCK.compute(several)
    chance.shuffle(several)
    after = CLOCK.compute(several)
    assert (after.disposal_date, after.permanent, after.missing) == (
        before.disposal_date,
        before.permanent,
        before.missing,
    )
    assert after == before


@given(complete(), st.sampled_from(TYPES), st.sampled_from(STATES))
def test_another_record_type_or_state_never_brings_disposal_forward(
    facts: Facts, record_type: str, state: str
) -> None:
    before = late(CLOCK.compute(facts))
    assert late(CLOCK.compute(but(facts, record_types=(*(facts.record_types or ()), record_type)))) >= before
    assert late(CLOCK.compute(but(facts, jurisdictions=(*(facts.jurisdictions or ()), state)))) >= before


@given(complete(), st.sampled_from(DATE_FIELDS), st.lists(rarely_known, min_size=1, max_size=3))
def test_a_list_of_possibilities_is_the_latest_of_them(
    facts: Facts, name: str, values: list[date | None]
) -> None:
    singles = [late(CLOCK.compute(but(facts, **{name: value}))) for value in values]
    assert late(CLOCK.compute(but(facts, **{name: tuple(values)}))) == max(singles)
    assert late(CLOCK.compute([but(facts, **{name: value}) for value in values])) == max(singles)


@given(complete(), st.lists(st.sampled_from(PROVIDERS), min_size=1, max_size=4))
def test_unsure_which_provider(facts: Facts, providers: list[str]) -> None:
    singles = [late(CLOCK.compute(but(facts, provider_type=one))) for one in providers]
    assert late(CLOCK.compute(but(facts, provider_type=tuple(providers)))) == max(singles)


@given(complete(), st.sets(st.sampled_from([*DATE_FIELDS, "provider_type", "jurisdictions", "record_types"])))
def test_answers_are_whole(facts: Facts, unknown: set[str]) -> None:
    result = CLOCK.compute(but(facts, **dict.fromkeys(unknown)))
    states = [result.disposal_date is not None, result.permanent, bool(result.missing)]
    assert states.count(True) == 1
    assert list(result.missing) == sorted(set(result.missing))
    assert set(result.missing) <= set(Facts.__slots__)
    dated = [one.date for one in result.candidates if one.date is not None]
    assert dated == sorted(dated, reverse=True)
    if result.disposal_date is not None:
        assert result.disposal_date == max(dated)
        assert result.governing == result.candidates[0]


@given(complete())
def test_never_before_the_entry_and_deterministic(facts: Facts) -> None:
    assert isinstance(facts.anchor, date)
    result = CLOCK.compute(facts)
    for candidate in result.candidates:
        assert candidate.date is None or candidate.date > facts.anchor
    assert Clock(SCHEDULE).compute(facts) == result
    assert Clock(SCHEDULE).compute(facts).to_json() == result.to_json()


@given(st.dates(date(1800, 1, 1), date(2300, 12, 31)), st.integers(0, 100))
def test_anniversaries_roll_forward(day: date, years: int) -> None:
    through = add_years(day, years)
    assert through.year == day.year + years
    if (day.month, day.day) == (2, 29):
        leap = through.year % 4 == 0 and (through.year % 100 != 0 or through.year % 400 == 0)
        assert (through.month, through.day) == ((2, 29) if leap else (3, 1))
    else:
        assert (through.month, through.day) == (day.month, day.day)


@given(st.dates(date(1900, 1, 1), date(2100, 12, 31)), st.integers(1, 30))
def test_a_birthday_ends_minority(born: date, age: int) -> None:
    birthday = add_years(born, age)
    assert not is_under(age, born, birthday)
    assert is_under(age, born, birthday - timedelta(days=1))


def test_a_date_asks_the_rules_of_its_place_alone_and_looks_them_up_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What makes it fast; how fast it is `benchmarks retention` says."""
    asked: list[Rule] = []
    made: list[tuple[Any, ...]] = []

    def asking(bound: Bound, case: Case) -> Answer | None:
        asked.append(bound.rule)
        return ask(bound, case)

    def making(planner: Planner, *key: Any) -> Plan:
        made.append(key)
        return make(planner, *key)

    make = Planner._make
    monkeypatch.setattr(clock, "ask", asking)
    monkeypatch.setattr(Planner, "_make", making)
    several = [
        Facts(
            record_types=("medical_record",),
            jurisdictions=("NC",),
            provider_type="hospital",
            born=date(2007, 6, 30),
            discharged=date(2025, 6, day),
            anchor=date(2025, 6, day),
        )
        for day in range(1, 29)
    ]
    mine = Clock(SCHEDULE)
    answers = [mine.compute(facts) for facts in several]
    assert all(answer.disposal_date for answer in answers)
    assert made == [("NC", "hospital", "medical_record")]
    assert {rule.jurisdiction for rule in asked} == {"NC", "US"}
    rules = len(asked) / len(several)
    assert 0 < rules <= 12 < len(SCHEDULE.rules) / 20
    assert [mine.compute(facts) for facts in several] == answers
    assert len(asked) / len(several) == rules, "an answer is remembered"
