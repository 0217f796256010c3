"""What every table shares: the metadata, its naming, and the type of a key."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, MetaData, String, Table, text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    }
)

KEY = BigInteger().with_variant(Integer, "sqlite")
"""A 64-bit key; SQLite makes only an INTEGER PRIMARY KEY its row id, without an index of its own."""

KEYS_SCHEMA = "keys"
"""PostgreSQL schema of the key tables, left out of the main backup; SQLite has no schemas."""


def sending(table: str) -> tuple[Column[Any] | Index, ...]:
    """What a table of mails needs to be sent by `retention.notices.sending`, and the index of what waits."""
    waiting = text("sent_us IS NULL AND NOT dropped")
    return (
        Column("next_us", BigInteger, nullable=False),
        Column("tries", Integer, nullable=False, server_default=text("0")),
        Column("sent_us", BigInteger),
        # Why it last failed, as a code; `bounced` when a relay further on gave it back.
        Column("failure", String),
        # Not needed any more before it could be sent.
        Column("dropped", Boolean, nullable=False, server_default=text("false")),
        Index(f"ix_{table}_waiting", "next_us", sqlite_where=waiting, postgresql_where=waiting),
    )


meta = Table(
    "meta",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)
