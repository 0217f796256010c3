"""A mail server of its own process that delivers to Holdfast: `python -m benchmarks.smtp_client`.

Speaks plain SMTP: each command goes out when the one before it is answered, and every answer is read. One
thread serves all connections, as in a mail server, so that what delivers doesn't take the processors from
what is measured. Prints one JSON document: when it began and when it ended (seconds of the monotonic clock),
how long each `250` to a message took and how much processor time all of it, in seconds.
"""

from __future__ import annotations

import json
import re
import select
import socket
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from benchmarks.corpus import varied

_LINE_END = re.compile(rb"\r?\n")


class Connection:
    """One SMTP session that delivers its share of the messages; its socket doesn't block."""

    def __init__(self, port: int, recipient: str, messages: list[bytes]) -> None:
        self.times: list[float] = []
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self._steps = self._conversation(recipient.encode(), messages)
        self._expected = next(self._steps)
        self._read = b""
        self._unsent = b""

    def go_on(self) -> bool:
        """Take what has come and send what is due; False once the conversation is over.

        Raises RuntimeError at the first answer that isn't as expected.
        """
        if self._unsent:
            self._send(self._unsent)
            return True
        self._read += self.socket.recv(4096)
        *lines, self._read = self._read.split(b"\r\n")
        for line in lines:
            if not line.startswith(self._expected):
                raise RuntimeError(f"expected {self._expected.decode()}, got {line[:3]!r}")
            if line[3:4] != b"-":
                expected = next(self._steps, None)
                if expected is None:
                    return False
                self._expected = expected
        return True

    @property
    def interest(self) -> int:
        """What to wait for."""
        return select.EPOLLOUT if self._unsent else select.EPOLLIN

    def _conversation(self, recipient: bytes, messages: list[bytes]) -> Iterator[bytes]:
        """Sends each command and message when the answer to the one before has come; gives the code that
        the next answer must have."""
        yield b"220"
        self._send(b"EHLO bench.localhost\r\n")
        yield b"250"
        for data in messages:
            self._send(b"MAIL FROM:<sender@example.org>\r\n")
            yield b"250"
            self._send(b"RCPT TO:<" + recipient + b">\r\n")
            yield b"250"
            begun = time.perf_counter()
            self._send(b"DATA\r\n")
            yield b"354"
            self._send(data)
            yield b"250"
            self.times.append(time.perf_counter() - begun)
        self._send(b"QUIT\r\n")
        yield b"221"

    def _send(self, data: bytes) -> None:
        try:
            sent = self.socket.send(data)
        except BlockingIOError:
            sent = 0
        self._unsent = data[sent:]


def on_the_wire(raw: bytes) -> bytes:
    """A message as DATA carries it: CRLF line ends, dots stuffed, the closing dot."""
    lines = _LINE_END.sub(b"\r\n", raw)
    if not lines.endswith(b"\r\n"):
        lines += b"\r\n"
    return re.sub(rb"^\.", b"..", lines, flags=re.MULTILINE) + b".\r\n"


def converse(sessions: list[Connection]) -> None:
    """Hold all conversations to their end."""
    ready = select.epoll()
    open_ = {session.socket.fileno(): session for session in sessions}
    waiting_for = dict.fromkeys(open_, select.EPOLLIN)
    for descriptor in open_:
        ready.register(descriptor, select.EPOLLIN)
    while open_:
        for descriptor, _ in ready.poll():
            session = open_[descriptor]
            if not session.go_on():
                ready.unregister(descriptor)
                session.socket.close()
                del open_[descriptor]
            elif session.interest != waiting_for[descriptor]:
                waiting_for[descriptor] = session.interest
                ready.modify(descriptor, session.interest)


def main() -> None:
    """Arguments: port, recipient, corpora, first message, number of messages, connections."""
    port, recipient, corpora, skip, number, connections = sys.argv[1:]
    mail = islice(varied(Path(corpora), int(skip) + int(number)), int(skip), None)
    messages = [on_the_wire(raw) for raw in mail]
    shares = [messages[start :: int(connections)] for start in range(int(connections))]
    sessions = [Connection(int(port), recipient, share) for share in shares]
    begun, used = time.monotonic(), time.process_time()
    converse(sessions)
    ended, used = time.monotonic(), time.process_time() - used
    times = [taken for session in sessions for taken in session.times]
    print(json.dumps({"begun": begun, "ended": ended, "times": times, "processor": used}))


if __name__ == "__main__":
    main()
