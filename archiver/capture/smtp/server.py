"""The SMTP door: a listener that takes journal mail and answers 250 only for what is durable."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path

from archiver.capture.ports import Intake
from archiver.capture.smtp.delivery import SHUTTING_DOWN, Desk
from archiver.capture.smtp.ports import ClientCertificates, SmtpSettings, SourceDirectory
from archiver.capture.smtp.quiet import quiet_aiosmtpd
from archiver.capture.smtp.session import Door, SmtpSession
from archiver.capture.smtp.tls import ask_for_certificates
from archiver.capture.smtp.wire import SmtpWire
from archiver.errors import CaptureError

_log = logging.getLogger(__name__)

BACKLOG = 256
DOORS = {"smtp": Door(), "smtps": Door(implicit_tls=True), "lmtp": Door(lmtp=True)}
"""How connections come in by each of the sockets that `bind_doors` gives."""

_POLL = 0.02
_TURNS_TO_A_GUEST = 3
"""Turns of the event loop from the accept of a connection to its session's being known."""
_LOOK_EVERY = 2.0
"""Seconds between looks for feeds that want a client certificate."""


class SmtpListener:
    """Listens for journal mail, by SMTP and where set by implicit TLS and LMTP, on the running event loop.

    Durability: a message is answered `250 2.0.0 stored <id>` after the intake's future for each source
    it names has succeeded (RFC 5321, 6.1). Faults of ours are answered 451, 452 or 421, never 5xx.
    `certificates` says which client certificates to ask for; it is asked at the start and then every two
    seconds, in a thread. Several listeners may serve one archive, in any processes.
    """

    def __init__(
        self,
        settings: SmtpSettings,
        directory: SourceDirectory,
        intake: Intake,
        certificates: Callable[[], ClientCertificates] | None = None,
    ) -> None:
        self._settings = settings
        self._desk = Desk(settings, directory, intake)
        self._certificates = certificates
        self._asked = ClientCertificates()
        self._looking: asyncio.Task[None] | None = None
        self._servers: dict[str, asyncio.Server] = {}

    @property
    def port(self) -> int:
        """The bound TCP port for SMTP. Raises CaptureError before `start`."""
        return self._port("smtp")

    @property
    def smtps_port(self) -> int | None:
        """The bound TCP port for SMTP over implicit TLS; None when it isn't served."""
        return self._port("smtps") if self._settings.smtps else None

    @property
    def lmtp_port(self) -> int | None:
        """The bound TCP port for LMTP; None when it isn't served, or on a Unix socket."""
        return self._port("lmtp") if isinstance(self._settings.lmtp, tuple) else None

    @property
    def ports(self) -> dict[str, int]:
        """The bound TCP ports by door: smtp, smtps, lmtp."""
        return ports_of({name: server.sockets[0] for name, server in self._servers.items() if server.sockets})

    @property
    def connections(self) -> int:
        """Connections open now."""
        return len(self._desk.guests)

    @property
    def in_flight(self) -> int:
        """Bytes received and not yet answered."""
        return self._desk.budget.used

    async def start(self, sockets: Mapping[str, socket.socket] | None = None) -> None:
        """Begin to serve. Raises CaptureError when an address can't be bound.

        `sockets` are bound already, by `bind_doors`: several processes may serve the same ones.
        """
        quiet_aiosmtpd()
        bound = dict(sockets) if sockets is not None else bind_doors(self._settings)
        await self._look()
        for name, door in DOORS.items():
            if name in bound:
                self._servers[name] = await self._serve(bound[name], door)
        if self._certificates is not None:
            self._looking = asyncio.get_running_loop().create_task(self._keep_looking())

    async def stop(self, grace: float) -> None:
        """Stop accepting, let messages in transfer finish for `grace` seconds, then close with 421.

        Sessions between messages are closed at once. A message cut off was not acknowledged.
        """
        loop = asyncio.get_running_loop()
        self._desk.draining = True
        if self._looking is not None:
            self._looking.cancel()
        # A connection being accepted while its server closes would be left open by Python 3.11: first no more
        # are accepted, then those that were become guests, then the servers close.
        for server in self._servers.values():
            for door in server.sockets:
                loop.remove_reader(door.fileno())
        for _ in range(_TURNS_TO_A_GUEST):
            await asyncio.sleep(0)
        for server in self._servers.values():
            server.close()
        deadline = loop.time() + grace
        while self._guests() and loop.time() < deadline:
            for session in [known for known in self._guests() if not known.busy]:
                session.say_and_close(SHUTTING_DOWN)
            await asyncio.sleep(_POLL)
        for session in self._guests():
            session.say_and_close(SHUTTING_DOWN)
        await asyncio.sleep(_POLL)
        for session in self._guests():
            session.abort()
        await asyncio.sleep(0)  # their transports close in the turn after
        for server in self._servers.values():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(server.wait_closed(), 1.0)
        self._desk.close()

    def _guests(self) -> list[SmtpSession]:
        return [guest for guest in self._desk.guests if isinstance(guest, SmtpSession)]

    def _port(self, name: str) -> int:
        server = self._servers.get(name)
        if server is None or not server.sockets:
            raise CaptureError("the SMTP listener has not been started")
        return int(server.sockets[0].getsockname()[1])

    async def _serve(self, bound: socket.socket, door: Door) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        tls = self._settings.tls if door.implicit_tls else None

        def session() -> SmtpWire:
            return SmtpSession(self._desk, loop, door)

        if bound.family == socket.AF_UNIX:
            return await loop.create_unix_server(session, sock=bound, backlog=BACKLOG)
        return await loop.create_server(session, sock=bound, backlog=BACKLOG, ssl=tls)

    # ---- client certificates

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            await self._look()

    async def _look(self) -> None:
        """Ask for client certificates once a feed wants one; a change of feeds is taken up here."""
        if self._certificates is None:
            return
        try:
            asked = await asyncio.to_thread(self._certificates)
            if asked.wanted and asked != self._asked:
                ask_for_certificates(self._settings.tls, asked.anchors, self._settings.client_ca)
            elif not asked.wanted:
                self._settings.tls.verify_mode = ssl.CERT_NONE
            self._asked = asked
        except Exception as error:
            # What was asked for so far goes on; a feed that wants a certificate refuses without one.
            _log.warning("client certificates can't be looked up: %s", type(error).__name__)


