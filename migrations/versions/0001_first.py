"""The first schema: frozen SQL, one file a dialect, so that later code can't change what it did."""

from __future__ import annotations

from pathlib import Path

from alembic import op

from migrations.versions import BREAK

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create every table and guard."""
    dialect = op.get_bind().dialect.name
    script = Path(__file__).with_name(f"0001_{dialect}.sql").read_text("utf-8")
    for statement in script.split(BREAK):
        op.get_bind().exec_driver_sql(statement.strip())
