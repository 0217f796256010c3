"""The report of a hold on paper, as every door gives it: with its notices, and its receipt if it has one."""

from __future__ import annotations

from typing import Protocol

from archiver.vault import Vault
from retention.holds import paper
from retention.holds.holds import Holds
from retention.notices.notices import Notices
from search.access import Actor


class Desk(Protocol):
    """What it is made from."""

    @property
    def vault(self) -> Vault: ...
    @property
    def holds(self) -> Holds: ...
    @property
    def notices(self) -> Notices: ...


def hold_paper(app: Desk, actor: Actor, hold_id: str) -> bytes:
    """A hold's report as PDF. Raises what `Holds.report` does, and StoreError where it can't be made."""
    report = app.holds.report(actor, hold_id)
    report["notices"] = app.notices.list(actor, hold=hold_id)
    newest = report["versions"][-1]
    kept = newest["receipt"] and newest["state"] != "applying"
    receipt = app.holds.receipt(actor, hold_id) if kept else None
    return paper.pdf(app.vault.archive_id, report, receipt, app.vault.clock.now())
