"""Exports and jobs."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, text

from archiver.store.schema.base import KEY, metadata

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
    Column("id", KEY, primary_key=True, autoincrement=True),
    Column("kind", String, nullable=False),
    Column("state", String, nullable=False),
    Column("queued_us", BigInteger, nullable=False),
    Column("started_us", BigInteger),
    Column("ended_us", BigInteger),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    # Not to be begun before; set after a failure.
    Column("due_us", BigInteger),
    # Who runs it, and when that one last said so: the lease.
    Column("owner", String),
    Column("beat_us", BigInteger),
    # How far it is.
    Column("done", BigInteger),
    Column("total", BigInteger),
    # The code of the last failure; what was counted, as JSON, when it was done.
    Column("error", String),
    Column("counts", String),
    Index("ix_jobs_state_id", "state", "id"),
)

job_marks = Table(
    "job_marks",
    metadata,
    Column("kind", String, primary_key=True),
    # Until when the schedule has been honoured, and where the next job of this kind goes on.
    Column("asked_us", BigInteger, nullable=False),
    Column("cursor", String, nullable=False),
)
