"""Long work in a process of its own, niced: it may take a processor, never the server's interpreter."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from typing import Any, Final

from archiver.capture.beside import Beside, Post, begin, ends, received
from archiver.errors import StoreError
from archiver.vault import Vault, open_vault
from config.errors import HoldfastError
from config.settings import Settings
from retention.acts import by_system

_NICENESS: Final = 10
Progress = Callable[[str, int, int], None]


class Apart:
    """Runs one module's work in a process, one at a time. Safe from any thread."""

    def __init__(self, vault: Vault, module: str, action: str, failure: str) -> None:
        """`action` is what an audit event calls the work, `failure` what is said where it failed."""
        self._vault = vault
        self._module = module
        self._action = action
        self._failure = failure
        self._lock = threading.Lock()
        self._beside: Beside | None = None
        self._stopped = False

    def run(self, progress: Progress | None = None) -> Any:
        """What the work returns; None when `stop` was called, or another thread runs it just now.

        Raises StoreError where it failed, or its process ended by itself: that is on record.
        """
        with self._lock:
            if self._stopped or self._beside is not None:
                return None
            beside = self._beside = begin(self._module)
        try:
            said = self._result(beside, progress or (lambda *_: None))
        except (EOFError, OSError):
            if self._was_stopped():
                return None
            said = "process_ended"
        finally:
            self._beside = None
            beside.tells.close()
            beside.hears.close()
            beside.process.wait()
        if isinstance(said, str):
            self._vault.audit.record(by_system(self._action, "failed", reason=said))
            raise StoreError(self._failure)
        return said

    def _result(self, beside: Beside, progress: Progress) -> Any:
        """What it says last: what the work returned, or the code of the error that it ended with."""
        Post(beside.tells).send(self._vault.settings)
        while True:
            for said in received(beside.hears):
                if not isinstance(said, tuple):
                    return said
                progress(*said)

    def _was_stopped(self) -> bool:
        return self._stopped

    def stop(self) -> None:
        """End the work at hand, which is safe to kill, and begin no other."""
        with self._lock:
            self._stopped = True
            beside = self._beside
        if beside is not None:
            beside.process.terminate()


def serve(told_descriptor: int, said_descriptor: int, work: Callable[[Vault, Progress], object]) -> None:
    """The other side: open the archive, do the work; say how far it is in tuples, then its result, or an
    error's code."""
    os.nice(_NICENESS)
    told, said = ends(told_descriptor, said_descriptor)
    post = Post(said)
    with contextlib.suppress(EOFError, OSError):
        settings: Settings = next(received(told))
        try:
            vault = open_vault(settings)
            try:
                post.send(work(vault, lambda *step: post.send(step)))
            finally:
                vault.close()
        except HoldfastError as error:
            post.send(error.code)
