"""What people decide about the end of messages: own terms, samples they looked at, parts that were kept."""

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
    String,
    Table,
    text,
)

from archiver.store.schema.base import KEY, metadata

extensions = Table(
    "extensions",
    metadata,
    # A term of one message's own: it is kept through `until`, whatever the schedules say.
    Column("id", String, primary_key=True),
    Column("message_pk", BigInteger, ForeignKey("messages.pk"), nullable=False),
    Column("until", Date, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("created_by", String, ForeignKey("users.id"), nullable=False),
    # Ending one shortens: one person asks, another approves.
    Column("end_asked_by", String, ForeignKey("users.id")),
    Column("end_approved_by", String, ForeignKey("users.id")),
    Column("sealed_end", LargeBinary),
    Column("ended_us", BigInteger),
    Index(
        "ix_extensions_in_force",
        "message_pk",
        "until",
        sqlite_where=text("ended_us IS NULL"),
        postgresql_where=text("ended_us IS NULL"),
    ),
)

disposition_draws = Table(
    "disposition_draws",
    metadata,
    # A random sample of a list, drawn so that anybody can draw it again from the seed.
    Column("id", KEY, primary_key=True, autoincrement=True),
    Column("disposition_id", String, ForeignKey("dispositions.id"), nullable=False, index=True),
    Column("seed", String, nullable=False),
    Column("asked", Integer, nullable=False),
    Column("population", BigInteger, nullable=False),
    Column("items_sha256", LargeBinary, nullable=False),
    Column("drawn_us", BigInteger, nullable=False),
    Column("drawn_by", String, ForeignKey("users.id"), nullable=False),
)

disposition_samples = Table(
    "disposition_samples",
    metadata,
    Column("draw_id", BigInteger, ForeignKey("disposition_draws.id"), primary_key=True),
    Column("message_pk", BigInteger, ForeignKey("messages.pk"), primary_key=True),
    # Who opened it for the review, and that person's word.
    Column("opened_us", BigInteger),
    Column("opened_by", String, ForeignKey("users.id")),
    Column("marked_us", BigInteger),
    Column("good", Boolean),
    Column("sealed_note", LargeBinary),
)

disposition_parts = Table(
    "disposition_parts",
    metadata,
    # Parts of destroyed messages that another message needed at that moment.
    Column("disposition_id", String, ForeignKey("dispositions.id"), primary_key=True),
    Column("part_id", String, primary_key=True),
    sqlite_with_rowid=False,
)
