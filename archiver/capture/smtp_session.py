"""One SMTP conversation (RFC 5321) with a journal sender. aiosmtpd gives the transport and STARTTLS.

Every reply is ours and names no address; what a client sent is never logged.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from aiosmtpd.smtp import SMTP, TLSSetupException

from archiver.capture.smtp_data import DotReader
from archiver.capture.smtp_delivery import NO_ROOM, SHUTTING_DOWN, TOO_LARGE, TRY_LATER, Desk, Feed
from archiver.capture.smtp_ports import peer_address
from archiver.capture.smtp_syntax import BadCommandError, read_path
from archiver.errors import CaptureError

_log = logging.getLogger(__name__)

_READ = 128 * 1024
_LINE_LIMIT = 4096
"""Octets in a command line: RFC 5321's 512 and room for SIZE, SMTPUTF8 and long quoted paths."""

_FAULTS = 20
"""Commands refused before a connection is dropped: it is guessing addresses, or talks no SMTP."""


class _LineTooLongError(CaptureError):
    """A command line goes on for too long; it was read to its end and dropped."""

    code = "line_too_long"


class SmtpSession(SMTP):
    """The server's side of one connection. Made by the listener for each one."""

    # The stream reader pauses the socket above twice this many bytes; lines of DATA have no limit.
    line_length_limit = _READ

    def __init__(self, desk: Desk, sessions: set[SmtpSession], loop: asyncio.AbstractEventLoop) -> None:
        settings = desk.settings
        super().__init__(
            object(),
            data_size_limit=settings.max_size,
            enable_SMTPUTF8=True,
            hostname=settings.hostname,
            tls_context=settings.tls,
            timeout=settings.command_timeout,
            loop=loop,
        )
        self._desk = desk
        self._sessions = sessions
        self._ahead = bytearray()
        self._feeds: list[Feed] = []
        self._sender: str | None = None
        self._greeted = False
        self._peer: IPv4Address | IPv6Address | None = None
        self._faults = 0
        self.busy = False
        """True from DATA to its reply: a stopping listener waits for such a session."""
        self._commands: dict[str, Callable[[str], Awaitable[None]]] = {
            "EHLO": self.smtp_EHLO,
            "HELO": self.smtp_HELO,
            "STARTTLS": self.smtp_STARTTLS,
            "MAIL": self.smtp_MAIL,
            "RCPT": self.smtp_RCPT,
            "DATA": self.smtp_DATA,
            "RSET": self.smtp_RSET,
            "NOOP": self.smtp_NOOP,
            "VRFY": self.smtp_VRFY,
        }

    # ---- the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Called again when TLS starts: what a man in the middle sent before it must not be obeyed after.
        self._ahead.clear()
        self._greeted = False
        self._peer = peer_address(transport.get_extra_info("peername"))
        self._sessions.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._sessions.discard(self)
        super().connection_lost(error)

    def say_and_close(self, reply: str) -> None:
        """Send a last reply without waiting for anything, and close."""
        if self.transport is not None and not self.transport.is_closing():
            self._writer.write(reply.encode("ascii") + b"\r\n")
            self.transport.close()

    def abort(self) -> None:
        """Close without waiting for what is still to be sent."""
        if self._writer is not None:
            self._writer.transport.abort()

    def _timeout_cb(self) -> None:
        self.say_and_close("421 4.4.2 too slow, closing")

    async def push(self, status: str | bytes) -> None:
        self._writer.write((status.encode("ascii") if isinstance(status, str) else status) + b"\r\n")
        await self._writer.drain()

    async def _handle_client(self) -> None:
        try:
            if len(self._sessions) > self._desk.settings.max_connections:
                self.say_and_close("421 4.7.0 too many connections, try again later")
                return
            await self.push(f"220 {self.hostname} ESMTP Holdfast")
            while self.transport is not None and not self.transport.is_closing():
                await self._converse()
        except (ConnectionError, TLSSetupException, asyncio.IncompleteReadError):
            # The peer went away, or TLS didn't come about: there is nobody to answer.
            _log.info("a connection ended early")
        finally:
            if self.transport is not None:
                self.transport.close()

    async def _converse(self) -> None:
        """Read one command and answer it."""
        try:
            line = await self._read_line()
            if self._desk.draining:
                self.say_and_close(SHUTTING_DOWN)
                return
            self._reset_timeout()
            await self._obey(line)
        except BadCommandError as error:
            await self._fault("501 5.5.4 " + str(error))
        except _LineTooLongError:
            await self._fault("500 5.5.2 line too long")
        except (ConnectionError, TLSSetupException, asyncio.IncompleteReadError):
            raise
        except Exception as error:
            # A fault of ours: never a permanent reply.
            _log.warning("a command failed: %s", type(error).__name__)
            await self.push(TRY_LATER)

    async def _obey(self, line: bytes) -> None:
        word, _, argument = line.partition(b" ")
        name = word.upper().decode("ascii", "replace")
        if name == "QUIT":
            self.say_and_close("221 2.0.0 bye")
            return
        command = self._commands.get(name)
        if command is None:
            await self._fault("502 5.5.1 command not known here")
            return
        await command(argument.strip().decode("utf-8", "backslashreplace"))

    async def _fault(self, reply: str) -> None:
        """Refuse a command for what the client sent; drop a client that keeps on."""
        self._faults += 1
        if self._faults < _FAULTS:
            await self.push(reply)
        else:
            self.say_and_close("421 4.7.0 too many errors, closing")

    async def _read_line(self) -> bytes:
        """Return the next command line without its end. Raises IncompleteReadError at the peer's end."""
        seen = 0
        dropping = False
        while (end := self._ahead.find(b"\n", seen)) < 0:
            seen = len(self._ahead)
            if seen > _LINE_LIMIT:
                self._ahead.clear()
                seen = 0
                dropping = True
            self._ahead += await self._more()
        line = bytes(self._ahead[:end])
        del self._ahead[: end + 1]
        if dropping or len(line) > _LINE_LIMIT:
            raise _LineTooLongError("a command line is too long")
        return line.removesuffix(b"\r")

    async def _more(self) -> bytes:
        chunk: bytes = await self._reader.read(_READ)
        if not chunk:
            raise asyncio.IncompleteReadError(b"", None)
        return chunk

    # ---- the commands

    def _set_rset_state(self) -> None:
        super()._set_rset_state()  # type: ignore[no-untyped-call]
        self._feeds = []
        self._sender = None

    async def smtp_EHLO(self, argument: str) -> None:  # noqa: N802
        if not argument:
            raise BadCommandError("expected EHLO and a host name")
        self._set_rset_state()
        self._greeted = True
        offers = [self.hostname, f"SIZE {self._desk.settings.max_size}", "8BITMIME", "SMTPUTF8", "PIPELINING"]
        offers.append("ENHANCEDSTATUSCODES")
        if self._tls_protocol is None:
            offers.append("STARTTLS")
        lines = [f"250-{offer}" for offer in offers[:-1]] + [f"250 {offers[-1]}"]
        await self.push("\r\n".join(lines))

    async def smtp_HELO(self, argument: str) -> None:  # noqa: N802
        if not argument:
            raise BadCommandError("expected HELO and a host name")
        self._set_rset_state()
        self._greeted = True
        await self.push(f"250 {self.hostname}")

    async def smtp_STARTTLS(self, argument: str) -> None:  # noqa: N802
        if argument:
            raise BadCommandError("STARTTLS takes no argument")
        if self._tls_protocol is not None:
            await self._fault("503 5.5.1 TLS is in use already")
            return
        await super().smtp_STARTTLS(None)

    async def smtp_MAIL(self, argument: str) -> None:  # noqa: N802
        settings = self._desk.settings
        local = self._peer is not None and self._peer.is_loopback
        if settings.require_starttls and self._tls_protocol is None and not local:
            await self._fault("530 5.7.0 issue STARTTLS first")
            return
        if not self._greeted:
            await self._fault("503 5.5.1 send EHLO first")
            return
        if self._sender is not None:
            await self._fault("503 5.5.1 a transaction is open already: send RSET first")
            return
        sender, parameters = read_path("FROM:", argument)
        size = _declared_size(parameters)
        if parameters:
            await self._fault("555 5.5.4 parameter not known here")
        elif size > settings.max_size:
            await self._fault(TOO_LARGE)
        elif self._desk.budget.used + size > self._desk.budget.limit:
            await self.push(NO_ROOM)
        else:
            self._sender = sender
            await self.push("250 2.1.0 sender ok")

    async def smtp_RCPT(self, argument: str) -> None:  # noqa: N802
        if self._sender is None:
            await self._fault("503 5.5.1 send MAIL first")
            return
        address, parameters = read_path("TO:", argument)
        if parameters:
            await self._fault("555 5.5.4 parameter not known here")
            return
        if len(self._feeds) >= self._desk.settings.max_recipients:
            await self.push("452 4.5.3 too many recipients")
            return
        source = await self._desk.source_for(address)
        if source is None:
            await self._fault("550 5.1.1 no journal feed has this address")
        elif self._peer is None or not source.admits(self._peer):
            await self._fault("550 5.7.1 this peer may not send to this journal feed")
        else:
            self._feeds.append(Feed(source, address))
            await self.push("250 2.1.5 recipient ok")

    async def smtp_DATA(self, argument: str) -> None:  # noqa: N802
        if argument:
            raise BadCommandError("DATA takes no argument")
        if self._sender is None or not self._feeds:
            await self._fault("503 5.5.1 no valid recipient: send MAIL and RCPT first")
            return
        self.busy = True
        body = self._desk.new_body()
        try:
            await self.push("354 end with <CRLF>.<CRLF>")
            deadline = self.loop.time() + self._desk.settings.data_timeout
            framing = DotReader()
            chunk = bytes(self._ahead)
            self._ahead.clear()
            while True:
                await body.append(framing.feed(chunk))
                if framing.done:
                    break
                silence = min(self._desk.settings.command_timeout, deadline - self.loop.time())
                self._reset_timeout(max(silence, 0.001))
                chunk = await self._more()
            self._ahead += framing.rest
            # From here the client waits for us, so its own timer must not close the connection.
            self._reset_timeout(2 * self._desk.settings.commit_timeout * (1 + len(self._feeds)))
            reply = await self._desk.deliver(body, self._sender, self._feeds)
        finally:
            body.close()
            self._set_rset_state()
            self.busy = False
        self._reset_timeout()
        await self.push(reply)

    async def smtp_RSET(self, argument: str) -> None:  # noqa: N802
        self._set_rset_state()
        await self.push("250 2.0.0 ok")

    async def smtp_NOOP(self, argument: str) -> None:  # noqa: N802
        await self.push("250 2.0.0 ok")

    async def smtp_VRFY(self, argument: str) -> None:  # noqa: N802
        await self.push("252 2.5.0 not verified: send the mail")


def _declared_size(parameters: dict[str, Any]) -> int:
    """Take the known MAIL parameters out of the dictionary and return the declared size, or 0."""
    if parameters.pop("BODY", "7BIT") not in ("7BIT", "8BITMIME", "7bit", "8bitmime"):
        raise BadCommandError("BODY is 7BIT or 8BITMIME")
    if parameters.pop("SMTPUTF8", None) is not None:
        raise BadCommandError("SMTPUTF8 takes no value")
    size = parameters.pop("SIZE", "0")
    if size is None or not (size.isascii() and size.isdigit() and len(size) <= 20):
        raise BadCommandError("SIZE is a number of octets")
    return int(size)
