"""What `doctor` says of the policy: what waits for counsel, and what was changed and not accepted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from sqlalchemy import func, select

from api.doctor_doors import Finding
from archiver.store.schema import policy_entries
from archiver.vault import Vault
from retention.dating.run import RetentionRun
from retention.policy.decisions import OPEN
from retention.policy.store import SCHEDULES, PolicyStore

NAMED = 5


def policy_findings(vault: Vault, runs: RetentionRun, policies: PolicyStore) -> Iterator[Finding]:
    """Every finding about confirmations, schedules and settings."""
    with vault.records.read() as connection:
        waiting = [
            one["rule_id"] for one in runs.waiting(connection, date.max) if one["rule_id"] != SCHEDULES
        ]
        policy = policies.current(connection)
        asked = connection.scalar(
            select(func.count()).select_from(policy_entries).where(policy_entries.c.state.in_(OPEN))
        )
    named = ", ".join(waiting[:NAMED]) + (" and others" if len(waiting) > NAMED else "")
    yield (
        "164.316(b)(2)(i) retention",
        not waiting,
        "counsel has confirmed every rule that keeps mail here",
        f"{len(waiting)} rules in use wait for counsel ({named}): what they keep can't be disposed of; after "
        "review, `holdfast retention schedules confirm`",
    )
    yield (
        "164.316(b)(2)(i) retention",
        policy.accepted,
        "the schedules of this version are in force",
        "this version brought other schedules: nothing is disposed of until two persons accept them, after "
        "`holdfast retention policy preview accept schedules`",
    )
    said = policies.said_now()
    kept = str(policy.default_years) not in said["default_years"] or not (
        policy.jurisdictions <= said["jurisdiction"] and set(policy.providers) <= said["provider_type"]
    )
    yield (
        "164.316(b)(2)(i) retention",
        not kept,
        "the settings say what counts",
        "earlier settings keep mail longer than today's say (`holdfast retention policy show`); two "
        "persons may accept today's",
    )
    yield (
        "164.316(b)(2)(i) retention",
        not asked,
        "no change of policy waits for a second person",
        f"{asked} changes of policy wait for a second person: `holdfast retention policy list`",
    )
