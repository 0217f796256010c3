"""Counsel's confirmations: what isn't confirmed keeps mail and lets none of it go."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select, text

from archiver.errors import DestructionRefused
from archiver.store.schema import messages, rule_confirmations
from retention.dating.explain import Explainer
from retention.dating.run import RetentionRun
from retention.law.rules import Rule
from retention.law.schedules import Schedule, default_schedule
from retention.policy.errors import BadPolicy, ReasonNeeded
from retention.policy.rules import rule_digest
from retention.refusals import WrongState
from search.access import AccessDenied
from tests.retention.policy.conftest import PolicyHouse
from tests.retention.whole_house import destroyable
from tests.support import disposing

RULE = "NY-hospital-medical_record-adult"


def unconfirmed(policy: PolicyHouse) -> dict[int, bool]:
    with policy.house.vault.records.read() as connection:
        return {
            row.pk: row.unconfirmed
            for row in connection.execute(select(messages.c.pk, messages.c.unconfirmed))
        }


def test_what_counsel_has_not_confirmed_is_neither_proposed_nor_destroyed(policy: PolicyHouse) -> None:
    house = policy.house
    (pk,) = policy.clinical()
    counts = house.runs.run()
    assert (counts["due"], counts["unconfirmed"], counts["proposed"]) == (0, 1, 0)
    assert {one["messages"] for one in counts["waiting"]} == {1}
    assert RULE in {one["rule_id"] for one in counts["waiting"]}
    assert unconfirmed(policy) == {pk: True}
    assert not destroyable(house, pk)
    explained = house.explainer.explain(house.manager, _id(policy, pk))
    assert explained["status"] == "unconfirmed"
    assert RULE in {one["rule_id"] for one in explained["unconfirmed"]}
    assert "schedules confirm" in explained["unconfirmed"][0]["how"]


def test_all_candidates_have_to_be_confirmed_not_only_the_governing_one(policy: PolicyHouse) -> None:
    house = policy.house
    (pk,) = policy.clinical()
    waiting = [one["rule_id"] for one in house.runs.run()["waiting"]]
    assert len(waiting) > 1
    for number, rule_id in enumerate(waiting):
        assert not destroyable(house, pk), number
        rules = policy.confirmations.select([rule_id])
        policy.confirmations.confirm(house.manager, rules, counsel="C", reason="r")
    assert destroyable(house, pk)
    assert house.runs.run()["proposed"] == 1


def test_confirming_lets_the_run_propose_and_the_execution_destroy(policy: PolicyHouse) -> None:
    house = policy.house
    policy.clinical(3)
    house.runs.run()
    done = policy.confirm_all()
    assert done["confirmed"] == len(default_schedule().rules)
    assert house.runs.run()["proposed"] == 3
    assert ("retention.confirm", "success", "umanager") in house.audit()
    again = policy.confirm_all()
    assert (again["confirmed"], again["audit_entry"]) == (0, None)


def test_a_word_taken_back_blocks_at_once_even_what_was_approved(policy: PolicyHouse) -> None:
    house = policy.house
    policy.clinical(2)
    house.old(1, sender="cat@clinic.example", to="dan@clinic.example")
    policy.confirm_all()
    disposition = house.due()
    policy.confirmations.revoke(house.manager, policy.confirmations.select([RULE]), reason="new case law")
    # Without any run in between: the guard asks the confirmations themselves.
    with house.vault.records.write() as connection:
        disposing.approved(connection)
    with pytest.raises(DestructionRefused), house.vault.records.write() as connection:
        connection.execute(text(_keys(policy, "DELETE FROM keys.data_keys")))
    outcomes = house.dispositions.execute(house.second, disposition)["outcomes"]
    assert outcomes == {"destroyed": 1, "unconfirmed": 2}
    assert house.runs.run()["unconfirmed"] == 2


def test_a_rule_whose_data_changed_is_unconfirmed_again(policy: PolicyHouse) -> None:
    policy.confirm_all()
    (found,) = policy.confirmations.list(policy.house.manager, rule_id=RULE)
    rule = default_schedule().rule(RULE)
    assert rule is not None
    assert (found["stands"], found["digest"], found["counsel"]) == (True, rule_digest(rule), "Cora Counsel")
    house = policy.house
    old = default_schedule()
    changed = Schedule(
        [_changed(one) if one.rule_id == RULE else one for one in old.rules],
        old.majority,
        old.record_type_names,
        old.clinical,
        old.version,
    )
    explainer = Explainer(house.vault, changed, house.patients)
    policy.clinical()
    waiting = [one["rule_id"] for one in RetentionRun(house.vault, explainer).run()["waiting"]]
    assert waiting == [RULE]


def test_confirmations_say_who_when_and_why_and_can_be_proven(policy: PolicyHouse) -> None:
    house = policy.house
    rules = policy.confirmations.select(state="ny", record_type="treatment")
    assert {rule.jurisdiction for rule in rules} == {"NY"}
    done = policy.confirmations.confirm(house.officer, rules, counsel="Cora", reason="memo 12")
    (found, *_) = policy.confirmations.list(house.manager)
    assert (found["confirmed_by"], found["counsel"], found["reason"]) == ("officer", "Cora", "memo 12")
    assert found["audit_entry"] == done["audit_entry"]
    with house.vault.records.read() as connection:
        ((_, leaf, detail),) = house.vault.audit.entries(
            connection, done["audit_entry"], done["audit_entry"] + 1
        )
    assert leaf["action"] == "retention.confirm"
    assert RULE in detail["rules"]


def test_the_name_of_counsel_is_sealed(policy: PolicyHouse) -> None:
    policy.confirm_all()
    with policy.house.vault.records.read() as connection:
        for sealed in connection.scalars(select(rule_confirmations.c.sealed).limit(5)):
            assert b"Cora" not in bytes(sealed)


def test_only_those_with_the_right_and_with_a_reason(policy: PolicyHouse) -> None:
    house, service = policy.house, policy.confirmations
    rules = service.select(federal=True)
    for actor in (house.lawyer, house.administrator):
        with pytest.raises(AccessDenied):
            service.confirm(actor, rules, counsel="C", reason="r")
        with pytest.raises(AccessDenied):
            service.revoke(actor, rules, reason="r")
    with pytest.raises(ReasonNeeded):
        service.confirm(house.manager, rules, counsel="C", reason=" ")
    with pytest.raises(ReasonNeeded):
        service.confirm(house.manager, rules, counsel="", reason="r")
    with pytest.raises(WrongState):
        service.revoke(house.manager, rules, reason="r")
    with pytest.raises(BadPolicy):
        service.select()
    with pytest.raises(BadPolicy):
        service.select([RULE], federal=True)


def test_a_row_that_this_archive_did_not_make_counts_for_nothing(policy: PolicyHouse) -> None:
    house = policy.house
    (pk,) = policy.clinical()
    house.runs.run()
    tokens = policy.policies.tokens
    with house.vault.records.write() as connection:
        connection.execute(
            rule_confirmations.insert(),
            [
                {
                    "id": f"kforged{number}",
                    "rule_token": token,
                    "sealed": b"\1" * 80,
                    "created_us": 0,
                    "created_by": "umanager",
                    "audit_index": 0,
                }
                for number, token in enumerate(tokens.values())
            ],
        )
        connection.execute(text("UPDATE policy_state SET confirmations = confirmations + 1"))
    # The guard alone would be content; what the program found stays in the row beside it.
    assert house.runs.run()["proposed"] == 0
    assert house.explainer.explain(house.manager, _id(policy, pk))["status"] == "unconfirmed"


def _changed(rule: Rule) -> Rule:
    return replace(rule, note=f"{rule.note} amended", digest="")


def _id(policy: PolicyHouse, pk: int) -> str:
    with policy.house.vault.records.read() as connection:
        return str(connection.scalar(select(messages.c.id).where(messages.c.pk == pk)))


def _keys(policy: PolicyHouse, sql: str) -> str:
    return sql.replace("keys.", "") if policy.house.vault.records.sqlite_path is not None else sql
