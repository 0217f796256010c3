"""Computes verdicts of messages and keeps them, whatever else is learned meanwhile."""

from __future__ import annotations

from collections.abc import Sequence

from archiver.store import dialect
from archiver.vault import Vault
from retention.dating import rows
from retention.dating.verdicts import Verdict, Verdicts
from retention.policy.store import version as policy_version
from retention.roster.stale import facts_version


def compute(vault: Vault, verdicts: Verdicts, pks: Sequence[int]) -> dict[int, Verdict]:
    """The verdicts of living messages, by the facts and the policy that stand when they are written; durable
    on return.

    They are computed outside the lock. A roster, a policy or new mail that names a patient may come in
    meanwhile and void what would be written: then they are computed anew, in halves, so that a shorter time
    succeeds where facts change all the time.
    """
    found: dict[int, Verdict] = {}
    waiting = [list(pks)]
    while waiting:
        some = waiting.pop()
        with vault.records.read() as connection:
            facts, policy = facts_version(connection), verdicts.policies.current(connection)
            seqs = rows.newest_deliveries(connection, some)
        computed = verdicts.of(some, policy)
        with vault.records.write(dialect.LOCK_ARCHIVE) as connection:
            if facts_version(connection) == facts and policy_version(connection) == policy.version:
                rows.save(connection, verdicts, computed, seqs)
                found |= computed
                continue
        half = (len(some) + 1) // 2
        waiting += [part for part in (some[half:], some[:half]) if part]
    return found
