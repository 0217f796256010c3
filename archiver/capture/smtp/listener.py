"""A listener process: SMTP sessions and preparation, beside the process that commits (docs/adr/0013).

It holds nothing durable. A sender hears `250` when the committing process has answered that its message is
durable; while that process is away, or gone, it hears `451` or `421`, and the listener ends by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from itertools import count
from multiprocessing.connection import Connection
from typing import Literal

from archiver.capture import garbage
from archiver.capture.beside import Post, ends, packed_by_value, received
from archiver.capture.intake import (
    SWITCH_SECONDS,
    Answer,
    JournalAddresses,
    as_answer,
    fulfil,
)
from archiver.capture.ports import Arrival, Receipt
from archiver.capture.prepare import Prepared, Preparer
from archiver.capture.smtp.handover import Item
from archiver.capture.smtp.setup import smtp_listener
from archiver.errors import StoreError
from archiver.message.extract.policy import NotAtOnce, at_once
from archiver.vault import Vault, open_vault
from config.errors import HoldfastError
from config.settings import Settings

IN_FLIGHT = 256
"""Messages a listener has under way at most; their answers fit into the pipe unread."""
AT_ONCE_BYTES = 32 * 1024
"""Messages up to here may be prepared on the event loop: some milliseconds each at the very most."""
GRACE_SECONDS = 30.0
"""How long a message under way may take to its end once the listener was told to stop."""
_GONE_GRACE = 2.0
_FIXED_WEIGHT = 8 * 1024

_log = logging.getLogger("holdfast")


@dataclass(frozen=True, slots=True)
class Mail:
    """A prepared message on its way to the committing process. What it holds is sealed, its index text and
    a journal report's bytes aside: it goes through a pipe's memory, never through a file.

    Seam: content too large for that may lie sealed in the spool folder and be named by `prepared`.
    """

    ticket: int
    prepared: Prepared


@dataclass(frozen=True, slots=True)
class Refused:
    """An arrival that a listener refused; the committing process counts it."""

    ticket: int
    source_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of a ticket. `errno` is that of a failure's operating-system cause: a full disk is told."""

    ticket: int
    answer: Answer | None
    errno: int | None = None


packed_by_value(Mail, Refused, Answered)

Said = Mail | Refused | Literal["ready"] | HoldfastError
"""What a listener says; an error says why it couldn't begin."""
Told = Answered | Literal["drain"]
"""What it is told."""


@dataclass(frozen=True, slots=True)
class Begun:
    """What a listener is told first: the settings, and descriptors of the sockets it inherits, by door."""

    settings: Settings
    doors: dict[str, int]


