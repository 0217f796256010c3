"""A look at the database sees one moment, on both databases."""

from __future__ import annotations

from sqlalchemy import func, select

from archiver.store.schema import meta
from archiver.vault import Vault


def test_all_statements_of_a_look_see_the_same_moment(vault: Vault) -> None:
    count = select(func.count()).select_from(meta)
    with vault.records.read() as look:
        before = look.scalar(count) or 0
        with vault.records.write() as connection:
            connection.execute(meta.insert().values(name="meanwhile", value=b"1"))
        assert look.scalar(count) == before
    with vault.records.read() as look:
        assert look.scalar(count) == before + 1
    # The connection it gave back writes as ever.
    with vault.records.write() as connection:
        level = "SHOW transaction_isolation"
        if vault.records.dialect == "postgresql":
            assert connection.exec_driver_sql(level).scalar() == "read committed"
