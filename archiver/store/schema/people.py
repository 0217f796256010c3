"""Users, their credentials, and patients."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, LargeBinary, SmallInteger, String, Table

from archiver.store.schema.base import metadata

users = Table(
    "users",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False, unique=True),
    Column("role", String, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("disabled_us", BigInteger),
)

credentials = Table(
    "credentials",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("user_id", String, ForeignKey("users.id"), nullable=False, index=True),
    Column("kind", String, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    Column("last_used_us", BigInteger),
    Column("revoked_us", BigInteger),
)

patients = Table(
    "patients",
    metadata,
    Column("id", String, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    # The same for all records of one person; NULL where the record is of before that was told.
    Column("person", String, index=True),
)

patient_tokens = Table(
    "patient_tokens",
    metadata,
    Column("token", LargeBinary, primary_key=True),
    Column("patient_id", String, ForeignKey("patients.id"), primary_key=True, index=True),
    # See `facts.BY_KEY`.
    Column("kind", SmallInteger),
)
