"""Processes of others: whether they still run, and that they can be told to stop."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def runs(pid: int) -> bool:
    """Whether a process still does something; a dead one stays listed until its parent asks for it."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


@contextmanager
def interruptible() -> Iterator[None]:
    """Programs begun in the block hear Ctrl-C. What a shell runs beside itself is deaf to it, tests too, and
    would make what it begins deaf."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
