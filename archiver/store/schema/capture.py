"""Sources, messages and how they came."""

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
    SmallInteger,
    String,
    Table,
    text,
)

from archiver.store.schema.base import KEY, metadata

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
    Column("id", KEY, primary_key=True, autoincrement=True),
    Column("source_id", String, ForeignKey("sources.id"), nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("reason", String, nullable=False),
    Index("ix_refusals_source_id_at_us", "source_id", "at_us"),
)

PARTLY_SEARCHABLE = text("(parse_failed OR unsearchable_parts > 0)")
"""Messages a search can't see fully; a query must say it in just these words to be served by the index."""

messages = Table(
    "messages",
    metadata,
    # Sent time in seconds since year 1, shifted left, plus a counter: also the index row id.
    Column("pk", KEY, primary_key=True, autoincrement=False),
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
    Column("form", SmallInteger, nullable=False, server_default=text("0")),
    # A rule that applied isn't confirmed by counsel; the grounds it is kept on; the policy it was dated by.
    Column("unconfirmed", Boolean, nullable=False, server_default=text("false")),
    Column("grounds_id", BigInteger),
    Column("policy_epoch", BigInteger),
    # Equal bytes are one message, until a disposal ends it: then they may arrive anew.
    Index(
        "uq_messages_sha256_alive",
        "sha256",
        unique=True,
        sqlite_where=text("disposed_us IS NULL"),
        postgresql_where=text("disposed_us IS NULL"),
    ),
    # Only what has a date: without, each new message would be a page of this index written for nothing.
    Index(
        "ix_messages_dated",
        "disposal_date",
        sqlite_where=text("disposal_date IS NOT NULL"),
        postgresql_where=text("disposal_date IS NOT NULL"),
    ),
    # Says how much of a pack belongs to nobody any more.
    Index(
        "ix_messages_dead",
        "pack_id",
        "pack_length",
        sqlite_where=text("disposed_us IS NOT NULL"),
        postgresql_where=text("disposed_us IS NOT NULL"),
    ),
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
    Column("form", SmallInteger, nullable=False, server_default=text("0")),
)

WHOLE, SKELETON = 0, 1
"""Values of `form`: the blob is the message or report itself, or its skeleton (see `schema.parts`)."""

deliveries = Table(
    "deliveries",
    metadata,
    Column("seq", KEY, primary_key=True, autoincrement=False),
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
    Column("message_pk", BigInteger, primary_key=True),
    sqlite_with_rowid=False,
)
"""Which messages bear a token. Filled in bulk, up to `filed_tokens.until`: see archiver/store/tokens.py."""

borne_tokens = Table(
    "borne_tokens",
    metadata,
    # `messages.seq`: in the order of capture, so that a commit writes its tokens side by side.
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("field", SmallInteger, primary_key=True, autoincrement=False),
    Column("token", LargeBinary, primary_key=True),
    sqlite_with_rowid=False,
)
"""Which tokens a message bears: of every message, from its commit on."""

filed_tokens = Table(
    "filed_tokens",
    metadata,
    Column("id", KEY, primary_key=True, autoincrement=False),
    # 1: what messages of a lower `seq` bear is in `message_tokens` too. 2: a count, see tokens.py. No row: 0.
    Column("until", BigInteger, nullable=False),
)

CUSTODIAN, PATIENT = 1, 2
"""Values of a token's `field`: whose mail it is (addresses), and patient identifiers in it."""

outbox = Table(
    "outbox",
    metadata,
    Column("message_pk", KEY, primary_key=True, autoincrement=False),
    # Index in the captures log of the delivery that queued it: a later one makes a row its own again.
    Column("seq", BigInteger, nullable=False, index=True),
)

unindexed = Table(
    "unindexed",
    metadata,
    # Messages that are in the archive but can't be in the index, with a stable reason code.
    Column("message_pk", KEY, primary_key=True, autoincrement=False),
    Column("reason", String, nullable=False),
)

packs = Table(
    "packs",
    metadata,
    Column("id", String, primary_key=True),
    Column("committed", BigInteger, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    # Nothing living is in it any more: its file is deleted, then its row.
    Column("retired_us", BigInteger),
)

imap_checkpoints = Table(
    "imap_checkpoints",
    metadata,
    Column("source_id", String, ForeignKey("sources.id"), primary_key=True),
    Column("folder_token", LargeBinary, primary_key=True),
    Column("uidvalidity", BigInteger, nullable=False),
    Column("last_uid", BigInteger, nullable=False),
    # UIDNEXT when the folder was first seen; 0 where nothing in it counts as a first reading.
    Column("first_uidnext", BigInteger, nullable=False, server_default=text("0")),
    # UIDs up to this one were looked through for holes.
    Column("seen_uid", BigInteger, nullable=False, server_default=text("0")),
)

imap_usage = Table(
    "imap_usage",
    metadata,
    # How much was read from a mailbox on a day (UTC), for servers that allow so much a day.
    Column("source_id", String, ForeignKey("sources.id"), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("bytes", BigInteger, nullable=False),
)

import_items = Table(
    "import_items",
    metadata,
    Column("source_id", String, ForeignKey("sources.id"), primary_key=True),
    Column("key_token", LargeBinary, primary_key=True),
    sqlite_with_rowid=False,
)
"""Items that imports of an earlier version marked one by one."""

import_marks = Table(
    "import_marks",
    metadata,
    # Many items a row, side by side: a row each, at random places, was a page written for each message.
    Column("id", KEY, primary_key=True, autoincrement=True),
    Column("source_id", String, ForeignKey("sources.id"), nullable=False, index=True),
    Column("tokens", LargeBinary, nullable=False),
)
