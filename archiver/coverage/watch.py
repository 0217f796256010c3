"""The watch: once a minute it looks whether every source still does as it used to, and says so if not."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from sqlalchemy import func, select

from archiver.clock import to_us
from archiver.coverage.alerts import Alerts
from archiver.coverage.arrivals import SLOT_US, Arrivals
from archiver.coverage.counts import DAY_US, Counts, differences
from archiver.coverage.gaps import COUNTS_DIFFER, REFUSED, SILENCE, Gaps
from archiver.coverage.heartbeat import Heartbeats
from archiver.coverage.report import Reports
from archiver.coverage.rhythm import WEEK, WEEKS, Bounds, Rhythm
from archiver.store import dialect
from archiver.store.schema import arrival_slots, coverage_marks, refusals, sources, watch_pauses
from archiver.vault import Vault
from config.errors import HoldfastError

PAUSE: Final = timedelta(minutes=10)
"""A longer time between two looks is a pause: nobody watched, and mail may not have been able to come."""
LOOK_BACK_DAYS: Final = 28
LEAST_REFUSED: Final = 5
WATCHED = ("journal", "imap")
"""Kinds of source that go on; an import is done when it is done."""
_LAST, _SINCE = "watched", "watching_since"
log = logging.getLogger("holdfast.coverage")


class Watch:
    """Everything of completeness that is done in the background. Idempotent; one runs at a time."""

    def __init__(self, vault: Vault) -> None:
        settings = vault.settings
        self._vault = vault
        self._records = vault.records
        self._clock = vault.clock
        self._bounds = Bounds(settings.silence_min_minutes / 15, settings.silence_max_hours * 4)
        self.gaps = Gaps(vault.records, vault.clock, alert=settings.alerts)
        self.arrivals = Arrivals(vault.records, vault.clock)
        self.heartbeats = Heartbeats(vault, self.gaps)
        self.reports = Reports(vault, self.gaps, self.heartbeats, self.arrivals)
        self.alerts = Alerts(vault, self.gaps, self.reports.text)
        self._rhythms: dict[str, tuple[int, Rhythm]] = {}
        self._hour = -1

    def run(self) -> None:
        """Look once. One part's trouble keeps none of the others from its work; raises HoldfastError last."""
        steps: list[Callable[[], object]] = [
            self._note_pause,
            self.arrivals.catch_up,
            self.heartbeats.send_due,
            self.heartbeats.look,
            self._silences,
            self._refusals,
        ]
        hour = to_us(self._clock.now()) // (4 * SLOT_US)
        if hour != self._hour:
            steps += [self._counts, self._tidy]
        steps += [self.reports.make_due, self.gaps.remind, self.alerts.flush]
        failed: HoldfastError | None = None
        for step in steps:
            try:
                step()
            except HoldfastError as error:
                log.error("the watch failed at %s: %s", step.__name__, error.code)
                failed = error
        if failed is not None:
            raise failed
        self._hour = hour

    def differing(self) -> dict[str, Counts]:
        """What the rows say, of each source whose counters say otherwise."""
        with self._records.read() as connection:
            return {difference.source_id: difference.rows for difference in differences(connection)}

    # --- steps --------------------------------------------------------------------------------

    def _note_pause(self) -> None:
        now = to_us(self._clock.now())
        with self._records.write() as connection:
            marks = {
                row.name: row.value
                for row in connection.execute(
                    select(coverage_marks).where(coverage_marks.c.name.in_([_LAST, _SINCE]))
                )
            }
            last = marks.get(_LAST)
            rows = [{"name": _LAST, "value": max(now, last or 0)}]
            if last is None:  # nobody has ever watched, whatever there is
                last = connection.scalar(select(func.min(sources.c.created_us))) or now
            paused = now - last > PAUSE // timedelta(microseconds=1)
            if paused or _SINCE not in marks:
                rows.append({"name": _SINCE, "value": now})
            if paused:
                connection.execute(
                    dialect.insert_or_ignore(connection, watch_pauses).values(from_us=last, until_us=now)
                )
            dialect.upsert(connection, coverage_marks, rows, update=["value"])
        if paused:
            self.heartbeats.forgive(last)

    def _silences(self) -> None:
        now_us = to_us(self._clock.now())
        slot = now_us // SLOT_US
        with self._records.read() as connection:
            since = connection.scalar(select(coverage_marks.c.value).where(coverage_marks.c.name == _SINCE))
            # One seek a source; grouping would read every slot of ten weeks.
            newest = (
                select(func.max(arrival_slots.c.slot))
                .where(arrival_slots.c.source_id == sources.c.id)
                .scalar_subquery()
            )
            watched = connection.execute(
                select(sources.c.id, sources.c.created_us, sources.c.disabled_us, newest.label("last")).where(
                    sources.c.kind.in_(WATCHED)
                )
            ).all()
        silent = {gap.source_id: gap for gap in self.gaps.find(kind=SILENCE, limit=100_000)}
        # Senders that could not reach us need a moment to come back.
        ready = since is not None and now_us - since >= self._bounds.soonest * SLOT_US
        for source in watched:
            last = source.last
            if (gap := silent.get(source.id)) is not None:
                if source.disabled_us is not None or (last is not None and last >= gap.opened_us // SLOT_US):
                    self.gaps.close(source.id, SILENCE, "")
            elif ready and source.disabled_us is None and last is not None:
                if slot - last <= self._bounds.soonest:
                    continue
                verdict = self._rhythm(source.id, source.created_us, last).judge(
                    last, now_us / SLOT_US, self._bounds
                )
                if verdict.alarm:
                    self.gaps.open(source.id, SILENCE, "", verdict.missed)

    def _rhythm(self, source_id: str, created_us: int, last: int) -> Rhythm:
        """The rhythm of a source until its last arrival; learned anew when there was one since."""
        known = self._rhythms.get(source_id)
        if known is not None and known[0] == last:
            return known[1]
        until = last + 1
        since = until - WEEKS * WEEK
        arrived = self.arrivals.slots(source_id, since)
        first = min([created_us // SLOT_US, *arrived])
        told = [
            (gap.opened_us // SLOT_US, (gap.closed_us or 0) // SLOT_US)
            for gap in self.gaps.find(source_id, kind=SILENCE, ended=True, limit=1_000)
            if gap.closed_us is not None
        ]
        rhythm = Rhythm(arrived, first, until, told)
        if len(self._rhythms) > 10_000:
            self._rhythms.clear()
        self._rhythms[source_id] = (last, rhythm)
        return rhythm

    def _refusals(self) -> None:
        """A gap where a source refuses clearly more than it used to: mail that may be lost to its sender."""
        now = to_us(self._clock.now())
        recent = (
            select(refusals.c.source_id, func.count())
            .join(sources, sources.c.id == refusals.c.source_id)
            .where(refusals.c.at_us > now - DAY_US, sources.c.kind.in_(WATCHED))
            .group_by(refusals.c.source_id)
        )
        open_now = {gap.source_id for gap in self.gaps.find(kind=REFUSED, limit=100_000)}
        with self._records.read() as connection:
            counted = {row[0]: row[1] for row in connection.execute(recent)}
        for source_id in counted.keys() | open_now:
            number = counted.get(source_id, 0)
            with self._records.read() as connection:
                before = connection.scalar(
                    select(func.count()).where(
                        refusals.c.source_id == source_id,
                        refusals.c.at_us > now - (LOOK_BACK_DAYS + 1) * DAY_US,
                        refusals.c.at_us <= now - DAY_US,
                    )
                )
            usual = (before or 0) / LOOK_BACK_DAYS
            if number >= LEAST_REFUSED and number > usual + 4 * math.sqrt(usual + 1):
                self.gaps.open(source_id, REFUSED, "", number)
            else:
                self.gaps.close(source_id, REFUSED, "")

    def _counts(self) -> None:
        with self._records.read() as connection:
            found = {d.source_id: d for d in differences(connection)}
        for gap in self.gaps.find(kind=COUNTS_DIFFER, limit=100_000):
            if gap.source_id not in found:
                self.gaps.close(gap.source_id, COUNTS_DIFFER, "")
        for source_id, difference in found.items():
            missing = abs(difference.counted.received - difference.rows.received)
            self.gaps.open(source_id, COUNTS_DIFFER, "", missing)

    def _tidy(self) -> None:
        self.arrivals.forget_old_slots()
        self.heartbeats.forget_old()
        self.alerts.forget_old()
