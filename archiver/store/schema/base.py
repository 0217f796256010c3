"""What every table shares: the metadata, its naming, and the type of a key."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, String, Table

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

meta = Table(
    "meta",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)
