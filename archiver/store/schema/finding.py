"""What people keep of their searches: saved searches and their alerts, tags and notes on messages.

Names, queries, addresses and notes are sealed; ids are opaque.
"""

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
    text,
)

from archiver.store.schema.base import KEY, metadata, sending

saved_searches = Table(
    "saved_searches",
    metadata,
    Column("id", String, primary_key=True),
    Column("owner_id", String, ForeignKey("users.id"), nullable=False, index=True),
    # Name, query, and where its alerts are mailed to.
    Column("sealed", LargeBinary, nullable=False),
    Column("sort", String, nullable=False),
    Column("purpose", String, nullable=False),
    # The matter it is of; a lawyer's always has one.
    Column("matter_id", String, ForeignKey("matters.id")),
    # nobody, matter, or role: then of `shared_role`.
    Column("shared", String, nullable=False),
    Column("shared_role", String),
    Column("created_us", BigInteger, nullable=False),
    Column("changed_us", BigInteger, nullable=False),
    Column("deleted_us", BigInteger),
    Column("deleted_by", String),
    # Whether new mail is told of; the messages of a `seq` up to this one have been looked at, and the code of
    # what kept the last look from its end.
    Column("alert", Boolean, nullable=False, server_default=text("false")),
    Column("alert_seq", BigInteger),
    Column("alert_error", String),
)

alert_items = Table(
    "alert_items",
    metadata,
    # New mail that a saved search matched, once each.
    Column("search_id", String, ForeignKey("saved_searches.id"), primary_key=True),
    Column("message_pk", BigInteger, primary_key=True, index=True),
    Column("found_us", BigInteger, nullable=False),
    Column("acknowledged_us", BigInteger),
    Column("acknowledged_by", String),
    # The mail that counts it; NULL until one is written.
    Column("mail_id", String),
    sqlite_with_rowid=False,
)

alert_mails = Table(
    "alert_mails",
    metadata,
    # A number and a link, nothing else; whom it goes to stands in the search.
    Column("id", String, primary_key=True),
    Column("search_id", String, ForeignKey("saved_searches.id"), nullable=False, index=True),
    Column("count", Integer, nullable=False),
    Column("queued_us", BigInteger, nullable=False),
    *sending("alert_mails"),
)

tags = Table(
    "tags",
    metadata,
    # The organisation's own labels. A name is never another tag's, not even after that one was retired.
    Column("id", String, primary_key=True),
    Column("name_token", LargeBinary, nullable=False, unique=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("created_by", String, ForeignKey("users.id"), nullable=False),
    Column("retired_us", BigInteger),
    Column("retired_by", String),
)

taggings = Table(
    "taggings",
    metadata,
    # Every time a tag was put on a message or taken off; the newest row of a pair says how it stands.
    Column("id", KEY, primary_key=True, autoincrement=True),
    Column("message_pk", BigInteger, nullable=False),
    Column("tag_id", String, ForeignKey("tags.id"), nullable=False),
    Column("put", Boolean, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("by_id", String, nullable=False),
    # The act that did many at once.
    Column("act", String),
    Index("ix_taggings_message_pk_tag_id_id", "message_pk", "tag_id", "id"),
    Index("ix_taggings_tag_id", "tag_id"),
)

notes = Table(
    "notes",
    metadata,
    # Each change is a row. The text is sealed under the message's own data key: it ends with it.
    Column("note_id", String, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("message_pk", BigInteger, nullable=False, index=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("withdrawn", Boolean, nullable=False),
    Column("written_us", BigInteger, nullable=False),
    Column("written_by", String, ForeignKey("users.id"), nullable=False),
)
