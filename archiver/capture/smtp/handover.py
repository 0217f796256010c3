"""From the event loop to the archive's threads and back: one hop there, one wake-up for many answers."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from functools import partial
from typing import Protocol, TypeVar, runtime_checkable

from archiver.capture.ports import Arrival, Intake, Receipt
from archiver.errors import StoreError

_T = TypeVar("_T")

Item = tuple[Arrival, Callable[[Receipt | Exception], None]]
"""An arrival, and who is told what became of it."""
_Answer = asyncio.Future[Receipt]
_Result = Future[Receipt] | Receipt | BaseException
_THREADS = 4
"""A submit blocks while the archive's queue is full, and then all of them would."""
TOGETHER = 4
"""Messages prepared together: the committing process has work while the next ones are prepared, and four at a
time are nearly as cheap as many."""
TOGETHER_BYTES = 256 * 1024
"""Larger ones go alone: nobody waits for them."""
GATHER_SECONDS = 0.001
"""How long a complete message waits for those that other sessions are still sending."""


@runtime_checkable
class IntakeOfMany(Protocol):
    """An intake that is cheaper for several arrivals at a time than for one."""

    def submit_all(self, items: Sequence[Item]) -> None:
        """Take arrivals, each with who is told once, from any thread, what became of it. Must not raise."""
        ...

    def submit_at_once(self, items: Sequence[Item]) -> Sequence[Item]:
        """Take those that need nothing but a little processor time, and return the others. Must not raise,
        nor wait for anything: it is called on the event loop, where it spares the threads' quarrel over the
        interpreter (a sixth of the messages a second, measured)."""
        ...


class Handover:
    """Submits arrivals from threads of its own, so that a full queue never blocks the event loop.

    Made and used on a running event loop. A future that is given up on is never cancelled: a time-out of
    ours must not become a cancellation inside the archive's writer. `coming` says how many sessions are
    sending a message now: to an `IntakeOfMany` small ones go together with those.
    """

    def __init__(self, intake: Intake, timeout: float, coming: Callable[[], int] = lambda: 0) -> None:
        self._intake = intake
        self._many = intake if isinstance(intake, IntakeOfMany) else None
        self._timeout = timeout
        self._coming = coming
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: queue.SimpleQueue[tuple[Arrival, _Answer] | None] = queue.SimpleQueue()
        self._chunks: queue.SimpleQueue[Sequence[Item] | None] = queue.SimpleQueue()
        self._due: list[Item] = []
        self._timer: asyncio.TimerHandle | None = None
        self._settled: deque[tuple[_Answer, _Result]] = deque()
        self._called = False
        self._started = False

    def give(self, arrival: Arrival) -> _Answer:
        """Hand an arrival over. The future ends with its receipt, or with the archive's error.

        It ends with StoreError after the time-out, or when the archive gave the message back; never with
        a CancelledError or anything that isn't an `Exception`.
        """
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        if not self._started:
            self._started = True
            self._start()
        answer: _Answer = self._loop.create_future()
        late = self._loop.call_later(self._timeout, _give_up, answer)
        answer.add_done_callback(lambda _: late.cancel())
        if self._many is not None and isinstance(arrival.raw, bytes) and len(arrival.raw) <= TOGETHER_BYTES:
            self._due.append((arrival, partial(self._settle, answer)))
            if self._timer is None:
                self._timer = self._loop.call_later(GATHER_SECONDS, self._release)
            self.look()
        else:
            self._waiting.put((arrival, answer))
        return answer

    def look(self) -> None:
        """Let those go together that wait, if nothing more is coming or they are enough."""
        if self._due and (len(self._due) >= TOGETHER or not self._coming()):
            self._release()

    def close(self) -> None:
        """End the threads, once what was handed over has been submitted."""
        self._release()
        self._chunks.put(None)
        for _ in range(_THREADS if self._started else 0):
            self._waiting.put(None)

    def _start(self) -> None:
        for number in range(_THREADS):
            threading.Thread(target=self._run, name=f"smtp-submit-{number}", daemon=True).start()
        if self._many is not None:
            target = partial(self._run_together, self._many)
            threading.Thread(target=target, name="smtp-submit-many", daemon=True).start()

    def _release(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due, self._due = self._due, []
        if due and self._many is not None:
            left = self._many.submit_at_once(due)
            if left:
                self._chunks.put(left)

    def _run(self) -> None:
        while (item := self._waiting.get()) is not None:
            arrival, answer = item
            try:
                future = self._intake.submit(arrival)
            except BaseException as error:  # told to the session; this thread goes on
                self._settle(answer, error)
            else:
                future.add_done_callback(partial(self._settle, answer))
            del item, arrival, answer

    def _run_together(self, intake: IntakeOfMany) -> None:
        while (chunk := self._chunks.get()) is not None:
            try:
                intake.submit_all(chunk)
            except BaseException as error:  # told to the sessions; this thread goes on
                fault = error if isinstance(error, Exception) else StoreError("the archive is going away")
                for _, told in chunk:
                    told(fault)
            del chunk

    def _settle(self, answer: _Answer, result: _Result) -> None:
        """Note an answer, from any thread, and wake the event loop unless it is about to look anyway."""
        self._settled.append((answer, result))
        if not self._called and self._loop is not None:
            self._called = True
            try:
                self._loop.call_soon_threadsafe(self._tell)
            except RuntimeError:
                # The loop has been closed: nobody is left to be told.
                return

    def _tell(self) -> None:
        # Cleared first: what is appended from here on either is seen below or calls again.
        self._called = False
        while self._settled:
            answer, result = self._settled.popleft()
            if not answer.done():
                _pass_on(answer, result)


def _pass_on(answer: _Answer, result: _Result) -> None:
    if isinstance(result, Receipt):
        answer.set_result(result)
        return
    try:
        error = result if isinstance(result, BaseException) else result.exception()
    except CancelledError:
        error = StoreError("the archive gave the message back")
    if error is None:
        assert isinstance(result, Future)
        answer.set_result(result.result())
    elif isinstance(error, Exception) and not isinstance(error, StopIteration):
        answer.set_exception(error)
    else:
        # A thread's exit must not become this loop's exit.
        answer.set_exception(StoreError("the archive is going away"))


def _give_up(answer: _Answer) -> None:
    if not answer.done():
        answer.set_exception(StoreError("the archive did not answer in time"))


def _release(settled: asyncio.Future[None]) -> None:
    if not settled.done():
        settled.set_result(None)


async def outcome(future: Future[_T], timeout: float) -> _T:
    """Wait for a thread's future without ever cancelling it, and return its result.

    Raises StoreError on time-out, cancellation or an exception that isn't an `Exception`; any other
    exception as it is.
    """
    loop = asyncio.get_running_loop()
    settled: asyncio.Future[None] = loop.create_future()

    def wake(_: Future[_T]) -> None:
        try:
            loop.call_soon_threadsafe(_release, settled)
        except RuntimeError:
            return

    future.add_done_callback(wake)
    try:
        await asyncio.wait_for(settled, timeout)
    except TimeoutError:
        raise StoreError("the archive did not answer in time") from None
    if future.cancelled():
        raise StoreError("the archive gave the message back")
    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, Exception):
        raise error
    raise StoreError("the archive is going away")
