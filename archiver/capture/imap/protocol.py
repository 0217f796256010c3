"""aioimaplib's protocol with its known faults fenced in.

Fenced: its parser recurses once a line and loses long answers (ours loops); it takes `* ` out of the middle
of lines; a broken connection leaves commands waiting; it formats every received byte for its DEBUG log;
its AUTHENTICATE never answers a challenge; lines and literals have no bounds.
"""

from __future__ import annotations

import asyncio
import logging
import re
from typing import Any

from aioimaplib import aioimaplib

from archiver.errors import SourceUnreachable

LONGEST_LINE = 1024 * 1024
LONGEST_ANSWER = 64 * 1024 * 1024
"""Bytes of one answer beside its literals: a server that never stops talking is hung up on."""
_LITERAL = re.compile(rb"\{(\d{1,20})\}\Z")
_STATUS = re.compile(rb"(?i)(?:\* (?:OK|NO|BAD|BYE|PREAUTH)|[A-Z0-9]+ (?:OK|NO|BAD))(?: |\Z)")


class Oversize(bytearray):
    """Stands for a literal that was longer than wanted and was let go by."""


class _Quiet(logging.Filter):
    """Drops every record: aioimaplib puts received bytes into most of them."""

    def filter(self, record: logging.LogRecord) -> bool:
        return False


def quiet_aioimaplib() -> None:
    """Pin aioimaplib's logger so that it prints nothing. May be called again."""
    aioimaplib.log.setLevel(logging.WARNING)
    if not any(isinstance(known, _Quiet) for known in aioimaplib.log.filters):
        aioimaplib.log.addFilter(_Quiet())


class Protocol(aioimaplib.IMAP4ClientProtocol):  # type: ignore[misc]
    """The library's protocol; see the module. `bye` is what the server said before it hung up."""

    incomplete_line: bytes
    current_command: Any

    def __init__(self, loop: asyncio.AbstractEventLoop, longest_literal: int) -> None:
        super().__init__(loop)
        self.lost = asyncio.Event()
        self.closed = asyncio.Event()
        self.bye: bytes | None = None
        self.replies: list[str] = []
        self.said = 0
        self._longest_literal = longest_literal
        self._discard = 0

    def data_received(self, d: bytes) -> None:
        try:
            data = self.incomplete_line + d if self.incomplete_line else d
            self.incomplete_line = b""
            command, self.current_command = self.current_command, None
            self._handle_responses(data, self._handle_line, command)
        except aioimaplib.IncompleteRead as more:
            self.current_command = more.cmd
            self.incomplete_line = more.data
        except Exception:
            # The exception's text quotes the server. The answer can't be trusted any more: hang up.
            self.give_up()

    def connection_lost(self, exc: Exception | None) -> None:
        self.give_up()
        self.closed.set()

    async def welcome(self, command: bytes) -> None:
        if command.upper().startswith(b"* BYE "):
            self.bye = command[6:]
        try:
            await super().welcome(command)
        except Exception:
            self.give_up()

    def send(self, line: str, scrub: str | None = None) -> None:
        # A folder's name may be no UTF-8: it goes back as it came. And nothing is formatted for a log.
        self.transport.write(line.encode("utf-8", "surrogateescape") + b"\r\n")

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
            if self._discard:
                start = self._let_go_by(command, len(data), start)
                continue
            if command is not None and command.wait_literal_data():
                missing = command._expected_size - len(command._resp_literal_data)
                command.append_literal_data(data[start : start + missing])
                start += missing
                if command.wait_literal_data():
                    raise aioimaplib.IncompleteRead(command)
                continue
            end = data.find(b"\r\n", start)
            if (end if end >= 0 else len(data)) - start > LONGEST_LINE:
                raise ValueError("a line is too long")
            if end < 0:
                raise aioimaplib.IncompleteRead(command, data[start:])
            command = self._take_line(data[start:end], line_handler, command)
            start = end + 2
        if self.pending_sync_command is not None:
            self.pending_sync_command.flush()
        # The library forgets a literal that is to come where the parentheses before it happen to match.
        if self._discard or (command is not None and (command.wait_literal_data() or command.wait_data())):
            raise aioimaplib.IncompleteRead(command)

    def _take_line(self, line: bytes, line_handler: Any, command: Any) -> Any:
        self.said += len(line)
        if self.said > LONGEST_ANSWER:
            raise ValueError("an answer is too long")
        handled = line_handler(line, command)
        literal = _LITERAL.search(line)
        if not literal or _STATUS.match(line):
            return handled if handled is not None and handled.wait_data() else None
        command = handled if handled is not None else aioimaplib.Command("NIL", "unused")
        size = int(literal[1])
        if size > self._longest_literal or handled is None:
            self._discard = size
            command.append_to_resp(Oversize())
        else:
            command.begin_literal_data(size)
        return command

    def _let_go_by(self, command: Any, length: int, start: int) -> int:
        """Pass over a literal nobody keeps; return where it ends, or the end of what is here."""
        passed = min(self._discard, length - start)
        self._discard -= passed
        if command is not None:
            command._reset_timer()
        return start + passed

    def _handle_line(self, line: bytes, current_cmd: Any) -> Any:
        # The library counts parentheses to see where a message's answer ends, those in quoted names too;
        # what goes on after a literal never begins so.
        return super()._handle_line(line, None if line.startswith(b"* ") else current_cmd)

    def _untagged_response(self, line: bytes) -> Any:
        # The library removes every `* ` of the line: only the first is the untagged mark.
        text = line[2:]
        if text[:4].upper() == b"BYE ":
            self.bye = text[4:]
        if self.pending_sync_command is not None:
            self.pending_sync_command.append_to_resp(text)
            return self.pending_sync_command
        if aioimaplib.message_data_re.match(text):
            name = text.split(b" ")[1][:7]
        else:
            name, _, text = text.partition(b" ")
        waiting = self.pending_async_commands
        name = b"FETCH" if name.startswith(b"FETCH") else name.upper()
        command = waiting.get(name.decode("ascii"))
        if command is None and name == b"STATUS" and "LIST" in waiting:
            # LIST ... RETURN (STATUS ...) answers with both (RFC 5819).
            command, text = waiting["LIST"], line[2:]
        if command is not None:
            command.append_to_resp(text)
        return command

    def _continuation(self, line: bytes) -> None:
        pending = self.pending_sync_command
        if pending is not None and pending.name == "AUTHENTICATE":
            # First our answer, then an empty one: only then the server says why it doesn't like it.
            self.send(self.replies.pop(0) if self.replies else "")
        elif pending is not None and pending.name == "IDLE":
            self._idle_event.set()
        else:
            raise ValueError("the server asks for something nobody offered")
