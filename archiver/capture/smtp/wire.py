"""The bytes of one SMTP connection: input, replies, time limits, TLS. aiosmtpd gives transport and STARTTLS.

Made for many small messages: input goes straight into one buffer, the replies to pipelined commands leave
together (RFC 2920), and one timer per connection is set anew only when it fires.
"""

from __future__ import annotations

import asyncio
import ssl
from ipaddress import IPv4Address, IPv6Address
from typing import Protocol

from aiosmtpd.smtp import SMTP

from archiver.capture.smtp.ports import SmtpSettings, peer_address
from archiver.capture.smtp.tls import key_hash
from archiver.errors import CaptureError

_READ_AHEAD = 256 * 1024
"""Bytes that may wait unread before the socket is paused."""

_LINE_LIMIT = 4096
"""Octets in a command line: RFC 5321's 512 and room for SIZE, SMTPUTF8 and long quoted paths."""


class LineTooLongError(CaptureError):
    """A command line goes on for too long; it was read to its end and dropped."""

    code = "line_too_long"


class Guests(Protocol):
    """Keeps count of the connections."""

    def came(self, guest: SmtpWire, peer: IPv4Address | IPv6Address | None) -> None: ...

    def left(self, guest: SmtpWire, peer: IPv4Address | IPv6Address | None) -> None: ...


class SmtpWire(SMTP):
    """The transport side of one connection. Subclasses converse, in `_handle_client`."""

    def __init__(self, settings: SmtpSettings, guests: Guests, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            object(),
            data_size_limit=settings.max_size,
            enable_SMTPUTF8=True,
            hostname=settings.hostname,
            tls_context=settings.tls,
            timeout=settings.idle_timeout,
            loop=loop,
        )
        self._guests = guests
        self._peer: IPv4Address | IPv6Address | None = None
        self._tls: ssl.SSLObject | None = None
        self._present = False
        self._ahead = bytearray()
        self._replies: list[bytes] = []
        self._waiter: asyncio.Future[None] | None = None
        self._ended = False
        self._reading = True
        self._deadline = 0.0
        self._timer_at = 0.0

    # ---- called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Called again when TLS starts: what a man in the middle sent before it must not be obeyed after.
        self._ahead.clear()
        self._reading = True
        self._peer = peer_address(transport.get_extra_info("peername"))
        # Kept: a TLS transport that is being closed can't be asked any more.
        self._tls = transport.get_extra_info("ssl_object")
        if not self._present:
            self._present = True
            self._guests.came(self, self._peer)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self._present:
            self._present = False
            self._guests.left(self, self._peer)
        super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        self._ahead += data
        if len(self._ahead) > _READ_AHEAD and self._reading and isinstance(self.transport, asyncio.Transport):
            self._reading = False
            self.transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        # What came before the end is still obeyed and answered: a client may close its side early.
        self._ended = True
        self._wake()
        return not self.secure

    # ---- TLS

    @property
    def secure(self) -> bool:
        """True when this connection is encrypted, by STARTTLS or from its first byte."""
        return self._tls is not None

    def client_key(self) -> str:
        """SHA-256 in hex of the public key that the peer's certificate proved it holds, or ``""``."""
        certificate = self._tls.getpeercert(binary_form=True) if self._tls is not None else None
        return key_hash(certificate) if certificate else ""

    # ---- replies

    def reply(self, text: str) -> None:
        """Answer. It leaves with the next `flush`: when more input is needed, or a long wait begins."""
        self._replies.append(text.encode("ascii"))

    async def flush(self) -> None:
        """Send what was answered; wait while the peer doesn't read."""
        self._send()
        if self.transport is not None and self._writer.transport.get_write_buffer_size():
            await self._writer.drain()

    async def push(self, status: str | bytes) -> None:
        """For aiosmtpd, which answers STARTTLS by itself and without an enhanced status code."""
        text = status if isinstance(status, str) else status.decode("ascii")
        self.reply("220 2.0.0 ready to start TLS" if text.startswith("220 ") else text)
        await self.flush()

    def say_and_close(self, reply: str) -> None:
        """Send a last reply without waiting for anything, and close."""
        if self.transport is not None and not self.transport.is_closing():
            self.reply(reply)
            self._send()
            self.transport.close()
            # Whoever waits for input is told that there will be none.
            self._ended = True
            self._ahead.clear()
            self._wake()

    def abort(self) -> None:
        """Close without waiting for what is still to be sent."""
        if self._writer is not None:
            self._writer.transport.abort()

    def _send(self) -> None:
        if self._replies:
            self._replies.append(b"")
            self._writer.write(b"\r\n".join(self._replies))
            self._replies.clear()

    # ---- input

    async def line(self) -> bytes:
        """Return the next command line without its end. Raises IncompleteReadError at the peer's end."""
        seen = 0
        dropping = False
        while (end := self._ahead.find(b"\n", seen)) < 0:
            seen = len(self._ahead)
            if seen > _LINE_LIMIT:
                self._ahead.clear()
                seen = 0
                dropping = True
            await self.more()
        line = bytes(self._ahead[:end])
        del self._ahead[: end + 1]
        if dropping or len(line) > _LINE_LIMIT:
            raise LineTooLongError("a command line is too long")
        return line.removesuffix(b"\r")

    async def more(self) -> None:
        """Wait until more input is in `_ahead`. Raises IncompleteReadError at the peer's end."""
        before = len(self._ahead)
        await self.flush()
        if not self._reading and isinstance(self.transport, asyncio.Transport):
            self._reading = True
            self.transport.resume_reading()
        while len(self._ahead) <= before:
            if self._ended:
                raise asyncio.IncompleteReadError(b"", None)
            self._waiter = self.loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # ---- time

    def _reset_timeout(self, duration: float | None = None) -> None:
        now = self.loop.time()
        self._deadline = now + (duration or self._timeout_duration)
        if self._timeout_handle is not None:
            if self._timer_at <= self._deadline:
                return
            self._timeout_handle.cancel()
        self._set_timer()

    def _set_timer(self) -> None:
        self._timer_at = self._deadline
        self._timeout_handle = self.loop.call_at(self._deadline, self._timeout_cb)

    def _timeout_cb(self) -> None:
        if self.loop.time() < self._deadline:
            self._set_timer()
        else:
            self.say_and_close("421 4.4.2 too slow, closing")