class RemoteIntake:
    """`Intake` whose archive is in another process. Safe from any thread.

    `submit` prepares in the calling thread, since the door has threads for it anyway. At most `IN_FLIGHT`
    arrivals are under way; it waits for one of them to be answered.
    """

    def __init__(
        self,
        post: Post,
        preparer: Preparer,
        addresses: JournalAddresses,
    ) -> None:
        self._post = post
        self._preparer = preparer
        self._addresses = addresses
        self._lock = threading.Lock()
        self._room = threading.Semaphore(IN_FLIGHT)
        self._tickets = count(1)
        self._waiting: dict[int, tuple[Callable[[Answer | None], None], int]] = {}
        self._weight = 0
        self._gone = False

    def submit(self, arrival: Arrival) -> Future[Receipt]:
        """See `Intake.submit`. Raises StoreError once the committing process is gone."""
        answer: Future[Receipt] = Future()
        own = self._addresses.of(arrival.source_id)
        ticket = self._ask(lambda told: fulfil(answer, _given(told)), _weight_of(arrival))
        try:
            prepared = self._preparer.prepare(arrival, own)
        except Exception as error:  # this arrival alone gets "try again later"
            self.answered(Answered(ticket, as_answer(error)))
        else:
            self._send(ticket, Mail(ticket, prepared))
        return answer

    def submit_all(self, items: Sequence[Item]) -> None:
        """See `IntakeOfMany`: prepared stage by stage for all of them, and handed over in one write."""
        going: list[int] = []
        work: list[tuple[Arrival, frozenset[str]]] = []
        for arrival, told in items:
            try:
                own = self._addresses.of(arrival.source_id)
                going.append(self._ask(partial(_tell, told), _weight_of(arrival)))
                work.append((arrival, own))
            except Exception as error:  # this arrival alone gets "try again later"
                told(as_answer(error))
        self._hand_over(going, self._preparer.prepare_all(work))

    def submit_at_once(self, items: Sequence[Item]) -> Sequence[Item]:
        """See `IntakeOfMany`. Keys, feeds and room in the pipe are at hand, or it takes none."""
        small = all(len(arrival.raw) <= AT_ONCE_BYTES for arrival, _ in items)
        known = all(self._addresses.known(arrival.source_id) for arrival, _ in items)
        if not (small and known and self._has_room(items) and self._preparer.at_hand(len(items))):
            return items
        work = [(arrival, self._addresses.of(arrival.source_id)) for arrival, _ in items]
        taken: list[tuple[int, Prepared | Exception]] = []
        left: list[Item] = []
        for item, prepared in zip(items, self._preparer.prepare_all(work, at_once), strict=True):
            if isinstance(prepared, NotAtOnce):
                left.append(item)
                continue
            if not self._room.acquire(blocking=False):
                left.append(item)  # taken by the threads meanwhile; this loop hears the answers that free it
                continue
            try:
                ticket = self._enter(partial(_tell, item[1]), _weight_of(item[0]))
            except Exception as error:  # the archive is going away
                item[1](as_answer(error))
            else:
                taken.append((ticket, prepared))
        self._hand_over([ticket for ticket, _ in taken], [prepared for _, prepared in taken])
        return left

    def _hand_over(self, tickets: Sequence[int], done: Sequence[Prepared | Exception]) -> None:
        mail: list[Mail] = []
        for ticket, prepared in zip(tickets, done, strict=True):
            if isinstance(prepared, Prepared):
                mail.append(Mail(ticket, prepared))
            else:
                self.answered(Answered(ticket, as_answer(prepared)))
        if not mail:
            return
        try:
            self._post.send(*mail)
        except Exception as error:  # gone, or a fault of ours: none of them is acknowledged
            for each in mail:
                self.answered(Answered(each.ticket, as_answer(error)))

    def _has_room(self, items: Sequence[Item]) -> bool:
        """True when these and all that isn't answered yet fit into half of the pipe while nobody reads."""
        weight = sum(_weight_of(arrival) for arrival, _ in items)
        with self._lock:
            few = len(self._waiting) + len(items) <= IN_FLIGHT // 2
            return few and 2 * (self._weight + weight) <= self._post.capacity

    def refuse(self, source_id: str, reason: str) -> None:
        """See `Intake.refuse`. Raises StoreError where it can't be counted now."""
        done: Future[None] = Future()

        def settle(told: Answer | None) -> None:
            if told is None or isinstance(told, Receipt):
                done.set_result(None)
            else:
                done.set_exception(told)

        ticket = self._ask(settle, _FIXED_WEIGHT)
        self._send(ticket, Refused(ticket, source_id, reason))
        done.result()

    def answered(self, told: Answered) -> None:
        """Pass on what the committing process says of a ticket."""
        with self._lock:
            settle, weight = self._waiting.pop(told.ticket, (None, 0))
            self._weight -= weight
        if settle is None:
            return
        self._room.release()
        if told.errno is not None and isinstance(told.answer, Exception):
            told.answer.__cause__ = OSError(told.errno, "")
        settle(told.answer)

    def abandon(self) -> None:
        """The committing process is gone: nothing under way is acknowledged, nothing more is taken."""
        with self._lock:
            self._gone = True
            tickets = list(self._waiting)
        for ticket in tickets:
            self.answered(Answered(ticket, _away()))

    def _ask(self, settle: Callable[[Answer | None], None], weight: int) -> int:
        self._room.acquire()
        return self._enter(settle, weight)

    def _enter(self, settle: Callable[[Answer | None], None], weight: int) -> int:
        with self._lock:
            if not self._gone:
                ticket = next(self._tickets)
                self._waiting[ticket] = settle, weight
                self._weight += weight
                return ticket
        self._room.release()
        raise _away()

    def _send(self, ticket: int, item: Mail | Refused) -> None:
        try:
            self._post.send(item)
        except Exception as error:  # gone, or a fault of ours: this message isn't acknowledged
            self.answered(Answered(ticket, as_answer(error)))


def main(told_descriptor: int, said_descriptor: int) -> None:
    """Run a listener process until it is told to stop, is signalled, or its committing process is gone."""
    # Until the loop has its own: what a terminal or a service manager sends to the whole group.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    sys.setswitchinterval(SWITCH_SECONDS)
    told, said = ends(told_descriptor, said_descriptor)
    post = Post(said)
    try:
        begun: Begun = next(received(told))
        vault = open_vault(begun.settings)
    except (EOFError, OSError):
        return
    except HoldfastError as error:
        with contextlib.suppress(OSError):
            post.send(error)
        return
    garbage.rarely()
    try:
        asyncio.run(_serve(begun, vault, told, post))
    except HoldfastError as error:
        with contextlib.suppress(OSError):
            post.send(error)
    finally:
        vault.close()


async def _serve(begun: Begun, vault: Vault, told: Connection, post: Post) -> None:
    loop = asyncio.get_running_loop()
    ending = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.set)
    intake = RemoteIntake(post, vault.preparer, JournalAddresses(vault.sources))
    listener = smtp_listener(vault, intake)
    grace = GRACE_SECONDS

    def read() -> None:
        nonlocal grace
        try:
            items: list[Told] = list(received(told))
        except (EOFError, OSError):
            loop.remove_reader(told.fileno())
            grace = _GONE_GRACE
            intake.abandon()
            ending.set()
            return
        for item in items:
            if item == "drain":
                ending.set()
            else:
                intake.answered(item)

    loop.add_reader(told.fileno(), read)
    await listener.start({door: socket.socket(fileno=fd) for door, fd in begun.doors.items()})
    with contextlib.suppress(OSError):
        post.send("ready")
    await ending.wait()
    await listener.stop(grace)


def _weight_of(arrival: Arrival) -> int:
    """What a message is in the pipe, at most: its seal and its index text, each somewhat larger than it."""
    return 3 * len(arrival.raw) + _FIXED_WEIGHT


def _tell(told: Callable[[Receipt | Exception], None], answer: Answer | None) -> None:
    told(_given(answer))


def _given(told: Answer | None) -> Answer:
    return told if told is not None else _away()


def _away() -> StoreError:
    return StoreError("the archive is shutting down; try again later")
