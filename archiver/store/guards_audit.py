"""Guards over the audit log: nothing in it is changed, nothing leaves it before its term.

What may end are sealed details, after six years at the least (45 CFR 164.316(b)(2)(i)) and by the word of two
persons; the leaves stay for ever, so that the tree verifies.
"""

from __future__ import annotations

from archiver.store.guard import Guard

FLOOR_DAYS = 2_192
"""Six years, two leap days among them."""

ENTRY_AT = {
    "sqlite": "json_extract(CAST(l.leaf AS TEXT), '$.at')",
    "postgresql": "((convert_from(l.leaf, 'UTF8')::json ->> 'at')::bigint)",
}
"""When an entry `l` of the log was written, by its leaf, which can't be changed."""

# By the leaf's own time and the database's own clock, whatever a row says of a term.
_KEPT = f"""NOT EXISTS (SELECT 1 FROM audit_expiries e WHERE e.state = 'approved' AND OLD.idx < e.until_idx
        AND e.asked_by IS NOT NULL AND e.decided_by IS NOT NULL AND e.asked_by <> e.decided_by)
    OR NOT EXISTS (SELECT 1 FROM ledger_entries l WHERE l.log = 2 AND l.idx = OLD.idx
                   AND {{entry_at}} < {{now_us}} - {FLOOR_DAYS * 86_400_000_000})"""

_BAD_EXPIRY_STATE = """NEW.state <> OLD.state AND NOT (
    (OLD.state = 'asked' AND NEW.state = 'refused')
    OR (OLD.state = 'asked' AND NEW.state = 'approved' AND NEW.decided_by IS NOT NULL
        AND NEW.decided_by <> OLD.asked_by)
    OR (OLD.state = 'approved' AND NEW.state = 'done'))"""

GUARDS = (
    Guard("ledger_state_delete", "ledger_state", "DELETE"),
    Guard(
        "ledger_state_back",
        "ledger_state",
        "UPDATE",
        "NEW.log <> OLD.log OR NEW.size < OLD.size OR (NEW.size = OLD.size AND NEW.frontier <> OLD.frontier)",
    ),
    Guard("audit_details_delete", "audit_details", "DELETE", _KEPT),
    Guard("audit_details_update", "audit_details", "UPDATE"),
    Guard("audit_reviews_delete", "audit_reviews", "DELETE"),
    Guard("audit_reviews_update", "audit_reviews", "UPDATE"),
    Guard("audit_expiries_delete", "audit_expiries", "DELETE"),
    Guard("audit_expiries_begin", "audit_expiries", "INSERT", "NEW.state <> 'asked'"),
    Guard(
        "audit_expiries_fixed",
        "audit_expiries",
        "UPDATE",
        columns="id, before_us, until_idx, entries, sealed, asked_us, asked_by",
    ),
    Guard("audit_expiries_state", "audit_expiries", "UPDATE", _BAD_EXPIRY_STATE, columns="state"),
    Guard(
        "audit_expiries_decided",
        "audit_expiries",
        "UPDATE",
        "OLD.decided_by IS NOT NULL AND (NEW.decided_by IS NULL OR NEW.decided_by <> OLD.decided_by)",
        columns="decided_by",
    ),
)  # fmt: skip

NEVER_TRUNCATED = ("ledger_state", "audit_reviews", "audit_expiries")
