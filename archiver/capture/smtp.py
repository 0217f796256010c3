"""The SMTP door: a listener that takes journal mail and answers 250 only for what is durable."""

from __future__ import annotations

import asyncio
import contextlib

from archiver.capture.ports import Intake
from archiver.capture.smtp_delivery import SHUTTING_DOWN, Desk
from archiver.capture.smtp_ports import SmtpSettings, SourceDirectory
from archiver.capture.smtp_quiet import quiet_aiosmtpd
from archiver.capture.smtp_session import SmtpSession
from archiver.errors import CaptureError

_POLL = 0.02


class SmtpListener:
    """Listens for journal mail on one address, on the running event loop.

    Durability: a message is answered `250 2.0.0 stored <id>` after the intake's future for each source
    it names has succeeded (RFC 5321, 6.1). Faults of ours are answered 451, 452 or 421, never 5xx.
    """

    def __init__(self, settings: SmtpSettings, directory: SourceDirectory, intake: Intake) -> None:
        self._settings = settings
        self._desk = Desk(settings, directory, intake)
        self._sessions: set[SmtpSession] = set()
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """The bound TCP port. Raises CaptureError before `start`."""
        if self._server is None or not self._server.sockets:
            raise CaptureError("the SMTP listener has not been started")
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def connections(self) -> int:
        """Connections open now."""
        return len(self._sessions)

    @property
    def in_flight(self) -> int:
        """Bytes received and not yet answered."""
        return self._desk.budget.used

    async def start(self) -> None:
        """Bind and begin to serve. Raises CaptureError when the address can't be bound."""
        quiet_aiosmtpd()
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: SmtpSession(self._desk, self._sessions, loop),
                self._settings.host,
                self._settings.port,
                backlog=256,
            )
        except OSError as error:
            raise CaptureError(
                "the SMTP address can't be listened on: in use, or not this machine's"
            ) from error

    async def stop(self, grace: float) -> None:
        """Stop accepting, let messages in transfer finish for `grace` seconds, then close with 421.

        Sessions between messages are closed at once. A message cut off was not acknowledged.
        """
        loop = asyncio.get_running_loop()
        self._desk.draining = True
        if self._server is not None:
            self._server.close()
        deadline = loop.time() + grace
        while self._sessions and loop.time() < deadline:
            for session in [known for known in self._sessions if not known.busy]:
                session.say_and_close(SHUTTING_DOWN)
            await asyncio.sleep(_POLL)
        for session in list(self._sessions):
            session.say_and_close(SHUTTING_DOWN)
        await asyncio.sleep(_POLL)
        for session in list(self._sessions):
            session.abort()
        if self._server is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._server.wait_closed(), 1.0)
        self._desk.close()
