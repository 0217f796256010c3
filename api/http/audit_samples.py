"""What `/metrics` says of the audit log: who waits for it, and which reviews nobody has signed."""

from __future__ import annotations

from collections.abc import Iterator

from api.http.coverage_samples import Sample
from api.http.ports import App


def audit_samples(app: App) -> Iterator[Sample]:
    """The samples; sinks by the names that the settings give them."""
    sinks = app.auditing.forwarder.state()
    yield (
        "holdfast_audit_sink_waiting_entries",
        "gauge",
        "Entries of the audit log that a sink hasn't taken yet.",
        [({"sink": one["name"]}, float(one["waiting"])) for one in sinks],
    )
    yield (
        "holdfast_audit_sink_failing",
        "gauge",
        "1 for a sink that takes nothing.",
        [({"sink": one["name"]}, float(one["why"] is not None)) for one in sinks],
    )
    unsigned = app.auditing.reviews.unsigned()
    yield (
        "holdfast_audit_reviews_unsigned",
        "gauge",
        "Whole periods of activity that nobody has signed.",
        [({"state": state}, float(count)) for state, count in unsigned.items()],
    )
    yield (
        "holdfast_audit_entries_behind",
        "gauge",
        "Entries of the audit log that the tables for reports lack.",
        [({}, float(app.auditing.projection.behind()))],
    )
