"""The policy: what counsel confirmed, what the organisation adds, and on which grounds mail is kept."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, LargeBinary, String, Table

from archiver.store.schema.base import KEY, metadata

policy_state = Table(
    "policy_state",
    metadata,
    # One row, id 1. `epoch` grows with every change by which dates may move: rows dated under an earlier
    # one can't be destroyed. `confirmations` grows with every confirmation and its revocation.
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("epoch", BigInteger, nullable=False),
    Column("confirmations", BigInteger, nullable=False),
)

rule_confirmations = Table(
    "rule_confirmations",
    metadata,
    Column("id", String, primary_key=True),
    # Blind token of the rule's id and digest: a rule whose data changed is another one.
    Column("rule_token", LargeBinary, nullable=False, index=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("created_by", String, ForeignKey("users.id"), nullable=False),
    # Index of the audit entry, for a proof of it.
    Column("audit_index", BigInteger, nullable=False),
    Column("revoked_us", BigInteger),
    Column("revoked_by", String, ForeignKey("users.id")),
    Column("sealed_revocation", LargeBinary),
)

grounds = Table(
    "grounds",
    metadata,
    # Why messages are kept, each distinct reasoning once: rules, State, record type, what is missing.
    Column("id", KEY, primary_key=True, autoincrement=True),
    Column("token", LargeBinary, nullable=False, unique=True),
    Column("sealed", LargeBinary, nullable=False),
)

grounds_rules = Table(
    "grounds_rules",
    metadata,
    # The rules of the law among them, each of which counsel must have confirmed before anything goes.
    Column("grounds_id", BigInteger, ForeignKey("grounds.id"), primary_key=True),
    Column("rule_token", LargeBinary, primary_key=True),
    sqlite_with_rowid=False,
)

policy_entries = Table(
    "policy_entries",
    metadata,
    Column("id", String, primary_key=True),
    # term, option, settings or schedule
    Column("kind", String, nullable=False),
    # asked -> in_force -> ending -> ended; or asked -> refused
    Column("state", String, nullable=False),
    # What it says and why, and every step with its person and reason.
    Column("sealed", LargeBinary, nullable=False),
    Column("sealed_steps", LargeBinary, nullable=False),
    # The entry that ends when this one begins.
    Column("replaces", String),
    Column("created_us", BigInteger, nullable=False),
    Column("asked_by", String, ForeignKey("users.id"), nullable=False),
    Column("approved_by", String, ForeignKey("users.id")),
    Column("in_force_us", BigInteger),
    Column("end_asked_by", String, ForeignKey("users.id")),
    Column("end_approved_by", String, ForeignKey("users.id")),
    Column("ended_us", BigInteger),
)

policy_baselines = Table(
    "policy_baselines",
    metadata,
    # Settings that dates follow from, each value ever in force; it counts until two persons let it go.
    Column("kind", String, primary_key=True),
    Column("value", String, primary_key=True),
    Column("since_us", BigInteger, primary_key=True, autoincrement=False),
    Column("ended_by", String, ForeignKey("policy_entries.id")),
)

policy_previews = Table(
    "policy_previews",
    metadata,
    # What a change would do, worked out by a job where that takes long.
    Column("id", String, primary_key=True),
    # waiting -> done or failed
    Column("state", String, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("sealed_result", LargeBinary),
    Column("done", BigInteger, nullable=False),
    Column("total", BigInteger, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("created_by", String, ForeignKey("users.id"), nullable=False),
)
