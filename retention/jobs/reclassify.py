"""The job that looks at older mail with newer rules, in a process of its own."""

from __future__ import annotations

from archiver import reclassifying
from archiver.reclassifying import Reclassified
from archiver.vault import Vault
from retention.acts import by_system
from retention.jobs.apart import Apart, Progress, serve
from retention.jobs.queue import Counts
from retention.jobs.runner import Task


class ReclassifyJob:
    """Looks at mail once for each version of the rules. Idempotent; safe from any thread."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._apart = Apart(
            vault,
            __name__,
            "message.reclassify",
            "older mail could not be looked at just now; the job tries again later",
        )

    def work(self, task: Task) -> Counts | None:
        """See `run`, as a job."""
        found = self.run(lambda _, done, total: task.progress(done, total))
        task.check()
        return None if found is None else {"looked": found.looked, "changed": found.changed}

    def run(self, progress: Progress | None = None) -> Reclassified | None:
        """Look at what is left; durable on return, and recorded.

        None where nothing is, or `stop` was called. Raises StoreError where it failed.
        """
        if not reclassifying.due(self._vault):
            return None
        found: Reclassified | None = self._apart.run(progress)
        if found is not None:
            detail = {"looked": found.looked}
            self._vault.audit.record(
                by_system("message.reclassify", "success", count=found.changed, detail=detail)
            )
        return found

    def stop(self) -> None:
        """End the work at hand; the next run goes on there."""
        self._apart.stop()


def main(told_descriptor: int, said_descriptor: int) -> None:
    """The process."""
    serve(told_descriptor, said_descriptor, reclassifying.reclassify)
