"""What one guard is; the guards themselves stand in `guards` and the modules it gathers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Guard:
    """`verb` (with its columns) on a row of `table` is refused when `condition`, in terms of OLD and NEW."""

    name: str
    table: str
    verb: str
    condition: str = "1 = 1"
    columns: str = ""
    needs_lock: bool = False
    only_sqlite: bool = False
