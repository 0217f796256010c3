"""The job that learns a compression dictionary, in a process of its own: half a minute of pure work."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable

from archiver import training
from archiver.capture.beside import Beside, Post, begin, ends, received
from archiver.errors import StoreError
from archiver.training import Trained
from archiver.vault import Vault, open_vault
from config.errors import HoldfastError
from config.settings import Settings
from retention.acts import by_system
from retention.roster.patients import PatientStore

_NICENESS = 10
Progress = Callable[[str, int, int], None]


class DictionaryJob:
    """Learns a dictionary when one is due. Idempotent; safe from any thread."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._lock = threading.Lock()
        self._beside: Beside | None = None
        self._stopped = False

    def run(self, progress: Progress | None = None) -> Trained | None:
        """Learn a dictionary if one is due; durable on return, and recorded.

        `progress` is told a word, how much is done and of how much. None where none is due, or the mail has
        too little in common, or `stop` was called. Raises StoreError where it failed: it is tried again.
        """
        if not training.due(self._vault):
            return None
        with self._lock:
            if self._stopped or self._beside is not None:
                return None
            beside = self._beside = begin(__name__)
        try:
            found = self._wait(beside, progress or (lambda *_: None))
        except (EOFError, OSError):
            if self._was_stopped():
                return None
            raise self._failed("process_ended") from None
        finally:
            self._beside = None
            beside.tells.close()
            beside.hears.close()
            beside.process.wait()
        if isinstance(found, str):
            raise self._failed(found)
        self._vault.dictionaries.look_now()
        return found

    def stop(self) -> None:
        """End the work at hand, which changes nothing, and begin no other."""
        with self._lock:
            self._stopped = True
            beside = self._beside
        if beside is not None:
            beside.process.terminate()

    def _wait(self, beside: Beside, told: Progress) -> Trained | str | None:
        Post(beside.tells).send(self._vault.settings)
        while True:
            for said in received(beside.hears):
                if not isinstance(said, tuple):
                    result: Trained | str | None = said
                    return result
                told(*said)

    def _was_stopped(self) -> bool:
        return self._stopped

    def _failed(self, reason: str) -> StoreError:
        self._vault.audit.record(by_system("dictionary.train", "failed", reason=reason))
        return StoreError("no compression dictionary could be learnt just now; the job tries again later")


def main(told_descriptor: int, said_descriptor: int) -> None:
    """Learn a dictionary; say how far it is in tuples, then `Trained`, None or an error's code."""
    os.nice(_NICENESS)
    told, said = ends(told_descriptor, said_descriptor)
    post = Post(said)
    with contextlib.suppress(EOFError, OSError):
        settings: Settings = next(received(told))
        try:
            vault = open_vault(settings)
            try:
                patients = PatientStore(vault)
                tell = lambda *step: post.send(step)  # noqa: E731
                post.send(training.train(vault, patients.names_among, tell))
            finally:
                vault.close()
        except HoldfastError as error:
            post.send(error.code)
