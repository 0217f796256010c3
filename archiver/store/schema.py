"""The records database: every table, in one place, for SQLite and PostgreSQL alike.

What stands in plain columns is what a thief of the database may see: opaque ids, dates, sizes, hashes
and blind-index tokens. Everything a person could be recognised by is in a `sealed_*` column. Times are
microseconds since 1970 UTC (`*_us`), so that both databases store the same number.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    }
)

_Key = BigInteger().with_variant(Integer, "sqlite")
"""A 64-bit key; SQLite makes only an INTEGER PRIMARY KEY its row id, without an index of its own."""

KEYS_SCHEMA = "keys"
"""PostgreSQL schema of the key tables, left out of the main backup; SQLite has no schemas."""

meta = Table(
    "meta",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)

# --- keys ---------------------------------------------------------------------------------------

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
    Column("message_pk", _Key, primary_key=True, autoincrement=False),
    Column("epoch_id", String, nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    schema=KEYS_SCHEMA,
)

# --- capture ------------------------------------------------------------------------------------

sources = Table(
    "sources",
    metadata,
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("name_token", LargeBinary, nullable=False, unique=True),
    Column("address_token", LargeBinary, unique=True),
    Column("sealed_detail", LargeBinary, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("disabled_us", BigInteger),
    Column("last_seen_us", BigInteger),
    Column("received", BigInteger, nullable=False, server_default=text("0")),
    Column("stored", BigInteger, nullable=False, server_default=text("0")),
    Column("duplicates", BigInteger, nullable=False, server_default=text("0")),
    Column("refused", BigInteger, nullable=False, server_default=text("0")),
)

refusals = Table(
    "refusals",
    metadata,
    Column("id", _Key, primary_key=True, autoincrement=True),
    Column("source_id", String, ForeignKey("sources.id"), nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("reason", String, nullable=False),
)

PARTLY_SEARCHABLE = text("(parse_failed OR unsearchable_parts > 0)")
"""Messages a search can't see fully; a query must say it in just these words to be served by the index."""

