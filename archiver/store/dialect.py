"""The one place for SQL that differs between SQLite and PostgreSQL: locks, upserts, connection set-up.

The triggers, which differ too, have a file of their own: `archiver.store.guards`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import Connection, Date, Engine, Table, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import dml

from archiver.store.schema import KEYS_SCHEMA

if TYPE_CHECKING:
    from archiver.store.records import Records

LOCK_ARCHIVE = 0x486F6C64
"""Commits, holds and disposals exclude one another with it; taken before LOCK_AUDIT."""
LOCK_AUDIT = 0x41756469
LOCK_JOBS = 0x4A6F6273
"""Who queues or claims jobs; never taken beside another."""

LIST = 512
"""Values SQLite is given in one list; a power of two."""

_BUSY_MS = 30_000
"""How long SQLite waits for who is in its way."""
_SCRUB_TRIES, _SCRUB_MS, _SCRUB_RESTS_S = 30, 100, 0.2
"""How often emptying the log is tried, how long a try may hold up captures, and the rest in between."""

_PLACE = {"sqlite": "?", "postgresql": "%s"}
"""How the drivers write the place of a value."""

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
        # So that REPLACE fires the guards of what it deletes, by whichever unique column.
        cursor.execute("PRAGMA recursive_triggers=ON")
        cursor.execute("PRAGMA temp_store=MEMORY")
        cursor.execute("PRAGMA secure_delete=ON")
        cursor.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
        cursor.execute("PRAGMA cache_size=-12288")
        # Every 16 MiB of the log instead of 4: whoever commits then copies a page that changed often once.
        cursor.execute("PRAGMA wal_autocheckpoint=4096")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        if options.get("holdfast_outside", False):
            return
        writes = options.get("holdfast_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def for_looks(engine: Engine) -> Engine:
    """The same engine for transactions that only read, all of whose statements see one moment.

    SQLite's always do; PostgreSQL's own default is a new moment for each statement.
    """
    if engine.dialect.name == "sqlite":
        return engine
    return engine.execution_options(isolation_level="REPEATABLE READ")


def lock(connection: Connection, number: int) -> None:
    """Take a database-wide lock until the transaction ends.

    SQLite's BEGIN IMMEDIATE already lets only one writer in, so there it is a no-op.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": number})


def insert_or_ignore(connection: Connection, table: Table) -> dml.Insert:
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


