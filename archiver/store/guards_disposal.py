"""Guards over the end of messages: where their blobs lie, what is decided about them, and by how many."""

from __future__ import annotations

from archiver.store.guard import Guard

EXTENDED = """EXISTS (SELECT 1 FROM extensions x WHERE x.message_pk = m.pk AND x.ended_us IS NULL
    AND x.until >= {today})"""
"""Condition on a message `m`: a person gave it a term of its own that isn't over."""

APPROVED = """EXISTS (SELECT 1 FROM disposition_items l JOIN dispositions d ON d.id = l.disposition_id
    WHERE l.message_pk = m.pk AND l.excluded_us IS NULL AND l.outcome IS NULL
    AND d.state = 'approved' AND d.begun_us IS NOT NULL AND d.approved_sha256 = d.items_sha256
    AND d.decided_by <> d.created_by
    AND EXISTS (SELECT 1 FROM users u WHERE u.id IN (d.created_by, d.begun_by) AND u.id <> d.decided_by))"""
"""Condition on a message `m`: it is on an approved list whose execution has begun, and has no outcome yet.
Two persons stand behind it: where no person asked for the list, another one than the approver began it."""

# A blob may move to where a pack that is in use holds it, whole; what is dead may point nowhere.
_LOST = """NEW.pack_length <> OLD.pack_length OR ({alive} AND NOT EXISTS (SELECT 1 FROM packs p
    WHERE p.id = NEW.pack_id AND p.retired_us IS NULL AND NEW.pack_offset >= 0
    AND NEW.pack_offset + NEW.pack_length <= p.committed))"""
_PLACE = "pack_id, pack_offset, pack_length"
_LESS_OF_IT = """EXISTS (SELECT 1 FROM packs WHERE id = NEW.id
    AND (NEW.committed < committed OR NEW.retired_us IS NOT NULL))"""
_REPORTED = "EXISTS (SELECT 1 FROM messages m WHERE m.pk = OLD.message_pk AND m.disposed_us IS NULL)"

# proposed -> approved -> executed; back to proposed when the list changes; rejected from either. Approved is
# the list that the approver saw, by another person than who made it.
_BAD_STEP = """NEW.state <> OLD.state AND NOT (
    (OLD.state = 'proposed' AND NEW.state = 'approved' AND NEW.decided_by IS NOT NULL
        AND NEW.decided_by <> OLD.created_by AND NEW.decided_by <> COALESCE(NEW.changed_by, '')
        AND NEW.approved_sha256 IS NOT NULL AND NEW.approved_sha256 = NEW.items_sha256)
    OR (OLD.state = 'approved' AND NEW.state = 'proposed' AND OLD.begun_us IS NULL)
    OR (OLD.state IN ('proposed', 'approved') AND NEW.state = 'rejected' AND OLD.begun_us IS NULL)
    OR (OLD.state = 'approved' AND NEW.state = 'executed' AND NEW.executed_by IS NOT NULL
        AND NEW.sealed_certificate IS NOT NULL AND NEW.approved_sha256 IS NOT NULL
        AND NEW.approved_sha256 = NEW.items_sha256))"""
_NOT_NEW = """NEW.state <> 'proposed' OR NEW.decided_by IS NOT NULL OR NEW.approved_sha256 IS NOT NULL
    OR NEW.begun_us IS NOT NULL OR NEW.begun_by IS NOT NULL OR NEW.sealed_certificate IS NOT NULL"""
# Once, and only of a list that stands approved.
_BAD_BEGIN = """OLD.begun_us IS NOT NULL OR NEW.begun_us IS NULL OR NEW.begun_by IS NULL
    OR OLD.state <> 'approved' OR NEW.state <> 'approved'"""
_LIST_CHANGED = "NEW.items_sha256 <> OLD.items_sha256 AND NEW.state <> 'proposed'"
_NOT_PROPOSED = """(NEW.excluded_us IS NULL AND OLD.excluded_us IS NOT NULL) OR NOT EXISTS (
    SELECT 1 FROM dispositions d WHERE d.id = OLD.disposition_id AND d.state = 'proposed')"""
