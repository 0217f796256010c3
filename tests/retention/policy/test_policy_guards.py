"""The last wall of the policy: whoever holds the database connection can only add to it."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from archiver.errors import DestructionRefused
from archiver.store.guards import NEVER_TRUNCATED
from tests.retention.policy.conftest import PolicyHouse
from tests.support import disposing

TABLES = (
    "policy_state",
    "rule_confirmations",
    "grounds",
    "grounds_rules",
    "policy_entries",
    "policy_baselines",
)
KEYS = "DELETE FROM keys.data_keys"


def attempt(policy: PolicyHouse, sql: str) -> None:
    records = policy.house.vault.records
    if records.sqlite_path is not None:
        sql = sql.replace("keys.", "")
    with records.write() as connection:
        if sql.startswith("DELETE") and "data_keys" in sql:
            disposing.approved(connection)
        connection.execute(text(sql))


def refused(policy: PolicyHouse, sql: str) -> None:
    with pytest.raises(DestructionRefused):
        attempt(policy, sql)


@pytest.fixture
def full(policy: PolicyHouse) -> PolicyHouse:
    """A row in every table of the policy: confirmed rules, terms in force, asked for, ending."""
    house = policy.house
    policy.clinical()
    policy.confirm_all()
    one = policy.set(house.manager, scope={}, years=40)
    policy.set(house.manager, scope={}, years=30, replaces=one["id"])
    two = policy.set(house.manager, scope={"state": "NY"}, years=35)
    policy.enact(house.manager, {"do": "remove", "id": two["id"]})
    policy.enact(house.manager, {"do": "option", "option": "emancipation", "on": True})
    house.runs.run(propose=False)
    return policy


ATTEMPTS = (
    "UPDATE policy_state SET epoch = 0",
    "UPDATE policy_state SET epoch = epoch - 1",
    "UPDATE policy_state SET confirmations = 0",
    "UPDATE policy_state SET id = 2",
    "UPDATE rule_confirmations SET rule_token = rule_token",
    "UPDATE rule_confirmations SET sealed = sealed",
    "UPDATE rule_confirmations SET created_by = created_by",
    "UPDATE rule_confirmations SET revoked_us = NULL",
    "UPDATE rule_confirmations SET revoked_us = 1",
    "UPDATE grounds SET sealed = sealed",
    "UPDATE grounds_rules SET rule_token = rule_token",
    "UPDATE policy_entries SET sealed = sealed",
    "UPDATE policy_entries SET kind = 'option'",
    "UPDATE policy_entries SET asked_by = 'uofficer'",
    "UPDATE policy_entries SET state = 'ended'",
    "UPDATE policy_entries SET state = 'ended', end_asked_by = 'umanager'",
    "UPDATE policy_entries SET state = 'ended', end_asked_by = 'umanager', end_approved_by = 'umanager' "
    "WHERE kind = 'term'",
    "UPDATE policy_entries SET state = 'refused' WHERE state = 'in_force'",
    "UPDATE policy_entries SET state = 'in_force' WHERE state = 'asked'",
    "UPDATE policy_entries SET state = 'in_force', approved_by = asked_by WHERE state = 'asked'",
    "UPDATE policy_baselines SET value = '6'",
    "UPDATE policy_baselines SET ended_by = (SELECT id FROM policy_entries WHERE kind = 'term' LIMIT 1)",
    "UPDATE policy_baselines SET ended_by = (SELECT max(id) FROM policy_entries)",
    "INSERT INTO policy_entries (id, kind, state, sealed, sealed_steps, created_us, asked_by) "
    "SELECT 'ex', 'option', 'in_force', sealed, sealed_steps, 0, asked_by FROM policy_entries LIMIT 1",
    "INSERT INTO policy_entries (id, kind, state, sealed, sealed_steps, created_us, asked_by) "
    "SELECT 'ex', 'settings', 'ended', sealed, sealed_steps, 0, asked_by FROM policy_entries LIMIT 1",
)


def test_what_was_decided_stays_as_it_was_decided(full: PolicyHouse) -> None:
    """One house for all of them: each is refused, and so leaves it as it was."""
    for sql in (*(f"DELETE FROM {table}" for table in TABLES), *ATTEMPTS):
        try:
            refused(full, sql)
        except pytest.fail.Exception:
            pytest.fail(f"was let through: {sql}")


def test_a_message_dated_under_an_earlier_policy_keeps_its_key(policy: PolicyHouse) -> None:
    policy.house.old()
    policy.house.runs.run(propose=False)
    attempt(policy, "UPDATE policy_state SET epoch = epoch + 1")
    refused(policy, KEYS)


def test_a_message_that_says_it_waits_keeps_its_key(policy: PolicyHouse) -> None:
    policy.house.old()
    policy.house.runs.run(propose=False)
    attempt(policy, "UPDATE messages SET unconfirmed = true")
    refused(policy, KEYS)


def test_a_message_that_says_it_does_not_wait_keeps_its_key_all_the_same(policy: PolicyHouse) -> None:
    policy.clinical()
    policy.house.runs.run(propose=False)
    attempt(policy, "UPDATE messages SET unconfirmed = false")
    refused(policy, KEYS)
    policy.confirm_all()
    attempt(policy, KEYS)
    assert policy.house.living() == set()


def test_revoking_by_hand_blocks_too(policy: PolicyHouse) -> None:
    policy.clinical()
    policy.confirm_all()
    policy.house.runs.run(propose=False)
    attempt(policy, "UPDATE rule_confirmations SET revoked_us = 1, revoked_by = 'umanager'")
    refused(policy, KEYS)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_no_table_of_the_policy_is_truncated(full: PolicyHouse) -> None:
    assert set(TABLES) <= set(NEVER_TRUNCATED)
    for table in TABLES:
        refused(full, f"TRUNCATE {table} CASCADE")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_replace_does_not_go_round_it(full: PolicyHouse) -> None:
    refused(full, "REPLACE INTO policy_state VALUES (1, 0, 0)")
    refused(full, "REPLACE INTO rule_confirmations SELECT * FROM rule_confirmations")
    refused(full, "REPLACE INTO policy_entries SELECT * FROM policy_entries")
    refused(full, "REPLACE INTO grounds SELECT * FROM grounds")
