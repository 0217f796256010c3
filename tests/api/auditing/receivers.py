"""Real receivers of audit logs on loopback: syslog over TLS with octet counting, and a FHIR endpoint."""

from __future__ import annotations

import http.server
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from archiver.capture.smtp.tls import self_made_certificate


@dataclass
class Syslog:
    """A receiver that keeps the messages it has read. `fail_after` makes it die so many bytes into a stream:
    no close_notify, everything read since the last whole stream lost, as if killed."""

    port: int = 0
    certificate: str = ""
    messages: list[bytes] = field(default_factory=list)
    streams: int = 0
    fail_after: int | None = None
    wordless: bool = False
    faults: list[str] = field(default_factory=list)

    def take(self, connection: ssl.SSLSocket) -> None:
        data = bytearray()
        while True:
            piece = connection.recv(65_536)
            if not piece:
                break
            data += piece
            if self.fail_after is not None and len(data) >= self.fail_after:
                self.fail_after = None
                # The TCP connection goes without a word of TLS.
                socket.socket(fileno=connection.detach()).close()
                return
        self.messages += _frames(bytes(data), self.faults)
        self.streams += 1
        if self.wordless:
            socket.socket(fileno=connection.detach()).close()
            return
        connection.unwrap().close()


def _frames(data: bytes, faults: list[str]) -> list[bytes]:
    """RFC 5425, 4.3: MSG-LEN SP SYSLOG-MSG, and nothing between."""
    found = []
    while data:
        length, space, rest = data.partition(b" ")
        if not space or not length.isdigit() or length.startswith(b"0") or len(rest) < int(length):
            faults.append(f"a bad frame at {data[:40]!r}")
            break
        found.append(rest[: int(length)])
        data = rest[int(length) :]
    return found


@contextmanager
def syslog_receiver(folder: Path) -> Iterator[Syslog]:
    """Serve until the block ends."""
    certificate, key = self_made_certificate(folder, "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listening = socket.create_server(("127.0.0.1", 0))
    receiver = Syslog(port=listening.getsockname()[1], certificate=str(certificate))

    def serve() -> None:
        while True:
            try:
                plain, _ = listening.accept()
            except OSError:
                return
            plain.settimeout(60)
            try:
                # A sender that was killed in the middle of a stream has said nothing whole.
                with context.wrap_socket(plain, server_side=True, suppress_ragged_eofs=False) as connection:
                    receiver.take(connection)
            except OSError:
                plain.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(10)


@dataclass
class Fhir:
    """An endpoint that keeps what was posted. `status` of the answers, and after how many it changes."""

    port: int = 0
    events: list[dict[str, Any]] = field(default_factory=list)
    paths: set[str] = field(default_factory=set)
    tokens: set[str] = field(default_factory=set)
    refuse_from: int | None = None


@contextmanager
def fhir_receiver() -> Iterator[Fhir]:
    """Serve until the block ends."""
    receiver = Fhir()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.paths.add(self.path)
            receiver.tokens.add(self.headers.get("Authorization", ""))
            refused = receiver.refuse_from is not None and len(receiver.events) >= receiver.refuse_from
            if not refused:
                receiver.events.append(json.loads(body))
            self.send_response(503 if refused else 201)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
