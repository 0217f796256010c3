"""The job that learns record types from corrections and looks at mail with them, in a process of its own."""

from __future__ import annotations

import contextlib

from archiver import learning
from archiver.classify import learnt
from archiver.learning import Studied
from archiver.vault import Vault
from config.errors import HoldfastError
from retention.acts import by_system
from retention.jobs.apart import Apart, Progress, serve
from retention.jobs.queue import Counts, queue_of
from retention.jobs.runner import Task


class LearningJob:
    """Learns when corrections changed or mail is new. Idempotent; safe from any thread."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._apart = Apart(
            vault,
            __name__,
            "correction.learn",
            "nothing could be learnt from corrections just now; the job tries again later",
        )

    def work(self, task: Task) -> Counts | None:
        """See `run`, as a job."""
        found = self.run(lambda _, done, total: task.progress(done, total))
        task.check()
        if found is None:
            return None
        return {"examples": found.examples, "looked": found.looked, "changed": found.changed}

    def run(self, progress: Progress | None = None) -> Studied | None:
        """Learn and look; durable on return, and recorded.

        None where there is nothing new, where the extra `learn` isn't installed (a correction then counts
        for its own message only), or `stop` was called. Raises StoreError where it failed.
        """
        if not learnt.available() or not learning.due(self._vault):
            return None
        found: Studied | None = self._apart.run(progress)
        if found is not None:
            detail = {"examples": found.examples, "looked": found.looked}
            self._vault.audit.record(
                by_system("correction.learn", "success", count=found.changed, detail=detail)
            )
        return found

    def stop(self) -> None:
        """End the work at hand; the next run goes on there."""
        self._apart.stop()


def learn_soon(vault: Vault) -> None:
    """Have similar mail looked for soon after a correction, not at the next hour.

    The correction is in force without it, so trouble here isn't its maker's.
    """
    with contextlib.suppress(HoldfastError):
        queue_of(vault).enqueue("correction.learn")


def main(told_descriptor: int, said_descriptor: int) -> None:
    """The process."""
    serve(told_descriptor, said_descriptor, learning.study)
