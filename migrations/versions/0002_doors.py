"""Every door in: what capture needs beyond the first schema. Frozen SQL, one file a dialect."""

from __future__ import annotations

from pathlib import Path

from alembic import op

from migrations.versions import BREAK

revision = "0002"
down_revision = "0001"

MOVED = (
    "INSERT INTO borne_tokens (seq, field, token) SELECT m.seq, t.field, t.token "
    "FROM message_tokens t JOIN messages m ON m.pk = t.message_pk",
    "INSERT INTO filed_tokens (id, until) SELECT 1, coalesce(max(seq) + 1, 0) FROM messages",
)
"""What an archive of the first schema knows by token, by message too."""


def upgrade() -> None:
    """Add tables, columns and guards."""
    dialect = op.get_bind().dialect.name
    script = Path(__file__).with_name(f"0002_{dialect}.sql").read_text("utf-8")
    for statement in script.split(BREAK):
        op.get_bind().exec_driver_sql(statement.strip())
    for statement in MOVED:
        op.get_bind().exec_driver_sql(statement)
