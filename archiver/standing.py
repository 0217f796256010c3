"""Whether an archive may go on: not where others have seen more of its logs than its records hold."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from archiver.errors import ReadOnly

HELP: Final = (
    "the archive is read-only: others have seen more of its logs than these records hold, as after restoring "
    "an old backup; see `holdfast ledger status`, then `holdfast ledger explain-gap --reason ...`"
)


class Standing:
    """Open, or closed with what was found. Closed is for good, unless the gap is explained.

    Safe from any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: tuple[str, ...] = ()
        self._told: list[Callable[[], object]] = []

    @property
    def closed(self) -> bool:
        """True while nothing may be written or read."""
        return bool(self._found)

    @property
    def found(self) -> tuple[str, ...]:
        """What was found, a line each: log names, sizes and who has seen them; nothing of any mail."""
        return self._found

    def close(self, found: tuple[str, ...]) -> None:
        """Stop writing and reading, and tell those who asked for it."""
        with self._lock:
            fresh = not self._found
            self._found = found
        if fresh:
            for told in self._told:
                told()

    def open(self) -> None:
        """Go on: the gap has been explained and signed."""
        with self._lock:
            self._found = ()

    def when_closed(self, told: Callable[[], object]) -> None:
        """Have something called when the archive is closed while it runs."""
        self._told.append(told)

    def require_open(self) -> None:
        """Raise ReadOnly, whose text says what to do, while closed."""
        if self._found:
            raise ReadOnly(HELP)
