"""SQL by the application's own connection against every table that keeping rests on; see THREAT_MODEL.

What is refused is written down here, table by table: a guard that is dropped or weakened fails a line. What
SQL can do all the same stands in `OPEN`, with what `holdfast verify` then says.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from sqlalchemy import text

from archiver.errors import DestructionRefused
from archiver.store import guards_standing
from archiver.store.schema import data_keys, found_types
from archiver.verify import Scrubber
from tests.retention.lived import live
from tests.retention.whole_house import House

KEYS = "{keys}"
FIXED = {
    f"{KEYS}wrapped_keys": "kind id",
    f"{KEYS}data_keys": "message_pk epoch_id wrapped",
    "messages": "pk id seq sha256 size anchor captured_us sent_us blob_sha256 form",
    "message_tokens": "field token message_pk",
    "borne_tokens": "seq field token",
    "holds": "id matter_id by_index standing sent_from_us sent_before_us from_day before_day sealed_scope "
    "created_us created_by in_force_us root_id version cooling_days",
    "hold_items": "hold_id message_pk",
    "hold_custodians": "hold_id token",
    "hold_patients": "hold_id field token",
    "hold_sources": "hold_id source_id",
    "hold_events": "id hold_id version kind at_us by_id sealed audit_index",
    "hold_receipts": "hold_id version issued_us sealed",
    "ledger_entries": "log idx leaf",
    "audit_details": "idx salt sealed",
    "dispositions": "id as_of created_us created_by",
    "disposition_items": "disposition_id message_pk disposal_date sealed_rule",
    "extensions": "id message_pk until sealed created_us created_by",
    "rule_confirmations": "id rule_token sealed created_us created_by audit_index",
    "grounds": "id token sealed",
    "grounds_rules": "grounds_id rule_token",
    "policy_baselines": "kind value since_us",
    "name_book": "id token sealed",
    "approvals": "id action about_id request_hash sealed requester created_us expires_us",
    "deliveries": "seq message_pk source_id outcome at_us report_id",
    "patients": "id",
    "corrections": "id message_pk asked_by asked_us",
    "found_types": "message_pk",
    "ledger_state": "",
    "policy_state": "",
    "packs": "id",
}
"""Columns of rows that nobody changes; and nobody deletes such a row, with TRUNCATE or REPLACE neither."""
WHOLE = ("hold_items", "hold_custodians", "hold_patients", "hold_sources", "grounds_rules", "borne_tokens")
"""Tables that are all key: what REPLACE puts there is what was there."""
AS_IT_WAS = ("message_tokens", "packs", "found_types")
"""What the database's own shell can write anew as it was, as our own inserts may; our connections can't."""
MOVES = (
    "UPDATE messages SET sealed_meta = NULL WHERE disposed_us IS NULL",
    "UPDATE messages SET disposed_us = 1 WHERE disposed_us IS NULL",
    "UPDATE messages SET disposal_date = '1990-01-01', permanent = false WHERE disposed_us IS NULL",
    "UPDATE messages SET pack_offset = pack_offset + 1000000000 WHERE disposed_us IS NULL",
    "UPDATE messages SET pack_id = 'nowhere' WHERE disposed_us IS NULL",
    "UPDATE packs SET committed = committed - 1",
    "UPDATE holds SET state = 'released' WHERE state = 'active'",
    "UPDATE holds SET state = 'active' WHERE state = 'released'",
    *(
        f"INSERT INTO {table} SELECT {columns} FROM holds WHERE state = 'active' "
        f"AND id NOT IN (SELECT hold_id FROM {table})"
        for table, columns in (
            ("hold_custodians", "id, sealed_scope"),
            ("hold_patients", "id, 2, sealed_scope"),
            ("hold_sources", "id, matter_id"),
        )
    ),
    "INSERT INTO dispositions (id, state, as_of, created_us, created_by, items_sha256, decided_by, "
    "approved_sha256) SELECT 'dx', 'approved', as_of, 0, created_by, items_sha256, decided_by, items_sha256 "
    "FROM dispositions",
    "UPDATE dispositions SET state = 'approved'",
    "UPDATE dispositions SET decided_by = 'uthird'",
    "UPDATE dispositions SET begun_by = 'uthird'",
    "UPDATE dispositions SET items_sha256 = sealed_certificate",
    "UPDATE dispositions SET sealed_certificate = NULL",
    "INSERT INTO disposition_items (disposition_id, message_pk, disposal_date, sealed_rule) "
    "SELECT id, 7, as_of, items_sha256 FROM dispositions",
    "UPDATE disposition_items SET outcome = NULL",
    "UPDATE disposition_items SET excluded_us = 1",
    "UPDATE extensions SET ended_us = 1 WHERE ended_us IS NULL",
    "UPDATE ledger_state SET size = size - 1",
    "UPDATE policy_state SET epoch = epoch - 1",
    "UPDATE rule_confirmations SET revoked_us = 1",
    "UPDATE policy_baselines SET ended_by = 'enobody'",
    "UPDATE approvals SET state = 'approved' WHERE state = 'used'",
    "UPDATE approvals SET decided_by = 'uthird' WHERE state = 'used'",
    "INSERT INTO approvals (id, action, about_id, request_hash, sealed, requester, created_us, expires_us, "
    "state) SELECT 'vx', action, about_id, request_hash, sealed, requester, 1, 2, 'approved' FROM approvals",
)
"""Changes that only the program makes, and only in turn."""
STANDING = "WHERE hold_id IN (SELECT id FROM holds WHERE state <> 'released')"
LIVING = "WHERE message_pk IN (SELECT message_pk FROM {keys}data_keys)"
WHICH = {
    **dict.fromkeys(("hold_custodians", "hold_patients", "hold_sources", "hold_items"), STANDING),
    **dict.fromkeys(("message_tokens", "corrections", "found_types"), LIVING),
    "borne_tokens": "WHERE seq IN (SELECT seq FROM messages JOIN {keys}data_keys ON message_pk = pk)",
}
"""Rows that may go once their hold is released, or with their message."""
OPENS = {"messages": "WHERE disposed_us IS NULL", "corrections": "WHERE state = 'in_force'"}
"""Rows that a unique key counts."""
FRESH = {"BIGINT": "777777", "SMALLINT": "77", "INTEGER": "777777", "BLOB": "randomblob(32)"}


@pytest.fixture
def full(house: House, matter: str) -> House:
    live(house, matter)
    for criteria in ({"custodians": ["ann@clinic.example"]}, {"patients": ["MRN-00909"]}):
        house.holds.create(house.lawyer, matter, **criteria)
    house.holds.create(house.lawyer, matter, sources=["attic"])
    with house.vault.records.write() as connection:
        connection.execute(found_types.insert(), {"message_pk": max(house.living()), "sealed": b"\0"})
    return house


def refused(house: House, statement: str) -> bool:
    """Whether the database says no; whatever it let through is taken back."""
    keys = "keys." if house.vault.records.dialect == "postgresql" else ""
    try:
        with house.vault.records.write() as connection:
            connection.execute(text(statement.replace(KEYS, keys)))
            raise KeyboardInterrupt
    except DestructionRefused:
        return True
    except KeyboardInterrupt:
        return False


def count(house: House, table: str) -> int:
    keys = "keys." if house.vault.records.dialect == "postgresql" else ""
    with house.vault.records.read() as connection:
        where = WHICH.get(table, "")
        return int(
            connection.execute(text(f"SELECT count(*) FROM {table} {where}".replace(KEYS, keys))).scalar_one()
        )


def tries(dialect: str) -> list[str]:
    """Every statement that must be refused on our own connection."""
    found = list(MOVES)
    for table, columns in FIXED.items():
        found.append(f"DELETE FROM {table} {WHICH.get(table, '')}")
        found += [f"UPDATE {table} SET {column} = {column}" for column in columns.split()]
        if dialect == "postgresql":
            found.append(f"TRUNCATE {table} CASCADE")
        elif table not in WHOLE:
            found.append(f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}")
    return found


def test_no_row_that_keeping_rests_on_goes_or_changes(full: House) -> None:
    for table in FIXED:
        assert count(full, table) > 0, f"{table} has no row to lose"
    dialect = full.vault.records.dialect
    assert [one for one in tries(dialect) if not refused(full, one)] == []
    if (path := full.vault.records.sqlite_path) is None:
        return
    with closing(sqlite3.connect(path, isolation_level=None)) as shell:
        for table in (name.replace(KEYS, "") for name in FIXED if name not in (*WHOLE, *AS_IT_WAS)):
            for statement in replacements(shell, table):
                with pytest.raises(sqlite3.IntegrityError, match="holdfast refuses"):
                    shell.execute(statement)


def replacements(shell: sqlite3.Connection, table: str) -> Iterator[str]:
    """For each unique key of a table, a row to be put in the place of one that is equal in this key alone."""
    columns = {row[1]: row for row in shell.execute(f"PRAGMA table_info({table})")}
    keys = {tuple(name for name, row in columns.items() if row[5])}
    for _, index, unique, *_ in shell.execute(f"PRAGMA index_list({table})").fetchall():
        if unique:
            keys.add(tuple(row[2] for row in shell.execute(f"PRAGMA index_info({index})")))
    for key in sorted(keys):
        others = {name for other in keys for name in other} - set(key)
        values = [FRESH.get(row[2], "'other'") if n in others else n for n, row in columns.items()]
        yield (
            f"INSERT OR REPLACE INTO {table} SELECT {', '.join(values)} FROM {table} "
            f"{OPENS.get(table, '')} LIMIT 1"
        )


def test_a_key_without_its_message_stays(house: House) -> None:
    with house.vault.records.write() as connection:
        connection.execute(data_keys.insert(), {"message_pk": 7, "epoch_id": "e", "wrapped": b"\0"})
    assert refused(house, f"DELETE FROM {KEYS}data_keys WHERE message_pk = 7")


SHELLED = (
    "INSERT OR REPLACE INTO packs SELECT id, committed - 1, created_us, NULL FROM packs",
    "INSERT OR REPLACE INTO packs SELECT id, committed, created_us, 1 FROM packs",
    "UPDATE OR REPLACE corrections SET state = 'in_force' WHERE state = 'asked'",
)
"""What SQLite's REPLACE could take away besides."""


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # only it has REPLACE
@pytest.mark.parametrize("statement", SHELLED)
def test_a_shell_replaces_nothing(full: House, statement: str) -> None:
    path = full.vault.records.sqlite_path
    assert path is not None
    with closing(sqlite3.connect(path, isolation_level=None)) as shell:
        shell.execute(
            "INSERT INTO corrections (message_pk, sealed, state, asked_by, asked_us) "
            "SELECT message_pk, sealed, 'asked', asked_by, asked_us FROM corrections WHERE state = 'in_force'"
        )
        with pytest.raises(sqlite3.IntegrityError, match="holdfast refuses"):
            shell.execute(statement)


