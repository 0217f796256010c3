"""What people said of messages' record types, and what was learnt from it."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, text

from archiver.store.schema.base import KEY, metadata

corrections = Table(
    "corrections",
    metadata,
    Column("id", KEY, primary_key=True, autoincrement=True),
    Column("message_pk", BigInteger, ForeignKey("messages.pk"), nullable=False, index=True),
    # Types and reason, under the message's own data key: they end with it.
    Column("sealed", LargeBinary, nullable=False),
    # asked -> in_force -> ended, or asked -> refused
    Column("state", String, nullable=False),
    Column("asked_by", String, ForeignKey("users.id"), nullable=False),
    Column("asked_us", BigInteger, nullable=False),
    Column("decided_by", String, ForeignKey("users.id")),
    Column("decided_us", BigInteger),
    # One of each message is in force, and one is asked for.
    Index(
        "uq_corrections_open",
        "message_pk",
        "state",
        unique=True,
        sqlite_where=text("state IN ('asked', 'in_force')"),
        postgresql_where=text("state IN ('asked', 'in_force')"),
    ),
)

learnt_models = Table(
    "learnt_models",
    metadata,
    Column("id", KEY, primary_key=True, autoincrement=True),
    Column("made_us", BigInteger, nullable=False),
    # SHA-256 (hex) over the corrections it was learnt from, and how many they were.
    Column("basis", String, nullable=False),
    Column("examples", Integer, nullable=False),
    # Mail up to this number of the captures log has been looked at with it.
    Column("looked_seq", BigInteger, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)

found_types = Table(
    "found_types",
    metadata,
    # Record types that later rules found besides those at capture, under the message's own data key.
    Column("message_pk", BigInteger, ForeignKey("messages.pk"), primary_key=True, autoincrement=False),
    Column("sealed", LargeBinary, nullable=False),
)

learnt_types = Table(
    "learnt_types",
    metadata,
    # Record types that the model adds to those the rules found, under the message's own data key.
    Column("message_pk", BigInteger, ForeignKey("messages.pk"), primary_key=True, autoincrement=False),
    Column("sealed", LargeBinary, nullable=False),
)
