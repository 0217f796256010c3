"""aioimaplib, with its known faults fenced in, as a connection of few and bounded calls.

Fenced: its parser recurses once a line and loses the answer (ours loops); it takes `* ` out of the
middle of lines; a broken connection leaves commands waiting; its DEBUG log prints mail. Errors leave
here as SourceUnreachable, or NotAnsweredError for a NO or BAD, never with text from the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Coroutine
from typing import Any, TypeVar

from aioimaplib import aioimaplib

from archiver.capture.imap_names import quote
from archiver.capture.imap_source import ImapSource
from archiver.errors import CaptureError, SourceUnreachable

_T = TypeVar("_T")
Lines = list[bytes | bytearray]
"""An answer: lines as `bytes`, literals as `bytearray`; the last line is the tagged one."""


class NotAnsweredError(CaptureError):
    """The server answered NO or BAD."""

    code = "imap_refused"


class _Quiet(logging.Filter):
    """Drops every record: aioimaplib puts received bytes into most of them."""

    def filter(self, record: logging.LogRecord) -> bool:
        return False


def quiet_aioimaplib() -> None:
    """Pin aioimaplib's logger so that it prints nothing. May be called again."""
    aioimaplib.log.setLevel(logging.WARNING)
    if not any(isinstance(known, _Quiet) for known in aioimaplib.log.filters):
        aioimaplib.log.addFilter(_Quiet())


class _Protocol(aioimaplib.IMAP4ClientProtocol):  # type: ignore[misc]
    """The library's protocol with a parser that loops, and with an end that wakes everyone waiting."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.lost = asyncio.Event()
        self.closed = asyncio.Event()

    def data_received(self, d: bytes) -> None:
        try:
            super().data_received(d)
        except Exception:
            # The exception's text quotes the server. The answer can't be trusted any more: hang up.
            self.give_up()

    def connection_lost(self, exc: Exception | None) -> None:
        self.give_up()
        self.closed.set()

    async def welcome(self, command: bytes) -> None:
        try:
            await super().welcome(command)
        except Exception:
            self.give_up()

    def give_up(self) -> None:
        """Wake everyone who waits, with an error, and drop the connection."""
        self.lost.set()
        waiting = list(self.pending_async_commands.values())
        if self.pending_sync_command is not None:
            waiting.append(self.pending_sync_command)
        for command in waiting:
            command._exception = SourceUnreachable("the mailbox server closed the connection")
            command._event.set()
        if self.transport is not None:
            # Not close(): over TLS that waits for a peer which may be the one that hangs.
            self.transport.abort()

    def _handle_responses(self, data: bytes, line_handler: Any, current_cmd: Any = None) -> None:
        """The library's parser, line after line in a loop instead of a call within a call."""
        command = current_cmd
        start = 0
        while start < len(data):
            if command is not None and command.wait_literal_data():
                missing = command._expected_size - len(command._resp_literal_data)
                command.append_literal_data(data[start : start + missing])
                start += missing
                if command.wait_literal_data():
                    raise aioimaplib.IncompleteRead(command)
                continue
            end = data.find(b"\r\n", start)
            if end < 0:
                raise aioimaplib.IncompleteRead(command, data[start:])
            line = data[start:end]
            start = end + 2
            handled = line_handler(line, command)
            literal = aioimaplib.literal_data_re.match(line)
            if literal:
                command = handled if handled is not None else aioimaplib.Command("NIL", "unused")
                command.begin_literal_data(int(literal["size"]))
            else:
                command = handled if handled is not None and handled.wait_data() else None
        if self.pending_sync_command is not None:
            self.pending_sync_command.flush()
        if command is not None and command.wait_data():
            raise aioimaplib.IncompleteRead(command)

    def _untagged_response(self, line: bytes) -> Any:
        # The library removes every `* ` of the line: only the first is the untagged mark.
        if self.pending_sync_command is not None:
            self.pending_sync_command.append_to_resp(line[2:])
            return self.pending_sync_command
        text = line[2:]
        if aioimaplib.message_data_re.match(text):
            name = text.split(b" ")[1][:7]
        else:
            name, _, text = text.partition(b" ")
        waiting = self.pending_async_commands
        command = waiting.get("FETCH" if name.startswith(b"FETCH") else name.decode("ascii").upper())
        if command is not None:
            command.append_to_resp(text)
        return command


