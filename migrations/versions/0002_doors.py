"""Every door in: what capture needs beyond the first schema. Frozen SQL, one file a dialect."""

from __future__ import annotations

from pathlib import Path

from alembic import op

from migrations.versions import BREAK

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add tables, columns and guards."""
    dialect = op.get_bind().dialect.name
    script = Path(__file__).with_name(f"0002_{dialect}.sql").read_text("utf-8")
    for statement in script.split(BREAK):
        op.get_bind().exec_driver_sql(statement.strip())
