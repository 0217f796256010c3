"""Generations of a log: the same log, under the same key, going on under another name (docs/adr/0020).

A log begins a generation when records were restored that were older than what others had seen of it: a
witness would refuse the shorter head under the old name.
"""

from __future__ import annotations

import re
from typing import Final

_OURS: Final = re.compile(r"(holdfast/[^/]+/(?:captures|audit))(?:/([2-9]|[1-9][0-9]{1,5}))?")


def of_generation(origin: str, generation: int) -> str:
    """The name of a log's generation: the log's own for the first, `<origin>/<n>` for the others."""
    return origin if generation == 1 else f"{origin}/{generation}"


def split_origin(origin: str) -> tuple[str, int]:
    """A log's first name and the generation that a name is of; one that isn't ours is its own, and 1."""
    found = _OURS.fullmatch(origin)
    return (found[1], int(found[2] or 1)) if found else (origin, 1)


def same_log(one: str, other: str) -> bool:
    """Whether two names are of one log, perhaps of two of its generations."""
    return split_origin(one)[0] == split_origin(other)[0]
