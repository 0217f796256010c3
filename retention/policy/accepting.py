"""What the entries of the policy say, and how the settings and schedules of today are taken as they are."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, update

from archiver.store.schema import policy_baselines
from retention.policy.changes import OPTION, SET, Change
from retention.policy.store import SCHEDULES, PolicyStore


def said_of(policies: PolicyStore, meant: Change) -> tuple[str, dict[str, Any]]:
    """What an entry of a change is: its kind, and what it says."""
    if meant.do == SET:
        return "term", dict(meant.says)
    if meant.do == OPTION:
        return "option", {"option": meant.option}
    if meant.what == SCHEDULES:
        return "schedule", {"version": policies.schedule.version}
    said = policies.said_now()
    return "settings", {name: sorted(values) for name, values in said.items() if name != SCHEDULES}


def accept(policies: PolicyStore, connection: Connection, entry_id: str, means: Change, now: int) -> None:
    """Let only what the settings or schedules say today count from now on."""
    said = policies.said_now()
    kinds = [SCHEDULES] if means.what == SCHEDULES else [kind for kind in said if kind != SCHEDULES]
    known = policies.baselines(connection)
    for kind in kinds:
        for value in sorted(known.get(kind, set()) - said[kind]):
            connection.execute(
                update(policy_baselines)
                .where(
                    policy_baselines.c.kind == kind,
                    policy_baselines.c.value == value,
                    policy_baselines.c.ended_by.is_(None),
                )
                .values(ended_by=entry_id)
            )
        new = [
            {"kind": kind, "value": value, "since_us": now}
            for value in sorted(said[kind] - known.get(kind, set()))
        ]
        if new:
            connection.execute(policy_baselines.insert(), new)
