"""Compression dictionaries: each is needed as long as anything is kept that was sealed with it."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, LargeBinary, String, Table

from archiver.store.schema.base import metadata

dictionaries = Table(
    "dictionaries",
    metadata,
    # 1, 2, 3, ...: a hole means that one is missing.
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("created_us", BigInteger, nullable=False),
    # How many messages the archive had then: it tells when a newer dictionary is worth its work.
    Column("messages", BigInteger, nullable=False),
    # Kind `dictionary`, under a data key of its own, which this epoch key wraps.
    Column("sealed", LargeBinary, nullable=False),
    Column("epoch_id", String, nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
)