class ImapConnection:
    """One signed-in connection to a mailbox server, over TLS from the first byte.

    Every call is bounded in time; a call that isn't answered closes the connection. All raise
    SourceUnreachable when the connection is gone, NotAnsweredError when the server says no.
    """

    def __init__(self, protocol: _Protocol, source: ImapSource) -> None:
        self._protocol = protocol
        self._source = source

    @classmethod
    async def open(cls, source: ImapSource) -> ImapConnection:
        """Connect, check the certificate against the host and the CA, and sign in."""
        quiet_aioimaplib()
        loop = asyncio.get_running_loop()
        password = await loop.run_in_executor(None, source.password)
        protocol = _Protocol(loop)
        connection = cls(protocol, source)
        try:
            await asyncio.wait_for(
                loop.create_connection(
                    lambda: protocol, source.host, source.port, ssl=_client_context(source)
                ),
                source.connect_timeout,
            )
            await connection._bounded(protocol.wait("AUTH|NONAUTH"), source.connect_timeout)
            if protocol.state == aioimaplib.NONAUTH:
                await connection._sign_in(password)
        except ssl.SSLCertVerificationError as error:
            await connection.close()
            raise SourceUnreachable(
                "the mailbox server's certificate isn't trusted for this host: check the host or its CA file"
            ) from error
        except (OSError, TimeoutError) as error:
            await connection.close()
            raise SourceUnreachable(
                "the mailbox server can't be reached by TLS: check host, port and network"
            ) from error
        except BaseException:
            await connection.close()
            raise
        return connection

    async def list_folders(self) -> Lines:
        """Return the answer to LIST of everything."""
        return await self._call(self._protocol.simple_command("LIST", '""', '"*"'))

    async def examine(self, wire_name: str) -> Lines:
        """Open a folder for reading only: no flag can change. `wire_name` is unquoted."""
        # The library sets no state for EXAMINE, and allows FETCH only in this one.
        self._protocol.state = aioimaplib.AUTH
        lines = await self._call(self._protocol.simple_command("EXAMINE", quote(wire_name)))
        self._protocol.state = aioimaplib.SELECTED
        return lines

    async def fetch(self, messages: str, what: str, *, by_uid: bool) -> Lines:
        """Return the answer to FETCH or UID FETCH. Ask for at most 200 messages."""
        return await self._call(
            self._protocol.fetch(messages, what, by_uid=by_uid, timeout=self._source.answer_timeout)
        )

    async def sign_off(self) -> None:
        """Say LOGOUT where that still works, and close."""
        try:
            await self._bounded(self._protocol.logout(), 5.0)
        except (CaptureError, aioimaplib.AioImapException):
            return
        finally:
            await self.close()

    async def close(self) -> None:
        """Close without a word. May be called again."""
        self._protocol.give_up()
        if self._protocol.transport is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._protocol.closed.wait(), 1.0)

    async def _sign_in(self, password: str) -> None:
        user = quote(self._source.user)
        # The library quotes the password itself; this refuses control characters in our own words.
        quote(password)
        try:
            await self._call(self._protocol.login(user, password))
        except NotAnsweredError as error:
            raise SourceUnreachable(
                "the mailbox server refused the sign-in: check user and password"
            ) from error

    async def _call(self, work: Coroutine[Any, Any, Any]) -> Lines:
        try:
            response = await self._bounded(work, self._source.transfer_timeout)
        except aioimaplib.AioImapException:
            # From None: the library's exceptions quote the command and the server.
            self._protocol.give_up()
            raise SourceUnreachable("the mailbox server did not answer in time") from None
        lines: Lines = response.lines
        # This NO only says that some of the messages asked for are gone; the others were sent.
        gone = response.result == "NO" and lines[-1].startswith(b"[EXPUNGEISSUED]")
        if response.result != "OK" and not gone:
            raise NotAnsweredError("the mailbox server said no")
        return lines

    async def _bounded(self, work: Coroutine[Any, Any, _T], timeout: float) -> _T:
        """Wait for a call, but not longer than `timeout`, nor than the connection lives."""
        if self._protocol.lost.is_set():
            work.close()
            raise SourceUnreachable("the mailbox server closed the connection")
        call = asyncio.ensure_future(work)
        lost = asyncio.ensure_future(self._protocol.lost.wait())
        try:
            await asyncio.wait({call, lost}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            if call.done():
                return call.result()
            if lost.done():
                raise SourceUnreachable("the mailbox server closed the connection")
            self._protocol.give_up()
            raise SourceUnreachable("the mailbox server did not answer in time")
        finally:
            lost.cancel()
            call.cancel()
            await asyncio.gather(call, lost, return_exceptions=True)


def _client_context(source: ImapSource) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(source.ca_file) if source.ca_file else None)
    except (OSError, ssl.SSLError) as error:
        raise SourceUnreachable("the CA file of the mailbox server can't be read") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
