"""Own terms as a pure function, and what one person alone can do to them: only ever lengthen."""

from __future__ import annotations

import contextlib
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.errors import HoldfastError
from retention.clock.clock import Clock
from retention.clock.facts import Facts
from retention.law.schedules import default_schedule
from retention.policy.errors import BadPolicy
from retention.policy.store import OPTIONS
from retention.policy.terms import OwnTerm, Scope, extended, read_term
from tests.retention.policy.conftest import PolicyHouse

LAW = default_schedule()
CLOCK = Clock(LAW)
TYPES = ("medical_record", "billing", "mental_health", "correspondence", "hipaa_documentation")
days = st.dates(date(1990, 1, 1), date(2026, 1, 1))
scopes = st.fixed_dictionaries(
    {},
    optional={
        "record_type": st.sampled_from(("medical_record", "billing", "treatment")),
        "state": st.sampled_from(("NY", "CA")),
        "provider": st.sampled_from(("hospital", "physician")),
    },
)
values = st.one_of(
    st.fixed_dictionaries({"years": st.integers(1, 60)}),
    st.fixed_dictionaries({"plus_years": st.integers(1, 30)}),
    st.fixed_dictionaries({"not_before": st.dates(date(2000, 1, 1), date(2090, 1, 1)).map(str)}),
    st.just({"recommendations": True}),
    st.just({"permanent": True}),
)
says = st.builds(lambda scope, value: {"scope": scope, **value}, scopes, values)
facts = st.builds(
    Facts,
    record_types=st.lists(st.sampled_from(TYPES), min_size=1, max_size=3, unique=True).map(tuple),
    jurisdictions=st.lists(st.sampled_from(("NY", "CA", "OH")), max_size=2, unique=True).map(tuple),
    provider_type=st.sampled_from((None, "hospital", "physician", ("hospital", "physician"))),
    anchor=days,
    born=st.one_of(st.none(), st.dates(date(1940, 1, 1), date(2010, 1, 1))),
    last_encounter=st.one_of(st.none(), days),
    discharged=st.one_of(st.none(), days),
)


@pytest.mark.parametrize(
    ("says", "told"),
    [
        ({}, "says one thing"),
        ({"years": 5, "permanent": True}, "says one thing"),
        ({"years": 0}, "years: must be a whole number from 1 to 100"),
        ({"plus_years": 101}, "plus years: must be a whole number from 1 to 100"),
        ({"years": True}, "whole number"),
        ({"years": "5"}, "whole number"),
        ({"permanent": "no"}, "permanent: must be true or left out"),
        ({"recommendations": 1}, "recommendations: must be true or left out"),
        ({"not_before": "2040-13-01"}, "a day like"),
        ({"not_before": "1980-01-01"}, "a day from 1990"),
    ],
)
def test_a_term_that_says_no_one_thing_is_refused(says: dict[str, Any], told: str) -> None:
    with pytest.raises(BadPolicy, match=told):
        read_term("t", {"scope": {}, **says}, LAW)


def order(result: Any) -> date:
    return result.disposal_date or date.max


@settings(max_examples=300, deadline=None)
@given(st.lists(facts, min_size=1, max_size=2), st.lists(says, max_size=4), says)
def test_terms_never_shorten_and_the_more_the_longer(
    one: list[Facts], many: list[dict[str, Any]], more: dict[str, Any]
) -> None:
    law = CLOCK.compute(tuple(one))
    terms = [read_term(f"t{n}", document, LAW) for n, document in enumerate(many)]
    few = extended(law, one, (), terms, LAW)
    another = extended(law, one, (), [*terms, read_term("more", more, LAW)], LAW)
    assert order(law) <= order(few) <= order(another)
    assert law.permanent <= few.permanent <= another.permanent
    if not few.permanent:
        assert set(law.missing) <= set(few.missing) <= {*law.missing, *law.advice_missing}
    assert {c.rule_id for c in law.candidates} <= {c.rule_id for c in few.candidates}
    if few.governing is not None:
        assert few.governing.date == few.disposal_date
    # In whatever order they were set.
    again = extended(law, one, (), terms[::-1], LAW)
    assert (again.disposal_date, again.permanent) == (few.disposal_date, few.permanent)


@settings(max_examples=200, deadline=None)
@given(facts, says, says)
def test_a_term_that_is_at_least_another_never_ends_sooner(
    one: Facts, first: dict[str, Any], second: dict[str, Any]
) -> None:
    law = CLOCK.compute(one)
    old, new = read_term("old", first, LAW), read_term("new", second, LAW)
    if new.at_least(old):
        assert order(extended(law, [one], (), [new], LAW)) >= order(extended(law, [one], (), [old], LAW))
    assert old.at_least(old)


