"""Cases of patients: their requests, what was disclosed of them, and breaches. What people type is sealed."""

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
)

from archiver.store.schema.base import KEY, metadata, sending

disclosure_acts = Table(
    "disclosure_acts",
    metadata,
    # One time that something left: an export downloaded, a request fulfilled, or what somebody wrote down.
    Column("id", String, primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    # export, request, or hand: told by a person.
    Column("kind", String, nullable=False),
    # The export or the request.
    Column("about_id", String, index=True),
    Column("purpose", String, nullable=False),
    # See `search.disclosing.Basis`; `unstated` until somebody says it.
    Column("basis", String, nullable=False),
    Column("by_id", String, nullable=False),
    Column("messages", Integer, nullable=False),
    # Messages of it that are about nobody on the roster: nobody can be given an account of them.
    Column("unmatched", Integer, nullable=False),
    # Recipient, its address, what it was, a note.
    Column("sealed", LargeBinary, nullable=False),
    Index("ix_disclosure_acts_at_us", "at_us"),
)

disclosures = Table(
    "disclosures",
    metadata,
    # A row for each patient whom an act told of (45 CFR 164.528); `patient_id` is a person of the roster.
    Column("act_id", String, ForeignKey("disclosure_acts.id"), primary_key=True),
    Column("patient_id", String, primary_key=True, index=True),
    Column("messages", Integer, nullable=False),
)

disclosure_statements = Table(
    "disclosure_statements",
    metadata,
    # What was said of an act afterwards; the newest holds.
    Column("id", KEY, primary_key=True, autoincrement=True),
    Column("act_id", String, ForeignKey("disclosure_acts.id"), nullable=False, index=True),
    Column("basis", String, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("by_id", String, nullable=False),
)

disclosure_suspensions = Table(
    "disclosure_suspensions",
    metadata,
    # An agency asks that a patient isn't told for a time (164.528(a)(2)).
    Column("id", String, primary_key=True),
    Column("patient_id", String, nullable=False, index=True),
    # law_enforcement or oversight.
    Column("basis", String, nullable=False),
    Column("until_on", Date, nullable=False),
    Column("written", Boolean, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("created_by", String, nullable=False),
    Column("ended_us", BigInteger),
    Column("ended_by", String),
)

patient_requests = Table(
    "patient_requests",
    metadata,
    Column("id", String, primary_key=True),
    # access (164.524) or accounting (164.528).
    Column("kind", String, nullable=False),
    # open or closed; closed is final.
    Column("state", String, nullable=False),
    # Days where the organisation is.
    Column("received_on", Date, nullable=False),
    Column("due_on", Date, nullable=False),
    Column("extended_us", BigInteger),
    Column("extended_by", String),
    # The person of the roster whom it is about, once somebody found her there.
    Column("patient_id", String, index=True),
    Column("export_id", String),
    # Who asks and how that was checked, what for, what the search was, the fee.
    Column("sealed", LargeBinary, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("created_by", String, ForeignKey("users.id"), nullable=False),
    # A denial is asked for by one person and approved by another, for just the marks of this hash.
    Column("denial_asked_us", BigInteger),
    Column("denial_asked_by", String),
    Column("denial_sha256", LargeBinary),
    Column("denial_us", BigInteger),
    Column("denial_by", String),
    Column("closed_us", BigInteger),
    Column("closed_by", String),
    # produced, denied or withdrawn.
    Column("outcome", String),
    # What its people were last reminded of.
    Column("reminded", String),
    Index("ix_patient_requests_state", "state", "due_on"),
)

request_items = Table(
    "request_items",
    metadata,
    # A message that a search for the patient found, and what the reviewer says of it.
    Column("request_id", String, ForeignKey("patient_requests.id"), primary_key=True),
    Column("message_pk", BigInteger, primary_key=True),
    Column("mark", String),
    Column("sealed", LargeBinary),
    Column("marked_us", BigInteger),
    Column("marked_by", String),
    # Asked for every message that is to be destroyed.
    Index("ix_request_items_message_pk", "message_pk"),
    sqlite_with_rowid=False,
)

request_letters = Table(
    "request_letters",
    metadata,
    # Acknowledgement, extension, fulfilment, denial, review, withdrawal, account: just as it was written.
    Column("id", String, primary_key=True),
    Column("request_id", String, ForeignKey("patient_requests.id"), nullable=False, index=True),
    Column("kind", String, nullable=False),
    Column("made_us", BigInteger, nullable=False),
    Column("made_by", String, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)

case_mails = Table(
    "case_mails",
    metadata,
    # Reminders to those who work on requests and breaches: an id, a day and a link.
    Column("id", String, primary_key=True),
    Column("about_id", String, nullable=False, index=True),
    # request or breach, and which reminder.
    Column("kind", String, nullable=False),
    Column("stage", String, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("queued_us", BigInteger, nullable=False),
    *sending("case_mails"),
)

breaches = Table(
    "breaches",
    metadata,
    Column("id", String, primary_key=True),
    # open, then decided by one person, confirmed by another, and closed when everybody was told.
    Column("state", String, nullable=False),
    Column("discovered_us", BigInteger, nullable=False),
    # covered_entity or business_associate; the hours that a contract gives the latter.
    Column("held_as", String, nullable=False),
    Column("contract_hours", Integer),
    # What happened, the four factors, what the notices say.
    Column("sealed", LargeBinary, nullable=False),
    Column("sealed_exposure", LargeBinary),
    Column("created_us", BigInteger, nullable=False),
    Column("created_by", String, ForeignKey("users.id"), nullable=False),
    # breach, low_probability or exception.
    Column("decision", String),
    Column("decided_us", BigInteger),
    Column("decided_by", String),
    Column("confirmed_us", BigInteger),
    Column("confirmed_by", String),
    Column("closed_us", BigInteger),
    Column("closed_by", String),
    Column("reminded", String),
)

breach_patients = Table(
    "breach_patients",
    metadata,
    # Who was exposed, as worked out before the decision.
    Column("breach_id", String, ForeignKey("breaches.id"), primary_key=True),
    Column("patient_id", String, primary_key=True),
    Column("opened", Integer, nullable=False),
    Column("listed", Integer, nullable=False),
    Column("exported", Integer, nullable=False),
    Column("sealed_with", Integer, nullable=False),
    Column("first_us", BigInteger),
    Column("last_us", BigInteger),
    # The States she lives in or lived in.
    Column("sealed", LargeBinary, nullable=False),
)

breach_entries = Table(
    "breach_entries",
    metadata,
    # The entries of the audit log that the exposure rests on.
    Column("breach_id", String, ForeignKey("breaches.id"), primary_key=True),
    Column("idx", BigInteger, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

breach_events = Table(
    "breach_events",
    metadata,
    # A delay that law enforcement asked for, letters that were made, and who was told when.
    Column("id", KEY, primary_key=True, autoincrement=True),
    Column("breach_id", String, ForeignKey("breaches.id"), nullable=False, index=True),
    # delay, letters, individuals, media, hhs, covered_entity.
    Column("kind", String, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("by_id", String, nullable=False),
    Column("until_on", Date),
    Column("sealed", LargeBinary, nullable=False),
)

breach_letters = Table(
    "breach_letters",
    metadata,
    # To whom a letter of the notice was made out, and where; its words stand in the event of `run`. Evidence.
    Column("run", String, primary_key=True),
    Column("patient_id", String, primary_key=True),
    Column("breach_id", String, ForeignKey("breaches.id"), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Index("ix_breach_letters_breach_id", "breach_id", "patient_id"),
)
