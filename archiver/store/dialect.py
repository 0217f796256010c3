"""The one place for SQL that differs between SQLite and PostgreSQL: locks, upserts, connection set-up.

The triggers, which differ too, have a file of their own: `archiver.store.guards`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, Table, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import Insert

if TYPE_CHECKING:
    from archiver.store.records import Records

LOCK_ARCHIVE = 0x486F6C64
"""Commits, holds and disposals exclude one another with it; taken before LOCK_AUDIT."""
LOCK_AUDIT = 0x41756469

REFUSED_MARK = "holdfast refuses destruction"
"""Text by which the guards' refusals are recognised in a driver's error."""


def prepare_engine(engine: Engine) -> None:
    """Install what every connection of this engine needs."""
    if engine.dialect.name != "sqlite":
        return

    @event.listens_for(engine, "connect")
    def _connect(connection, _record):  # type: ignore[no-untyped-def]
        # We begin transactions ourselves: the driver's own rule would start them too late.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA temp_store=MEMORY")
        cursor.execute("PRAGMA secure_delete=ON")
        cursor.execute("PRAGMA busy_timeout=30000")
        cursor.execute("PRAGMA cache_size=-32768")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        if options.get("holdfast_outside", False):
            return
        writes = options.get("holdfast_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def lock(connection: Connection, number: int) -> None:
    """Take a database-wide lock until the transaction ends.

    SQLite's BEGIN IMMEDIATE already lets only one writer in, so there it is a no-op.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": number})


def insert_or_ignore(connection: Connection, table: Table) -> Insert:
    """An INSERT that leaves rows alone whose key is there already."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()


def upsert(
    connection: Connection, table: Table, rows: Sequence[dict[str, Any]], update: Sequence[str]
) -> None:
    """Insert rows, or update the named columns of those whose key is there; no rows is no work."""
    if not rows:
        return
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(table)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=list(table.primary_key.columns),
            set_={name: statement.excluded[name] for name in update},
        ),
        list(rows),
    )


def is_refusal(error: BaseException) -> bool:
    """True when a guard refused the statement."""
    return REFUSED_MARK in str(getattr(error, "orig", error))


def integrity(records: Records) -> list[str]:
    """What the database itself finds wrong with its files; empty when sound.

    SQLite checks every page and index; PostgreSQL has checksums of its own (`initdb -k`).
    """
    if records.dialect != "sqlite":
        return []
    with records.read() as connection:
        lines = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA integrity_check(20)")]
    return [] if lines == ["ok"] else lines


def scrub_log(records: Records) -> bool:
    """Take what was deleted out of the database's own files as far as it can; True when it is gone there.

    SQLite overwrites deleted rows and its write-ahead log is emptied here, unless a long read keeps it in
    use. PostgreSQL gives dead rows and log segments free, but overwrites them in its own time.
    """
    if records.dialect == "sqlite":
        with records.outside() as connection:
            busy, _, _ = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
        return not busy
    with records.outside() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("VACUUM keys.data_keys")
    return False
