"""Statements whose text is made once say the same on both databases."""

from __future__ import annotations

from datetime import date

import pytest
from sqlalchemy import Column, Date, Integer, LargeBinary, MetaData, Table, select
from sqlalchemy.exc import IntegrityError

from archiver.store.dialect import LIST, Fixed, Insert
from archiver.store.schema import packs
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
    with pytest.raises(IntegrityError), vault.records.write() as connection:
        Insert(packs, COLUMNS)(connection, rows(range(1)))


def test_a_list_may_be_of_any_length(vault: Vault) -> None:
    among = Fixed("SELECT id FROM packs WHERE id {among}")
    with vault.records.write() as connection:
        Insert(packs, COLUMNS)(connection, rows(range(2 * LIST + 3)))
        for size in (0, 1, 2, 3, LIST, LIST + 1, 2 * LIST + 3):
            wanted = [f"p{n}" for n in range(size)]
            assert sorted(row.id for row in among.among(connection, wanted)) == sorted(wanted)
        assert [row.id for row in among.among(connection, ["p1", "absent"])] == ["p1"]


def test_a_statement_runs_once_for_each_tuple(vault: Vault) -> None:
    grow = Fixed("UPDATE packs SET committed = committed + ? WHERE id = ?")
    with vault.records.write() as connection:
        Insert(packs, COLUMNS)(connection, rows(range(3)))
        grow.run(connection, (1, "p0"), (2, "p1"))
        assert grow.run(connection, (4, "p1")).rowcount == 1
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
