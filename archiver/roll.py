"""Many numbers known and crossed off, at 9 bytes each: what a set of them would take 90 for."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from typing import Final

_SHELVES: Final = 256
"""They are put in order a shelf at a time, so that little more than all of them is in memory meanwhile."""


class Roll:
    """Numbers of 64 bits with their sign, like `hash` gives, all known from the start. Equal ones are one."""

    def __init__(self, numbers: Iterable[int]) -> None:
        self._shelves = [array("q") for _ in range(_SHELVES)]
        for number in numbers:
            self._shelves[number % _SHELVES].append(number)
        for at, shelf in enumerate(self._shelves):
            self._shelves[at] = array("q", sorted(set(shelf)))
        self._struck = [bytearray(len(shelf)) for shelf in self._shelves]
        self._left = sum(map(len, self._shelves))

    def __contains__(self, number: int) -> bool:
        """Whether it is on the roll and not crossed off."""
        at = self._place(number)
        return at is not None and not self._struck[number % _SHELVES][at]

    def __len__(self) -> int:
        """How many aren't crossed off."""
        return self._left

    def discard(self, number: int) -> None:
        """Cross it off, if it is there."""
        if number in self:
            self._struck[number % _SHELVES][self._place(number) or 0] = 1
            self._left -= 1

    def _place(self, number: int) -> int | None:
        shelf = self._shelves[number % _SHELVES]
        at = bisect_left(shelf, number)
        return at if at < len(shelf) and shelf[at] == number else None
