"""Alembic's entry: runs on the connection that `archiver.store.migrate` hands over."""

from __future__ import annotations

from alembic import context

from archiver.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table="schema_version",
    transactional_ddl=False,
)
context.run_migrations()
