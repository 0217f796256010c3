"""Guards where the first two schemas had holes; no table, no column. Frozen SQL, one file a dialect."""

from __future__ import annotations

from pathlib import Path

from alembic import op

from migrations.versions import BREAK

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Put up guards that are new, and those worded anew in the place of their former selves."""
    dialect = op.get_bind().dialect.name
    script = Path(__file__).with_name(f"0003_{dialect}.sql").read_text("utf-8")
    for statement in script.split(BREAK):
        op.get_bind().exec_driver_sql(statement.strip())
