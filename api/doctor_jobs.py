"""What `doctor` says of scheduled work: whether it is done, and what the checks of the store found."""

from __future__ import annotations

from collections.abc import Iterator

from api.doctor_doors import Finding
from archiver.vault import Vault
from retention.jobs.queue import queue_of


def job_findings(vault: Vault) -> Iterator[Finding]:
    """Every finding about jobs."""
    found = queue_of(vault).overview()
    failing = [job["kind"] for job in found if job["error"]]
    yield (
        "164.308(a)(1)(ii)(D) routine work",
        not failing,
        "no scheduled job fails",
        f"these jobs fail: {', '.join(failing)}; `holdfast jobs list` says with what, the log more",
    )
    late = [job["kind"] for job in found if job["overdue"]]
    done = any(job["last_at"] for job in found)
    yield (
        "164.308(a)(1)(ii)(D) routine work",
        done and not late,
        "scheduled work is being done",
        f"overdue by a day or more: {', '.join(late)}; let `holdfast serve` run, with the role jobs, and see"
        " with `holdfast jobs list` what runs before them"
        if done
        else "no job was ever done: let `holdfast serve` run, with the role jobs",
    )
    faults = sum(job["last_counts"].get("faults", 0) for job in found)
    yield (
        "164.312(c)(1) integrity",
        not faults,
        "the last checks of what is stored found no fault",
        f"the last checks of what is stored found {faults} faults; `holdfast verify --full` names them",
    )
