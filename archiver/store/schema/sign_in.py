"""How people prove who they are: passkeys, challenges, attempts that failed, and what they are told of it."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
)

from archiver.store.schema.base import metadata, sending

passkeys = Table(
    "passkeys",
    metadata,
    # A removed one stays: what it signed (an approval) is verified with its public key for ever.
    Column("id", String, primary_key=True),
    Column("user_id", String, ForeignKey("users.id"), nullable=False, index=True),
    Column("credential_id", LargeBinary, nullable=False, unique=True),
    # COSE_Key (RFC 9052), as the authenticator gave it.
    Column("public_key", LargeBinary, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("aaguid", String, nullable=False),
    # Names of WebAuthn's AuthenticatorTransport, with commas.
    Column("transports", String, nullable=False),
    Column("backup_eligible", Boolean, nullable=False),
    Column("backed_up", Boolean, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("last_used_us", BigInteger),
    Column("removed_us", BigInteger),
    # `user`, `operator`, or `cloned`: its counter went backwards.
    Column("removed_why", String),
    # What its owner calls it.
    Column("sealed", LargeBinary, nullable=False),
)

challenges = Table(
    "challenges",
    metadata,
    # challenge = SHA-256(payload || nonce): what an approval signs is verifiable without this table.
    Column("challenge", LargeBinary, primary_key=True),
    # enrol, sign_in, step_up, approve.
    Column("purpose", String, nullable=False),
    Column("user_id", String, ForeignKey("users.id")),
    Column("session_id", String),
    Column("payload", LargeBinary, nullable=False),
    Column("nonce", LargeBinary, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False, index=True),
    Column("spent_us", BigInteger),
)

sign_in_attempts = Table(
    "sign_in_attempts",
    metadata,
    # Failures counted in a window; `key` is an HMAC of whom they are counted against.
    Column("key", LargeBinary, primary_key=True),
    Column("count", Integer, nullable=False),
    Column("until_us", BigInteger, nullable=False, index=True),
)

link_requests = Table(
    "link_requests",
    metadata,
    # A new link for somebody who has a passkey takes two administrators: the first one's wish.
    Column("user_id", String, ForeignKey("users.id"), primary_key=True),
    Column("asked_by", String, ForeignKey("users.id"), primary_key=True),
    Column("asked_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
)

account_notices = Table(
    "account_notices",
    metadata,
    # What was done to an account, for its owner: shown at the desk until seen, and mailed where one can.
    Column("id", String, primary_key=True),
    Column("user_id", String, ForeignKey("users.id"), nullable=False),
    # link_issued, passkey_added, passkey_removed, passkey_cloned, token_issued, sessions_ended ...
    Column("kind", String, nullable=False),
    Column("by_id", String, nullable=False),
    Column("made_us", BigInteger, nullable=False),
    Column("seen_us", BigInteger),
    Index("ix_account_notices_user", "user_id", "made_us"),
    *sending("account_notices"),
)