def test_a_unit_is_its_own_scope() -> None:
    term = OwnTerm("t", Scope(unit="uaaaaaaaaaaaaaaa"), years=50)
    one = Facts(record_types=("correspondence",), jurisdictions=("NY",), anchor=date(2000, 1, 1))
    law = CLOCK.compute(one)
    assert extended(law, [one], (), [term], LAW) == law
    assert extended(law, [one], ("uaaaaaaaaaaaaaaa",), [term], LAW).disposal_date == date(2050, 1, 2)


def test_leap_days_roll_forward() -> None:
    one = Facts(record_types=("correspondence",), jurisdictions=("NY",), anchor=date(2004, 2, 29))
    term = OwnTerm("t", Scope(), years=15)
    assert extended(CLOCK.compute(one), [one], (), [term], LAW).disposal_date == date(2019, 3, 2)


def test_what_is_recommended_counts_where_the_organisation_wants_it() -> None:
    one = Facts(
        record_types=("medical_record",),
        jurisdictions=("OH",),
        provider_type="physician",
        anchor=date(2015, 1, 1),
        born=date(1950, 1, 1),
        last_encounter=date(2015, 1, 1),
        discharged=date(2015, 1, 1),
    )
    law = CLOCK.compute(one)
    longer = extended(law, [one], (), [OwnTerm("t", Scope(), recommendations=True)], LAW)
    advised = law.advised_date
    assert order(longer) == max(order(law), advised or date.min)


def test_a_recommendation_that_lacks_a_fact_keeps_what_it_is_to_count_for() -> None:
    one = Facts(
        record_types=("medical_record",),
        jurisdictions=("MI",),
        provider_type="physician",
        anchor=date(2005, 3, 1),
    )
    law = CLOCK.compute(one)
    assert (law.disposal_date, law.advice_missing) == (date(2012, 3, 2), ("born",))
    kept = extended(law, [one], (), [OwnTerm("t", Scope(), recommendations=True)], LAW)
    assert (kept.disposal_date, kept.missing) == (None, ("born",))
    elsewhere = OwnTerm("t", Scope(state="NY"), recommendations=True)
    assert extended(law, [one], (), [elsewhere], LAW) == law


# --- one person alone -----------------------------------------------------------------------------

ids = st.integers(0, 30)
steps = st.one_of(
    st.builds(lambda one: ("change", {"do": "set", "says": one}), says),
    st.builds(lambda one, n: ("replace", one, n), says, ids),
    st.builds(lambda n: ("remove", n), ids),
    st.builds(lambda n: ("approve", n), ids),
    st.builds(lambda n: ("refuse", n), ids),
    st.builds(
        lambda option, on: ("change", {"do": "option", "option": option, "on": on}),
        st.sampled_from(tuple(OPTIONS)),
        st.booleans(),
    ),
    st.sampled_from(
        (("change", {"do": "accept", "what": "settings"}), ("change", {"do": "accept", "what": "schedules"}))
    ),
    st.builds(lambda years: ("default", years), st.integers(6, 30)),
)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(steps, min_size=3, max_size=7))
def test_no_sequence_by_one_person_makes_a_message_disposable_earlier(
    alone: PolicyHouse, sequence: list[tuple[Any, ...]]
) -> None:
    """Every step, allowed or refused, leaves every date where it was or later."""
    before = alone.dates()
    for step in sequence:
        with contextlib.suppress(HoldfastError):
            one_step(alone, step)
        after = alone.dates()
        for pk, day in before.items():
            assert (after[pk] or date.max) >= (day or date.max), step
        before = after


@pytest.fixture
def alone(policy: PolicyHouse) -> PolicyHouse:
    """Mail of several kinds and ages, all of it dated and confirmed."""
    house = policy.house
    house.old(1)
    policy.clinical(1)
    policy.clinical(1, date(2019, 2, 28) + timedelta(days=1))
    policy.confirm_all()
    return policy


def one_step(policy: PolicyHouse, step: tuple[Any, ...]) -> None:
    manager = policy.house.manager
    entries = policy.decisions.list(manager, everything=True)
    kind, *rest = step
    if kind == "default":
        house = policy.house
        house.vault.settings = house.vault.settings.model_copy(update={"retention_default_years": rest[0]})
        policy.policies.notice()
    elif kind == "change":
        policy.enact(manager, rest[0])
    elif entries:
        chosen = entries[rest[-1] % len(entries)]["id"]
        if kind == "replace":
            policy.enact(manager, {"do": "set", "says": rest[0], "replaces": chosen})
        elif kind == "refuse":
            policy.decisions.refuse(manager, chosen, "changed my mind")
        else:
            policy.enact(manager, {"do": kind, "id": chosen})
