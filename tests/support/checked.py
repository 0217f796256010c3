"""What `holdfast verify` finds of decisions and dates: nothing, however a house has lived."""

from __future__ import annotations

from archiver.vault import Vault
from retention.checking import dates, decisions
from retention.dating.verdicts import Verdicts


def faults_of(vault: Vault, verdicts: Verdicts) -> list[tuple[str, str, str]]:
    """Each fault as (kind, where, what)."""
    found = [*decisions.faults(vault, lambda *_: None), *dates.faults(vault, verdicts)]
    return [(one.kind, one.where, one.what) for one in found]