def faults(house: House) -> set[tuple[str, str]]:
    return {(one.kind, one.where) for one in Scrubber(house.vault, full=False).run()}


REPLACED = "INSERT OR REPLACE INTO messages ({columns}) SELECT {values} FROM messages WHERE pk = {pk}"
OPEN: dict[str, tuple[str, str]] = {
    "an epoch key": (
        "UPDATE wrapped_keys SET wrapped = zeroblob(60) WHERE kind = 'epoch'",
        "key_unavailable",
    ),
    "tokens called filed": ("UPDATE filed_tokens SET until = 1000000 WHERE id = 1", "tokens"),
}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_sql_can_do_all_the_same_is_named(full: House) -> None:
    """One thing after the other, as by the database's own shell."""
    path = full.vault.records.sqlite_path
    assert path is not None
    full.old(sender="new@clinic.example")
    assert faults(full) == set()
    with closing(sqlite3.connect(path)) as shell:
        shell.execute("INSERT OR IGNORE INTO filed_tokens VALUES (1, 0)")
        for what, (statement, kind) in OPEN.items():
            done = shell.execute(statement)
            assert done.rowcount > 0, what
            shell.commit()
            assert kind in {found for found, _ in faults(full)}, what


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_our_own_connections_replace_no_row_by_any_unique_column(full: House) -> None:
    with full.vault.records.read() as connection:
        columns = [row[1] for row in connection.execute(text("PRAGMA table_info(messages)"))]
    for unique in ("id", "seq", "sha256"):
        others = {"pk": "7", "seq": "777777", "sha256": "randomblob(32)", "id": "'mother'"}
        del others[unique]
        values = ", ".join(others.get(column, column) for column in columns)
        statement = REPLACED.format(columns=", ".join(columns), values=values, pk=max(full.living()))
        assert refused(full, statement), unique


