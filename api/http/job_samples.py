"""What `/metrics` says of jobs, by kind."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from api.http.coverage_samples import Sample
from api.http.ports import App
from retention.jobs.queue import queue_of


def job_samples(app: App) -> Iterator[Sample]:
    """How long ago each kind was last done, what fails, and the faults the last checks found."""
    now = app.vault.clock.now()
    found = queue_of(app.vault).overview()
    yield (
        "holdfast_job_age_seconds",
        "gauge",
        "Seconds since a job of this kind was last done.",
        [
            ({"kind": job["kind"]}, max(0.0, (now - datetime.fromisoformat(job["last_at"])).total_seconds()))
            for job in found
            if job["last_at"]
        ],
    )
    yield (
        "holdfast_job_failing",
        "gauge",
        "Whether the present or last job of this kind failed.",
        [({"kind": job["kind"]}, float(job["error"] is not None)) for job in found],
    )
    yield (
        "holdfast_store_faults",
        "gauge",
        "Faults the last job of this kind found.",
        [
            ({"kind": job["kind"]}, float(job["last_counts"]["faults"]))
            for job in found
            if "faults" in job["last_counts"]
        ],
    )
