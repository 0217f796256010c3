"""The job that learns a compression dictionary, in a process of its own: half a minute of pure work."""

from __future__ import annotations

from archiver import training
from archiver.training import Trained
from archiver.vault import Vault
from retention.jobs.apart import Apart, Progress, serve
from retention.roster.patients import PatientStore


class DictionaryJob:
    """Learns a dictionary when one is due. Idempotent; safe from any thread."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._apart = Apart(
            vault,
            __name__,
            "dictionary.train",
            "no compression dictionary could be learnt just now; the job tries again later",
        )

    def run(self, progress: Progress | None = None) -> Trained | None:
        """Learn a dictionary if one is due; durable on return, and recorded.

        `progress` is told a word, how much is done and of how much. None where none is due, or the mail has
        too little in common, or `stop` was called. Raises StoreError where it failed: it is tried again.
        """
        if not training.due(self._vault):
            return None
        found: Trained | None = self._apart.run(progress)
        if found is not None:
            self._vault.dictionaries.look_now()
        return found

    def stop(self) -> None:
        """End the work at hand, which changes nothing, and begin no other."""
        self._apart.stop()


def main(told_descriptor: int, said_descriptor: int) -> None:
    """The process: learn a dictionary without the roster's names."""

    def work(vault: Vault, progress: Progress) -> Trained | None:
        return training.train(vault, PatientStore(vault).names_among, progress)

    serve(told_descriptor, said_descriptor, work)
