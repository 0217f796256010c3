"""Brings the records database to the schema of this version."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import inspect, text

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
    """Run every missing migration in one transaction. Durable on return; idempotent."""
    # Alembic takes as long to load as everything else together, and only `init` needs it.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    with records.write(dialect.LOCK_ARCHIVE) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def check(records: Records) -> None:
    """Raise StoreError when the database is of another schema version than this program."""
    current = None
    with records.read() as connection:
        if inspect(connection).has_table(VERSION_TABLE):
            current = connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))
    if current is None:
        raise StoreError("this home has no archive yet; run `holdfast init` first")
    if current != newest():
        raise StoreError(
            f"the database has schema {current}, this program needs {newest()}; run `holdfast init` to migrate"
        )