_NOT_LISTED = """NEW.outcome IS NOT NULL OR NOT EXISTS (
    SELECT 1 FROM dispositions d WHERE d.id = NEW.disposition_id AND d.state = 'proposed')"""
_ENDED_ALONE = """OLD.ended_us IS NOT NULL OR (NEW.ended_us IS NOT NULL AND (
    NEW.end_asked_by IS NULL OR NEW.end_approved_by IS NULL OR NEW.end_asked_by = NEW.end_approved_by))"""

GUARDS = (
    Guard(
        "messages_placed",
        "messages",
        "UPDATE",
        _LOST.replace("{alive}", "OLD.disposed_us IS NULL"),
        columns=_PLACE,
    ),
    Guard(
        "parts_placed",
        "parts",
        "UPDATE",
        _LOST.replace("{alive}", "OLD.destroyed_us IS NULL"),
        columns=_PLACE,
    ),
    Guard("reports_placed", "reports", "UPDATE", _LOST.replace("{alive}", _REPORTED), columns=_PLACE),
    Guard("reports_delete", "reports", "DELETE"),
    Guard(
        "reports_fixed",
        "reports",
        "UPDATE",
        columns="id, message_pk, sha256, size, captured_us, blob_sha256, form",
    ),
    Guard("packs_delete", "packs", "DELETE", "OLD.retired_us IS NULL"),
    Guard("packs_fixed", "packs", "UPDATE", columns="id"),
    Guard("packs_shrunk", "packs", "UPDATE", "NEW.committed < OLD.committed", columns="committed"),
    # Every commit names its pack anew, as far as it reaches by now.
    Guard("packs_replace", "packs", "INSERT", _LESS_OF_IT, only_sqlite=True),
    Guard("dispositions_delete", "dispositions", "DELETE"),
    Guard("dispositions_fixed", "dispositions", "UPDATE", columns="id, as_of, created_us, created_by"),
    Guard("dispositions_begin", "dispositions", "INSERT", _NOT_NEW),
    Guard("dispositions_state", "dispositions", "UPDATE", _BAD_STEP, columns="state"),
    Guard(
        "dispositions_decided",
        "dispositions",
        "UPDATE",
        "OLD.state <> 'proposed' AND NEW.state = OLD.state",
        columns="decided_by, approved_sha256, changed_by",
    ),
    Guard("dispositions_begun", "dispositions", "UPDATE", _BAD_BEGIN, columns="begun_us, begun_by"),
    Guard("dispositions_list", "dispositions", "UPDATE", _LIST_CHANGED, columns="items_sha256"),
    Guard(
        "dispositions_certified",
        "dispositions",
        "UPDATE",
        "OLD.sealed_certificate IS NOT NULL",
        columns="sealed_certificate",
    ),
    Guard("disposition_items_delete", "disposition_items", "DELETE"),
    Guard(
        "disposition_items_fixed",
        "disposition_items",
        "UPDATE",
        columns="disposition_id, message_pk, disposal_date, sealed_rule",
    ),
    Guard("disposition_items_insert", "disposition_items", "INSERT", _NOT_LISTED),
    Guard(
        "disposition_items_ended",
        "disposition_items",
        "UPDATE",
        "OLD.outcome IS NOT NULL",
        columns="outcome, ledger_index",
    ),
    Guard("disposition_items_excluded", "disposition_items", "UPDATE", _NOT_PROPOSED, columns="excluded_us"),
    Guard("extensions_delete", "extensions", "DELETE"),
    Guard(
        "extensions_fixed",
        "extensions",
        "UPDATE",
        columns="id, message_pk, until, sealed, created_us, created_by",
    ),
    Guard("extensions_ended", "extensions", "UPDATE", _ENDED_ALONE, columns="ended_us"),
    Guard("disposition_draws_delete", "disposition_draws", "DELETE"),
    Guard("disposition_draws_update", "disposition_draws", "UPDATE"),
    Guard("disposition_samples_delete", "disposition_samples", "DELETE"),
    Guard("disposition_samples_fixed", "disposition_samples", "UPDATE", columns="draw_id, message_pk"),
)

NEVER_TRUNCATED = (
    "reports",
    "packs",
    "dispositions",
    "disposition_items",
    "extensions",
    "disposition_draws",
    "disposition_samples",
)