def bind_doors(settings: SmtpSettings) -> dict[str, socket.socket]:
    """Bind the addresses of the settings; sockets by door: smtp, smtps, lmtp. Raises CaptureError.

    With `reuse_port` other processes may bind the same TCP ports, and the system spreads connections.
    """
    wanted: dict[str, tuple[str, int] | Path | None] = {
        "smtp": (settings.host, settings.port),
        "smtps": settings.smtps,
        "lmtp": settings.lmtp,
    }
    bound: dict[str, socket.socket] = {}
    try:
        for name, where in wanted.items():
            if where is not None:
                bound[name] = _bind(where, settings.reuse_port)
    except OSError as error:
        for door in bound.values():
            door.close()
        raise CaptureError(
            "an SMTP or LMTP address can't be listened on: in use, or not this machine's"
        ) from error
    return bound


def ports_of(sockets: Mapping[str, socket.socket]) -> dict[str, int]:
    """The TCP ports of bound sockets, by door; a Unix socket has none."""
    return {
        name: int(bound.getsockname()[1]) for name, bound in sockets.items() if bound.family != socket.AF_UNIX
    }


def _bind(where: tuple[str, int] | Path, reuse_port: bool) -> socket.socket:
    if isinstance(where, tuple):
        host, port = where
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=BACKLOG, reuse_port=reuse_port)
    _clear_socket(where)
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        door.bind(str(where))
        # Whoever may write to the socket may send; the feeds' own addresses guard them further.
        where.chmod(0o660)
        door.listen(BACKLOG)
    except OSError:
        door.close()
        raise
    return door


def _clear_socket(path: Path) -> None:
    """Remove the socket of a server that ended without doing so; one that is listened on stays."""
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
