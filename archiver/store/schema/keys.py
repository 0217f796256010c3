"""Wrapped keys: what opens everything else; left out of the main backup on PostgreSQL."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, LargeBinary, String, Table, text

from archiver.store.schema.base import KEY, KEYS_SCHEMA, metadata

wrapped_keys = Table(
    "wrapped_keys",
    metadata,
    # Epoch keys, branch keys and the canary, each wrapped by the root key.
    Column("kind", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("root_id", String, nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    Column("wraps", BigInteger, nullable=False, server_default=text("0")),
    Column("added_us", BigInteger, nullable=False),
    schema=KEYS_SCHEMA,
)

data_keys = Table(
    "data_keys",
    metadata,
    Column("message_pk", KEY, primary_key=True, autoincrement=False),
    Column("epoch_id", String, nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    schema=KEYS_SCHEMA,
)
