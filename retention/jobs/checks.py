"""The jobs that check what is stored: every night a part of all bytes and dates, every week rows, ledgers and
decisions against one another."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from sqlalchemy import func, select

from archiver.coverage.alerts import Alerts
from archiver.fault import Fault
from archiver.ledger.audit import Outcome
from archiver.store.schema import messages
from archiver.vault import Vault
from archiver.verify import Scrubber
from retention.acts import by_system
from retention.checking import dates, decisions
from retention.dating.verdicts import Verdicts
from retention.jobs.queue import Counts
from retention.jobs.runner import Task

STRETCH: Final = 200
"""Messages between two looks whether to stop; each is read and unsealed."""
NAMED: Final = 100
"""Faults that an audit entry names; its count is of all."""
log = logging.getLogger("holdfast.jobs")


class StoreChecks:
    """Checks one vault in the background. What is found goes on record, to the log by number, and by mail."""

    def __init__(self, vault: Vault, alerts: Alerts, verdicts: Verdicts) -> None:
        self._vault = vault
        self._alerts = alerts
        self._verdicts = verdicts

    def scrub(self, task: Task) -> Counts:
        """Read and unseal the next part of all messages, and work out their disposal dates anew.

        After `scrub_days` nights all had their turn.
        """
        with self._vault.records.read() as connection:
            total = connection.scalar(select(func.count()).select_from(messages)) or 0
        wanted = -(-total // self._vault.settings.scrub_days)
        scrubber = Scrubber(self._vault, full=True)
        found: list[Fault] = []
        after = int(task.cursor) if task.cursor else None
        done = 0
        while done < wanted:
            task.check()
            faults, last = scrubber.stretch(after, min(STRETCH, wanted - done))
            faults += self._dates(after, last)
            found += faults
            done = scrubber.checked["messages"]
            if faults:
                # On record before the cursor passes them: a kill in between finds them again.
                self._tell("store.scrub", faults, len(faults))
            task.keep("" if last is None else str(last))
            task.progress(done, wanted)
            if last is None:
                break  # all have had their turn; tomorrow it begins anew
            after = last
        if not found:
            self._tell("store.scrub", (), done)
        return {"messages": done, "faults": len(found)}

    def verify(self, task: Task) -> Counts:
        """Ledgers, rows, decisions, counters and packs against one another, without unsealing a message."""

        def progress(_: str, done: int, total: int) -> None:
            task.check()
            task.progress(done, total)

        scrubber = Scrubber(self._vault, full=False, progress=progress)
        found = [*scrubber.run(), *decisions.faults(self._vault, progress)]
        self._tell("store.verify", found, len(found))
        return {**scrubber.checked, "faults": len(found)}

    def _dates(self, after: int | None, upto: int | None) -> list[Fault]:
        """What is wrong with the dates of messages behind one row key, up to another or all."""
        found: list[Fault] = []
        last: int | None = dates.FIRST if after is None else after
        while last is not None:
            some, last = dates.stretch(self._vault, self._verdicts, last, upto)
            found += some
        return found

    def _tell(self, action: str, faults: Sequence[Fault], count: int) -> None:
        named = [{"kind": f.kind, "where": f.where, "what": f.what} for f in faults[:NAMED]]
        outcome: Outcome = "failed" if faults else "success"
        detail = {"faults": named} if named else {}
        self._vault.audit.record(by_system(action, outcome, count=count, detail=detail))
        if faults:
            log.error("%s found %d faults; `holdfast verify --full` names them", action, len(faults))
            self._alerts.faults()
