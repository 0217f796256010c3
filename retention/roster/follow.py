"""What a change of facts leaves to be done: seconds later, not at night, and safe to stop anywhere.

Names are looked for in old mail; then the void dates are computed anew. Until then the database destroys
nothing that they may concern.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import date
from typing import Any, Final

from sqlalchemy import func, select

from archiver.store import dialect, tokens
from archiver.store.schema import messages, patients, redates
from archiver.vault import Vault
from retention.dating.computing import compute
from retention.dating.verdicts import Verdict, Verdicts
from retention.roster.changes import Changes
from retention.roster.people import People

CHUNK: Final = 500
KINDS: Final = ("earlier", "later", "now_known", "now_unknown", "unchanged")
"""How a date moved: to an earlier or a later one (never, where permanent), from unknown, to unknown."""

Progress = Callable[[str, int, int], object]
"""Told what is done, how much of it, and of how much."""


class Follower:
    """Brings matches and dates in line with the facts. Several at once do no harm."""

    def __init__(self, vault: Vault, verdicts: Verdicts, people: People, changes: Changes) -> None:
        self._vault = vault
        self._verdicts = verdicts
        self._people = people
        self._changes = changes

    def run(self, progress: Progress | None = None) -> dict[str, Any]:
        """Do what is to be done; quick where there is nothing.

        Returns `{names, messages, found, dated, dates: {earlier, later, now_known, now_unknown, unchanged}}`:
        names looked for, messages opened for them, in how many a name was found, and how dates moved.
        Raises SearchError while the index can't answer; dates wait then, too.
        """
        tell = progress or (lambda *_: None)
        self._renew()
        found: dict[str, Any] = {"names": 0, "messages": 0, "found": 0}
        if self._people.waiting():
            # What many messages bear is found quickly by token once it is filed.
            tokens.file(self._vault.records, 1)
            found = dict(self._people.search_old(lambda done, of: tell("names looked for", done, of)))
        moved = self._redate(tell)
        return {**found, "dated": sum(moved.values()), "dates": {kind: moved[kind] for kind in KINDS}}

    def waiting(self) -> dict[str, int]:
        """What is still to be done: `{names, dates}`."""
        with self._vault.records.read() as connection:
            count = connection.scalar(select(func.count()).select_from(redates)) or 0
        return {"names": self._people.waiting(), "dates": int(count)}

    # --- inside -------------------------------------------------------------------------------

    def _renew(self) -> None:
        """Records that an earlier version wrote have no names yet."""
        while True:
            with self._vault.records.read() as connection:
                if (
                    connection.scalar(select(patients.c.id).where(patients.c.person.is_(None)).limit(1))
                    is None
                ):
                    return
            with self._vault.records.write(dialect.LOCK_ARCHIVE) as connection:
                self._changes.renew(connection)

    def _redate(self, tell: Progress) -> Counter[str]:
        moved: Counter[str] = Counter()
        with self._vault.records.read() as connection:
            total = int(connection.scalar(select(func.count()).select_from(redates)) or 0)
        if not total or not self._verdicts.policies.current().accepted:
            return moved
        last, done = -(2**63), 0
        while True:
            with self._vault.records.read() as connection:
                waiting = connection.execute(
                    select(redates)
                    .where(redates.c.message_pk > last)
                    .order_by(redates.c.message_pk)
                    .limit(CHUNK)
                ).all()
            if not waiting:
                return moved
            last = waiting[-1].message_pk
            verdicts = self._compute([row.message_pk for row in waiting])
            for row in waiting:
                verdict = verdicts.get(row.message_pk)
                if verdict is not None:
                    moved[_moved(row.old_date, bool(row.old_permanent), verdict)] += 1
            done += len(waiting)
            tell("dates computed", done, max(total, done))

    def _compute(self, pks: list[int]) -> dict[int, Verdict]:
        """Compute and keep verdicts; the keys of messages disposed of meanwhile leave the queue as well."""
        verdicts = compute(self._vault, self._verdicts, pks)
        if gone := set(pks) - verdicts.keys():
            with self._vault.records.write(dialect.LOCK_ARCHIVE) as connection:
                alive = select(messages.c.pk).where(messages.c.pk.in_(gone), messages.c.disposed_us.is_(None))
                still = set(connection.scalars(alive))
                connection.execute(redates.delete().where(redates.c.message_pk.in_(gone - still)))
        return verdicts


def _moved(old: date | None, was_permanent: bool, verdict: Verdict) -> str:
    new, permanent = verdict.disposal_date, verdict.result.permanent
    before, after = _rank(old, was_permanent), _rank(new, permanent)
    if before == after:
        return "unchanged"
    if before is None:
        return "now_known"
    if after is None:
        return "now_unknown"
    return "earlier" if after < before else "later"


def _rank(day: date | None, permanent: bool) -> date | None:
    return date.max if permanent else day
