"""Moves a folder's checkpoint: never past a message that isn't durable, whatever order answers come in."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from archiver.capture.imap.budget import ByteBudget
from archiver.capture.imap.source import CheckpointStore, FolderCheckpoint, ImapSource
from archiver.capture.ports import Arrival, Intake, Receipt
from archiver.errors import ArchiverError, StoreError

_T = TypeVar("_T")
# Not the loop's own threads: those look up names, and a dead name server may keep all of them busy.
_ARCHIVE = ThreadPoolExecutor(16, "imap-archive")
Outcome = Literal["stored", "duplicate", "refused", "vanished", "left"]


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A message without its outcome; `group` is 0 where it takes no part of the budget."""

    uid: int
    size: int
    group: int
    state: Future[Receipt] | Outcome


class PendingFolder:
    """The messages of one folder that were handed over, in UID order, until each has its outcome.

    `settle` takes outcomes from the front only, so the checkpoint follows the first message that isn't
    durable yet. It stays before a message that was left for the next poll, though later ones are taken.
    """

    def __init__(
        self,
        source: ImapSource,
        folder: str,
        state: FolderCheckpoint,
        checkpoints: CheckpointStore,
        intake: Intake,
        budget: ByteBudget,
        count: Callable[[Outcome], None],
    ) -> None:
        """`folder` is its key; `state` what is known of it, `last_uid` included."""
        self.state = state
        self._source = source
        self._folder = folder
        self._checkpoints = checkpoints
        self._intake = intake
        self._budget = budget
        self._count = count
        self._waiting: deque[_Waiting] = deque()
        self._groups: Counter[int] = Counter()
        self._sizes: dict[int, int] = {}
        self.bytes = 0
        self.left_one = False
        self._failed = False

    def __len__(self) -> int:
        return len(self._waiting)

    async def hand_over(self, messages: Sequence[tuple[int, Arrival]], group: int = 0) -> None:
        """Submit messages in UID order. Waits while the archive's queue is full; raises its error."""
        if not messages:
            return
        # One trip into a thread for all of them: submit blocks while the archive's queue is full.
        futures = await in_thread(
            self._source, lambda: [self._intake.submit(arrival) for _, arrival in messages]
        )
        for (uid, arrival), future in zip(messages, futures, strict=True):
            self._waiting.append(_Waiting(uid, len(arrival.raw), group, future))
            self._groups[group] += 1
            self.bytes += len(arrival.raw)

    async def room_for(self, size: int) -> int:
        """Take `size` bytes of the budget for a group of messages; return the group's number.

        The bytes are given back once all of the group have their outcomes and `end_group` was called.
        """
        if not self._budget.try_take(size):
            await self.settle()
            await self._budget.take(size)
        group = max(self._sizes, default=0) + 1
        self._sizes[group] = size
        self._groups[group] += 1
        return group

    def end_group(self, group: int) -> None:
        """No more of this group will be handed over."""
        self._release(group)

    async def refuse(self, uid: int, reason: str) -> None:
        """Count a message as refused, durably; the checkpoint may pass it."""
        await in_thread(self._source, self._intake.refuse, self._source.id, reason)
        self._waiting.append(_Waiting(uid, 0, 0, "refused"))

    def vanished(self, uid: int) -> None:
        """A message was expunged before it could be read; the checkpoint may pass it."""
        self._waiting.append(_Waiting(uid, 0, 0, "vanished"))

    def left(self, uid: int) -> None:
        """The server has a message and doesn't give it out now; the checkpoint stays before it."""
        self._waiting.append(_Waiting(uid, 0, 0, "left"))

    async def settle(self, *, keep: int = 0, keep_bytes: int = 0) -> None:
        """Wait until at most `keep` messages of `keep_bytes` wait, and save the checkpoint reached.

        Raises StoreError, or the archive's own error, for the first message that failed; the
        checkpoint is then that of the message before it.
        """
        reached: int | None = None
        try:
            while self._waiting:
                first = self._waiting[0]
                if isinstance(first.state, Future):
                    if not first.state.done() and len(self._waiting) <= keep and self.bytes <= keep_bytes:
                        break
                    outcome: Outcome = (await self._receipt(first.state)).outcome
                else:
                    outcome = first.state
                self._waiting.popleft()
                self.bytes -= first.size
                if first.group:
                    self._release(first.group)
                self._count(outcome)
                self.left_one = self.left_one or outcome == "left"
                if not self.left_one:
                    reached = first.uid
        except BaseException:
            self._failed = True
            raise
        finally:
            if reached is not None:
                await self.save(last_uid=reached)

    async def salvage(self) -> None:
        """After an error elsewhere: keep what is durable already or becomes so, without raising."""
        if self._failed:
            return
        try:
            await self.settle()
        except ArchiverError:
            return

    async def save(self, **changes: int) -> None:
        """Save the checkpoint with some of its values changed; durable on return."""
        self.state = replace(self.state, **changes)
        await in_thread(self._source, self._checkpoints.set, self._source.id, self._folder, self.state)

    def close(self) -> None:
        """Give back all of the budget, whatever the end was."""
        for group in list(self._sizes):
            self._groups[group] = 1
            self._release(group)

    def _release(self, group: int) -> None:
        self._groups[group] -= 1
        if self._groups[group] == 0:
            del self._groups[group]
            self._budget.give(self._sizes.pop(group))

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


async def in_thread(source: ImapSource, call: Callable[..., _T], *args: Any) -> _T:
    """Run what blocks in a thread, bounded in time. Raises the archive's own errors, or StoreError."""
    work = asyncio.get_running_loop().run_in_executor(_ARCHIVE, lambda: call(*args))
    try:
        return await asyncio.wait_for(work, source.commit_timeout)
    except TimeoutError:
        raise StoreError("the archive did not answer in time") from None
    except ArchiverError:
        raise
    except Exception as error:
        raise StoreError("the archive could not take a message") from error
