"""Own terms lengthen at once; whatever could shorten takes a look, a reason and two persons."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from sqlalchemy import select

from archiver.errors import DestructionRefused
from archiver.store import dialect
from archiver.store.schema import messages, policy_baselines
from retention.dating.explain import Explainer
from retention.dating.run import RetentionRun
from retention.disposition.dispositions import Dispositions
from retention.law.schedules import Schedule, default_schedule
from retention.policy.errors import BadPolicy, PreviewNeeded, ReasonNeeded
from retention.policy.terms import read_term
from retention.refusals import NotThere, SecondPersonNeeded, WrongState
from search.access import AccessDenied
from tests.retention.policy.conftest import PolicyHouse, policy_house
from tests.retention.whole_house import House, destroyable, mail
from tests.support import disposing


def only(policy: PolicyHouse) -> date | None:
    (day,) = policy.dates().values()
    return day


def test_an_own_term_lengthens_at_once_and_protects_before_any_run(policy: PolicyHouse) -> None:
    house = policy.house
    (one,) = house.old()
    before = only(policy)
    assert destroyable(house, one.pk)
    entry = policy.set(house.manager, scope={}, years=60)
    assert entry["state"] == "in_force"
    # No run in between: the rows were dated under the earlier policy, so the guard lets none of them go.
    with house.vault.records.read() as connection:
        assert connection.scalar(select(messages.c.disposal_date)) == before
    assert not _destroyable_now(house, one.pk)
    after = only(policy)
    assert after == date(2065, 3, 2)
    explained = house.explainer.explain(house.manager, one.receipt.id)
    assert explained["governing"]["basis"] == "organisation_policy"
    assert "own term" in explained["because"][0]


LONGEST: tuple[tuple[dict[str, Any], date | None], ...] = (
    ({"scope": {}, "years": 30}, date(2035, 3, 2)),
    ({"scope": {}, "plus_years": 25}, date(2040, 3, 2)),
    ({"scope": {}, "not_before": "2050-01-01"}, date(2050, 1, 1)),
    ({"scope": {}, "permanent": True}, None),
    ({"scope": {"state": "ny"}, "years": 30}, date(2035, 3, 2)),
    ({"scope": {"state": "CA"}, "years": 30}, date(2015, 3, 2)),
    ({"scope": {"record_type": "correspondence"}, "years": 30}, date(2035, 3, 2)),
    ({"scope": {"record_type": "treatment"}, "years": 30}, date(2015, 3, 2)),
    ({"scope": {"provider": "hospital"}, "years": 30}, date(2035, 3, 2)),
    ({"scope": {"provider": "pharmacy"}, "years": 30}, date(2015, 3, 2)),
    ({"scope": {"unit": "uaaaaaaaaaaaaaaa"}, "years": 30}, date(2015, 3, 2)),
    ({"scope": {}, "years": 1}, date(2015, 3, 2)),
)


def test_the_longest_of_law_and_own_terms(policy: PolicyHouse) -> None:
    (one,) = policy.house.old()
    verdicts, now = policy.house.explainer.verdicts, policy.policies.current()
    assert verdicts.of([one.pk])[one.pk].disposal_date == date(2015, 3, 2)
    for says, day in LONGEST:
        then = replace(now, terms=(read_term("t", says, verdicts.schedule),))
        assert verdicts.of([one.pk], then)[one.pk].disposal_date == day, says
    policy.set(policy.house.manager, **LONGEST[0][0])
    assert only(policy) == LONGEST[0][1]


def test_a_term_is_for_a_unit_that_there_is(policy: PolicyHouse) -> None:
    """By id or name; of a misspelled one the nearest is told by its id, since names are sealed."""
    house = policy.house
    unit = house.units.add(None, "Quaggafield Ward", domains=["x.example"], states=["TX"])["id"]
    misread = f"{unit[:-1]}{'q' if unit[-1] != 'q' else 'p'}"
    for which in ("Quagafield  ward", misread, "quaggafield"):
        with pytest.raises(BadPolicy) as caught:
            policy.previews.ask(house.manager, {"do": "set", "says": {"scope": {"unit": which}, "years": 9}})
        assert unit in str(caught.value)
        assert "quagga" not in str(caught.value).casefold()
    with pytest.raises(BadPolicy, match="no such unit; `holdfast unit list`"):
        policy.set(house.manager, scope={"unit": "Radiology"}, years=9)
    for which in (unit, " quaggafield WARD"):
        entry = policy.set(house.manager, scope={"unit": which}, years=9)
        assert entry["says"]["scope"] == {"unit": unit}


def test_ending_a_term_takes_a_reason_and_another_person(policy: PolicyHouse) -> None:
    house = policy.house
    house.old()
    entry = policy.set(house.manager, scope={}, years=60)
    remove = {"do": "remove", "id": entry["id"]}
    with pytest.raises(ReasonNeeded):
        policy.enact(house.manager, remove, reason="")
    assert policy.enact(house.manager, remove)["state"] == "ending"
    # While the end is only asked for, the term counts.
    assert only(policy) == date(2065, 3, 2)
    approve = {"do": "approve", "id": entry["id"]}
    with pytest.raises(SecondPersonNeeded):
        policy.enact(house.manager, approve)
    ended = policy.enact(house.officer, approve)
    assert ended["state"] == "ended"
    assert [step["did"] for step in ended["steps"]] == ["set", "end_asked", "end_approved"]
    assert only(policy) == date(2015, 3, 2)
    assert policy.decisions.list(house.manager) == []
    assert len(policy.decisions.list(house.manager, everything=True)) == 1


def test_an_end_that_was_asked_for_can_be_turned_down(policy: PolicyHouse) -> None:
    house = policy.house
    entry = policy.set(house.manager, scope={}, years=60)
    policy.enact(house.manager, {"do": "remove", "id": entry["id"]})
    with pytest.raises(ReasonNeeded):
        policy.decisions.refuse(house.officer, entry["id"], "")
    assert policy.decisions.refuse(house.officer, entry["id"], "keep it")["state"] == "in_force"
    with pytest.raises(WrongState):
        policy.enact(house.officer, {"do": "approve", "id": entry["id"]})
    with pytest.raises(WrongState):
        policy.decisions.refuse(house.officer, entry["id"], "again")


def test_lowering_a_term_is_shortening_raising_it_is_not(policy: PolicyHouse) -> None:
    house = policy.house
    house.old()
    first = policy.set(house.manager, scope={}, years=40)
    lower = policy.set(house.manager, scope={}, years=30, replaces=first["id"])
    assert lower["state"] == "asked"
    assert only(policy) == date(2045, 3, 2)
    policy.enact(house.second, {"do": "approve", "id": lower["id"]})
    assert only(policy) == date(2035, 3, 2)
    assert {one["id"] for one in policy.decisions.list(house.manager)} == {lower["id"]}
    higher = policy.set(house.manager, scope={}, years=50, replaces=lower["id"])
    assert higher["state"] == "in_force"
    assert only(policy) == date(2055, 3, 2)


def test_a_change_is_only_made_as_it_was_previewed(policy: PolicyHouse) -> None:
    house, service = policy.house, policy.decisions
    change = {"do": "set", "says": {"scope": {}, "years": 40}}
    with pytest.raises(PreviewNeeded):
        service.enact(house.manager, change, preview="vnothing")
    mine = policy.previews.ask(house.manager, change)
    with pytest.raises(PreviewNeeded):  # another's
        service.enact(house.officer, change, preview=mine["id"])
    with pytest.raises(PreviewNeeded):  # another change
        service.enact(house.manager, {"do": "set", "says": {"years": 41}}, preview=mine["id"])
    policy.set(house.officer, scope={}, years=20)
    with pytest.raises(PreviewNeeded):  # another policy
        service.enact(house.manager, change, preview=mine["id"])


def test_options_that_can_shorten_take_two_persons_and_one_turns_them_off(policy: PolicyHouse) -> None:
    house = policy.house
    on = {"do": "option", "option": "death_alternative", "on": True}
    with pytest.raises(ReasonNeeded):
        policy.enact(house.manager, on, reason="")
    entry = policy.enact(house.manager, on)
    assert (entry["state"], policy.policies.current().options) == ("asked", frozenset())
    with pytest.raises(SecondPersonNeeded):
        policy.enact(house.manager, {"do": "approve", "id": entry["id"]})
    policy.enact(house.officer, {"do": "approve", "id": entry["id"]})
    assert policy.policies.current().options == {"death_alternative"}
    policy.clinical()
    explained = house.explainer.explain(house.manager, _any_id(house))
    assert explained["facts"][0]["use_death_alternative"] is True
    off = {"do": "option", "option": "death_alternative", "on": False}
    assert policy.enact(house.manager, off, reason="")["state"] == "ended"
    assert policy.policies.current().options == frozenset()
    with pytest.raises(WrongState):
        policy.enact(house.manager, off)


def test_lowered_settings_do_not_shorten_until_two_persons_accept(policy: PolicyHouse) -> None:
    house = policy.house
    house.old()
    assert only(policy) == date(2015, 3, 2)
    lowered = _reopened(policy, retention_default_years=6, jurisdictions=("CA",), provider_type="physician")
    assert only(lowered) == date(2015, 3, 2)
    state = lowered.decisions.state(house.manager)
    assert (state["default_years"], state["kept"]["default_years"]) == (10, True)
    assert state["jurisdictions"] == ["CA", "NY"]
    assert state["kept"]["jurisdictions"] == ["NY"]
    assert state["provider_types"] == ["hospital", "physician"]
    entry = lowered.enact(house.manager, {"do": "accept", "what": "settings"})
    assert only(lowered) == date(2015, 3, 2)
    lowered.enact(house.officer, {"do": "approve", "id": entry["id"]})
    assert only(lowered) == date(2011, 3, 2)
    state = lowered.decisions.state(house.manager)
    assert (state["jurisdictions"], state["provider_types"]) == (["CA"], ["physician"])
    assert not any(state["kept"].values())
    with pytest.raises(WrongState):
        lowered.enact(house.manager, {"do": "accept", "what": "settings"})


def test_raised_settings_count_at_once(policy: PolicyHouse) -> None:
    house = policy.house
    (one,) = house.old()
    assert destroyable(house, one.pk)
    raised = _reopened(policy, retention_default_years=40)
    assert not _destroyable_now(house, one.pk)
    assert only(raised) == date(2045, 3, 2)
    # And back: the higher default keeps counting.
    assert only(_reopened(policy, retention_default_years=10)) == date(2045, 3, 2)


def test_settings_changed_after_the_asking_are_not_approved_unseen(policy: PolicyHouse) -> None:
    house = policy.house
    lowered = _reopened(policy, retention_default_years=8)
    entry = lowered.enact(house.manager, {"do": "accept", "what": "settings"})
    other = _reopened(policy, retention_default_years=6)
    with pytest.raises(WrongState):
        other.enact(house.officer, {"do": "approve", "id": entry["id"]})
    assert other.decisions.refuse(house.officer, entry["id"], "ask anew")["state"] == "refused"


def test_new_schedules_wait_for_two_persons_and_nothing_goes_until_then(policy: PolicyHouse) -> None:
    house = policy.house
    (one,) = house.old()
    disposition = house.due()
    later = _reopened(policy, version="another")
    counts = later.house.runs.run()
    assert (counts["computed"], counts["proposed"]) == (0, 0)
    assert counts["waiting"][0]["rule_id"] == "schedules"
    assert later.house.explainer.explain(house.manager, one.receipt.id)["unconfirmed"][0]["how"]
    assert later.house.dispositions.execute(house.second, disposition)["outcomes"] == {"unconfirmed": 1}
    entry = later.enact(house.manager, {"do": "accept", "what": "schedules"})
    later.enact(house.officer, {"do": "approve", "id": entry["id"]})
    assert later.house.runs.run()["proposed"] == 1
    with house.vault.records.read() as connection:
        query = select(policy_baselines.c.value).where(
            policy_baselines.c.kind == "schedules", policy_baselines.c.ended_by.is_(None)
        )
        assert connection.scalars(query).all() == ["another"]


def test_what_makes_no_sense_is_refused_by_name(policy: PolicyHouse) -> None:
    manager = policy.house.manager
    for says in (
        {"scope": {}},
        {"scope": {}, "years": 0},
        {"scope": {}, "years": 101},
        {"scope": {}, "years": 5, "plus_years": 5},
        {"scope": {}, "not_before": "tomorrow"},
        {"scope": {"state": "XX"}, "years": 5},
        {"scope": {"state": "US"}, "years": 5},
        {"scope": {"provider": "barber"}, "years": 5},
        {"scope": {"custodian": "x"}, "years": 5},
    ):
        with pytest.raises(BadPolicy):
            policy.previews.ask(manager, {"do": "set", "says": says})
    for change in ({}, {"do": "drop"}, {"do": "remove"}, {"do": "option", "option": "x"}, {"do": "accept"}):
        with pytest.raises(BadPolicy):
            policy.previews.ask(manager, change)
    with pytest.raises(NotThere):
        policy.previews.ask(manager, {"do": "remove", "id": "enothing"})


def test_roles(policy: PolicyHouse) -> None:
    house = policy.house
    entry = policy.set(house.manager, scope={}, years=20)
    change = {"do": "remove", "id": entry["id"]}
    preview = policy.previews.ask(house.administrator, change)
    for actor in (house.lawyer, house.administrator):
        with pytest.raises(AccessDenied):
            policy.decisions.enact(actor, change, preview=preview["id"], reason="r")
        with pytest.raises(AccessDenied):
            policy.decisions.refuse(actor, entry["id"], "r")
    with pytest.raises(AccessDenied):
        policy.decisions.list(house.lawyer)
    assert ("policy.change", "success", "umanager") in house.audit()
    assert ("policy.manage", "denied", "ulawyer") in house.audit()


def test_a_preview_of_mail_that_is_not_dated_yet(policy: PolicyHouse) -> None:
    house = policy.house
    house.capture(house.arrival(mail()))
    result = policy.previews.ask(house.manager, {"do": "set", "says": {"scope": {}, "years": 60}})["result"]
    assert (result["examined"], result["later"], result["no_longer_due"]) == (1, 1, 1)


def _reopened(policy: PolicyHouse, version: str | None = None, **settings: object) -> PolicyHouse:
    """The same archive as a program with other settings, or other schedules, opens it."""
    house = policy.house
    house.vault.settings = house.vault.settings.model_copy(update=settings)
    law = default_schedule()
    schedule = (
        Schedule(law.rules, law.majority, law.record_type_names, law.clinical, version) if version else law
    )
    explainer = Explainer(house.vault, schedule, house.patients)
    house.explainer = explainer
    house.runs = RetentionRun(house.vault, explainer)
    house.dispositions = Dispositions(house.vault, house.gate, explainer)
    return policy_house(house)


def _destroyable_now(house: House, pk: int) -> bool:
    """Whether the guard would let the key go as the rows stand; nothing is destroyed."""
    try:
        with house.vault.records.write(dialect.LOCK_ARCHIVE) as connection:
            house.vault.archive.destroy(connection, pk, disposing.approved(connection, [pk]))
            raise KeyboardInterrupt
    except DestructionRefused:
        return False
    except KeyboardInterrupt:
        return True


def _any_id(house: House) -> str:
    with house.vault.records.read() as connection:
        return str(connection.scalar(select(messages.c.id)))