DOWN: dict[str, dict[tuple[str, ...], str]] = {
    "sqlite": {
        ("DROP TRIGGER guard_holds_state",): "guard_holds_state",
        (
            "PRAGMA writable_schema = ON",
            "UPDATE sqlite_master SET sql = replace(sql, 'released', 'x') "
            "WHERE name = 'guard_data_keys_delete'",
            "PRAGMA writable_schema = RESET",
        ): "guard_data_keys_delete",
    },
    "postgresql": {
        ("ALTER TABLE holds DISABLE TRIGGER guard_holds_state",): "guard_holds_state",
        ("ALTER TABLE holds ENABLE REPLICA TRIGGER guard_holds_fixed",): "guard_holds_fixed",
        ("DROP TRIGGER guard_messages_truncate ON messages",): "guard_messages_truncate",
        (
            "CREATE OR REPLACE FUNCTION holdfast_guard_data_keys_delete() RETURNS trigger LANGUAGE plpgsql "
            "AS $$ BEGIN RETURN OLD; END $$",
        ): "guard_data_keys_delete",
        (
            "CREATE OR REPLACE FUNCTION holdfast_refuse() RETURNS trigger LANGUAGE plpgsql "
            "AS $$ BEGIN RETURN NULL; END $$",
        ): "guard_holds_truncate",
    },
}


def test_a_guard_that_is_taken_down_is_named(house: House) -> None:
    with house.vault.records.read() as connection:
        assert list(guards_standing.fallen(connection)) == []
    for statements, guard in DOWN[house.vault.records.dialect].items():
        for statement in statements:
            with house.vault.records.outside() as connection:
                connection.exec_driver_sql(statement)
                connection.commit()
        assert ("guard", guard) in faults(house)
