"""Matters, holds, dispositions, and what the index is still to learn of them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    ForeignKey,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    text,
)

from archiver.store.schema.base import KEY, metadata

matters = Table(
    "matters",
    metadata,
    Column("id", String, primary_key=True),
    Column("name_token", LargeBinary, nullable=False, unique=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("state", String, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("created_by", String, ForeignKey("users.id"), nullable=False),
    Column("closed_us", BigInteger),
)

matter_members = Table(
    "matter_members",
    metadata,
    Column("matter_id", String, ForeignKey("matters.id"), primary_key=True),
    Column("user_id", String, ForeignKey("users.id"), primary_key=True),
)

holds = Table(
    "holds",
    metadata,
    Column("id", String, primary_key=True),
    Column("matter_id", String, ForeignKey("matters.id"), nullable=False, index=True),
    # applying -> active -> cooling -> released; only `released` protects nothing.
    Column("state", String, nullable=False),
    Column("by_index", Boolean, nullable=False),
    Column("sent_from_us", BigInteger),
    Column("sent_before_us", BigInteger),
    # The same two bounds as days, to be compared with a message's vouched date.
    Column("from_day", Date),
    Column("before_day", Date),
    Column("sealed_scope", LargeBinary, nullable=False),
    Column("standing", Boolean, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("created_by", String, ForeignKey("users.id"), nullable=False),
    Column("in_force_us", BigInteger, nullable=False),
    Column("release_asked_by", String, ForeignKey("users.id")),
    Column("release_approved_by", String, ForeignKey("users.id")),
    Column("cooling_until_us", BigInteger),
    Column("released_us", BigInteger),
    # A hold whose scope was changed is several rows, each in force by itself until it is released: `root_id`
    # is the first one's id, by which people know the hold, NULL in the first.
    Column("root_id", String, index=True),
    Column("version", Integer, nullable=False, server_default=text("1")),
    # How long the row keeps protecting after its release was approved; fixed when it was placed.
    Column("cooling_days", Integer, nullable=False, server_default=text("0")),
)

hold_custodians = Table(
    "hold_custodians",
    metadata,
    Column("hold_id", String, ForeignKey("holds.id"), primary_key=True),
    Column("token", LargeBinary, primary_key=True),
)

hold_patients = Table(
    "hold_patients",
    metadata,
    Column("hold_id", String, ForeignKey("holds.id"), primary_key=True),
    # A patient is known by record number (PATIENT) and by address (CUSTODIAN).
    Column("field", SmallInteger, primary_key=True),
    Column("token", LargeBinary, primary_key=True),
)

hold_sources = Table(
    "hold_sources",
    metadata,
    Column("hold_id", String, ForeignKey("holds.id"), primary_key=True),
    Column("source_id", String, ForeignKey("sources.id"), primary_key=True),
)

hold_items = Table(
    "hold_items",
    metadata,
    Column("hold_id", String, ForeignKey("holds.id"), primary_key=True),
    Column("message_pk", BigInteger, primary_key=True, index=True),
    sqlite_with_rowid=False,
)

dispositions = Table(
    "dispositions",
    metadata,
    Column("id", String, primary_key=True),
    # proposed -> approved -> executed, or rejected
    Column("state", String, nullable=False),
    Column("as_of", Date, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("created_by", String, nullable=False),
    Column("decided_us", BigInteger),
    Column("decided_by", String, ForeignKey("users.id")),
    Column("executed_us", BigInteger),
    Column("executed_by", String, ForeignKey("users.id")),
    Column("items_sha256", LargeBinary, nullable=False),
    Column("sealed_certificate", LargeBinary),
    # The list that the approval is over: no other may be executed.
    Column("approved_sha256", LargeBinary),
    # Why it was rejected.
    Column("sealed_decision", LargeBinary),
    # Who took something off the list last: another person approves it.
    Column("changed_by", String),
    # Whose execution has begun: it is gone on with after a stop.
    Column("begun_us", BigInteger),
    Column("begun_by", String),
    # Index of the `disposition` leaf in the captures log.
    Column("ledger_index", BigInteger),
)

disposition_items = Table(
    "disposition_items",
    metadata,
    Column("disposition_id", String, ForeignKey("dispositions.id"), primary_key=True),
    Column("message_pk", BigInteger, primary_key=True, index=True),
    Column("disposal_date", Date, nullable=False),
    Column("sealed_rule", LargeBinary, nullable=False),
    Column("outcome", String),
    # Index of the `disposed` leaf in the captures log.
    Column("ledger_index", BigInteger),
    # Taken off the list by a person; the row stays, as evidence.
    Column("excluded_us", BigInteger),
    Column("excluded_by", String),
    Column("sealed_exclusion", LargeBinary),
    sqlite_with_rowid=False,
)

index_relabels = Table(
    "index_relabels",
    metadata,
    # Messages whose holds changed: the index is still to learn of it. `stamp` grows with each change.
    Column("message_pk", KEY, primary_key=True, autoincrement=False),
    Column("stamp", BigInteger, nullable=False),
)

index_removals = Table(
    "index_removals",
    metadata,
    # Disposed messages whose words are still to leave the index.
    Column("message_pk", KEY, primary_key=True, autoincrement=False),
)

index_builds = Table(
    "index_builds",
    metadata,
    # The index that is being built beside the one in use; one row at most, of id 1.
    Column("id", KEY, primary_key=True, autoincrement=False),
    # Its folder, below that of the index.
    Column("name", String, nullable=False),
    Column("layout", BigInteger, nullable=False),
    Column("begun_us", BigInteger, nullable=False),
    # Messages up to this key were put into it; no value: none yet.
    Column("position", BigInteger),
    Column("done", BigInteger, nullable=False),
    Column("total", BigInteger, nullable=False),
    # Everything is in it: whoever writes the index takes it into use.
    Column("whole", Boolean, nullable=False),
)

index_changes = Table(
    "index_changes",
    metadata,
    # What the index in use learnt since `index_builds` has its row: the one being built is to learn it too.
    Column("id", KEY, primary_key=True, autoincrement=True),
    Column("message_pk", BigInteger, nullable=False),
    Column("kind", SmallInteger, nullable=False, index=True),
)

CHANGED_TEXT, CHANGED_LABELS, DISPOSED = 1, 2, 3
"""Values of `index_changes.kind`: new or other text, labels that changed, a disposal."""
