"""When patients were seen and by whom, as rosters tell. Everything but blind tokens is sealed."""

from __future__ import annotations

from sqlalchemy import Column, LargeBinary, Table

from archiver.store.schema.base import metadata

encounters = Table(
    "encounters",
    metadata,
    # Token of the id that it has where it comes from.
    Column("token", LargeBinary, primary_key=True),
    # What names its patient, as `patient_tokens` has it (BY_KEY, BY_FHIR): the record may come later, and
    # whose it is may change.
    Column("about", LargeBinary, nullable=False, index=True),
    # First and last day, class, and who took part.
    Column("sealed", LargeBinary, nullable=False),
)

encounter_clinicians = Table(
    "encounter_clinicians",
    metadata,
    # What an encounter names a clinician by: a token of `clinician_keys`, whose record may come later.
    Column("clinician", LargeBinary, primary_key=True),
    Column("encounter", LargeBinary, primary_key=True, index=True),
    sqlite_with_rowid=False,
)

clinicians = Table(
    "clinicians",
    metadata,
    # Token of the first of its keys.
    Column("token", LargeBinary, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
)

clinician_keys = Table(
    "clinician_keys",
    metadata,
    # Everything a clinician is known by: ids, NPI, roles, addresses. Of a role it says whose it is.
    Column("token", LargeBinary, primary_key=True),
    Column("clinician", LargeBinary, primary_key=True, index=True),
    sqlite_with_rowid=False,
)
