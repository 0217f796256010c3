"""The one place for SQL that differs between SQLite and PostgreSQL: guards, locks, connection set-up.

The guards are the last wall of promises 5 and 6: whatever path asks, and whoever wrote it, the
database itself refuses to destroy the key of a message that is held or not yet past its disposal
date. A date counts as reached only when it is that day everywhere on Earth (UTC-12).
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

# One condition, read by both guards: `m` is the message whose key is at stake.
_GUARDED = """
    m.disposal_date IS NULL OR m.permanent OR m.disposal_date > {today}
    OR EXISTS (SELECT 1 FROM hold_items i JOIN holds h ON h.id = i.hold_id
               WHERE i.message_pk = m.pk AND h.state <> 'released')
    OR EXISTS (SELECT 1 FROM holds h WHERE h.state = 'applying')
    OR (EXISTS (SELECT 1 FROM holds h WHERE h.by_index AND h.state <> 'released')
        AND (EXISTS (SELECT 1 FROM outbox o WHERE o.message_pk = m.pk)
             OR EXISTS (SELECT 1 FROM unindexed u WHERE u.message_pk = m.pk)))
"""

_SQLITE_TODAY = "date('now', '-12 hours')"
_POSTGRES_TODAY = "(now() AT TIME ZONE 'UTC' - interval '12 hours')::date"


def _sqlite_guards() -> list[str]:
    condition = _GUARDED.format(today=_SQLITE_TODAY)
    refuse = f"SELECT RAISE(ABORT, '{REFUSED_MARK}')"
    statements = []
    for verb, row in (("DELETE", "OLD"), ("UPDATE", "OLD")):
        statements.append(
            f"CREATE TRIGGER guard_data_keys_{verb.lower()} BEFORE {verb} ON data_keys "
            f"WHEN EXISTS (SELECT 1 FROM messages m WHERE m.pk = {row}.message_pk AND ({condition})) "
            f"BEGIN {refuse}; END"
        )
    statements += [
        # A message row that vanished would take its guard with it.
        f"CREATE TRIGGER guard_messages_delete BEFORE DELETE ON messages BEGIN {refuse}; END",
        "CREATE TRIGGER guard_messages_pk BEFORE UPDATE OF pk, id, sha256, anchor, captured_us, seq "
        f"ON messages BEGIN {refuse}; END",
        "CREATE TRIGGER guard_hold_items_delete BEFORE DELETE ON hold_items "
        "WHEN EXISTS (SELECT 1 FROM holds h WHERE h.id = OLD.hold_id AND h.state <> 'released') "
        f"BEGIN {refuse}; END",
        "CREATE TRIGGER guard_holds_release BEFORE UPDATE OF state ON holds "
        "WHEN NEW.state = 'released' AND (OLD.state <> 'cooling' OR OLD.cooling_until_us IS NULL "
        "OR OLD.cooling_until_us > CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER)) "
        f"BEGIN {refuse}; END",
        f"CREATE TRIGGER guard_holds_delete BEFORE DELETE ON holds BEGIN {refuse}; END",
    ]
    for table in ("ledger_entries", "audit_details", "deliveries"):
        statements.append(f"CREATE TRIGGER guard_{table}_delete BEFORE DELETE ON {table} BEGIN {refuse}; END")
    for verb in ("UPDATE",):
        statements.append(
            f"CREATE TRIGGER guard_ledger_entries_{verb.lower()} BEFORE {verb} ON ledger_entries "
            f"BEGIN {refuse}; END"
        )
    return statements


def _postgres_guards() -> list[str]:
    condition = _GUARDED.format(today=_POSTGRES_TODAY)
    refuse = f"RAISE EXCEPTION '{REFUSED_MARK}'"
    return [
        "CREATE FUNCTION holdfast_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ "
        f"BEGIN {refuse}; END $$",
        # The lock makes the check and a hold that is being placed take turns.
        "CREATE FUNCTION holdfast_guard_key() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"PERFORM pg_advisory_xact_lock({LOCK_ARCHIVE}); "
        f"IF EXISTS (SELECT 1 FROM messages m WHERE m.pk = OLD.message_pk AND ({condition})) "
        f"THEN {refuse}; END IF; "
        "IF TG_OP = 'DELETE' THEN RETURN OLD; END IF; RETURN NEW; END $$",
        "CREATE TRIGGER guard_data_keys BEFORE DELETE OR UPDATE ON keys.data_keys "
        "FOR EACH ROW EXECUTE FUNCTION holdfast_guard_key()",
        "CREATE TRIGGER guard_messages_delete BEFORE DELETE ON messages "
        "FOR EACH ROW EXECUTE FUNCTION holdfast_refuse()",
        "CREATE TRIGGER guard_messages_pk BEFORE UPDATE OF pk, id, sha256, anchor, captured_us, seq "
        "ON messages FOR EACH ROW EXECUTE FUNCTION holdfast_refuse()",
        "CREATE FUNCTION holdfast_guard_hold_item() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF EXISTS (SELECT 1 FROM holds h WHERE h.id = OLD.hold_id AND h.state <> 'released') "
        f"THEN {refuse}; END IF; RETURN OLD; END $$",
        "CREATE TRIGGER guard_hold_items_delete BEFORE DELETE ON hold_items "
        "FOR EACH ROW EXECUTE FUNCTION holdfast_guard_hold_item()",
        "CREATE FUNCTION holdfast_guard_release() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF NEW.state = 'released' AND (OLD.state <> 'cooling' OR OLD.cooling_until_us IS NULL "
        "OR OLD.cooling_until_us > extract(epoch FROM now()) * 1000000) "
        f"THEN {refuse}; END IF; RETURN NEW; END $$",
        "CREATE TRIGGER guard_holds_release BEFORE UPDATE OF state ON holds "
        "FOR EACH ROW EXECUTE FUNCTION holdfast_guard_release()",
        "CREATE TRIGGER guard_holds_delete BEFORE DELETE ON holds "
        "FOR EACH ROW EXECUTE FUNCTION holdfast_refuse()",
        *(
            f"CREATE TRIGGER guard_{table}_delete BEFORE DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION holdfast_refuse()"
            for table in ("ledger_entries", "audit_details", "deliveries")
        ),
        "CREATE TRIGGER guard_ledger_entries_update BEFORE UPDATE ON ledger_entries "
        "FOR EACH ROW EXECUTE FUNCTION holdfast_refuse()",
        *(
            f"CREATE TRIGGER guard_{table.replace('.', '_')}_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION holdfast_refuse()"
            for table in (
                "keys.data_keys", "messages", "hold_items", "holds", "ledger_entries",
                "audit_details", "deliveries",
            )
        ),
    ]  # fmt: skip


def guards(dialect: str) -> list[str]:
    """The trigger statements of a dialect (`sqlite` or `postgresql`), in order."""
    return _sqlite_guards() if dialect == "sqlite" else _postgres_guards()


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
