"""The committing process's side of its listener processes: begins them, commits for them, keeps them alive.

The sockets are bound here and stay open while a listener is begun anew, so that senders wait a second
instead of being turned away. See docs/adr/0013.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import subprocess
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import Connection

from archiver.capture.beside import Post, begin, received
from archiver.capture.intake import Answer, GroupIntake, as_answer
from archiver.capture.prepare import Prepared
from archiver.capture.smtp.listener import GRACE_SECONDS, Answered, Begun, Mail, Refused
from archiver.capture.smtp.server import bind_doors, ports_of
from archiver.capture.smtp.setup import smtp_settings
from archiver.errors import ArchiverError, CaptureError, StoreError
from config.errors import HoldfastError
from config.settings import Settings

BEGIN_SECONDS = 60.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 30.0

_log = logging.getLogger("holdfast")


class Listeners:
    """`number` listener processes on the addresses of the settings, over one `GroupIntake`."""

    def __init__(self, settings: Settings, intake: GroupIntake, number: int) -> None:
        self._settings = settings
        self._sockets: dict[str, socket.socket] = {}
        self._tenders = [_Tender(settings, intake, self._sockets, n) for n in range(number)]

    @property
    def ports(self) -> dict[str, int]:
        """The bound TCP ports by door: smtp, smtps, lmtp."""
        return ports_of(self._sockets)

    @property
    def pids(self) -> list[int]:
        """The processes that run now."""
        return [pid for tender in self._tenders if (pid := tender.pid) is not None]

    def start(self) -> None:
        """Bind, begin every listener and wait until it takes mail. Raises CaptureError, or its own error."""
        # The settings make the certificate where there is none: once, and not in each listener at once.
        self._sockets |= bind_doors(smtp_settings(self._settings))
        for tender in self._tenders:
            tender.start()
        try:
            for tender in self._tenders:
                tender.ready.result(BEGIN_SECONDS)
        except HoldfastError:
            raise
        except Exception as error:
            raise CaptureError("an SMTP listener process did not begin; its log says why") from error

    def stop(self) -> None:
        """Let every listener finish what is under way, then end. Nothing is answered `250` unless durable."""
        for bound in self._sockets.values():
            bound.close()
        for tender in self._tenders:
            tender.drain()
        for tender in self._tenders:
            tender.join()


class _Tender:
    """Keeps one listener process running, and takes what it prepares."""

    def __init__(
        self, settings: Settings, intake: GroupIntake, sockets: dict[str, socket.socket], number: int
    ) -> None:
        self._settings = settings
        self._intake = intake
        self._sockets = sockets
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._mouth: _Mouth | None = None
        self._refusals = ThreadPoolExecutor(1, thread_name_prefix="refusals")
        self._thread = threading.Thread(target=self._run, name=f"listener-{number}", daemon=True)
        self.ready: Future[None] = Future()

    @property
    def pid(self) -> int | None:
        """The listener's process id, while there is one."""
        process = self._process
        return process.pid if process is not None else None

    def start(self) -> None:
        self._thread.start()

    def drain(self) -> None:
        """Tell the listener to stop; it is not begun anew."""
        self._stopping.set()
        with self._lock:
            if self._mouth is not None:
                self._mouth.say("drain")

    def join(self) -> None:
        """Wait for the listener's end; one that takes too long is killed."""
        if self._thread.ident is not None:
            self._thread.join(GRACE_SECONDS + 5.0)
        if self._thread.is_alive() and self._process is not None:
            self._process.kill()
            self._thread.join()
        self._refusals.shutdown(wait=True)

    def _run(self) -> None:
        pause = _FIRST_PAUSE
        while not self._stopping.is_set():
            took_mail = self._one_life()
            if self._stopping.is_set():
                break
            if not self.ready.done():
                self.ready.set_exception(CaptureError("an SMTP listener process ended as it began"))
            pause = _FIRST_PAUSE if took_mail else min(2 * pause, _LONGEST_PAUSE)
            _log.error("an SMTP listener process ended unasked; another is begun")
            self._stopping.wait(pause)
        if not self.ready.done():
            self.ready.set_exception(StoreError("the archive is shutting down; try again later"))

    def _one_life(self) -> bool:
        """Begin a listener and serve it until it ends; True when it had come so far as to take mail."""
        doors = {door: bound.fileno() for door, bound in self._sockets.items()}
        try:
            beside = begin("archiver.capture.smtp.listener", doors.values())
        except (OSError, ValueError) as error:  # no memory for it, or the sockets were closed: a stop
            _log.error("an SMTP listener process can't be begun: %s", type(error).__name__)
            return False
        process, hears, mouth = beside.process, beside.hears, _Mouth(beside.tells)
        mouth.say(Begun(self._settings, doors))
        with self._lock:
            self._process, self._mouth = process, mouth
            if self._stopping.is_set():
                mouth.say("drain")
        took_mail = self._listen(hears, mouth)
        with self._lock:
            self._mouth = None
        mouth.close()
        hears.close()
        process.wait()
        self._process = None
        return took_mail

    def _listen(self, hears: Connection, mouth: _Mouth) -> bool:
        took_mail = False
        while True:
            try:
                items = list(received(hears))
                mail = [(item.ticket, item.prepared) for item in items if isinstance(item, Mail)]
                if mail:
                    self._take(mail, mouth)
                for item in items:
                    if isinstance(item, Refused):
                        self._refusals.submit(self._refuse, item, mouth)
                    elif item == "ready":
                        took_mail = True
                        if not self.ready.done():
                            self.ready.set_result(None)
                    elif isinstance(item, HoldfastError):
                        _log.error("an SMTP listener process: %s", item)
                        if not self.ready.done():
                            self.ready.set_exception(item)
            except (EOFError, OSError):
                return took_mail

    def _take(self, mail: Sequence[tuple[int, Prepared]], mouth: _Mouth) -> None:
        try:
            # Blocks while the queue is full: then the pipe fills, and the listener's senders wait.
            self._intake.hand_over(mail, mouth)
        except ArchiverError as error:
            mouth.settle([(ticket, error) for ticket, _ in mail])

    def _refuse(self, item: Refused, mouth: _Mouth) -> None:
        try:
            self._intake.refuse(item.source_id, item.reason)
        except Exception as error:
            mouth.settle([(item.ticket, as_answer(error))])
        else:
            mouth.say(Answered(item.ticket, None))


class _Mouth:
    """Tells one listener what became of its messages. Safe from any thread."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._post = Post(connection)
        self._lock = threading.Lock()
        self._closed = False

    def settle(self, settled: Sequence[tuple[int, Answer]]) -> None:
        """See `Answers`: all receipts of one commit in one write."""
        self.say(*(Answered(ticket, answer, _errno(answer)) for ticket, answer in settled))

    def say(self, *items: object) -> None:
        """Say something, unless the listener is gone: then nobody waits for it any more."""
        with contextlib.suppress(OSError), self._lock:
            if not self._closed:
                self._post.send(*items)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._connection.close()


def _errno(answer: Answer) -> int | None:
    """The operating system's reason somewhere down a failure's causes, which don't travel with it."""
    cause: BaseException | None = answer if isinstance(answer, BaseException) else None
    while cause is not None:
        if isinstance(cause, OSError):
            return cause.errno
        cause = cause.__cause__
    return None
