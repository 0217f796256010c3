"""Completeness: arrivals by time, gaps, heartbeats, alerts, daily reports. Ids, times and counts only."""

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
    Text,
    text,
)

from archiver.store.schema.base import KEY, metadata

arrival_slots = Table(
    "arrival_slots",
    metadata,
    # Quarters of an hour since 1970 UTC; kept for ten weeks, from which a source's rhythm is learned.
    Column("source_id", String, ForeignKey("sources.id"), primary_key=True),
    Column("slot", Integer, primary_key=True, autoincrement=False),
    Column("arrived", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

arrival_days = Table(
    "arrival_days",
    metadata,
    # Kept for good: their sum is what the delivery rows below the watermark come to.
    Column("source_id", String, ForeignKey("sources.id"), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("stored", BigInteger, nullable=False),
    Column("duplicates", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

coverage_marks = Table(
    "coverage_marks",
    metadata,
    # `arrivals`: deliveries below this captures-log index are in the two tables above. The rest are times.
    Column("name", String, primary_key=True),
    Column("value", BigInteger, nullable=False),
)

watch_pauses = Table(
    "watch_pauses",
    metadata,
    # When nobody watched: the archive was stopped, or its jobs were.
    Column("from_us", KEY, primary_key=True, autoincrement=False),
    Column("until_us", BigInteger, nullable=False),
)

gaps = Table(
    "gaps",
    metadata,
    Column("id", KEY, primary_key=True, autoincrement=True),
    Column("source_id", String, ForeignKey("sources.id"), nullable=False),
    Column("kind", String, nullable=False),
    Column("key", String, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("opened_us", BigInteger, nullable=False),
    Column("closed_us", BigInteger),
    # When an alert was last queued for it; the next reminder is a day later.
    Column("alerted_us", BigInteger),
    # When the operator took note of what can't be had any more; it is closed then.
    Column("accepted_us", BigInteger),
    Index(
        "uq_gaps_open",
        "source_id",
        "kind",
        "key",
        unique=True,
        sqlite_where=text("closed_us IS NULL"),
        postgresql_where=text("closed_us IS NULL"),
    ),
    Index("ix_gaps_source_id_opened_us", "source_id", "opened_us"),
)

heartbeats = Table(
    "heartbeats",
    metadata,
    Column("source_id", String, ForeignKey("sources.id"), primary_key=True),
    Column("sealed_detail", LargeBinary, nullable=False),
    Column("every_s", Integer, nullable=False),
    Column("within_s", Integer, nullable=False),
    Column("next_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger),
)

heartbeat_beats = Table(
    "heartbeat_beats",
    metadata,
    Column("id", KEY, primary_key=True, autoincrement=True),
    Column("source_id", String, ForeignKey("sources.id"), nullable=False),
    Column("token", LargeBinary, nullable=False, unique=True),
    Column("begun_us", BigInteger, nullable=False),
    # What the mail path's first relay said: null until it was asked, then whether it took the message.
    Column("taken", Boolean),
    Column("due_us", BigInteger, nullable=False),
    Column("arrived_us", BigInteger),
    Index("ix_heartbeat_beats_source_id_begun_us", "source_id", "begun_us"),
)

alerts = Table(
    "alerts",
    metadata,
    # Mails that wait for the relay. What they say is made of the gap or report when they are sent.
    Column("id", KEY, primary_key=True, autoincrement=True),
    Column("kind", String, nullable=False),
    Column("gap_id", BigInteger, ForeignKey("gaps.id")),
    Column("day", Date),
    Column("queued_us", BigInteger, nullable=False),
    Column("next_us", BigInteger, nullable=False),
    Column("tries", Integer, nullable=False, server_default=text("0")),
    Column("sent_us", BigInteger),
    Index("ix_alerts_sent_us_next_us", "sent_us", "next_us"),
)

coverage_reports = Table(
    "coverage_reports",
    metadata,
    Column("day", Date, primary_key=True),
    Column("made_us", BigInteger, nullable=False),
    Column("complete", Boolean, nullable=False),
    Column("document", Text, nullable=False),
)

coverage_lines = Table(
    "coverage_lines",
    metadata,
    Column("day", Date, ForeignKey("coverage_reports.day"), primary_key=True),
    Column("source_id", String, ForeignKey("sources.id"), primary_key=True),
    Column("document", Text, nullable=False),
)
