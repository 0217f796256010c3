"""What the scrubber found wrong."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that isn't as it was written. `where` names it by id, `kind` is stable."""

    kind: str
    where: str
    what: str
