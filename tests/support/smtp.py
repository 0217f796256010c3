"""SMTP load: many connections at once, each remembering exactly what was acknowledged to it."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import select
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field


class Session:
    """One SMTP connection. Raises ConnectionError when the server goes away."""

    def __init__(self, port: int, timeout: float = 150.0) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._read = b""
        try:
            self._expect(self.reply(), "220")
            self._expect(self.ask("EHLO client.test"), "250")
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def reply(self) -> str:
        """One whole reply; its last line."""
        while True:
            line, end, rest = self._read.partition(b"\r\n")
            if not end:
                chunk = self._socket.recv(65536)
                if not chunk:
                    raise ConnectionError("the server closed the connection")
                self._read += chunk
                continue
            self._read = rest
            if line[3:4] != b"-":
                return line.decode("ascii")

    def ask(self, line: str) -> str:
        """Send a command and return the reply to it."""
        self._socket.sendall(line.encode() + b"\r\n")
        return self.reply()

    def begin(self, recipient: str, sender: str = "sender@clinic.example") -> str:
        """MAIL, RCPT and DATA; the first reply that is no success, or the 354."""
        for line in (f"MAIL FROM:<{sender}>", f"RCPT TO:<{recipient}>", "DATA"):
            reply = self.ask(line)
            if reply[:1] not in "23":
                self.ask("RSET")
                return reply
        return reply

    def send_body(self, raw: bytes, *, part: float = 1.0) -> None:
        """Send a message's bytes and the final dot, or the first `part` of that; don't wait for a reply."""
        sent = stuffed(raw)
        self._socket.sendall(sent[: int(len(sent) * part)])

    def send_rest(self, raw: bytes, *, part: float) -> None:
        """Send what `send_body` with this `part` left over."""
        sent = stuffed(raw)
        self._socket.sendall(sent[int(len(sent) * part) :])

    def deliver(self, recipient: str, raw: bytes, sender: str = "sender@clinic.example") -> str:
        """Deliver one message and return the reply that counts."""
        reply = self.begin(recipient, sender)
        if not reply.startswith("354"):
            return reply
        self.send_body(raw)
        return self.reply()

    def hang_up_unanswered(self) -> None:
        """Wait until the server has answered, and close without looking at it."""
        select.select([self._socket], [], [], 60)
        self._socket.close()

    @staticmethod
    def _expect(reply: str, code: str) -> None:
        if not reply.startswith(code):
            raise ConnectionError(f"the server said {reply[:3]}")


@dataclass(slots=True)
class Load:
    """What a blast has come to. `acknowledged` maps SHA-256 (hex) to the id the server answered with."""

    acknowledged: dict[str, str] = field(default_factory=dict)
    replies: list[str] = field(default_factory=list)
    unanswered: list[bytes] = field(default_factory=list)


class Blaster:
    """Delivers messages over `connections` connections until they run out or the server goes away."""

    def __init__(self, port: int, recipient: str, messages: Iterable[bytes], connections: int = 8) -> None:
        self.load = Load()
        self._port = port
        self._recipient = recipient
        self._messages = iter(messages)
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._client, daemon=True) for _ in range(connections)]

    def __enter__(self) -> Blaster:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.join()

    def wait(self, acknowledged: int, timeout: float = 60.0) -> None:
        """Wait until so many messages have been acknowledged."""
        until = time.monotonic() + timeout
        while len(self.load.acknowledged) < acknowledged:
            assert time.monotonic() < until, f"{len(self.load.acknowledged)} were acknowledged"
            time.sleep(0.002)

    def join(self, timeout: float = 200.0) -> Load:
        """Wait until every connection is done."""
        for thread in self._threads:
            thread.join(timeout)
            assert not thread.is_alive(), "an SMTP connection hangs"
        return self.load

    def _next(self) -> bytes | None:
        with self._lock:
            return next(self._messages, None)

    def _client(self) -> None:
        with contextlib.suppress(OSError), Session(self._port) as session:
            while (raw := self._next()) is not None:
                try:
                    reply = session.deliver(self._recipient, raw)
                except OSError:
                    with self._lock:
                        self.load.unanswered.append(raw)
                    raise
                self._note(raw, reply)

    def _note(self, raw: bytes, reply: str) -> None:
        with self._lock:
            self.load.replies.append(reply)
            if reply.startswith("250 "):
                self.load.acknowledged[hashlib.sha256(raw).hexdigest()] = reply.split()[-1]


def blast(port: int, recipient: str, messages: Iterable[bytes], connections: int = 8) -> Load:
    """Deliver all messages and say what became of them."""
    with Blaster(port, recipient, messages, connections) as blaster:
        return blaster.join()


def stuffed(raw: bytes) -> bytes:
    """What a correct client sends for a message that ends in CRLF: dots doubled, the final dot added."""
    assert raw.endswith(b"\r\n"), "SMTP can only carry messages that end in CRLF"
    doubled = raw.replace(b"\r\n.", b"\r\n..")
    return (b"." if raw.startswith(b".") else b"") + doubled + b".\r\n"


def endless(make: Callable[[int], bytes], start: int = 0) -> Iterator[bytes]:
    """Messages without end."""
    return (make(number) for number in itertools.count(start))
