"""Brings the records database to the schema of this version."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

import migrations
from archiver.errors import StoreError
from archiver.store import dialect
from archiver.store.records import Records

VERSION_TABLE = "schema_version"


def newest() -> str:
    """The revision this program needs: the number of its last migration."""
    scripts = (Path(migrations.__file__).parent / "versions").glob("[0-9]*_*.py")
    return max(script.name.partition("_")[0] for script in scripts)


def upgrade(records: Records) -> None:
    """Run every missing migration in one transaction. Durable on return; idempotent.

    Raises StoreError when a newer program made the database.
    """
    # Alembic takes as long to load as everything else together, and only `init` needs it.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    with records.write(dialect.LOCK_ARCHIVE) as connection:
        _refuse_newer(_version(connection))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def check(records: Records) -> None:
    """Raise StoreError when the database is of another schema version than this program."""
    with records.read() as connection:
        current = _version(connection)
    if current is None:
        raise StoreError("this home has no archive yet; run `holdfast init` first")
    _refuse_newer(current)
    if current != newest():
        raise StoreError(
            f"the database has schema {current}, this program needs {newest()}; run `holdfast init`"
        )


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found = connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))
    return str(found) if found is not None else None


def _refuse_newer(version: str | None) -> None:
    # Versions are numbers of equal length, so their order as text is their order.
    if version is not None and version > newest():
        raise StoreError(
            f"the database has schema {version}, of a newer Holdfast; run that version, not this one"
        )
