"""Writes the SQL of a new migration's first form from the schema: `python -m migrations.freeze 0001`.

Only for a migration that has not been released; a released one is never written again.
"""

from __future__ import annotations

import sys
from pathlib import Path

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from archiver.store import guards
from archiver.store.schema import KEYS_SCHEMA, metadata
from migrations.versions import BREAK

DIALECTS = {"sqlite": sqlite.dialect(), "postgresql": postgresql.dialect()}


def statements(name: str) -> list[str]:
    """Every statement that builds the schema in a dialect, guards included."""
    chosen = DIALECTS[name]
    found = [f"CREATE SCHEMA IF NOT EXISTS {KEYS_SCHEMA}"] if name == "postgresql" else []
    for table in metadata.sorted_tables:
        found.append(str(CreateTable(table).compile(dialect=chosen)))
        found += [
            str(CreateIndex(index).compile(dialect=chosen))
            for index in sorted(table.indexes, key=lambda i: str(i.name))
        ]
    if name == "sqlite":
        found = [s.replace(f"{KEYS_SCHEMA}.", "") for s in found]
    return [s.strip() for s in found] + guards.statements(name)


def main() -> None:
    """Write both files of a revision."""
    folder = Path(__file__).parent / "versions"
    for name in DIALECTS:
        (folder / f"{sys.argv[1]}_{name}.sql").write_text(BREAK.join(statements(name)) + "\n", "utf-8")


if __name__ == "__main__":
    main()
