"""What is derived from the audit log, who reviewed it, where it is sent, and what became of its details."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table, text

from archiver.store.schema.base import KEY, metadata, sending

# --- derived: deleting these three and the mark costs the time to read the log again -----------------

audit_facts = Table(
    "audit_facts",
    metadata,
    # One for each entry of the log: what stands in its leaf, so that reports needn't read the whole log.
    Column("idx", KEY, primary_key=True, autoincrement=False),
    Column("at_us", BigInteger, nullable=False, index=True),
    Column("action", String, nullable=False),
    Column("outcome", String, nullable=False),
    Column("user_id", String, nullable=False),
    Column("role", String, nullable=False),
    Column("purpose", String, nullable=False),
    Column("client", String, nullable=False),
    Column("session", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("count", BigInteger),
    # The entry that has the question which this one is the answer to.
    Column("asked_in", BigInteger),
    Index("ix_audit_facts_user", "user_id", "at_us"),
    Index("ix_audit_facts_action", "action", "at_us"),
    Index("ix_audit_facts_session", "session", sqlite_where=text("session <> ''"),
          postgresql_where=text("session <> ''")),
)  # fmt: skip

audit_objects = Table(
    "audit_objects",
    metadata,
    Column("object", String, primary_key=True),
    Column("idx", BigInteger, primary_key=True, autoincrement=False),
    Index("ix_audit_objects_idx", "idx"),
    sqlite_with_rowid=False,
)

audit_patients = Table(
    "audit_patients",
    metadata,
    # Keyed: whoever has the database alone can't tell whose readers these are.
    Column("token", LargeBinary, primary_key=True),
    Column("idx", BigInteger, primary_key=True, autoincrement=False),
    Index("ix_audit_patients_idx", "idx"),
    sqlite_with_rowid=False,
)

audit_marks = Table(
    "audit_marks",
    metadata,
    # `facts`: up to which entry the tables above go. `settings`: those of the last start, sealed.
    Column("name", String, primary_key=True),
    Column("cursor", BigInteger, nullable=False),
    Column("sealed", LargeBinary),
)

# --- reviewed, sent, ended ------------------------------------------------------------------------

audit_reviews = Table(
    "audit_reviews",
    metadata,
    # A period of the log that somebody has looked through and signed (45 CFR 164.308(a)(1)(ii)(D)).
    Column("period", String, primary_key=True),
    Column("from_us", BigInteger, nullable=False),
    Column("before_us", BigInteger, nullable=False),
    Column("signed_us", BigInteger, nullable=False),
    Column("signed_by", String, nullable=False),
    # Their words, and what they were shown: counts and findings.
    Column("sealed", LargeBinary, nullable=False),
    Column("audit_index", BigInteger, nullable=False),
)

audit_sinks = Table(
    "audit_sinks",
    metadata,
    # Where the log is sent to, as the settings name it; `cursor` is the first entry not sent yet.
    Column("name", String, primary_key=True),
    Column("cursor", BigInteger, nullable=False),
    # Who sends, and until when nobody else does.
    Column("owner", String),
    Column("lease_us", BigInteger),
    Column("sent_us", BigInteger),
    Column("tries", Integer, nullable=False, server_default=text("0")),
    # Since when it fails and why, as a code; when people were told of it.
    Column("failing_us", BigInteger),
    Column("failure", String),
    Column("told_us", BigInteger),
)

audit_expiries = Table(
    "audit_expiries",
    metadata,
    # The end of the sealed details of entries before `until_idx`: asked for by one, approved by another.
    Column("id", String, primary_key=True),
    Column("state", String, nullable=False),
    Column("before_us", BigInteger, nullable=False),
    Column("until_idx", BigInteger, nullable=False),
    Column("entries", BigInteger, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("asked_us", BigInteger, nullable=False),
    Column("asked_by", String, nullable=False),
    Column("decided_us", BigInteger),
    Column("decided_by", String),
    Column("done_us", BigInteger),
    # The entry that says it was done.
    Column("audit_index", BigInteger),
)

audit_mails = Table(
    "audit_mails",
    metadata,
    # `digest` or `alarm`. One to each recipient; no word in it of anybody's mail.
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("queued_us", BigInteger, nullable=False),
    *sending("audit_mails"),
)

audit_watched = Table(
    "audit_watched",
    metadata,
    # Patients whose readers are looked at more closely: `vip`, or `staff`, a co-worker; of staff that is a
    # user here, whose own record it is.
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("user_id", String),
    # The roster id and why.
    Column("sealed", LargeBinary, nullable=False),
    Column("added_us", BigInteger, nullable=False),
    Column("added_by", String, nullable=False),
    Column("ended_us", BigInteger),
    Column("ended_by", String),
)
