"""Holds the bytes of one message while it arrives, in memory or sealed on disk, within a shared budget."""

from __future__ import annotations

import asyncio
import io
from concurrent.futures import Executor
from pathlib import Path
from typing import Literal

from archiver.capture.spool import SealedSpool
from archiver.errors import ArchiverError, StoreError
from archiver.message.content import Raw

Verdict = Literal["too_large", "no_room", "failed"]


class Budget:
    """Bytes that may be in flight over all connections. Used from the event loop only."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    def take(self, size: int) -> bool:
        """Reserve bytes; False, and nothing reserved, when they don't fit."""
        if self.used + size > self.limit:
            return False
        self.used += size
        return True

    def give_back(self, size: int) -> None:
        self.used -= size


class Body:
    """The growing bytes of one message.

    Once `verdict` is set the bytes are dropped and later ones ignored, so that the client can finish
    and then be told: `too_large` is its fault (552), `no_room` (452) and `failed` (451) are ours.
    """

    def __init__(
        self, *, max_size: int, spool_above: int, directory: Path, budget: Budget, disk: Executor
    ) -> None:
        self._max_size = max_size
        self._spool_above = spool_above
        self._directory = directory
        self._budget = budget
        self._disk = disk
        self._reserved = 0
        self._memory = io.BytesIO()
        self._spool: SealedSpool | None = None
        self.size = 0
        self.verdict: Verdict | None = None

    async def append(self, piece: bytes) -> None:
        """Add bytes in order. Never raises for a full disk or budget: see `verdict`."""
        if self.verdict is not None or not piece:
            return
        self.size += len(piece)
        if self.size > self._max_size:
            self._give_up("too_large")
        elif not self._budget.take(len(piece)):
            self._give_up("no_room")
        else:
            self._reserved += len(piece)
            if self._spool is None and self.size <= self._spool_above:
                self._memory.write(piece)
            else:
                await self._append_to_spool(piece)

    async def content(self) -> Raw:
        """Return the whole message, as bytes or as the spool it is in, which `close` then ends."""
        return self._memory.getvalue() if self._spool is None else self._spool

    def close(self) -> None:
        """Forget the bytes and return what they took of the budget. May be called again."""
        self._budget.give_back(self._reserved)
        self._reserved = 0
        self._memory = io.BytesIO()
        if self._spool is not None:
            self._spool.close()
            self._spool = None

    async def _append_to_spool(self, piece: bytes) -> None:
        try:
            if self._spool is None:
                self._spool = SealedSpool(self._directory)
                piece = self._memory.getvalue() + piece
                self._memory = io.BytesIO()
            await asyncio.get_running_loop().run_in_executor(self._disk, self._spool.write, piece)
        except StoreError:
            self._give_up("no_room")
        except (ArchiverError, OSError, MemoryError):
            self._give_up("failed")

    def _give_up(self, verdict: Verdict) -> None:
        self.close()
        self.verdict = verdict
