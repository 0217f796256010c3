"""A signed-in connection to a mailbox server, of few and bounded calls, over aioimaplib.

Errors leave here as SourceUnreachable or one of its kin in imap_errors, or as NotAnsweredError for a NO or
BAD, never with text from the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from base64 import b64encode
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from aioimaplib import aioimaplib

from archiver.capture.imap.errors import (
    BusyError,
    NotAnsweredError,
    RateLimited,
    SignInExpired,
    SignInRefused,
    limited,
    meaning_of,
)
from archiver.capture.imap.names import quote
from archiver.capture.imap.protocol import Protocol, quiet_aioimaplib
from archiver.capture.imap.source import ImapSource
from archiver.errors import CaptureError, SourceUnreachable

_T = TypeVar("_T")
Lines = list[bytes | bytearray]
"""An answer: lines as `bytes`, literals as `bytearray`; the last line is the tagged one."""
_SECRETS = ThreadPoolExecutor(8, "imap-secret")
"""Where token endpoints are asked: a dead one holds up no work on the archive."""
SLOWEST = 16 * 1024
"""Bytes a second below which a server counts as hung."""


class ImapConnection:
    """One signed-in connection to a mailbox server, over TLS from the first byte.

    Every call is bounded in time; a call that isn't answered closes the connection. All raise
    SourceUnreachable when the connection is gone, RateLimited when the server wants to be left alone,
    SignInExpired, and NotAnsweredError when the server says no.
    """

    def __init__(self, protocol: Protocol, source: ImapSource) -> None:
        self._protocol = protocol
        self._source = source

    @classmethod
    async def open(cls, source: ImapSource) -> ImapConnection:
        """Connect, check the certificate against the host and the CA, and sign in."""
        quiet_aioimaplib()
        loop = asyncio.get_running_loop()
        secret = await loop.run_in_executor(_SECRETS, source.secret, False)
        context = await loop.run_in_executor(None, _client_context, source)
        protocol = Protocol(loop, source.max_size)
        connection = cls(protocol, source)
        try:
            await asyncio.wait_for(
                loop.create_connection(lambda: protocol, source.host, source.port, ssl=context),
                source.connect_timeout,
            )
            await connection._bounded(protocol.wait("AUTH|NONAUTH"), source.connect_timeout)
            if protocol.state == aioimaplib.NONAUTH:
                await connection._sign_in(secret)
            # What is offered may differ for who signed in.
            await connection._bounded(protocol.capability(), source.connect_timeout)
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
        except aioimaplib.AioImapException:
            await connection.close()
            raise SourceUnreachable("the mailbox server doesn't speak IMAP4rev1") from None
        except BaseException:
            await connection.close()
            raise
        return connection

    def offers(self, capability: str) -> bool:
        """True when the server lists a capability, such as IDLE or UIDPLUS."""
        return any(known.upper() == capability for known in self._protocol.capabilities)

    async def list_folders(self) -> Lines:
        """Return the answer to LIST of everything: special uses and STATUS with it where that is offered."""
        wanted = [use for use in ("SPECIAL-USE",) if self.offers(use)]
        if self.offers("LIST-STATUS"):
            wanted.append("STATUS (UIDNEXT UIDVALIDITY)")
        if wanted and (self.offers("LIST-EXTENDED") or self.offers("LIST-STATUS")):
            with contextlib.suppress(NotAnsweredError):
                return await self._call(
                    self._protocol.simple_command("LIST", '""', '"*"', "RETURN", f"({' '.join(wanted)})")
                )
        return await self._call(self._protocol.simple_command("LIST", '""', '"*"'))

    async def status(self, wire_name: str) -> Lines:
        """Return the answer to STATUS: UIDNEXT and UIDVALIDITY of a folder that isn't opened."""
        return await self._call(
            self._protocol.simple_command("STATUS", quote(wire_name), "(UIDNEXT UIDVALIDITY)")
        )

    async def examine(self, wire_name: str) -> Lines:
        """Open a folder for reading only: no flag can change. `wire_name` is unquoted."""
        return await self._open_folder("EXAMINE", wire_name)

    async def select(self, wire_name: str) -> Lines:
        """Open a folder for writing: only for deletion at the source."""
        return await self._open_folder("SELECT", wire_name)

    async def fetch(self, messages: str, what: str, *, by_uid: bool, size: int = 0) -> Lines:
        """Return the answer to FETCH or UID FETCH. Ask for at most 200 messages, of `size` bytes in all."""
        return await self._call(
            self._protocol.fetch(messages, what, by_uid=by_uid, timeout=self._source.answer_timeout),
            self._source.transfer_timeout + size / SLOWEST,
        )

    async def delete(self, uids: str) -> None:
        """Mark messages as deleted, and expunge these UIDs only (UIDPLUS, RFC 4315)."""
        if not self.offers("UIDPLUS"):
            raise NotAnsweredError("the mailbox server can't delete single messages: it has no UIDPLUS")
        # The library asks for the capability itself, in capitals.
        self._protocol.capabilities.add("UIDPLUS")
        await self._call(self._protocol.uid("STORE", uids, "+FLAGS.SILENT", "(\\Deleted)"))
        await self._call(self._protocol.uid("EXPUNGE", uids))

    async def idle(self, seconds: float, stop: asyncio.Event) -> bool:
        """Wait in IDLE (RFC 2177) until mail comes into the folder open: True, or `seconds` or `stop`: False.

        Servers may end an IDLE of 30 minutes: wait less.
        """
        protocol = self._protocol
        while not protocol.idle_queue.empty():
            protocol.idle_queue.get_nowait()
        running = asyncio.ensure_future(protocol.idle())
        began = asyncio.ensure_future(protocol.wait_for_idle_response())
        try:
            await self._first(running, began, timeout=self._source.answer_timeout)
            if not began.done():
                self._judge(await self._bounded(_wait(running), self._source.answer_timeout))
                raise NotAnsweredError("the mailbox server ended IDLE before it began")
            heard = await self._hear(seconds, stop)
            protocol.idle_done()
            patience = 5.0 if stop.is_set() else self._source.answer_timeout
            self._judge(await self._bounded(_wait(running), patience))
            return heard
        except aioimaplib.AioImapException:
            protocol.give_up()
            raise SourceUnreachable("the mailbox server did not answer in time") from None
        finally:
            for task in (running, began):
                task.cancel()
            await asyncio.gather(running, began, return_exceptions=True)

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
            await asyncio.wait([asyncio.ensure_future(self._protocol.closed.wait())], timeout=1.0)

    # --- signing in ---------------------------------------------------------------------------

    async def _sign_in(self, secret: str) -> None:
        try:
            try:
                await self._present(secret)
            except (NotAnsweredError, SignInExpired):
                if self._source.auth == "password":
                    raise
                # The token may have been withdrawn before its time: once more, with a new one.
                loop = asyncio.get_running_loop()
                await self._present(await loop.run_in_executor(_SECRETS, self._source.secret, True))
        except BusyError:
            raise RateLimited("the mailbox server takes no sign-in just now: it goes on later") from None
        except (NotAnsweredError, SignInExpired):
            raise SignInRefused(
                "the mailbox server refused the sign-in: check user and password, or the token's rights"
            ) from None

    async def _present(self, secret: str) -> None:
        protocol, user = self._protocol, self._source.user
        if self._source.auth == "password":
            # The library quotes the password itself; this refuses control characters in our own words.
            quote(secret)
            await self._call(protocol.login(quote(user), secret))
            return
        name, initial, protocol.replies = _bearer(self._source, secret)
        arguments = [name, initial]
        if not self.offers("SASL-IR"):
            protocol.replies.insert(0, arguments.pop())
        await self._call(
            protocol.execute(
                aioimaplib.Command("AUTHENTICATE", protocol.new_tag(), *arguments, loop=protocol.loop)
            )
        )
        protocol.state = aioimaplib.AUTH

    # --- calls --------------------------------------------------------------------------------

    async def _open_folder(self, command: str, wire_name: str) -> Lines:
        protocol = self._protocol
        # The library sets no state for EXAMINE, and allows FETCH only in this one.
        protocol.state = aioimaplib.AUTH
        name = quote(wire_name)
        lines = await self._call(
            protocol.execute(aioimaplib.Command(command, protocol.new_tag(), name, loop=protocol.loop))
        )
        protocol.state = aioimaplib.SELECTED
        return lines

    async def _call(self, work: Awaitable[Any], timeout: float | None = None) -> Lines:
        self._protocol.said = 0
        try:
            response = await self._bounded(work, timeout or self._source.transfer_timeout)
        except aioimaplib.AioImapException:
            # From None: the library's exceptions quote the command and the server.
            self._protocol.give_up()
            raise SourceUnreachable("the mailbox server did not answer in time") from None
        return self._judge(response)

    @staticmethod
    def _judge(response: Any) -> Lines:
        """Return an answer's lines, or raise what its NO or BAD means."""
        lines: Lines = response.lines
        text = bytes(lines[-1]) if lines else b""
        # This NO only says that some of the messages asked for are gone; the others were sent.
        if response.result == "OK" or (response.result == "NO" and text.startswith(b"[EXPUNGEISSUED]")):
            return lines
        meaning = meaning_of(text)
        if meaning == "limited":
            raise limited(text)
        if meaning == "expired":
            raise SignInExpired("the mailbox server ended the session: its access token ran out")
        if meaning == "busy":
            raise BusyError("the mailbox server can't do that just now")
        raise NotAnsweredError("the mailbox server said no")

    def _gone(self) -> SourceUnreachable:
        """Return the error for a connection that is no more."""
        bye = self._protocol.bye
        meaning = meaning_of(bye) if bye is not None else "no"
        if bye is not None and meaning in ("limited", "busy"):
            return limited(bye)
        if meaning == "expired":
            return SignInExpired("the mailbox server ended the session: its access token ran out")
        return SourceUnreachable("the mailbox server closed the connection")

    async def _hear(self, seconds: float, stop: asyncio.Event) -> bool:
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        stopped = asyncio.ensure_future(stop.wait())
        try:
            while (left := until - loop.time()) > 0 and not stop.is_set():
                pushed = asyncio.ensure_future(self._protocol.idle_queue.get())
                try:
                    await self._first(pushed, stopped, timeout=left)
                    if pushed.done() and any(line.endswith(b" EXISTS") for line in pushed.result()):
                        return True
                finally:
                    pushed.cancel()
            return False
        finally:
            stopped.cancel()

    async def _bounded(self, work: Awaitable[_T], timeout: float) -> _T:
        """Wait for a call, but not longer than `timeout`, nor than the connection lives."""
        call = asyncio.ensure_future(work)
        try:
            await self._first(call, timeout=timeout)
            if call.done():
                try:
                    return call.result()
                except SourceUnreachable:
                    raise self._gone() from None
            self._protocol.give_up()
            raise SourceUnreachable("the mailbox server did not answer in time")
        finally:
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)

    async def _first(self, *calls: asyncio.Future[Any], timeout: float) -> None:
        """Wait until one is done or time is up. Raises when the connection is gone and none is done."""
        lost = asyncio.ensure_future(self._protocol.lost.wait())
        try:
            if not self._protocol.lost.is_set():
                await asyncio.wait({*calls, lost}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            if self._protocol.lost.is_set() and not any(call.done() for call in calls):
                raise self._gone()
        finally:
            lost.cancel()


async def _wait(task: asyncio.Future[_T]) -> _T:
    return await asyncio.shield(task)


def _bearer(source: ImapSource, token: str) -> tuple[str, str, list[str]]:
    """Return the SASL mechanism, what to send first, and what to answer when the server objects."""
    if source.auth == "oauthbearer":
        # RFC 7628: a GS2 header with the user, saslname-escaped; a challenge is answered by \x01.
        user = source.user.replace("=", "=3D").replace(",", "=2C")
        said = f"n,a={user},\1host={source.host}\1port={source.port}\1auth=Bearer {token}\1\1"
        return "OAUTHBEARER", b64encode(said.encode()).decode(), [b64encode(b"\1").decode()]
    said = f"user={source.user}\1auth=Bearer {token}\1\1"
    return "XOAUTH2", b64encode(said.encode()).decode(), [""]


def _client_context(source: ImapSource) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(source.ca_file) if source.ca_file else None)
    except (OSError, ssl.SSLError) as error:
        raise SourceUnreachable("the CA file of the mailbox server can't be read") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
