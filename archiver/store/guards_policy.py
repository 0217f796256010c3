"""Guards over the policy: counsel's word and the organisation's decisions are only ever added to."""

from __future__ import annotations

from archiver.store.guard import Guard

UNCONFIRMED = """m.unconfirmed
    OR COALESCE(m.policy_epoch, 0) <> COALESCE((SELECT p.epoch FROM policy_state p), 0)
    OR EXISTS (SELECT 1 FROM grounds_rules g WHERE g.grounds_id = m.grounds_id
               AND NOT EXISTS (SELECT 1 FROM rule_confirmations c
                               WHERE c.rule_token = g.rule_token AND c.revoked_us IS NULL))"""
"""Condition on a message `m`: a rule that applied isn't confirmed by counsel, or its date was computed under
an earlier policy."""

_TWO_BEGIN = "NEW.asked_by IS NOT NULL AND NEW.approved_by IS NOT NULL AND NEW.asked_by <> NEW.approved_by"
_TWO_END = (
    "NEW.end_asked_by IS NOT NULL AND NEW.end_approved_by IS NOT NULL "
    "AND NEW.end_asked_by <> NEW.end_approved_by"
)
# An own term lengthens and begins at once; whatever may shorten takes two persons. An option's end lengthens.
_BAD_POLICY_STATE = f"""NEW.state <> OLD.state AND NOT (
    (OLD.state = 'asked' AND NEW.state = 'refused')
    OR (OLD.state = 'asked' AND NEW.state = 'in_force' AND {_TWO_BEGIN})
    OR (OLD.state = 'in_force' AND NEW.state = 'ending' AND NEW.end_asked_by IS NOT NULL)
    OR (OLD.state = 'ending' AND NEW.state = 'in_force')
    OR (OLD.state IN ('in_force', 'ending') AND NEW.state = 'ended'
        AND (OLD.kind = 'option' OR ({_TWO_END}))))"""
_BAD_BASELINE_END = """NEW.ended_by IS NULL OR NOT EXISTS (
    SELECT 1 FROM policy_entries e WHERE e.id = NEW.ended_by AND e.kind IN ('settings', 'schedule')
    AND e.state = 'in_force' AND e.approved_by IS NOT NULL AND e.approved_by <> e.asked_by)"""

GUARDS = (
    Guard("policy_state_delete", "policy_state", "DELETE"),
    Guard(
        "policy_state_back",
        "policy_state",
        "UPDATE",
        "NEW.id <> OLD.id OR NEW.epoch < OLD.epoch OR NEW.confirmations < OLD.confirmations",
    ),
    Guard("rule_confirmations_delete", "rule_confirmations", "DELETE"),
    Guard(
        "rule_confirmations_fixed",
        "rule_confirmations",
        "UPDATE",
        columns="id, rule_token, sealed, created_us, created_by, audit_index",
    ),
    Guard(
        "rule_confirmations_revoked",
        "rule_confirmations",
        "UPDATE",
        "OLD.revoked_us IS NOT NULL OR NEW.revoked_us IS NULL OR NEW.revoked_by IS NULL",
        columns="revoked_us, revoked_by, sealed_revocation",
    ),
    Guard("grounds_delete", "grounds", "DELETE"),
    Guard("grounds_update", "grounds", "UPDATE"),
    Guard("grounds_rules_delete", "grounds_rules", "DELETE"),
    Guard("grounds_rules_update", "grounds_rules", "UPDATE"),
    Guard("policy_entries_delete", "policy_entries", "DELETE"),
    Guard(
        "policy_entries_fixed",
        "policy_entries",
        "UPDATE",
        columns="id, kind, sealed, replaces, created_us, asked_by",
    ),
    Guard(
        "policy_entries_begin",
        "policy_entries",
        "INSERT",
        "NEW.state NOT IN ('asked', 'in_force') OR (NEW.state = 'in_force' AND NEW.kind <> 'term')",
    ),
    Guard("policy_entries_state", "policy_entries", "UPDATE", _BAD_POLICY_STATE, columns="state"),
    Guard("policy_baselines_delete", "policy_baselines", "DELETE"),
    Guard("policy_baselines_fixed", "policy_baselines", "UPDATE", columns="kind, value, since_us"),
    Guard("policy_baselines_end", "policy_baselines", "UPDATE", _BAD_BASELINE_END, columns="ended_by"),
)

NEVER_TRUNCATED = (
    "policy_state",
    "rule_confirmations",
    "grounds",
    "grounds_rules",
    "policy_entries",
    "policy_baselines",
)
