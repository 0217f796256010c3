"""The last wall: whoever holds the database connection, held and unexpired mail keeps its keys."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from archiver.errors import DestructionRefused
from archiver.store import tokens
from archiver.store.guards import NEVER_TRUNCATED
from tests.retention.whole_house import House, mail


def attempt(house: House, sql: str) -> None:
    """Run one statement as an outsider with a connection would: no lock, no function of ours."""
    if house.vault.records.sqlite_path is not None:
        sql = sql.replace("keys.", "")
    with house.vault.records.write() as connection:
        connection.execute(text(sql))


def refused(house: House, sql: str) -> None:
    living = house.living()
    with pytest.raises(DestructionRefused):
        attempt(house, sql)
    assert house.living() == living


KEYS = (
    "DELETE FROM keys.data_keys",
    "UPDATE keys.data_keys SET wrapped = wrapped",
    "UPDATE keys.data_keys SET message_pk = message_pk + 1",
)


@pytest.fixture
def held(house: House) -> str:
    """A house with one message that is due and held; the id of the hold."""
    house.old()
    matter = house.matters.create(house.lawyer, "m")["id"]
    hold = house.holds.create(house.lawyer, matter, custodians=["ann@clinic.example"])
    house.runs.run(propose=False)
    return str(hold["id"])


@pytest.mark.parametrize("sql", KEYS)
def test_keys_of_held_mail_stay(house: House, held: str, sql: str) -> None:
    refused(house, sql)


@pytest.mark.parametrize("sql", KEYS)
def test_keys_of_unexpired_mail_stay(house: House, sql: str) -> None:
    house.capture(house.arrival(mail(), attested=False))
    refused(house, sql)
    house.runs.run()
    refused(house, sql)


def test_keys_of_permanent_mail_stay(house: House) -> None:
    house.old()
    house.runs.run()
    attempt(house, "UPDATE messages SET permanent = true")
    refused(house, KEYS[0])


def test_an_expired_key_that_nobody_holds_may_go(house: House) -> None:
    house.old()
    house.runs.run()
    attempt(house, KEYS[0])
    assert house.living() == set()


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM messages",
        "UPDATE messages SET pk = pk + 1",
        "UPDATE messages SET anchor = '1990-01-01'",
        "UPDATE messages SET captured_us = 0",
        "UPDATE messages SET sealed_meta = NULL",
        "UPDATE messages SET disposed_us = 1",
        "DELETE FROM message_tokens",
        "UPDATE message_tokens SET field = 9",
        "DELETE FROM borne_tokens",
        "UPDATE borne_tokens SET field = 9",
        "DELETE FROM deliveries",
        "DELETE FROM ledger_entries",
        "UPDATE ledger_entries SET leaf = leaf",
        "DELETE FROM hold_items",
        "UPDATE hold_items SET message_pk = message_pk + 1",
        "DELETE FROM hold_custodians",
        "UPDATE hold_custodians SET token = token",
        "DELETE FROM holds",
        "UPDATE holds SET state = 'released'",
        "UPDATE holds SET state = 'cooling', cooling_until_us = 0",
        "UPDATE holds SET state = 'cooling', cooling_until_us = 0, release_asked_by = 'uofficer', "
        "release_approved_by = 'uofficer'",
        "UPDATE holds SET by_index = false",
        "UPDATE holds SET standing = false",
        "UPDATE holds SET sent_before_us = 0",
        "UPDATE holds SET before_day = '1990-01-01'",
    ],
)
def test_rows_that_guard_others_stay(house: House, held: str, sql: str) -> None:
    assert tokens.file(house.vault.records, 1) > 0
    refused(house, sql)


def test_a_cooling_hold_is_not_hurried(house: House, held: str) -> None:
    house.vault.settings = house.vault.settings.model_copy(update={"hold_cooling_days": 30})
    house.holds.release(house.lawyer, held)
    house.holds.release(house.officer, held)
    refused(house, "UPDATE holds SET state = 'released'")
    refused(house, "UPDATE holds SET cooling_until_us = 0")
    refused(house, "DELETE FROM hold_items")
    refused(house, KEYS[0])


def test_after_the_release_all_of_it_may_go(house: House, held: str) -> None:
    house.holds.release(house.lawyer, held)
    house.holds.release(house.officer, held)
    assert house.holds.finish_cooling() == [held]
    attempt(house, KEYS[0])
    attempt(house, "DELETE FROM hold_items")


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_no_table_of_the_wall_is_truncated(house: House, held: str) -> None:
    for table in NEVER_TRUNCATED:
        refused(house, f"TRUNCATE {table} CASCADE")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_replace_does_not_go_round_the_wall(house: House, held: str) -> None:
    refused(house, "INSERT OR REPLACE INTO data_keys SELECT message_pk, epoch_id, x'00' FROM data_keys")
    refused(house, "REPLACE INTO messages SELECT * FROM messages")
    refused(house, "REPLACE INTO holds SELECT * FROM holds")
