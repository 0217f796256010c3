"""How much mail may be in memory at a time, over all mailboxes of a process."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

LARGE = 16 * 1024 * 1024
"""Bytes from which a message waits in the lane of large ones, and doesn't hold up small mail."""


@dataclass(slots=True)
class _Lane:
    """Bytes taken of so many; one message may be larger than all of it, then it is alone."""

    room: int
    taken: int = 0
    freed: asyncio.Event = field(default_factory=asyncio.Event)

    def fits(self, count: int) -> bool:
        return self.taken == 0 or self.taken + count <= self.room


class ByteBudget:
    """Bytes of mail between the server's answer and the archive's receipt. For one event loop.

    Whoever has taken gives back without taking more first, so nobody waits for ever.
    """

    def __init__(self, small: int = 64 * 1024 * 1024, large: int = 256 * 1024 * 1024) -> None:
        self._small = _Lane(small)
        self._large = _Lane(large)

    @property
    def taken(self) -> int:
        """Bytes that are in use now."""
        return self._small.taken + self._large.taken

    def try_take(self, count: int) -> bool:
        """Take bytes if there is room now."""
        lane = self._lane(count)
        if not lane.fits(count):
            return False
        lane.taken += count
        return True

    async def take(self, count: int) -> None:
        """Wait for room, and take it."""
        lane = self._lane(count)
        while not self.try_take(count):
            lane.freed.clear()
            await lane.freed.wait()

    def give(self, count: int) -> None:
        """Give back what was taken by one call, as one number."""
        lane = self._lane(count)
        lane.taken -= count
        lane.freed.set()

    def _lane(self, count: int) -> _Lane:
        return self._large if count >= LARGE else self._small
