"""A mail server of its own process that delivers to Holdfast: `python -m benchmarks.smtp_client`.

Speaks plain SMTP by sockets, one thread a connection, and prints one JSON document: when it began, when
it ended (seconds of the monotonic clock) and how long each `250` to a message took, in seconds.
"""

from __future__ import annotations

import json
import re
import socket
import sys
import threading
import time
from itertools import islice
from pathlib import Path

from benchmarks.corpus import varied

_LINE_END = re.compile(rb"\r?\n")


class Connection:
    """One SMTP session that delivers its share of the messages."""

    def __init__(self, port: int, recipient: str, messages: list[bytes]) -> None:
        self.times: list[float] = []
        self._recipient = recipient.encode()
        self._messages = messages
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._answers = self._socket.makefile("rb")
        self._expect(b"220")
        self._ask(b"EHLO bench.localhost", b"250")

    def deliver(self) -> None:
        """Deliver every message; raises RuntimeError at the first answer that isn't a 250."""
        for data in self._messages:
            self._ask(b"MAIL FROM:<sender@example.org>", b"250")
            self._ask(b"RCPT TO:<" + self._recipient + b">", b"250")
            begun = time.perf_counter()
            self._ask(b"DATA", b"354")
            self._socket.sendall(data)
            self._expect(b"250")
            self.times.append(time.perf_counter() - begun)
        self._ask(b"QUIT", b"221")

    def _ask(self, line: bytes, code: bytes) -> None:
        self._socket.sendall(line + b"\r\n")
        self._expect(code)

    def _expect(self, code: bytes) -> None:
        while True:
            line = self._answers.readline()
            if not line.startswith(code):
                raise RuntimeError(f"expected {code.decode()}, got {line[:3]!r}")
            if line[3:4] != b"-":
                return


def on_the_wire(raw: bytes) -> bytes:
    """A message as DATA carries it: CRLF line ends, dots stuffed, the closing dot."""
    lines = _LINE_END.sub(b"\r\n", raw)
    if not lines.endswith(b"\r\n"):
        lines += b"\r\n"
    return re.sub(rb"^\.", b"..", lines, flags=re.MULTILINE) + b".\r\n"


def main() -> None:
    """Arguments: port, recipient, corpora, first message, number of messages, connections."""
    port, recipient, corpora, skip, number, connections = sys.argv[1:]
    mail = islice(varied(Path(corpora), int(skip) + int(number)), int(skip), None)
    messages = [on_the_wire(raw) for raw in mail]
    shares = [messages[start :: int(connections)] for start in range(int(connections))]
    sessions = [Connection(int(port), recipient, share) for share in shares]
    threads = [threading.Thread(target=session.deliver) for session in sessions]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ended = time.monotonic()
    times = [taken for session in sessions for taken in session.times]
    print(json.dumps({"begun": begun, "ended": ended, "times": times}))


if __name__ == "__main__":
    main()
