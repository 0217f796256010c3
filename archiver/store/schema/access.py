"""Who may look, besides roles: grants, approvals by a second person, appointments, emergencies, and the rest.

Nothing here is ever deleted: it documents access for six years and more (45 CFR 164.316(b)(2)(i)).
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, String, Table

from archiver.store.schema.base import metadata

grants = Table(
    "grants",
    metadata,
    Column("id", String, primary_key=True),
    Column("user_id", String, ForeignKey("users.id"), nullable=False, index=True),
    # limit: sees only what such grants cover; add: may do more, on what it covers; release: sees what is
    # withheld of the record types it names.
    Column("kind", String, nullable=False),
    # Of `add`: names of actions with blanks between. Of `release`: record types.
    Column("names", String, nullable=False),
    # The cover, and why.
    Column("sealed", LargeBinary, nullable=False),
    Column("from_us", BigInteger, nullable=False),
    Column("until_us", BigInteger, nullable=False),
    # asked -> granted -> revoked, or refused.
    Column("state", String, nullable=False),
    Column("asked_us", BigInteger, nullable=False),
    Column("asked_by", String, nullable=False),
    Column("decided_us", BigInteger),
    Column("decided_by", String),
    Column("approval_id", String),
    Column("revoked_us", BigInteger),
    Column("revoked_by", String),
    Column("last_used_us", BigInteger),
)

approvals = Table(
    "approvals",
    metadata,
    # What one person asks for and another approves, over the SHA-256 of exactly that (docs/access.md).
    Column("id", String, primary_key=True),
    Column("action", String, nullable=False),
    # What it is about: a disposition, a hold, an export, a user.
    Column("about_id", String, index=True),
    Column("request_hash", LargeBinary, nullable=False),
    # The request as canonical JSON (RFC 8785), which holds its reason.
    Column("sealed", LargeBinary, nullable=False),
    Column("requester", String, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    # asked -> approved -> used, or refused, or void.
    Column("state", String, nullable=False),
    Column("decided_us", BigInteger),
    Column("decided_by", String),
    # How the approver was signed in, and the passkey's assertion over the hash where they have one.
    Column("method", String),
    Column("sealed_assertion", LargeBinary),
    Column("ended_us", BigInteger),
    # changed or expired.
    Column("void_why", String),
    Index("ix_approvals_state", "state", "created_us"),
)

appointments = Table(
    "appointments",
    metadata,
    # Who gave whom which role; `by_id` is a user's id or `operator`.
    Column("id", String, primary_key=True),
    Column("user_id", String, ForeignKey("users.id"), nullable=False, index=True),
    Column("role", String, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("by_id", String, nullable=False),
    Column("approved_by", String),
    Column("approval_id", String),
)

emergencies = Table(
    "emergencies",
    metadata,
    # Break-glass (45 CFR 164.312(a)(2)(ii)).
    Column("id", String, primary_key=True),
    Column("user_id", String, ForeignKey("users.id"), nullable=False, index=True),
    # Why, and what of the archive.
    Column("sealed", LargeBinary, nullable=False),
    Column("begun_us", BigInteger, nullable=False),
    Column("until_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger),
    Column("views", Integer, nullable=False),
    Column("review_by_us", BigInteger, nullable=False),
    Column("reviewed_us", BigInteger),
    Column("reviewed_by", String),
    # justified or unjustified, and what was said.
    Column("verdict", String),
    Column("sealed_review", LargeBinary),
)

access_hours = Table(
    "access_hours",
    metadata,
    # How many messages somebody opened in an hour, counted from the epoch.
    Column("user_id", String, primary_key=True),
    Column("hour", BigInteger, primary_key=True, autoincrement=False),
    Column("views", Integer, nullable=False),
)

access_places = Table(
    "access_places",
    metadata,
    # Networks somebody was seen in: a blind token of the prefix.
    Column("user_id", String, primary_key=True),
    Column("token", LargeBinary, primary_key=True),
    Column("first_us", BigInteger, nullable=False),
)

access_alarms = Table(
    "access_alarms",
    metadata,
    # The last time that people were told of a circumstance of somebody's: not again within the hour.
    Column("user_id", String, primary_key=True),
    Column("code", String, primary_key=True),
    Column("at_us", BigInteger, nullable=False),
)

access_reviews = Table(
    "access_reviews",
    metadata,
    # A report of who can see what, as somebody signed it off.
    Column("id", String, primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    Column("by_id", String, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    # The report and the remark.
    Column("sealed", LargeBinary, nullable=False),
)
