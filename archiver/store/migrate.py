"""Brings the records database to the schema of this version."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

import migrations
from archiver.errors import StoreError
from archiver.store import dialect
from archiver.store.records import Records


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    return config


def upgrade(records: Records) -> None:
    """Run every missing migration in one transaction. Durable on return; idempotent."""
    config = _config()
    with records.write(dialect.LOCK_ARCHIVE) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def check(records: Records) -> None:
    """Raise StoreError when the database is of another schema version than this program."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    with records.read() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": "schema_version"})
        current = context.get_current_revision()
    if current is None:
        raise StoreError("this home has no archive yet; run `holdfast init` first")
    if current != head:
        raise StoreError(
            f"the database has schema {current}, this program needs {head}; run `holdfast init` to migrate"
        )
