"""Who else vouches: identities at an OpenID provider, and what API tokens may and are bound to."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, LargeBinary, String, Table

from archiver.store.schema.base import metadata

identities = Table(
    "identities",
    metadata,
    Column("id", String, primary_key=True),
    Column("user_id", String, ForeignKey("users.id"), nullable=False, index=True),
    # Blind-index token of (issuer, subject): one identity belongs to one user. NULL once it was taken away.
    Column("token", LargeBinary, unique=True),
    # Issuer and subject; some providers use e-mail addresses as subjects.
    Column("sealed", LargeBinary, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    # operator, a user's id, or the user's own by an invitation.
    Column("created_by", String, nullable=False),
    Column("last_used_us", BigInteger),
    Column("ended_us", BigInteger),
)

sso_returns = Table(
    "sso_returns",
    metadata,
    # What may come back once only, as SHA-256: the `state` of a sign-in, the `jti` of a logout token.
    Column("hash", LargeBinary, primary_key=True),
    Column("expires_us", BigInteger, nullable=False, index=True),
)

sso_sessions = Table(
    "sso_sessions",
    metadata,
    # Which sessions rest on an identity, so that the provider can end them (back-channel logout).
    Column("session_id", String, primary_key=True),
    Column("identity_id", String, ForeignKey("identities.id"), nullable=False, index=True),
    # Blind-index token of the provider's own id of its session.
    Column("sid", LargeBinary, index=True),
    # What the provider said of the sign-in: acr, amr, auth_time.
    Column("sealed", LargeBinary, nullable=False),
)

api_tokens = Table(
    "api_tokens",
    metadata,
    # What a token of kind `api` in `credentials` may; one without a row has all rights of its user's role.
    Column("id", String, primary_key=True),
    Column("hash", LargeBinary, ForeignKey("credentials.hash"), nullable=False, unique=True),
    Column("user_id", String, ForeignKey("users.id"), nullable=False, index=True),
    # Actions with blanks between; NULL: all of the role's, whatever they come to be.
    Column("actions", String),
    # Matters with blanks between; NULL: as the role sees.
    Column("matters", String),
    # Label and custodians.
    Column("sealed", LargeBinary, nullable=False),
    # RFC 7638 thumbprint of the key that a request must be signed with (RFC 9449); NULL: a bearer token.
    Column("jkt", String),
    Column("issued_by", String, nullable=False),
    # The token that took its place.
    Column("rotated_to", String),
)

dpop_proofs = Table(
    "dpop_proofs",
    metadata,
    # Proofs that were taken, until they are too old to be taken again: SHA-256 of thumbprint and `jti`.
    Column("hash", LargeBinary, primary_key=True),
    Column("expires_us", BigInteger, nullable=False, index=True),
)
