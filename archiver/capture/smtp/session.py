"""One SMTP or LMTP conversation (RFC 5321, RFC 2033) with a journal sender, command by command.

Every reply is ours and names no address; what a client sent is never logged. Nothing is relayed and no
notice is ever sent: a message is stored, or its sender is told so and keeps it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiosmtpd.smtp import TLSSetupException

from archiver.capture.smtp.body import Body
from archiver.capture.smtp.data import DotReader
from archiver.capture.smtp.delivery import (
    NO_ROOM,
    SHUTTING_DOWN,
    TOO_LARGE,
    TRY_LATER,
    Desk,
    Feed,
    one_reply,
)
from archiver.capture.smtp.ports import JournalSource
from archiver.capture.smtp.syntax import BadCommandError, read_chunk, read_path, take_mail_parameters
from archiver.capture.smtp.wire import LineTooLongError, SmtpWire

_log = logging.getLogger(__name__)

_STARTTLS_FIRST = "530 5.7.0 issue STARTTLS first"
_NO_TRANSACTION = "503 5.5.1 no valid recipient: send MAIL and RCPT first"


@dataclass(frozen=True, slots=True)
class Door:
    """How connections come in: LMTP instead of SMTP, TLS from the first byte instead of by STARTTLS."""

    lmtp: bool = False
    implicit_tls: bool = False


class SmtpSession(SmtpWire):
    """The server's side of one connection. Made by the listener for each one."""

    def __init__(self, desk: Desk, loop: asyncio.AbstractEventLoop, door: Door) -> None:
        super().__init__(desk.settings, desk, loop)
        self._desk = desk
        self._door = door
        self._feeds: list[Feed] = []
        self._sender: str | None = None
        self._binary = False
        self._chunks: Body | None = None
        self._chunks_failed = False
        self._data_ends_at = 0.0
        self._greeted = False
        self._errors = 0
        self._idle_commands = 0
        self._sending = False
        self.busy = False
        """True from a message's first byte to its reply: a stopping listener waits for such a session."""
        self._commands: dict[bytes, Callable[[str], Awaitable[None]]] = {
            b"STARTTLS": self.smtp_STARTTLS,
            b"MAIL": self.smtp_MAIL,
            b"RCPT": self.smtp_RCPT,
            b"DATA": self.smtp_DATA,
            b"BDAT": self.smtp_BDAT,
            b"RSET": self.smtp_RSET,
            b"NOOP": self.smtp_NOOP,
            b"VRFY": self.smtp_VRFY,
            b"HELP": self.smtp_HELP,
        }
        if door.lmtp:
            self._commands[b"LHLO"] = self.smtp_EHLO
        else:
            self._commands |= {b"EHLO": self.smtp_EHLO, b"HELO": self.smtp_HELO}

    # ---- the conversation

    async def _handle_client(self) -> None:
        try:
            if self._desk.crowded(self._peer):
                self.say_and_close("421 4.7.0 too many connections, try again later")
                return
            self.reply(f"220 {self.hostname} {'LMTP' if self._door.lmtp else 'ESMTP'} Holdfast")
            while self.transport is not None and not self.transport.is_closing():
                await self._converse()
        except (ConnectionError, TLSSetupException, asyncio.IncompleteReadError):
            # The peer went away, or TLS didn't come about: there is nobody to answer.
            _log.info("a connection ended early")
        finally:
            self._set_rset_state()
            if self.transport is not None:
                self.transport.close()

    async def _converse(self) -> None:
        """Read one command and answer it."""
        try:
            line = await self.line()
            if self._desk.draining and not self.busy:
                self.say_and_close(SHUTTING_DOWN)
                return
            self._reset_timeout()
            await self._obey(line)
        except BadCommandError as error:
            self._fault("501 5.5.4 " + str(error))
        except LineTooLongError:
            self._fault("500 5.5.2 line too long")
        except (ConnectionError, TLSSetupException, asyncio.IncompleteReadError):
            raise
        except Exception as error:
            # A fault of ours: never a permanent reply.
            _log.warning("a command failed: %s", type(error).__name__)
            self.reply(TRY_LATER)

    async def _obey(self, line: bytes) -> None:
        word, _, argument = line.partition(b" ")
        name = word.upper()
        if name == b"QUIT":
            self.say_and_close("221 2.0.0 bye")
            return
        if name not in (b"RCPT", b"DATA", b"BDAT"):
            self._idle_commands += 1
            if self._idle_commands > self._desk.settings.max_commands:
                self.say_and_close("421 4.7.0 too many commands without a message, closing")
                return
        command = self._commands.get(name)
        if command is None:
            self._fault("502 5.5.1 command not known here")
            return
        await command(argument.strip().decode("utf-8", "backslashreplace"))

    def _fault(self, reply: str) -> None:
        """Refuse a command for what the client sent; drop a client that keeps on."""
        self._errors += 1
        if self._errors < self._desk.settings.max_errors:
            self.reply(reply)
        else:
            self.say_and_close("421 4.7.0 too many errors, closing")

    def _set_rset_state(self) -> None:
        """Forget the transaction, and give back what its bytes took (also called by aiosmtpd)."""
        self._feeds = []
        self._sender = None
        self._binary = False
        self._chunks_failed = False
        self.busy = False
        self._sent(given_up=True)
        if self._chunks is not None:
            self._chunks.close()
            self._chunks = None

    def _sent(self, *, given_up: bool = False) -> None:
        """The transaction's message is here, or won't come."""
        if self._sending:
            self._sending = False
            self._desk.ends(given_up=given_up)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._greeted = False
        super().connection_made(transport)

    # ---- the commands

    async def smtp_EHLO(self, argument: str) -> None:  # noqa: N802
        if not argument:
            raise BadCommandError("expected a host name")
        self._set_rset_state()
        self._greeted = True
        offers = [self.hostname, f"SIZE {self._desk.settings.max_size}", "8BITMIME", "SMTPUTF8", "PIPELINING"]
        offers += ["CHUNKING", "BINARYMIME", "ENHANCEDSTATUSCODES"]
        if not self.secure:
            offers.append("STARTTLS")
        for offer in offers[:-1]:
            self.reply(f"250-{offer}")
        self.reply(f"250 {offers[-1]}")

    async def smtp_HELO(self, argument: str) -> None:  # noqa: N802
        if not argument:
            raise BadCommandError("expected HELO and a host name")
        self._set_rset_state()
        self._greeted = True
        self.reply(f"250 {self.hostname}")

    async def smtp_STARTTLS(self, argument: str) -> None:  # noqa: N802
        if argument:
            raise BadCommandError("STARTTLS takes no argument")
        if self.secure:
            self._fault("503 5.5.1 TLS is in use already")
            return
        await super().smtp_STARTTLS(None)

    async def smtp_MAIL(self, argument: str) -> None:  # noqa: N802
        settings = self._desk.settings
        if settings.require_starttls and not self._local() and not self.secure:
            self._fault(_STARTTLS_FIRST)
            return
        if not self._greeted:
            self._fault("503 5.5.1 send LHLO first" if self._door.lmtp else "503 5.5.1 send EHLO first")
            return
        if self._sender is not None:
            self._fault("503 5.5.1 a transaction is open already: send RSET first")
            return
        sender, parameters = read_path("FROM:", argument)
        size, binary = take_mail_parameters(parameters)
        if parameters:
            self._fault("555 5.5.4 parameter not known here")
        elif size > settings.max_size:
            self._fault(TOO_LARGE)
        elif self._desk.budget.used + size > self._desk.budget.limit:
            self.reply(NO_ROOM)
        else:
            self._sender = sender
            self._binary = binary
            self._sending = True
            self._desk.begins()
            self.reply("250 2.1.0 sender ok")

    async def smtp_RCPT(self, argument: str) -> None:  # noqa: N802
        if self._sender is None or self._chunks is not None or self._chunks_failed:
            self._fault("503 5.5.1 send MAIL first")
            return
        address, parameters = read_path("TO:", argument)
        if parameters:
            self._fault("555 5.5.4 parameter not known here")
            return
        if len(self._feeds) >= self._desk.settings.max_recipients:
            self.reply("452 4.5.3 too many recipients")
            return
        feed = await self._desk.feed_for(address)
        if feed is None:
            self._fault("550 5.1.1 no journal feed has this address")
            return
        refusal = self._refusal(feed.source)
        if refusal:
            self._fault(refusal)
            return
        self._feeds.append(feed)
        self.reply("250 2.1.5 recipient ok")

    def _local(self) -> bool:
        return self._peer is not None and self._peer.is_loopback

    def _refusal(self, source: JournalSource) -> str:
        """Why this peer may not send to a feed over this connection, or ``""``."""
        if self._peer is None or not source.admits(self._peer):
            return "550 5.7.1 this peer may not send to this journal feed"
        if source.tls == "implicit" and not self._door.implicit_tls:
            return "530 5.7.0 this journal feed takes mail over implicit TLS only"
        if not self.secure and (source.tls == "required" or not self._local()):
            return _STARTTLS_FIRST
        if source.client_certs and self.client_key() not in source.client_certs:
            return "550 5.7.1 this journal feed wants a client certificate it knows"
        return ""

    async def smtp_DATA(self, argument: str) -> None:  # noqa: N802
        if argument:
            raise BadCommandError("DATA takes no argument")
        if self._chunks is not None or self._chunks_failed or self._binary:
            self._refuse_data("503 5.5.1 this transaction takes BDAT, not DATA")
            return
        if self._sender is None or not self._feeds:
            self._refuse_data(_NO_TRANSACTION)
            return
        self.busy = True
        body = self._desk.new_body()
        try:
            self.reply("354 end with <CRLF>.<CRLF>")
            self._data_ends_at = self.loop.time() + self._desk.settings.data_timeout
            framing = DotReader()
            while True:
                if not self._ahead:
                    self._reset_timeout(self._silence())
                    await self.more()
                chunk = bytes(self._ahead)
                self._ahead.clear()
                await body.append(framing.feed(chunk))
                if framing.done:
                    break
            self._ahead += framing.rest
            await self._finish(body)
        finally:
            body.close()
            self._set_rset_state()

    def _refuse_data(self, reply: str) -> None:
        self._fault(reply)
        if self._ahead:
            # It didn't wait for our answer (RFC 2920 3.1): what follows is mail, and must not be obeyed.
            self.say_and_close("421 4.7.0 data sent unasked, closing")

    async def smtp_BDAT(self, argument: str) -> None:  # noqa: N802
        try:
            size, last = read_chunk(argument)
        except BadCommandError as error:
            # Where the chunk ends can't be known, so nothing after this line can be taken for a command.
            self.say_and_close("501 5.5.4 " + str(error))
            return
        if self._sender is None or not self._feeds or self._chunks_failed:
            await self._read_chunk(None, size)
            self._fault("503 5.5.1 send RSET first" if self._chunks_failed else _NO_TRANSACTION)
            return
        if self._chunks is None:
            self.busy = True
            self._chunks = self._desk.new_body()
            self._data_ends_at = self.loop.time() + self._desk.settings.data_timeout
        await self._read_chunk(self._chunks, size)
        if last:
            await self._finish(self._chunks)
            self._set_rset_state()
        elif self._chunks.verdict is None:
            self.reply("250 2.0.0 chunk received")
        else:
            self.reply(one_reply(await self._desk.deliver(self._chunks, self._sender, self._feeds)))
            self._set_rset_state()
            self._chunks_failed = True

    async def _read_chunk(self, body: Body | None, size: int) -> None:
        """Read exactly `size` octets into `body`, or away: after a refusal they come all the same."""
        if body is None:
            self._data_ends_at = self.loop.time() + self._desk.settings.data_timeout
        while size:
            if not self._ahead:
                self._reset_timeout(self._silence())
                await self.more()
            piece = bytes(self._ahead[:size])
            del self._ahead[: len(piece)]
            size -= len(piece)
            if body is not None:
                await body.append(piece)

    async def _finish(self, body: Body) -> None:
        """Store a complete message and answer: once by SMTP, for each recipient by LMTP (RFC 2033 4.2)."""
        assert self._sender is not None
        # From here the client waits for us, so its own timer must not close the connection.
        self._reset_timeout(2 * self._desk.settings.commit_timeout * (1 + len(self._feeds)))
        await self.flush()
        self._sent()
        replies = await self._desk.deliver(body, self._sender, self._feeds)
        self._reset_timeout()
        if any(reply.startswith("250 ") for reply in replies):
            self._idle_commands = 0
        for reply in replies if self._door.lmtp else [one_reply(replies)]:
            self.reply(reply)

    def _silence(self) -> float:
        """How long the next octets of a message may take."""
        left = self._data_ends_at - self.loop.time()
        return max(min(self._desk.settings.idle_timeout, left), 0.001)

    async def smtp_RSET(self, argument: str) -> None:  # noqa: N802
        self._set_rset_state()
        self.reply("250 2.0.0 ok")

    async def smtp_NOOP(self, argument: str) -> None:  # noqa: N802
        self.reply("250 2.0.0 ok")

    async def smtp_VRFY(self, argument: str) -> None:  # noqa: N802
        self.reply("252 2.5.0 not verified: send the mail")

    async def smtp_HELP(self, argument: str) -> None:  # noqa: N802
        self.reply("214 2.0.0 this server takes journal mail for an archive; see its documentation")
