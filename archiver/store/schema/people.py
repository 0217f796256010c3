"""Users, their credentials, and patients."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, LargeBinary, SmallInteger, String, Table, text

from archiver.store.schema.base import metadata

users = Table(
    "users",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False, unique=True),
    Column("role", String, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("disabled_us", BigInteger),
    # Where they are written to: `{"mail": ...}`; NULL where nobody said.
    Column("sealed", LargeBinary),
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
    # Who made a link or a token: a user's id, or `operator`; NULL of before that was kept.
    Column("issued_by", String),
    # Of a session. Its secret changes (at each fresh passkey), the id stays: two rows may share one.
    Column("session_id", String, index=True),
    # How it began: passkey, oidc, link; NULL of before that was kept.
    Column("method", String),
    # When it last saw a passkey's assertion with user verification.
    Column("verified_us", BigInteger),
    # It may do nothing but enrol a passkey.
    Column("enrol_only", Boolean, nullable=False, server_default=text("false")),
    # From where, and with which browser, by the session's id.
    Column("sealed_place", LargeBinary),
    # When the first use of a token was put on record.
    Column("noted_us", BigInteger),
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
