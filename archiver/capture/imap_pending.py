"""Moves a folder's checkpoint: never past a message that isn't durable, whatever order answers come in."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Literal, TypeVar

from archiver.capture.imap_source import CheckpointStore, FolderCheckpoint, ImapSource
from archiver.capture.ports import Arrival, Intake, Receipt
from archiver.errors import ArchiverError, StoreError

_T = TypeVar("_T")
Outcome = Literal["stored", "duplicate", "refused", "vanished", "left"]


class PendingFolder:
    """The messages of one folder that were handed over, in UID order, until each has its outcome.

    `settle` takes outcomes from the front only, so the checkpoint follows the first message that isn't
    durable yet. It stays before a message that was left for the next poll, though later ones are taken.
    """

    def __init__(
        self,
        source: ImapSource,
        folder: str,
        uidvalidity: int,
        checkpoints: CheckpointStore,
        intake: Intake,
        count: Callable[[Outcome], None],
    ) -> None:
        self._source = source
        self._folder = folder
        self._uidvalidity = uidvalidity
        self._checkpoints = checkpoints
        self._intake = intake
        self._count = count
        self._waiting: deque[tuple[int, int, Future[Receipt] | Outcome]] = deque()
        self.bytes = 0
        self._left_one = False
        self._failed = False

    def __len__(self) -> int:
        return len(self._waiting)

    async def hand_over(self, messages: Sequence[tuple[int, Arrival]]) -> None:
        """Submit messages in UID order. Waits while the archive's queue is full; raises its error."""
        if not messages:
            return
        # One trip into a thread for all of them: submit blocks while the archive's queue is full.
        futures = await self._in_thread(lambda: [self._intake.submit(arrival) for _, arrival in messages])
        for (uid, arrival), future in zip(messages, futures, strict=True):
            self._waiting.append((uid, len(arrival.raw), future))
            self.bytes += len(arrival.raw)

    async def refuse(self, uid: int, reason: str) -> None:
        """Count a message as refused, durably; the checkpoint may pass it."""
        await self._in_thread(self._intake.refuse, self._source.id, reason)
        self._waiting.append((uid, 0, "refused"))

    def vanished(self, uid: int) -> None:
        """A message was expunged before it could be read; the checkpoint may pass it."""
        self._waiting.append((uid, 0, "vanished"))

    def left(self, uid: int) -> None:
        """The server has a message and doesn't give it out now; the checkpoint stays before it."""
        self._waiting.append((uid, 0, "left"))

    async def settle(self, *, keep: int = 0, keep_bytes: int = 0) -> None:
        """Wait until at most `keep` messages of `keep_bytes` wait, and save the checkpoint reached.

        Raises StoreError, or the archive's own error, for the first message that failed; the
        checkpoint is then that of the message before it.
        """
        reached: int | None = None
        try:
            while self._waiting:
                uid, size, state = self._waiting[0]
                if isinstance(state, Future):
                    if not state.done() and len(self._waiting) <= keep and self.bytes <= keep_bytes:
                        break
                    outcome: Outcome = (await self._receipt(state)).outcome
                else:
                    outcome = state
                self._waiting.popleft()
                self.bytes -= size
                self._count(outcome)
                self._left_one = self._left_one or outcome == "left"
                if not self._left_one:
                    reached = uid
        except BaseException:
            self._failed = True
            raise
        finally:
            if reached is not None:
                await self._save(reached)

    async def salvage(self) -> None:
        """After an error elsewhere: keep what is durable already or becomes so, without raising."""
        if self._failed:
            return
        try:
            await self.settle()
        except ArchiverError:
            return

    async def load(self) -> FolderCheckpoint | None:
        """Return the folder's checkpoint as saved."""
        return await self._in_thread(self._checkpoints.get, self._source.id, self._folder)

    async def start_over(self) -> None:
        """Save that nothing of the folder, as it is numbered now, has been read."""
        await self._save(0)

    async def _save(self, uid: int) -> None:
        checkpoint = FolderCheckpoint(self._uidvalidity, uid)
        await self._in_thread(self._checkpoints.set, self._source.id, self._folder, checkpoint)

    async def _receipt(self, future: Future[Receipt]) -> Receipt:
        loop = asyncio.get_running_loop()
        settled = asyncio.Event()

        def wake(_: Future[Receipt]) -> None:
            try:
                loop.call_soon_threadsafe(settled.set)
            except RuntimeError:
                # The loop has been closed: nobody is left to be told.
                return

        future.add_done_callback(wake)
        try:
            # Not wrap_future: a time-out of ours must not cancel the archive's work.
            await asyncio.wait_for(settled.wait(), self._source.commit_timeout)
        except TimeoutError:
            raise StoreError("the archive did not answer in time") from None
        if future.cancelled():
            raise StoreError("the archive gave a message back")
        error = future.exception()
        if error is None:
            return future.result()
        if isinstance(error, ArchiverError):
            raise error
        raise StoreError("the archive could not take a message") from error

    async def _in_thread(self, call: Callable[..., _T], *args: Any) -> _T:
        work = asyncio.get_running_loop().run_in_executor(None, lambda: call(*args))
        try:
            return await asyncio.wait_for(work, self._source.commit_timeout)
        except TimeoutError:
            raise StoreError("the archive did not answer in time") from None
        except ArchiverError:
            raise
        except Exception as error:
            raise StoreError("the archive could not take a message") from error
