"""Guards against SQLite's REPLACE, which deletes the row in its way without firing the guards of deletion.

Our own connections fire them even so (`recursive_triggers`); the database's own shell doesn't. What is in the
way is a row that is equal in any unique key, so these guards follow from the schema.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from sqlalchemy import Table, UniqueConstraint

from archiver.store.guard import Guard
from archiver.store.schema import metadata

_OVERWRITTEN: Final = frozenset({"packs", "found_types", "alert_items"})
"""Where our own INSERT may find its row, to update or leave it: that fires the guards of insertion too."""


def over(guards: Iterable[Guard]) -> Iterator[Guard]:
    """One guard for each table that has a guard of deletion and more than a key that REPLACE could change."""
    guarded = {guard.table for guard in guards if guard.verb == "DELETE"}
    for table in metadata.sorted_tables:
        name = f"{{keys}}{table.name}" if table.schema else table.name
        if name not in guarded or table.name in _OVERWRITTEN or len(table.primary_key) == len(table.columns):
            continue
        there = " OR ".join(f"EXISTS (SELECT 1 FROM {name} WHERE {same})" for same in _clashes(table))
        yield Guard(f"{table.name}_replace", name, "INSERT", there, only_sqlite=True)


def _clashes(table: Table) -> Iterator[str]:
    """For each unique key the condition under which a row is in the way of NEW, in words its index serves."""
    unique = [one for one in table.constraints if isinstance(one, UniqueConstraint)]
    for key in (table.primary_key, *sorted(unique, key=lambda one: str(one.name))):
        yield _same(column.name for column in key.columns)
    for index in sorted(table.indexes, key=lambda one: str(one.name)):
        if index.unique:
            where = index.dialect_options["sqlite"]["where"]
            yield _same(column.name for column in index.columns) + ("" if where is None else f" AND {where}")


def _same(columns: Iterable[str]) -> str:
    return " AND ".join(f"{name} = NEW.{name}" for name in columns)
