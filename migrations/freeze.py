"""Writes the SQL of a new migration: `python -m migrations.freeze 0004`.

The migration holds what today's schema and guards have beyond the earlier migrations: new tables, columns
and indexes, and guards that are new or worded anew; indexes that are no more are dropped. What SQL can't add
so (a column gone, a type changed) is written by hand. Only for a migration that has not been released; a
released one is never written again.
"""

from __future__ import annotations

import re
import sqlite3
import sys
from pathlib import Path

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateColumn, CreateIndex, CreateTable

from archiver.store import guards
from archiver.store.schema import KEYS_SCHEMA, metadata
from migrations.versions import BREAK

FOLDER = Path(__file__).parent / "versions"
DIALECTS = {"sqlite": sqlite.dialect(), "postgresql": postgresql.dialect()}
_GUARD = re.compile(r"CREATE (?:OR REPLACE )?(TRIGGER|FUNCTION) (\w+)(?:.*? ON ([\w.]+))?", re.DOTALL)


def statements(name: str, revision: str) -> list[str]:
    """The statements that bring a database of the earlier migrations to today's schema, in a dialect."""
    chosen = DIALECTS[name]
    earlier = _earlier(revision, name)
    there = _built(_earlier(revision, "sqlite"))
    found: list[str] = []
    if name == "postgresql" and not there:
        found.append(f"CREATE SCHEMA IF NOT EXISTS {KEYS_SCHEMA}")
    for table in metadata.sorted_tables:
        columns, indexes = there.get(table.name, (None, frozenset()))
        if columns is None:
            found.append(str(CreateTable(table).compile(dialect=chosen)))
        else:
            found += [_added(table, column, name) for column in table.columns if column.name not in columns]
        found += [
            str(CreateIndex(index).compile(dialect=chosen))
            for index in sorted(table.indexes, key=lambda i: str(i.name))
            if index.name not in indexes
        ]
        schema = f"{table.schema}." if table.schema else ""
        wanted = {index.name for index in table.indexes}
        found += [
            f"DROP INDEX {schema}{index}"
            for index in sorted(indexes)
            if index.startswith("ix_") and index not in wanted
        ]
    if name == "sqlite":
        found = [s.replace(f"{KEYS_SCHEMA}.", "") for s in found]
    return [s.strip() for s in found] + _guards(name, earlier)


def script(name: str, revision: str) -> str:
    """A migration's file in a dialect."""
    return BREAK.join(statements(name, revision)) + "\n"


def main() -> None:
    """Write both files of a revision."""
    for name in DIALECTS:
        (FOLDER / f"{sys.argv[1]}_{name}.sql").write_text(script(name, sys.argv[1]), "utf-8")


def _earlier(revision: str, name: str) -> list[str]:
    files = sorted(path for path in FOLDER.glob(f"*_{name}.sql") if path.name[:4] < revision)
    return [s.strip() for path in files for s in path.read_text("utf-8").split(BREAK)]


def _built(scripts: list[str]) -> dict[str, tuple[frozenset[str], frozenset[str]]]:
    """Columns and indexes by table, of a database that the earlier migrations built."""
    database = sqlite3.connect(":memory:")
    for statement in scripts:
        database.execute(statement)
    tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    found = {
        table: (
            frozenset(row[1] for row in database.execute(f"PRAGMA table_info({table})")),
            frozenset(row[1] for row in database.execute(f"PRAGMA index_list({table})")),
        )
        for table in tables
    }
    database.close()
    return found


def _added(table: Table, column: object, name: str) -> str:
    written = str(CreateColumn(column).compile(dialect=DIALECTS[name])).strip()  # type: ignore[arg-type]
    schema = f"{table.schema}." if table.schema else ""
    return f"ALTER TABLE {schema}{table.name} ADD COLUMN {written}"


def _guards(name: str, earlier: list[str]) -> list[str]:
    """Guards that the earlier migrations lack or word in another way."""
    made = [s.replace("CREATE OR REPLACE", "CREATE", 1) for s in earlier]
    standing = {_name(s): s for s in made if _name(s)}
    found = []
    for statement in guards.statements(name):
        key = _name(statement)
        if standing.get(key) == statement:
            continue
        if key in standing:
            kind, trigger, table = key
            if kind == "FUNCTION":
                statement = statement.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1)
            else:
                found.append(f"DROP TRIGGER {trigger}" + (f" ON {table}" if name == "postgresql" else ""))
        found.append(statement)
    return found


def _name(statement: str) -> tuple[str, str, str] | None:
    match = _GUARD.match(statement)
    if match is None:
        return None
    table = match.group(3) if match.group(1) == "TRIGGER" else ""
    return match.group(1), match.group(2), table or ""


if __name__ == "__main__":
    main()
