"""How long the clock takes for the facts of one message, when the answer isn't remembered from another."""

from __future__ import annotations

import time
from datetime import date, timedelta

from benchmarks.run import Run
from retention.clock.clock import Clock
from retention.clock.facts import Facts
from retention.law.schedules import default_schedule

DAYS = 5_000
FIRST = date(2010, 1, 1)
TARGET = 150.0


def run(run: Run) -> None:
    """Microseconds of processor time a disposal date: a hospital's chart of a minor, each of another day."""
    clock = Clock(default_schedule())
    best = float("inf")
    for turn in range(run.repeat):
        facts = [_chart(FIRST + timedelta(days=turn * DAYS + day)) for day in range(DAYS)]
        begun = time.process_time()
        for one in facts:
            clock.compute(one)
        best = min(best, (time.process_time() - begun) / DAYS)
    run.add("retention", "a disposal date, not remembered", best * 1e6, "us", target=TARGET, lower=True)


def _chart(day: date) -> Facts:
    return Facts(
        record_types=("medical_record",),
        jurisdictions=("NC",),
        provider_type="hospital",
        born=day - timedelta(days=17 * 365),
        discharged=day,
        anchor=day,
    )
