"""Every row of the schedules as generated cases, and whole messages at random, against the oracle."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retention.clock.clock import Clock
from retention.clock.facts import Facts
from retention.law.schedules import default_schedule
from tests.retention.clock.generated import EVENTS, cases, people
from tests.retention.clock.oracle import Answer, Oracle
from tests.retention.clock.oracle_book import Cells, after_years, entry_day

SCHEDULE = default_schedule()
CLOCK = Clock(SCHEDULE)
ORACLE = Oracle()
DAY = timedelta(days=1)


def ask(facts: dict[str, Any]) -> tuple[date | None, bool, tuple[str, ...]]:
    found = CLOCK.compute(Facts(**facts))
    return found.disposal_date, found.permanent, found.missing


def told(answer: Answer) -> tuple[date | None, bool, tuple[str, ...]]:
    return answer.day, answer.forever, () if answer.forever else tuple(sorted(answer.lacking))


ROWS = {row["id"]: row for row in ORACLE.book.rows}


def test_the_book_is_whole() -> None:
    assert len(ROWS) == 334 + 56 == len(SCHEDULE.rules)
    assert set(ROWS) == {rule.rule_id for rule in SCHEDULE.rules}


@pytest.mark.parametrize("part", range(10))
def test_every_row(part: int) -> None:
    asked = 0
    for row in list(ROWS.values())[part::10]:
        for facts in cases(ORACLE.book, row):
            assert ask(facts) == told(ORACLE.judge(facts)), (row["id"], facts)
            asked += 1
    assert asked > 39 * 60


def test_every_row_that_has_a_term_governs_or_is_a_candidate_somewhere() -> None:
    """A row that no case ever reaches would be proved by nothing."""
    reached: set[str] = set()
    for name, row in ROWS.items():
        for facts in cases(ORACLE.book, row):
            found = CLOCK.compute(Facts(**facts))
            reached |= {one.rule_id for one in (*found.candidates, *found.advice)}
            if found.destroy_by is not None:
                reached.add(found.destroy_by.rule_id)
            if name in reached:
                break
    replaced = {rule.rule_id for rule in SCHEDULE.rules if rule.combine == "alternative_on_death"}
    silent = {rule.rule_id for rule in SCHEDULE.rules if not rule.has_number and rule.combine != "suspends"}
    unreached = set(ROWS) - reached - replaced - silent
    assert unreached == set()


@pytest.mark.parametrize("part", range(4))
def test_each_row_s_own_candidate(part: int) -> None:
    """Not only the message's date: a row answers where the oracle's does, nowhere else, and the same."""
    for row in list(ROWS.values())[part::4]:
        rule = SCHEDULE.rule(row["id"])
        assert rule is not None
        if rule.has_number and rule.combine != "alternative_on_death":
            own_candidate(row)


def own_candidate(row: Cells) -> None:
    place = row["jurisdiction"]
    beside = [other for other in ORACLE.book.about(place, row["record_type"]) if other["combine"] != "none"]
    common = {
        "record_types": (row["record_type"],),
        "jurisdictions": (place,),
        "provider_type": "physician" if row["provider_type"] == "any" else row["provider_type"],
        **EVENTS,
    }
    beside = [other for other in beside if other["provider_type"] in (row["provider_type"], "any")]
    for person in people(row):
        facts = {**common, **person}
        found = CLOCK.compute(Facts(**facts))
        mine = [one for one in (*found.candidates, *found.advice) if one.rule_id == row["id"]]
        said = ORACLE.row(row, place, facts, beside)
        if said is None or said.lacking:
            assert mine == [], (row["id"], facts)
            continue
        (one,) = mine
        assert (one.retain_through, one.date is None) == (said.last, said.forever), (row["id"], facts)
        if said.last is not None:
            assert one.date == said.last + DAY
            assert str(one.date) in one.explanation


# --- whole messages at random -------------------------------------------------------------------------

days = st.dates(date(1990, 1, 1), date(2030, 12, 31)) | st.sampled_from(
    [date(2000, 2, 29), date(2004, 2, 29), date(2018, 3, 1), date(2020, 2, 28), date(2024, 2, 29)]
)
_DATES = (*EVENTS, "anchor", "captured_at", "born", "last_encounter", "discharged", "died", "audit_closed")
_DATES += (
    "claim_submitted",
    "disability_ended",
    "emancipated_on",
    "practice_closed",
    "proceedings_concluded",
)
_FLAGS = ("incompetent", "use_death_alternative", "use_emancipation", "follow_recommendations")
TYPES = sorted(SCHEDULE.record_type_names)
PLACES = list(SCHEDULE.jurisdictions)
PROVIDERS = list(SCHEDULE.provider_types)


@st.composite
def messages(draw: st.DrawFn) -> dict[str, Any]:
    facts: dict[str, Any] = {
        name: draw(days) for name in _DATES if draw(st.integers(0, 9)) < (8 if name in EVENTS else 6)
    }
    facts |= {name: True for name in _FLAGS if draw(st.integers(0, 3)) == 0}
    born = facts.get("born")
    if born is not None and draw(st.booleans()):
        # Near a birthday that a rule may turn on.
        birthday = after_years(born, draw(st.sampled_from([18, 19, 21, 23])))
        facts["anchor"] = birthday + draw(st.integers(-1, 1)) * DAY
    facts["record_types"] = tuple(draw(st.lists(st.sampled_from(TYPES), max_size=3)))
    facts["jurisdictions"] = tuple(draw(st.lists(st.sampled_from(PLACES), max_size=3, unique=True)))
    facts["provider_type"] = draw(st.none() | st.sampled_from(PROVIDERS))
    return facts


@settings(max_examples=400, deadline=None)
@given(messages())
def test_messages_at_random(facts: dict[str, Any]) -> None:
    assert ask(facts) == told(ORACLE.judge(facts))


@settings(max_examples=150, deadline=None)
@given(messages(), st.integers(1, 40))
def test_other_defaults(facts: dict[str, Any], years: int) -> None:
    found = Clock(SCHEDULE, years).compute(Facts(**facts))
    expected = told(Oracle(years, ORACLE.book).judge(facts))
    assert (found.disposal_date, found.permanent, found.missing) == expected
    entry = entry_day(facts)
    if found.disposal_date is not None and entry is not None:
        assert found.disposal_date > entry
