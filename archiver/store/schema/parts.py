"""Parts: what messages hold in common and is stored once, and which messages refer to it."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, LargeBinary, String, Table, text

from archiver.store.schema.base import KEY, KEYS_SCHEMA, metadata

parts = Table(
    "parts",
    metadata,
    Column("id", String, primary_key=True),
    # Blind token of its content: says that two are equal, to who has the key.
    Column("token", LargeBinary, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("captured_us", BigInteger, nullable=False),
    Column("pack_id", String, nullable=False),
    Column("pack_offset", BigInteger, nullable=False),
    Column("pack_length", BigInteger, nullable=False),
    Column("blob_sha256", LargeBinary, nullable=False),
    Column("destroyed_us", BigInteger),
    Index(
        "uq_parts_token_alive",
        "token",
        unique=True,
        sqlite_where=text("destroyed_us IS NULL"),
        postgresql_where=text("destroyed_us IS NULL"),
    ),
    Index(
        "ix_parts_dead",
        "pack_id",
        "pack_length",
        sqlite_where=text("destroyed_us IS NOT NULL"),
        postgresql_where=text("destroyed_us IS NOT NULL"),
    ),
)

part_refs = Table(
    "part_refs",
    metadata,
    Column("message_pk", KEY, primary_key=True, autoincrement=False),
    Column("part_id", String, ForeignKey("parts.id"), primary_key=True, index=True),
    # Index in the captures log of the delivery that first referred to it: its leaf commits to it.
    Column("seq", BigInteger, nullable=False, index=True),
    sqlite_with_rowid=False,
)

part_keys = Table(
    "part_keys",
    metadata,
    Column("part_id", String, primary_key=True),
    Column("epoch_id", String, nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    schema=KEYS_SCHEMA,
)
