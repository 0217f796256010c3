"""Guards over what dates are computed from: while that is unsettled, nothing it may concern is destroyed."""

from __future__ import annotations

from archiver.store.guard import Guard

UNSETTLED = """EXISTS (SELECT 1 FROM name_book n WHERE n.searched_us IS NULL)
    OR (EXISTS (SELECT 1 FROM name_book n) AND EXISTS (SELECT 1 FROM outbox o WHERE o.message_pk = m.pk))
    OR EXISTS (SELECT 1 FROM redates r WHERE r.message_pk = m.pk)"""
"""Condition on a message `m`: a patient's name is still to be looked for in old mail, or patients' names
in this new one, or its facts have changed and its date isn't computed anew yet."""

# Within `archiver.store.dating` alone, that is in the transaction of who has computed the date.
_SOONER = """NEW.disposal_date IS NOT NULL AND NOT NEW.permanent
    AND (OLD.disposal_date IS NULL OR OLD.permanent OR NEW.disposal_date < OLD.disposal_date)
    AND NOT EXISTS (SELECT 1 FROM meta d WHERE d.name = 'dating')"""
_BEARS = "EXISTS (SELECT 1 FROM {keys}data_keys k WHERE k.message_pk = OLD.message_pk)"
# SQLite's UPDATE OR REPLACE would delete the one that is in force.
_DISPLACES = """NEW.state IN ('asked', 'in_force') AND EXISTS (SELECT 1 FROM corrections c
    WHERE c.message_pk = NEW.message_pk AND c.state = NEW.state AND c.id <> NEW.id)"""

GUARDS = (
    Guard("messages_dated", "messages", "UPDATE", _SOONER, columns="disposal_date, permanent"),
    Guard("name_book_delete", "name_book", "DELETE"),
    Guard("name_book_fixed", "name_book", "UPDATE", columns="id, token, sealed"),
    # What was said of a unit holds for the mail of its time; only its end may be told, once.
    Guard("unit_facts_delete", "unit_facts", "DELETE"),
    Guard("unit_facts_fixed", "unit_facts", "UPDATE", columns="unit_id, version, sealed, from_us"),
    Guard("unit_facts_ended", "unit_facts", "UPDATE", "OLD.until_us IS NOT NULL", columns="until_us"),
    # A patient's record is only ever written anew.
    Guard("patients_delete", "patients", "DELETE"),
    Guard("patients_fixed", "patients", "UPDATE", columns="id"),
    # They end with their message.
    Guard("corrections_delete", "corrections", "DELETE", _BEARS),
    Guard("corrections_fixed", "corrections", "UPDATE", columns="id, message_pk, asked_by, asked_us"),
    Guard("corrections_displaced", "corrections", "UPDATE", _DISPLACES, columns="state", only_sqlite=True),
    Guard("found_types_delete", "found_types", "DELETE", _BEARS),
    Guard("found_types_fixed", "found_types", "UPDATE", columns="message_pk"),
    Guard("match_decisions_delete", "match_decisions", "DELETE", _BEARS),
    Guard(
        "match_decisions_fixed",
        "match_decisions",
        "UPDATE",
        columns="id, message_pk, patient_id, about, sealed_reason, decided_us, decided_by",
    ),
    Guard(
        "match_decisions_undone",
        "match_decisions",
        "UPDATE",
        "OLD.undone_us IS NOT NULL",
        columns="undone_us, undone_by",
    ),
)

NEVER_TRUNCATED = (
    "patients",
    "name_book",
    "unit_facts",
    "match_decisions",
    "corrections",
    "found_types",
    "redates",
)
