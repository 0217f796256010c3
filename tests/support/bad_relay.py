"""Relays that misbehave, on real sockets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from archiver.coverage.relay import Patience, read_relay
from config.relay import RelayUrl

SOON = Patience(step=0.5, whole=1.0, answer=0.5)
"""Only for relays that never do what is waited for: however slow the machine is, the end is the same."""


class Line:
    """The relay's end of a connection."""

    def __init__(self, sock: socket.socket, over: threading.Event) -> None:
        self.sock, self.over = sock, over
        self._file = sock.makefile("rb")
        self.got: list[bytes] = []

    def say(self, text: str) -> None:
        self.sock.sendall(text.encode() + b"\r\n")

    def hear(self) -> bytes:
        line = self._file.readline()
        self.got.append(line)
        return line

    def take(self, *, answered: bool = True) -> None:
        """The whole of a mail, up to the final dot, and the answer to it."""
        self.say("220 relay.example ESMTP")
        while line := self.hear():
            if line.upper() == b"DATA\r\n":
                break
            self.say("250 ok")
        self.say("354 go on")
        while (line := self.hear()) and line != b".\r\n":
            pass
        if answered:
            self.say("250 taken")

    def drip(self, text: bytes) -> None:
        """The same again and again, a byte at a time, until the other side has had enough."""
        while not self.over.is_set():
            for byte in text:
                self.sock.sendall(bytes([byte]))
                self.over.wait(0.02)

    def close(self) -> None:
        self._file.close()
        self.sock.close()


@contextmanager
def relay_that(does: Callable[[Line], None]) -> Iterator[tuple[RelayUrl, list[bytes]]]:
    """A relay whose every connection is served so; and what it heard."""
    listening, over = socket.create_server(("127.0.0.1", 0)), threading.Event()
    heard: list[bytes] = []

    def serve() -> None:
        while True:
            try:
                sock, _ = listening.accept()
            except OSError:
                return
            line = Line(sock, over)
            with suppress(OSError):
                does(line)
            heard.extend(line.got)
            line.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield read_relay(f"smtp://127.0.0.1:{listening.getsockname()[1]}"), heard
    finally:
        over.set()
        # Closing it alone wouldn't end an accept that waits.
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(60)
        assert not thread.is_alive()
