"""Guards over access: nothing of it is deleted, what was decided stays, and deciding takes two persons."""

from __future__ import annotations

from archiver.store.guard import Guard

_KEPT = ("grants", "approvals", "appointments", "emergencies", "access_reviews")

_BAD_GRANT = """NEW.state <> OLD.state AND NOT (
    (OLD.state = 'asked' AND NEW.state = 'refused')
    OR (OLD.state = 'asked' AND NEW.state = 'granted' AND NEW.decided_by IS NOT NULL
        AND NEW.decided_by <> NEW.asked_by AND NEW.decided_by <> NEW.user_id)
    OR (OLD.state IN ('asked', 'granted') AND NEW.state = 'revoked' AND NEW.revoked_by IS NOT NULL))"""

_BAD_APPROVAL = """NEW.state <> OLD.state AND NOT (
    (OLD.state = 'asked' AND NEW.state = 'refused')
    OR (OLD.state = 'asked' AND NEW.state = 'approved' AND NEW.decided_by IS NOT NULL
        AND NEW.decided_by <> OLD.requester AND NEW.decided_us <= OLD.expires_us)
    OR (OLD.state = 'approved' AND NEW.state = 'used' AND NEW.ended_us IS NOT NULL)
    OR (OLD.state IN ('asked', 'approved') AND NEW.state = 'void' AND NEW.void_why IS NOT NULL))"""

_BAD_REVIEW = "OLD.reviewed_us IS NOT NULL OR NEW.reviewed_by IS NULL OR NEW.reviewed_by = OLD.user_id"

GUARDS = (
    *(Guard(f"{table}_delete", table, "DELETE") for table in _KEPT),
    Guard(
        "grants_fixed",
        "grants",
        "UPDATE",
        columns="id, user_id, kind, names, sealed, from_us, until_us, asked_us, asked_by",
    ),
    Guard("grants_begin", "grants", "INSERT", "NEW.state <> 'asked'"),
    Guard("grants_state", "grants", "UPDATE", _BAD_GRANT, columns="state"),
    Guard(
        "approvals_fixed",
        "approvals",
        "UPDATE",
        columns="id, action, about_id, request_hash, sealed, requester, created_us, expires_us",
    ),
    Guard("approvals_begin", "approvals", "INSERT", "NEW.state <> 'asked'"),
    Guard("approvals_state", "approvals", "UPDATE", _BAD_APPROVAL, columns="state"),
    Guard(
        "approvals_decided",
        "approvals",
        "UPDATE",
        "OLD.decided_us IS NOT NULL",
        columns="decided_us, decided_by, method, sealed_assertion",
    ),
    Guard("appointments_update", "appointments", "UPDATE"),
    Guard(
        "emergencies_fixed",
        "emergencies",
        "UPDATE",
        columns="id, user_id, sealed, begun_us, until_us, review_by_us",
    ),
    Guard(
        "emergencies_reviewed",
        "emergencies",
        "UPDATE",
        _BAD_REVIEW,
        columns="reviewed_us, reviewed_by, verdict, sealed_review",
    ),
    Guard("access_reviews_update", "access_reviews", "UPDATE"),
)

NEVER_TRUNCATED = _KEPT
