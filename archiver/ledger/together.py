"""Many threads' single pieces of work, done in batches by one of them: group commit with no more thread."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

from archiver.errors import StoreError

T = TypeVar("T")
R = TypeVar("R")
MOST: Final = 256
"""Pieces of one batch: so long, at most, does one who comes alone wait for others' work."""
PAUSE: Final = 0.0005
"""Seconds for which a batch waits for as many as were in the one before: whoever was in that one and comes
again at once would else always find the next begun, and two half batches take turns."""


class _Waiting(Generic[T, R]):
    __slots__ = ("done", "error", "item", "result", "settled")

    def __init__(self, item: T) -> None:
        self.item = item
        self.done = threading.Event()
        self.settled = False
        self.result: R | None = None
        self.error: BaseException | None = None


class Together(Generic[T, R]):
    """Calls of any thread, each answered when its piece is done. Whoever comes while nobody works does what
    waits, his own among it; then the next in the line takes over, so that nobody works for others for long.

    `work` gets the pieces in their order and returns a result, or an error, for each; what it raises is
    raised in every thread whose piece was in the batch.
    """

    def __init__(self, work: Callable[[Sequence[T]], Sequence[R | Exception]], most: int = MOST) -> None:
        self._work = work
        self._most = most
        self._lock = threading.Lock()
        self._enough = threading.Condition(self._lock)
        self._last = 1
        self._waiting: deque[_Waiting[T, R]] = deque()
        self._busy = False

    def __call__(self, item: T) -> R:
        """Have one piece done and return its result. Raises what `work` raised or returned for it."""
        mine: _Waiting[T, R] = _Waiting(item)
        with self._lock:
            self._waiting.append(mine)
            leads, self._busy = not self._busy, True
            if len(self._waiting) == self._last:
                self._enough.notify()
        if not leads:
            mine.done.wait()
            leads = not mine.settled
        if leads:
            self._lead()
        if mine.error is not None:
            raise mine.error
        return mine.result  # type: ignore[return-value]

    def _lead(self) -> None:
        failure: BaseException | None = None
        results: Sequence[R | Exception] = ()
        batch: list[_Waiting[T, R]] = []
        try:
            with self._enough:
                try:
                    if len(self._waiting) < self._last:
                        self._enough.wait(PAUSE)
                finally:
                    batch = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
                    self._last = len(batch)
            results = self._work([one.item for one in batch])
        except BaseException as error:  # whatever it was, nobody may wait for ever
            failure = error
        for number, one in enumerate(batch):
            if failure is not None:
                one.error = _copy(failure) if one is not batch[0] else failure
            elif isinstance(result := results[number], Exception):
                one.error = result
            else:
                one.result = result
            one.settled = True
        with self._lock:
            heir = self._waiting[0] if self._waiting else None
            self._busy = heir is not None
        for one in batch:
            one.done.set()
        if heir is not None:
            heir.done.set()


def _copy(error: BaseException) -> BaseException:
    """The same error for another thread: one object would gather the traces of all. What ends a thread, as an
    interrupt does, is for the one it came to; the others hear that their piece wasn't done."""
    if not isinstance(error, Exception):
        return StoreError("whoever was to write this was interrupted; try again")
    try:
        copy = type(error)(*error.args)
    except TypeError:
        return error
    copy.__cause__ = error
    return copy
