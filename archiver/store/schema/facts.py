"""What dates are computed from beyond the mail itself: units, names of patients, people's decisions.

Patients themselves are in `people`. Everything that says something is sealed; ids are opaque.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Table,
    text,
)

from archiver.store.schema.base import KEY, metadata

units = Table(
    "units",
    metadata,
    Column("id", String, primary_key=True),
    Column("name_token", LargeBinary, nullable=False, unique=True),
    Column("sealed_name", LargeBinary, nullable=False),
    Column("created_us", BigInteger, nullable=False),
)

unit_facts = Table(
    "unit_facts",
    metadata,
    # What was said of a unit, and until when: mail captured before `until_us` keeps it.
    Column("unit_id", String, ForeignKey("units.id"), primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("from_us", BigInteger, nullable=False),
    Column("until_us", BigInteger),
)

patient_links = Table(
    "patient_links",
    metadata,
    # Two records of one person, as a FHIR `Patient.link` says: `other` is a token of the other one's.
    Column("patient_id", String, ForeignKey("patients.id"), primary_key=True),
    Column("other", LargeBinary, primary_key=True, index=True),
)

name_book = Table(
    "name_book",
    metadata,
    # Every name that a patient ever had, once. Nothing is destroyed before old mail was searched for it.
    Column("id", KEY, primary_key=True, autoincrement=True),
    Column("token", LargeBinary, nullable=False, unique=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("searched_us", BigInteger),
    Index(
        "ix_name_book_waiting",
        "id",
        sqlite_where=text("searched_us IS NULL"),
        postgresql_where=text("searched_us IS NULL"),
    ),
)

redates = Table(
    "redates",
    metadata,
    # Messages whose facts changed: their date is void until it is computed anew. What it was before is
    # kept until then, so that the change can be told.
    Column("message_pk", KEY, primary_key=True, autoincrement=False),
    Column("old_date", Date),
    Column("old_permanent", Boolean, nullable=False, server_default=text("false")),
)

match_decisions = Table(
    "match_decisions",
    metadata,
    # A person's word on whether a message is about a patient.
    Column("id", String, primary_key=True),
    Column("message_pk", BigInteger, nullable=False, index=True),
    Column("patient_id", String, ForeignKey("patients.id"), nullable=False),
    Column("about", Boolean, nullable=False),
    Column("sealed_reason", LargeBinary, nullable=False),
    Column("decided_us", BigInteger, nullable=False),
    Column("decided_by", String, ForeignKey("users.id"), nullable=False),
    Column("undone_us", BigInteger),
    Column("undone_by", String, ForeignKey("users.id")),
)

BY_KEY, BY_NUMBER, BY_ADDRESS, BY_NAME, BY_BIRTH, BY_PHONE, BY_FHIR, BY_OPEN = range(8)
"""Values of `patient_tokens.kind`: the number that names the record itself, a record number, an address, a
name, a name with a birth date, a telephone number, a FHIR id, an encounter that hasn't ended. NULL is of
before they were told apart: a record number or an address."""

MATCHING = (BY_NUMBER, BY_ADDRESS, BY_NAME, BY_BIRTH)
"""Those by which mail is matched to patients."""