messages = Table(
    "messages",
    metadata,
    # Sent time in seconds since year 1, shifted left, plus a counter: also the index row id.
    Column("pk", _Key, primary_key=True, autoincrement=False),
    Column("id", String, nullable=False, unique=True),
    Column("seq", BigInteger, nullable=False, unique=True),
    Column("sha256", LargeBinary, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("captured_us", BigInteger, nullable=False),
    Column("sent_us", BigInteger, nullable=False),
    Column("anchor", Date, nullable=False),
    Column("anchor_basis", String, nullable=False),
    Column("parse_failed", Boolean, nullable=False),
    Column("unsearchable_parts", Integer, nullable=False),
    Column("sealed_meta", LargeBinary),
    Column("pack_id", String, nullable=False),
    Column("pack_offset", BigInteger, nullable=False),
    Column("pack_length", BigInteger, nullable=False),
    Column("blob_sha256", LargeBinary, nullable=False),
    Column("disposal_date", Date),
    Column("permanent", Boolean, nullable=False, server_default=text("false")),
    Column("verdict_version", String),
    Column("disposed_us", BigInteger),
    # Equal bytes are one message, until a disposal ends it: then they may arrive anew.
    Index(
        "uq_messages_sha256_alive",
        "sha256",
        unique=True,
        sqlite_where=text("disposed_us IS NULL"),
        postgresql_where=text("disposed_us IS NULL"),
    ),
    Index("ix_messages_disposal_date", "disposal_date"),
    Index(
        "ix_messages_unsearchable",
        "pk",
        sqlite_where=PARTLY_SEARCHABLE,
        postgresql_where=PARTLY_SEARCHABLE,
    ),
)

reports = Table(
    "reports",
    metadata,
    Column("id", String, primary_key=True),
    Column("message_pk", BigInteger, ForeignKey("messages.pk"), nullable=False, index=True),
    Column("sha256", LargeBinary, nullable=False, index=True),
    Column("size", BigInteger, nullable=False),
    Column("captured_us", BigInteger, nullable=False),
    Column("pack_id", String, nullable=False),
    Column("pack_offset", BigInteger, nullable=False),
    Column("pack_length", BigInteger, nullable=False),
    Column("blob_sha256", LargeBinary, nullable=False),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("seq", _Key, primary_key=True, autoincrement=False),
    Column("message_pk", BigInteger, ForeignKey("messages.pk"), nullable=False, index=True),
    Column("source_id", String, ForeignKey("sources.id"), nullable=False, index=True),
    Column("outcome", String, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("report_id", String),
    Column("sealed_detail", LargeBinary),
)

message_tokens = Table(
    "message_tokens",
    metadata,
    Column("field", SmallInteger, primary_key=True),
    Column("token", LargeBinary, primary_key=True),
    Column("message_pk", BigInteger, primary_key=True, index=True),
    sqlite_with_rowid=False,
)

CUSTODIAN, PATIENT = 1, 2
"""Values of `message_tokens.field`: whose mail it is (addresses), and patient identifiers in it."""

outbox = Table(
    "outbox",
    metadata,
    Column("message_pk", _Key, primary_key=True, autoincrement=False),
    # Index in the captures log of the delivery that queued it: a later one makes a row its own again.
    Column("seq", BigInteger, nullable=False, index=True),
)

unindexed = Table(
    "unindexed",
    metadata,
    # Messages that are in the archive but can't be in the index, with a stable reason code.
    Column("message_pk", _Key, primary_key=True, autoincrement=False),
    Column("reason", String, nullable=False),
)

packs = Table(
    "packs",
    metadata,
    Column("id", String, primary_key=True),
    Column("committed", BigInteger, nullable=False),
    Column("created_us", BigInteger, nullable=False),
)

imap_checkpoints = Table(
    "imap_checkpoints",
    metadata,
    Column("source_id", String, ForeignKey("sources.id"), primary_key=True),
    Column("folder_token", LargeBinary, primary_key=True),
    Column("uidvalidity", BigInteger, nullable=False),
    Column("last_uid", BigInteger, nullable=False),
)

import_items = Table(
    "import_items",
    metadata,
    Column("source_id", String, ForeignKey("sources.id"), primary_key=True),
    Column("key_token", LargeBinary, primary_key=True),
    sqlite_with_rowid=False,
)

# --- ledger -------------------------------------------------------------------------------------

ledger_entries = Table(
    "ledger_entries",
    metadata,
    Column("log", SmallInteger, primary_key=True, autoincrement=False),
    Column("idx", BigInteger, primary_key=True, autoincrement=False),
    Column("leaf", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

ledger_state = Table(
    "ledger_state",
    metadata,
    Column("log", SmallInteger, primary_key=True, autoincrement=False),
    Column("size", BigInteger, nullable=False),
    Column("frontier", LargeBinary, nullable=False),
)

audit_details = Table(
    "audit_details",
    metadata,
    Column("idx", _Key, primary_key=True, autoincrement=False),
    Column("salt", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)

# --- people -------------------------------------------------------------------------------------

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
)

patient_tokens = Table(
    "patient_tokens",
    metadata,
    Column("token", LargeBinary, primary_key=True),
    Column("patient_id", String, ForeignKey("patients.id"), primary_key=True),
)

# --- matters, holds, dispositions ---------------------------------------------------------------

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
    sqlite_with_rowid=False,
)

index_relabels = Table(
    "index_relabels",
    metadata,
    # Messages whose holds changed: the index is still to learn of it. `stamp` grows with each change.
    Column("message_pk", _Key, primary_key=True, autoincrement=False),
    Column("stamp", BigInteger, nullable=False),
)

index_removals = Table(
    "index_removals",
    metadata,
    # Disposed messages whose words are still to leave the index.
    Column("message_pk", _Key, primary_key=True, autoincrement=False),
)

# --- exports and jobs ---------------------------------------------------------------------------

exports = Table(
    "exports",
    metadata,
    Column("id", String, primary_key=True),
    Column("state", String, nullable=False),
    Column("format", String, nullable=False),
    Column("purpose", String, nullable=False),
    Column("matter_id", String, ForeignKey("matters.id")),
    Column("sealed_spec", LargeBinary, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("created_by", String, ForeignKey("users.id"), nullable=False),
    Column("downloaded_us", BigInteger),
)

export_items = Table(
    "export_items",
    metadata,
    Column("export_id", String, ForeignKey("exports.id"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("message_pk", BigInteger, nullable=False),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", _Key, primary_key=True, autoincrement=True),
    Column("kind", String, nullable=False),
    Column("state", String, nullable=False),
    Column("queued_us", BigInteger, nullable=False),
    Column("started_us", BigInteger),
    Column("ended_us", BigInteger),
    Column("failures", Integer, nullable=False, server_default=text("0")),
)
