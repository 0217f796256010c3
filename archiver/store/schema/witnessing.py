"""What was published of the two logs, what witnesses said of it, and gaps that a restored backup left."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, SmallInteger, String, Table

from archiver.store.schema.base import metadata

ledger_checkpoints = Table(
    "ledger_checkpoints",
    metadata,
    # Checkpoints that were shown to others or stand for their minute; each as it was signed, alone.
    Column("log", SmallInteger, primary_key=True, autoincrement=False),
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("at_us", BigInteger, nullable=False),
    Column("note", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

ledger_cosignatures = Table(
    "ledger_cosignatures",
    metadata,
    Column("log", SmallInteger, primary_key=True, autoincrement=False),
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    # The witness's name in the settings' vkey.
    Column("witness", String, primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    # Its signature lines, as the note takes them.
    Column("lines", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

ledger_generations = Table(
    "ledger_generations",
    metadata,
    # A log that goes on under another origin, from generation 2: others had seen more of it than the records.
    Column("log", SmallInteger, primary_key=True, autoincrement=False),
    Column("generation", Integer, primary_key=True, autoincrement=False),
    # How many entries the records still had of what was before.
    Column("size", BigInteger, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    # The signed statement that names both heads.
    Column("statement", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

ledger_gaps = Table(
    "ledger_gaps",
    metadata,
    # An operator's explanation, which waits for an officer or has been decided. `heads` is JSON.
    Column("id", String, primary_key=True),
    Column("heads", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("asked_us", BigInteger, nullable=False),
    Column("asked_by", String, nullable=False),
    Column("decided_us", BigInteger),
    Column("decided_by", String),
    Column("audit_index", BigInteger),
)

ledger_watchers = Table(
    "ledger_watchers",
    metadata,
    # Who is to see each checkpoint (`witness:NAME`, `file`, `stamp`): when it last did, and since when not.
    Column("name", String, primary_key=True),
    Column("ok_us", BigInteger),
    Column("failing_us", BigInteger),
    Column("failure", String),
    Column("told_us", BigInteger),
)
