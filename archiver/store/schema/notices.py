"""What is told of holds, and to whom: history, receipts, reviews, and notices with their mails."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
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

from archiver.store.schema.base import KEY, metadata, sending

hold_events = Table(
    "hold_events",
    metadata,
    # The history of a hold, append only. `hold_id` is the hold's first row, `version` which row it is about.
    Column("id", KEY, primary_key=True, autoincrement=True),
    Column("hold_id", String, ForeignKey("holds.id"), nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("kind", String, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("by_id", String, nullable=False),
    # Reason, criteria, counts.
    Column("sealed", LargeBinary, nullable=False),
    # The entry of the audit log that the same transaction wrote, where the event proves something.
    Column("audit_index", BigInteger),
)

hold_receipts = Table(
    "hold_receipts",
    metadata,
    Column("hold_id", String, ForeignKey("holds.id"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("issued_us", BigInteger, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)

hold_reviews = Table(
    "hold_reviews",
    metadata,
    # When somebody must look whether a hold is still needed. Past that day it goes on protecting.
    Column("hold_id", String, ForeignKey("holds.id"), primary_key=True),
    Column("review_on", Date, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("set_us", BigInteger, nullable=False),
    Column("set_by", String, nullable=False),
    # When the next reminder is due.
    Column("next_us", BigInteger),
)

notice_plans = Table(
    "notice_plans",
    metadata,
    # A matter's texts, who answers questions, and who is told of those who don't acknowledge.
    Column("matter_id", String, ForeignKey("matters.id"), primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("remind_days", Integer, nullable=False),
    Column("escalate_days", Integer, nullable=False),
    Column("set_us", BigInteger, nullable=False),
    Column("set_by", String, nullable=False),
)

notice_starts = Table(
    "notice_starts",
    metadata,
    # Holds whose custodians are told: from the day somebody said so.
    Column("hold_id", String, ForeignKey("holds.id"), primary_key=True),
    Column("started_us", BigInteger, nullable=False),
    Column("started_by", String, nullable=False),
    Column("ended_us", BigInteger),
)

notices = Table(
    "notices",
    metadata,
    # One for each custodian of a hold. `secret` is the SHA-256 of what the acknowledgement link ends with.
    Column("id", String, primary_key=True),
    Column("hold_id", String, ForeignKey("holds.id"), nullable=False),
    Column("token", LargeBinary, nullable=False),
    Column("secret", LargeBinary, nullable=False, unique=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("sent_us", BigInteger),
    Column("acknowledged_us", BigInteger),
    Column("reminders", Integer, nullable=False, server_default=text("0")),
    Column("next_reminder_us", BigInteger),
    Column("escalated_us", BigInteger),
    Column("ended_us", BigInteger),
    Index(
        "uq_notices_open",
        "hold_id",
        "token",
        unique=True,
        sqlite_where=text("ended_us IS NULL"),
        postgresql_where=text("ended_us IS NULL"),
    ),
)

notice_mails = Table(
    "notice_mails",
    metadata,
    # What is to be sent, and what was: evidence. `kind`: notice, reminder, escalation, release, review.
    Column("id", String, primary_key=True),
    Column("hold_id", String, ForeignKey("holds.id"), nullable=False, index=True),
    Column("notice_id", String, ForeignKey("notices.id"), index=True),
    Column("kind", String, nullable=False),
    # Recipient, subject and text; the Message-ID is made of the id and never changes.
    Column("sealed", LargeBinary, nullable=False),
    Column("queued_us", BigInteger, nullable=False),
    Column("queued_by", String, nullable=False),
    Column("bounced_us", BigInteger),
    *sending("notice_mails"),
)
