"""Whether the guards stand as they were put up, and alone: who owns the database can take them down, and put
up triggers that change or swallow what is written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from sqlalchemy import Connection

from archiver.store import guards
from archiver.store.schema import metadata

_TRIGGER: Final = re.compile(r"CREATE TRIGGER (\w+) ")
_FUNCTION: Final = re.compile(r"CREATE FUNCTION (\w+)\(\) .* AS \$\$(.*)\$\$", re.DOTALL)
_LISTED: Final = {
    "sqlite": "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'",
    # Enabled for ordinary sessions, and still running the function of its name.
    "postgresql": "SELECT t.tgname, p.proname FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid "
    "WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')",
}
_ALL: Final = {
    "sqlite": "SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger' ORDER BY name",
    "postgresql": "SELECT t.tgname, c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
    "JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE NOT t.tgisinternal AND n.nspname IN (current_schema(), 'keys') ORDER BY t.tgname",
}
_SOURCES: Final = "SELECT proname, prosrc FROM pg_proc WHERE starts_with(proname, 'holdfast_')"


def fallen(connection: Connection) -> Iterator[str]:
    """The names of guards that are gone, disabled or not this program's, in the order of their making."""
    dialect = connection.dialect.name
    found = {str(row[0]): str(row[1]) for row in connection.exec_driver_sql(_LISTED[dialect])}
    sources: dict[str, str] = {}
    if dialect == "postgresql":
        sources = {str(row[0]): str(row[1]) for row in connection.exec_driver_sql(_SOURCES)}
    wrong: set[str] = set()
    for statement in guards.statements(dialect):
        if function := _FUNCTION.match(statement):
            if sources.get(function[1]) != function[2]:
                wrong.add(function[1])
            continue
        name = _TRIGGER.match(statement)[1]  # type: ignore[index]  # our own statements are of these two
        runs = statement.rpartition("FUNCTION ")[2].removesuffix("()")
        if found.get(name) != (runs if dialect == "postgresql" else statement) or runs in wrong:
            yield name


def foreign(connection: Connection) -> Iterator[str]:
    """The names of triggers on our tables that aren't this program's, in their order."""
    dialect = connection.dialect.name
    made = {found[1] for one in guards.statements(dialect) if (found := _TRIGGER.match(one))}
    ours = {table.name for table in metadata.tables.values()}
    # SQLite keeps the table as whoever made the trigger spelt it.
    for name, table in connection.exec_driver_sql(_ALL[dialect]):
        if name not in made and table.lower() in ours:
            yield str(name)
