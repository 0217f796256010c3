"""Guards over cases: nothing of them is ever deleted (45 CFR 164.316(b)(2)(i), 164.414, 164.530(j)), what was
closed or confirmed stays as it was, and a denial or a decision on a breach takes two persons."""

from __future__ import annotations

from archiver.store.guard import Guard

REQUESTED = """EXISTS (SELECT 1 FROM request_items q JOIN patient_requests r ON r.id = q.request_id
    WHERE q.message_pk = m.pk AND r.state = 'open')"""
"""Condition on a message `m`: a patient has asked for what is held of her, and it isn't answered yet."""

_TABLES = (
    "disclosure_acts",
    "disclosures",
    "disclosure_statements",
    "disclosure_suspensions",
    "patient_requests",
    "request_items",
    "request_letters",
    "case_mails",
    "breaches",
    "breach_events",
    "breach_letters",
)
_PAIRED = frozenset({"disclosures", "request_items", "breach_letters"})
"""Tables whose key is of two."""
_CONFIRMED = (
    "EXISTS (SELECT 1 FROM breaches b WHERE b.id = {row}.breach_id "
    "AND (b.decision IS NOT NULL OR b.confirmed_us IS NOT NULL))"
)
_ONE_PERSON = "NEW.{second} IS NOT NULL AND (NEW.{first} IS NULL OR NEW.{first} = NEW.{second})"  # fill both

GUARDS = (
    *(Guard(f"{table}_delete", table, "DELETE") for table in _TABLES),
    *(
        Guard(f"{table}_update", table, "UPDATE")
        for table in (
            "disclosure_acts",
            "disclosures",
            "disclosure_statements",
            "request_letters",
            "breach_events",
            "breach_letters",
        )
    ),
    Guard(
        "disclosure_suspensions_fixed",
        "disclosure_suspensions",
        "UPDATE",
        "OLD.ended_us IS NOT NULL OR NEW.id <> OLD.id OR NEW.patient_id <> OLD.patient_id "
        "OR NEW.basis <> OLD.basis OR NEW.until_on <> OLD.until_on",
    ),
    Guard("patient_requests_closed", "patient_requests", "UPDATE", "OLD.state = 'closed'"),
    Guard(
        "patient_requests_fixed",
        "patient_requests",
        "UPDATE",
        columns="id, kind, received_on, created_us, created_by",
    ),
    Guard(
        "patient_requests_denied",
        "patient_requests",
        "UPDATE",
        _ONE_PERSON.format(first="denial_asked_by", second="denial_by"),
    ),
    Guard(
        "request_items_added",
        "request_items",
        "INSERT",
        "EXISTS (SELECT 1 FROM patient_requests r WHERE r.id = NEW.request_id AND r.state = 'closed')",
    ),
    Guard(
        "request_items_closed",
        "request_items",
        "UPDATE",
        "EXISTS (SELECT 1 FROM patient_requests r WHERE r.id = OLD.request_id AND r.state = 'closed')",
    ),
    # What a patient asked for protects that very message.
    Guard("request_items_fixed", "request_items", "UPDATE", columns="request_id, message_pk"),
    Guard("breaches_fixed", "breaches", "UPDATE", columns="id, discovered_us, created_us, created_by"),
    Guard(
        "breaches_confirmed",
        "breaches",
        "UPDATE",
        "OLD.confirmed_us IS NOT NULL",
        columns="sealed_exposure, decision, decided_us, decided_by, confirmed_us, confirmed_by",
    ),
    Guard(
        "breaches_alone",
        "breaches",
        "UPDATE",
        _ONE_PERSON.format(first="decided_by", second="confirmed_by"),
    ),
    Guard("breach_patients_delete", "breach_patients", "DELETE", _CONFIRMED.format(row="OLD")),
    Guard("breach_patients_update", "breach_patients", "UPDATE"),
    Guard("breach_patients_insert", "breach_patients", "INSERT", _CONFIRMED.format(row="NEW")),
    Guard("breach_entries_delete", "breach_entries", "DELETE", _CONFIRMED.format(row="OLD")),
    Guard("breach_entries_update", "breach_entries", "UPDATE"),
    Guard("breach_entries_insert", "breach_entries", "INSERT", _CONFIRMED.format(row="NEW")),
)

NEVER_TRUNCATED = (*_TABLES, "breach_patients", "breach_entries")
