"""The last wall: whoever holds the database connection, held and unexpired mail keeps its keys."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from archiver.errors import DestructionRefused
from archiver.store import tokens
from archiver.store.guards import NEVER_TRUNCATED
from tests.retention.whole_house import House, mail
from tests.support import disposing


def attempt(house: House, sql: str, *, alone: bool = False) -> None:
    """Run one statement as an outsider with a connection would: no lock, no function of ours.

    All mail is on an approved list that is being executed, so that it isn't this that keeps a key; `alone`:
    it isn't.
    """
    if house.vault.records.sqlite_path is not None:
        sql = sql.replace("keys.", "")
    with house.vault.records.write() as connection:
        if "data_keys" in sql and not alone:
            disposing.approved(connection)
        connection.execute(text(sql))


def refused(house: House, sql: str, *, alone: bool = False) -> None:
    living = house.living()
    with pytest.raises(DestructionRefused):
        attempt(house, sql, alone=alone)
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


def test_an_expired_key_that_nobody_holds_goes_with_an_approved_list_alone(house: House) -> None:
    house.old()
    house.runs.run()
    for sql in KEYS:
        refused(house, sql, alone=True)
    for sql in KEYS[1:]:
        refused(house, sql)
    attempt(house, KEYS[0])
    assert house.living() == set()


def test_each_step_of_a_disposition_is_wanted(house: House) -> None:
    """Of one message, after the run that proposed it: what persons do, and raw SQL in between."""
    house.old()
    disposition = house.due(approve=False)
    refused(house, KEYS[0], alone=True)
    refused(house, "UPDATE dispositions SET begun_us = 1, begun_by = 'usecond'")
    house.dispositions.approve(house.officer, disposition)
    refused(house, KEYS[0], alone=True)
    refused(house, "UPDATE dispositions SET begun_us = 1")
    refused(house, "UPDATE dispositions SET decided_by = 'umanager'")
    refused(house, "UPDATE dispositions SET approved_sha256 = NULL")
    refused(house, "UPDATE dispositions SET changed_by = NULL")
    refused(house, "UPDATE disposition_items SET excluded_us = 1")
    with house.vault.records.write() as connection:
        # A run proposed it, so one person alone isn't two.
        connection.execute(text("UPDATE dispositions SET begun_us = 1, begun_by = 'uofficer'"))
    refused(house, KEYS[0], alone=True)
    refused(house, "UPDATE dispositions SET begun_by = 'usecond'")
    refused(house, "UPDATE dispositions SET state = 'proposed'")
    refused(house, "UPDATE dispositions SET state = 'rejected'")


def test_who_has_an_outcome_or_is_off_the_list_keeps_its_key(house: House) -> None:
    one, two, three = house.old(3)
    disposition = house.due(approve=False)
    house.dispositions.exclude(house.third, disposition, [one.receipt.id], "a reason")
    house.dispositions.approve(house.officer, disposition)
    with house.vault.records.write() as connection:
        connection.execute(text("UPDATE dispositions SET begun_us = 1, begun_by = 'usecond'"))
        connection.execute(text(f"UPDATE disposition_items SET outcome = 'held' WHERE message_pk = {two.pk}"))
    refused(house, "UPDATE disposition_items SET outcome = NULL WHERE outcome IS NOT NULL")
    for pk in (one.pk, two.pk):
        refused(house, f"{KEYS[0]} WHERE message_pk = {pk}", alone=True)
    attempt(house, f"{KEYS[0]} WHERE message_pk = {three.pk}", alone=True)
    assert house.living() == {one.pk, two.pk}


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO dispositions (id, state, as_of, created_us, created_by, items_sha256, decided_by, "
        "approved_sha256, begun_us, begun_by) SELECT 'dx', 'approved', as_of, 0, 'umanager', items_sha256, "
        "'uofficer', items_sha256, 1, 'usecond' FROM dispositions",
        "INSERT INTO dispositions (id, state, as_of, created_us, created_by, items_sha256, begun_us, "
        "begun_by) SELECT 'dx', 'proposed', as_of, 0, 'umanager', items_sha256, 1, 'usecond' "
        "FROM dispositions",
        "INSERT INTO disposition_items (disposition_id, message_pk, disposal_date, sealed_rule) "
        "SELECT disposition_id, message_pk + 1, disposal_date, sealed_rule FROM disposition_items",
    ],
)
def test_no_list_is_made_approved_or_longer(house: House, sql: str) -> None:
    house.old()
    house.due()
    refused(house, sql)


def test_no_date_is_set_earlier_but_by_who_computed_it(house: House) -> None:
    (old,) = house.old()
    house.capture(house.arrival(mail(), attested=False))
    sooner = "UPDATE messages SET disposal_date = '1990-01-01', permanent = false"
    refused(house, sooner)  # of mail that was never dated
    house.runs.run(propose=False)
    refused(house, f"{sooner} WHERE pk <> {old.pk}")
    refused(house, "UPDATE messages SET disposal_date = '2001-01-01'")
    attempt(house, "UPDATE messages SET permanent = true")
    refused(house, "UPDATE messages SET permanent = false")
    attempt(house, "UPDATE messages SET disposal_date = NULL, permanent = false")
    refused(house, "UPDATE messages SET disposal_date = '2001-01-01'")
    attempt(house, "UPDATE messages SET verdict_version = NULL")
    house.runs.run(propose=False)
    assert house.explainer.explain(house.officer, old.receipt.id)["status"] == "due"
    with house.vault.records.read() as connection:
        assert connection.execute(text("SELECT name FROM meta WHERE name = 'dating'")).first() is None


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
