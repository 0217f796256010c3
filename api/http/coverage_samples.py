"""What `/metrics` says of completeness: by source id and kind of gap, nothing of any mail."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import func, select

from api.http.ports import App
from archiver.clock import to_us
from archiver.store.schema import alerts, coverage_marks, coverage_reports, sources

Sample = tuple[str, str, str, list[tuple[dict[str, str], float]]]


def coverage_samples(app: App) -> Iterator[Sample]:
    """Last arrivals, open gaps, heartbeats, waiting alerts, and how far the watch has come."""
    now = to_us(app.vault.clock.now())
    with app.vault.records.read() as connection:
        seen = connection.execute(
            select(sources.c.id, sources.c.last_seen_us).where(sources.c.last_seen_us.is_not(None))
        ).all()
        waiting = connection.scalar(
            select(func.count()).select_from(alerts).where(alerts.c.sent_us.is_(None))
        )
        watched = connection.scalar(select(coverage_marks.c.value).where(coverage_marks.c.name == "watched"))
        newest = connection.execute(
            select(coverage_reports.c.complete).order_by(coverage_reports.c.day.desc()).limit(1)
        ).first()
    yield (
        "holdfast_source_last_seen_seconds",
        "gauge",
        "Seconds since the last arrival, by source.",
        [({"source": row.id}, max(0.0, (now - row.last_seen_us) / 1e6)) for row in seen],
    )
    yield (
        "holdfast_source_gaps",
        "gauge",
        "Open gaps, by source and kind.",
        [
            ({"source": source, "kind": kind}, float(number))
            for (source, kind), number in sorted(app.watch.gaps.counts().items())
        ],
    )
    pulses = sorted(app.watch.heartbeats.pulses().items())
    yield (
        "holdfast_heartbeat_latency_seconds",
        "gauge",
        "How long the last heartbeat took that came back, by source.",
        [({"source": s}, p.latency_us / 1e6) for s, p in pulses if p.latency_us is not None],
    )
    yield (
        "holdfast_heartbeat_age_seconds",
        "gauge",
        "Seconds since a heartbeat last came back, by source.",
        [
            ({"source": s}, max(0.0, (now - p.arrived_us) / 1e6))
            for s, p in pulses
            if p.arrived_us is not None
        ],
    )
    yield (
        "holdfast_alerts_waiting",
        "gauge",
        "Alert mails no relay has taken yet.",
        [({}, float(waiting or 0))],
    )
    yield (
        "holdfast_watch_age_seconds",
        "gauge",
        "Seconds since completeness was last looked after.",
        [] if watched is None else [({}, max(0.0, (now - watched) / 1e6))],
    )
    yield (
        "holdfast_coverage_complete",
        "gauge",
        "Whether the newest daily report found that day complete.",
        [] if newest is None else [({}, float(newest.complete))],
    )