class Insert:
    """An INSERT into one table whose text is made once, for paths where building it costs more than running.

    Rows are dictionaries with just the named columns. `conflict` says what happens to a row whose key is
    there: `fail`, `ignore`, or the names of the columns that take the new row's values.
    """

    def __init__(
        self,
        table: Table,
        columns: Sequence[str],
        conflict: Literal["fail", "ignore"] | Sequence[str] = "fail",
    ) -> None:
        self.table = table.name
        self._texts = {name: _insert(name, table, columns, conflict) for name in _PLACE}
        self._values: Callable[[Mapping[str, Any]], tuple[Any, ...]] = _getter(columns)
        self._dates = [i for i, name in enumerate(columns) if isinstance(table.c[name].type, Date)]

    def __call__(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert the rows; no rows is no work."""
        if not rows:
            return
        values = [self._values(row) for row in rows]
        if self._dates and connection.dialect.name == "sqlite":
            values = [self._with_text_dates(row) for row in values]
        _run(connection, self._texts[connection.dialect.name], values if len(values) > 1 else values[0])

    def _with_text_dates(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        changed = list(row)
        for i in self._dates:
            changed[i] = None if row[i] is None else row[i].isoformat()
        return tuple(changed)


class Fixed:
    """Another statement whose text is made once. Written with `?` for each value, `{keys}` before a key table
    and `{among}` for the test against a list of values, which then is the only parameter there is.
    """

    def __init__(self, written: str) -> None:
        self._written = written
        self._texts = {
            name: written.replace("?", place)
            .replace("{keys}", f"{KEYS_SCHEMA}." if name == "postgresql" else "")
            .replace("{among}", "= ANY(%s)" if name == "postgresql" else "{among}")
            for name, place in _PLACE.items()
        }

    def run(self, connection: Connection, *rows: tuple[Any, ...]) -> int:
        """Run it once for each tuple of values; once when there is none to give. How many rows it changed."""
        given = rows[0] if len(rows) == 1 else list(rows) if rows else ()
        return int(_run(connection, self._texts[connection.dialect.name], given).rowcount)

    def first(self, connection: Connection, *values: Any) -> tuple[Any, ...] | None:
        """The first row it finds, or None."""
        cursor = _run(connection, self._texts[connection.dialect.name], values)
        found = cursor.fetchone()
        cursor.close()
        return None if found is None else tuple(found)

    def pieces(self, connection: Connection, rows: int, *values: Any) -> Iterator[list[tuple[Any, ...]]]:
        """What it finds, up to so many rows at a time."""
        cursor = _run(connection, self._texts[connection.dialect.name], values)
        while found := cursor.fetchmany(rows):
            yield found
        cursor.close()

    def among(self, connection: Connection, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Run it for a list of values, however long; the rows it finds."""
        text_ = self._texts[connection.dialect.name]
        found: list[tuple[Any, ...]] = []
        if not values:
            return found
        if connection.dialect.name == "postgresql":
            found += _run(connection, text_, (list(values),)).fetchall()
            return found
        for start in range(0, len(values), LIST):
            chunk = list(values[start : start + LIST])
            # Filled up to a power of two with one of its own: few texts, which SQLite keeps prepared.
            chunk += chunk[-1:] * ((1 << (len(chunk) - 1).bit_length()) - len(chunk))
            places = f"IN ({','.join('?' * len(chunk))})"
            found += _run(connection, text_.replace("{among}", places), tuple(chunk)).fetchall()
        return found


def _run(connection: Connection, text_: str, values: Sequence[Any]) -> Any:
    """Run a statement by the driver's own cursor; a list is many rows. Its errors are SQLAlchemy's as always.

    SQLAlchemy's preparing and wrapping of a statement cost more than SQLite's running it, some fifteen times
    a commit.
    """
    cursor = connection.connection.cursor()
    try:
        if isinstance(values, list):
            cursor.executemany(text_, values)
        else:
            cursor.execute(text_, values)
    except connection.dialect.loaded_dbapi.Error as error:
        raise DBAPIError.instance(
            text_,
            None,
            error,
            connection.dialect.loaded_dbapi.Error,
            hide_parameters=True,
            connection_invalidated=connection.dialect.is_disconnect(
                error, connection.connection.dbapi_connection, cursor
            ),
            dialect=connection.dialect,
        ) from error
    return cursor


def _insert(dialect: str, table: Table, columns: Sequence[str], conflict: str | Sequence[str]) -> str:
    schema = f"{table.schema}." if table.schema and dialect == "postgresql" else ""
    places = ", ".join(_PLACE[dialect] for _ in columns)
    text_ = f"INSERT INTO {schema}{table.name} ({', '.join(columns)}) VALUES ({places})"
    if conflict == "fail":
        return text_
    if conflict == "ignore":
        return f"{text_} ON CONFLICT DO NOTHING"
    keys = ", ".join(column.name for column in table.primary_key.columns)
    return f"{text_} ON CONFLICT ({keys}) DO UPDATE SET " + ", ".join(f"{c} = excluded.{c}" for c in conflict)


def _getter(columns: Sequence[str]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    if len(columns) == 1:
        return lambda row: (row[columns[0]],)
    return itemgetter(*columns)


def is_refusal(error: BaseException) -> bool:
    """True when a guard refused the statement."""
    return REFUSED_MARK in str(getattr(error, "orig", error))


def is_duplicate(error: DBAPIError) -> bool:
    """True when a row of the same unique key was there."""
    name = getattr(error.orig, "sqlite_errorname", "")
    return name in _DUPLICATES or getattr(error.orig, "sqlstate", "") == "23505"


_DUPLICATES = ("SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_ROWID")


def told_of(error: DBAPIError) -> str:
    """What may be said of a driver's error: its class, its code, and the constraint that it names."""
    found = [type(error.orig).__name__]
    found += [getattr(error.orig, name, None) or "" for name in ("sqlite_errorname", "sqlstate")]
    found += [getattr(getattr(error.orig, "diag", None), "constraint_name", None) or ""]
    return " ".join(filter(None, found))


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

    SQLite overwrites deleted rows and its write-ahead log is emptied here, unless a read keeps it in use for
    longer than this waits. PostgreSQL gives dead rows and log segments free, but overwrites them in its own
    time.
    """
    if records.dialect == "sqlite":
        return any(_log_emptied(records) for _ in range(_SCRUB_TRIES))
    with records.outside() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql(
            "VACUUM keys.data_keys, keys.part_keys"
        )
    return False


def _log_emptied(records: Records) -> bool:
    """Try once. The statement has the writers' lock while it waits for readers: not for long."""
    with records.outside() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)").one()  # most of the work, beside writers
        connection.exec_driver_sql(f"PRAGMA busy_timeout={_SCRUB_MS}")
        try:
            busy, _, _ = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
        finally:
            connection.exec_driver_sql(f"PRAGMA busy_timeout={_BUSY_MS}")
    if busy:
        time.sleep(_SCRUB_RESTS_S)
    return not busy
