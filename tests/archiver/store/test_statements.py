"""Statements whose text is made once say the same on both databases."""

from __future__ import annotations

import re
from datetime import date

import pytest
from sqlalchemy import Column, Date, Integer, LargeBinary, MetaData, Table, select

from archiver.errors import AlreadyThere, DestructionRefused, StoreError
from archiver.store import guards
from archiver.store.dialect import LIST, Fixed, Insert
from archiver.store.schema import ledger_entries, packs
from archiver.vault import Vault

COLUMNS = ("id", "committed", "created_us")


def rows(numbers: range, committed: int = 0) -> list[dict[str, object]]:
    return [{"id": f"p{n}", "committed": committed, "created_us": n} for n in numbers]


def test_a_row_that_is_there_fails_is_left_or_is_updated(vault: Vault) -> None:
    with vault.records.write() as connection:
        Insert(packs, COLUMNS)(connection, rows(range(3)))
        Insert(packs, COLUMNS, "ignore")(connection, rows(range(2, 4), committed=5))
        Insert(packs, COLUMNS, ("committed",))(connection, rows(range(1), committed=7))
        Insert(packs, COLUMNS)(connection, [])
        found = dict(connection.execute(select(packs.c.id, packs.c.committed)).all())  # type: ignore[arg-type]
    assert found == {"p0": 7, "p1": 0, "p2": 0, "p3": 5}
    with pytest.raises(AlreadyThere), vault.records.write() as connection:
        Insert(packs, COLUMNS)(connection, rows(range(1), committed=7))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # only it has REPLACE
def test_guards_of_what_capture_fills_look_things_up_by_an_index(vault: Vault) -> None:
    """They are asked for each row: a scan would make capture slower with every message."""
    with vault.records.read() as connection:
        for guard in guards.GUARDS:
            if guard.verb != "INSERT" or not guard.name.endswith("_replace"):
                continue
            condition = re.sub(r"NEW\.\w+", "1", guard.condition.replace("{keys}", ""))
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN SELECT {condition}").all()
            assert not [row[3] for row in plan if row[3].startswith(f"SCAN {guard.table}")], guard.name
            assert any("SEARCH" in row[3] for row in plan), guard.name


def test_a_list_may_be_of_any_length(vault: Vault) -> None:
    among = Fixed("SELECT id FROM packs WHERE id {among}")
    with vault.records.write() as connection:
        Insert(packs, COLUMNS)(connection, rows(range(2 * LIST + 3)))
        for size in (0, 1, 2, 3, LIST, LIST + 1, 2 * LIST + 3):
            wanted = [f"p{n}" for n in range(size)]
            assert sorted(found for (found,) in among.among(connection, wanted)) == sorted(wanted)
        assert among.among(connection, ["p1", "absent"]) == [("p1",)]


def test_a_statement_runs_once_for_each_tuple(vault: Vault) -> None:
    grow = Fixed("UPDATE packs SET committed = committed + ? WHERE id = ?")
    with vault.records.write() as connection:
        Insert(packs, COLUMNS)(connection, rows(range(3)))
        grow.run(connection, (1, "p0"), (2, "p1"))
        assert grow.run(connection, (4, "p1")) == 1
        assert grow.run(connection, (4, "absent")) == 0
        assert Fixed("SELECT committed FROM packs WHERE id = ?").first(connection, "p1") == (6,)
        assert Fixed("SELECT committed FROM packs WHERE id = ?").first(connection, "absent") is None
        assert [r.committed for r in connection.execute(select(packs).order_by(packs.c.id))] == [1, 6, 0]


def test_dates_bytes_and_nothing_come_back_as_they_went(vault: Vault) -> None:
    table = Table(
        "made_up",
        MetaData(),
        Column("n", Integer, primary_key=True),
        Column("day", Date),
        Column("raw", LargeBinary),
    )
    given = [{"n": 1, "day": date(2026, 1, 31), "raw": b"\x00\xff"}, {"n": 2, "day": None, "raw": None}]
    with vault.records.write() as connection:
        table.create(connection)
        Insert(table, ("n", "day", "raw"))(connection, given)
        assert [dict(r) for r in connection.execute(select(table).order_by(table.c.n)).mappings()] == given


def test_what_fails_says_nothing_of_its_values_and_leaves_the_database_usable(vault: Vault) -> None:
    absent = Fixed("UPDATE no_such_table SET committed = ? WHERE id = ?")

    def work() -> None:
        with vault.records.write() as connection:
            Insert(packs, COLUMNS)(connection, rows(range(1)))
            absent.run(connection, (1, "a private word"))

    with pytest.raises(StoreError) as told:
        work()
    assert "private" not in f"{told.value} {told.value.__cause__}"
    with vault.records.read() as connection:
        assert connection.execute(select(packs)).all() == []


def test_a_guard_that_refuses_is_told_as_such(vault: Vault) -> None:
    """By whichever cursor the statement went: see `archiver.store.guards`."""
    with vault.records.write() as connection:
        Insert(ledger_entries, ("log", "idx", "leaf"))(connection, [{"log": 1, "idx": 0, "leaf": b"x"}])
    with pytest.raises(DestructionRefused), vault.records.write() as connection:
        Fixed("DELETE FROM ledger_entries WHERE idx = ?").run(connection, (0,))
    with vault.records.read() as connection:
        assert len(connection.execute(select(ledger_entries)).all()) >= 1
