"""Between SMTP sessions and the archive: looks up feeds, hands messages over, words the final reply.

Nothing here answers 5xx for a fault of ours: a permanent reply would make the sender drop the mail.
"""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from archiver.capture.ports import Arrival, Intake, Receipt
from archiver.capture.smtp_body import Body, Budget
from archiver.capture.smtp_ports import JournalSource, SmtpSettings, SourceDirectory
from archiver.errors import StoreError
from archiver.message.model import Recipient

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

TRY_LATER = "451 4.3.0 try again later"
NO_ROOM = "452 4.3.1 no room now, try again later"
TOO_LARGE = "552 5.3.4 message is larger than this server takes"
SHUTTING_DOWN = "421 4.3.2 shutting down, try again later"


@dataclass(frozen=True, slots=True)
class Feed:
    """A journal source named by this transaction, and the address it was named by."""

    source: JournalSource
    address: str


class Desk:
    """What all sessions of one listener share: the budget, the threads, the way to the archive."""

    def __init__(self, settings: SmtpSettings, directory: SourceDirectory, intake: Intake) -> None:
        self.settings = settings
        self.budget = Budget(settings.in_flight_limit)
        self.draining = False
        self._directory = directory
        self._intake = intake
        # Two pools, so that look-ups still answer while a full queue blocks every submitting thread.
        self._lookups = ThreadPoolExecutor(4, thread_name_prefix="smtp-lookup")
        self._submits = ThreadPoolExecutor(16, thread_name_prefix="smtp-submit")

    def new_body(self) -> Body:
        return Body(
            max_size=self.settings.max_size,
            spool_above=self.settings.spool_above,
            directory=self.settings.spool_directory,
            budget=self.budget,
            disk=self._lookups,
        )

    async def source_for(self, address: str) -> JournalSource | None:
        """Return the feed of an address. Raises StoreError when the directory can't say now."""
        future = self._lookups.submit(self._directory.journal_source_for, address)
        return await _outcome(future, self.settings.commit_timeout)

    async def deliver(self, body: Body, sender: str, feeds: Sequence[Feed]) -> str:
        """Hand a complete message to the archive and return the reply: 250 only once it is durable.

        One arrival goes to each source named. If one of them fails the whole message is refused for
        now; what was stored already is a duplicate when the sender comes again.
        """
        try:
            if body.verdict == "too_large":
                await self._refuse(feeds, "too_large")
                return TOO_LARGE
            if body.verdict is not None:
                return NO_ROOM if body.verdict == "no_room" else TRY_LATER
            receipts = await self._store(await body.content(), sender, feeds)
        except StoreError as error:
            _log.warning("a message was not stored: %s", error.code)
            return NO_ROOM if _disk_is_full(error) else TRY_LATER
        except Exception as error:
            # Whatever went wrong is ours, not the sender's: it keeps the message and comes again.
            _log.warning("a message was not stored: %s", type(error).__name__)
            return TRY_LATER
        return "250 2.0.0 stored " + " ".join(dict.fromkeys(receipt.id for receipt in receipts))

    def close(self) -> None:
        """Let the threads go without waiting for one that hangs."""
        self._lookups.shutdown(wait=False, cancel_futures=True)
        self._submits.shutdown(wait=False, cancel_futures=True)

    async def _store(self, raw: bytes, sender: str, feeds: Sequence[Feed]) -> list[Receipt]:
        deadline = asyncio.get_running_loop().time() + self.settings.commit_timeout
        handed = [
            self._submits.submit(self._intake.submit, arrival) for arrival in _arrivals(raw, sender, feeds)
        ]
        receipts = []
        for submitted in handed:
            future = await _outcome(submitted, _until(deadline))
            receipts.append(await _outcome(future, _until(deadline)))
        return receipts

    async def _refuse(self, feeds: Sequence[Feed], reason: str) -> None:
        for source_id in dict.fromkeys(feed.source.id for feed in feeds):
            future = self._submits.submit(self._intake.refuse, source_id, reason)
            await _outcome(future, self.settings.commit_timeout)


def _arrivals(raw: bytes, sender: str, feeds: Sequence[Feed]) -> list[Arrival]:
    """Return one arrival a source, each with only its own recipients: feeds don't learn of each other."""
    by_source: dict[str, list[str]] = {}
    for feed in feeds:
        by_source.setdefault(feed.source.id, []).append(feed.address)
    return [
        Arrival(
            raw=raw,
            source_id=source_id,
            smtp_sender=sender,
            smtp_recipients=tuple(Recipient(address, "recipient") for address in dict.fromkeys(addresses)),
        )
        for source_id, addresses in by_source.items()
    ]


def _until(deadline: float) -> float:
    return max(deadline - asyncio.get_running_loop().time(), 0.001)


def _disk_is_full(error: BaseException | None) -> bool:
    """True when an error comes from a full disk or quota somewhere down its causes."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        error = error.__cause__
    return False


async def _outcome(future: Future[_T], timeout: float) -> _T:
    """Wait for a thread's future without ever cancelling it, and return its result.

    asyncio.wrap_future would pass our time-out on as a cancellation into the archive's writer. Raises
    StoreError on time-out, cancellation or an exception that isn't an `Exception` (a thread's exit must
    not become this loop's exit); any other exception as it is.
    """
    loop = asyncio.get_running_loop()
    settled: asyncio.Future[None] = loop.create_future()

    def wake(_: Future[_T]) -> None:
        _call_soon(loop, _settle, settled)

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


def _settle(settled: asyncio.Future[None]) -> None:
    if not settled.done():
        settled.set_result(None)


def _call_soon(loop: asyncio.AbstractEventLoop, callback: Callable[..., None], *args: Any) -> None:
    try:
        loop.call_soon_threadsafe(callback, *args)
    except RuntimeError:
        # The loop has been closed: nobody is left to be told.
        return
