"""What the metrics tell of access: break-glass that is on or waits for its review, and unusual reading."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy import func, select

from api.http.coverage_samples import Sample
from api.http.ports import App
from archiver.clock import to_us
from archiver.store.schema import access_alarms, approvals

_HOUR = timedelta(hours=1)


def access_samples(app: App) -> Iterator[Sample]:
    """Gauges without names or ids: whom they concern stands in the audit log."""
    counts = app.access.emergencies.counts()
    yield (
        "holdfast_emergencies",
        "gauge",
        "Break-glass: on at this moment, over and not reviewed yet, and not reviewed in time.",
        [({"state": state}, float(count)) for state, count in sorted(counts.items())],
    )
    now = app.vault.clock.now()
    with app.vault.records.read() as connection:
        unusual = connection.execute(
            select(access_alarms.c.code, func.count())
            .where(access_alarms.c.at_us > to_us(now - _HOUR))
            .group_by(access_alarms.c.code)
        ).all()
        waiting = connection.scalar(
            select(func.count())
            .select_from(approvals)
            .where(approvals.c.state == "asked", approvals.c.expires_us > to_us(now))
        )
    yield (
        "holdfast_unusual_access",
        "gauge",
        "People whose reading was unusual within the last hour, by what was.",
        [({"what": code}, float(count)) for code, count in unusual] or [({"what": "none"}, 0.0)],
    )
    yield (
        "holdfast_approvals_waiting",
        "gauge",
        "Requests that wait for a second person.",
        [({}, float(waiting or 0))],
    )
