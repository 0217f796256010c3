"""Helpers for the tests of the doors: a small honest archive, and an SMTP listener on a loop of its own."""

from __future__ import annotations

import hashlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from archiver.capture.ports import Arrival, Receipt
from archiver.capture.smtp.ports import ClientCertificates, JournalSource, SmtpSettings
from archiver.capture.smtp.server import SmtpListener
from archiver.capture.smtp.tls import self_made_certificate, server_context
from archiver.message.content import whole
from tests.support.loops import Loop

T = TypeVar("T")
FEED = "feed-7f3a@journal.test"


class MemoryIntake:
    """Keeps what it is given, tells duplicates by SHA-256, and can be told to misbehave.

    `plan(arrival)` may return an exception (the future fails with it, nothing kept), a number (it is
    kept and the future ends that many seconds later), "wait" (the same once `release` is set), "hang"
    (never ends), "lose" (future cancelled), "block" (submit itself never returns until `release` is set),
    or None (kept at once). A plan may raise: then submit raises.
    """

    def __init__(self, plan: Callable[[Arrival], object] | None = None) -> None:
        self.plan = plan
        self.arrivals: list[Arrival] = []
        self.refusals: list[tuple[str, str]] = []
        self.submitted = 0
        self.release = threading.Event()
        self._known: dict[tuple[str, str], str] = {}
        self._lock = threading.Lock()

    @property
    def raws(self) -> list[bytes]:
        return [whole(arrival.raw) for arrival in self.arrivals]

    def submit(self, arrival: Arrival) -> Future[Receipt]:
        with self._lock:
            self.submitted += 1
        step = self.plan(arrival) if self.plan else None
        future: Future[Receipt] = Future()
        if step == "block":
            self.release.wait(60)
        if step == "hang":
            return future
        if step == "wait":
            threading.Thread(target=self._keep_later, args=(arrival, future), daemon=True).start()
            return future
        if step == "lose":
            future.cancel()
            future.set_running_or_notify_cancel()
            return future
        if isinstance(step, BaseException):
            future.set_exception(step)
            return future
        if isinstance(step, int | float):
            threading.Timer(step, lambda: future.set_result(self._keep(arrival))).start()
            return future
        future.set_result(self._keep(arrival))
        return future

    def refuse(self, source_id: str, reason: str, count: int = 1) -> None:
        with self._lock:
            self.refusals.extend([(source_id, reason)] * count)

    def _keep_later(self, arrival: Arrival, future: Future[Receipt]) -> None:
        if self.release.wait(60):
            future.set_result(self._keep(arrival))

    def _keep(self, arrival: Arrival) -> Receipt:
        # A spooled message is gone once its door has its answer: like the archive, keep the bytes.
        arrival = replace(arrival, raw=whole(arrival.raw))
        digest = hashlib.sha256(whole(arrival.raw)).hexdigest()
        with self._lock:
            known = self._known.get((arrival.source_id, digest))
            if known is not None:
                return Receipt(known, "duplicate")
            self.arrivals.append(arrival)
            receipt = Receipt(f"m{len(self.arrivals)}", "stored")
            self._known[arrival.source_id, digest] = receipt.id
            return receipt


class Feeds:
    """A directory of journal feeds in memory."""

    def __init__(self, *sources: JournalSource) -> None:
        self.sources = {source.address.casefold(): source for source in sources}
        self.error: Exception | None = None

    def journal_source_for(self, address: str) -> JournalSource | None:
        if self.error is not None:
            raise self.error
        return self.sources.get(address.casefold())


def feed(
    address: str = FEED, source_id: str = "src-1", network: str = "127.0.0.0/8", **guards: Any
) -> JournalSource:
    return JournalSource(source_id, address, (ip_network(network),) if network else (), **guards)


class Served:
    """A listener being served."""

    def __init__(self, listener: SmtpListener, loop: Loop, certificate: Path) -> None:
        self.listener = listener
        self.loop = loop
        self.port = listener.port
        self.certificate = certificate

    def stop(self, grace: float = 5.0) -> None:
        self.loop.run(self.listener.stop(grace))

    def change(self, **settings: Any) -> None:
        """Other settings from now on. A short time limit set from the start would also meet the steps before
        the one it is meant for, on a machine that is busy with something else for a moment."""
        desk = self.listener._desk
        desk.settings = replace(desk.settings, **settings)
        desk._handover._timeout = desk.settings.commit_timeout

    def trusting_context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate))


@contextmanager
def smtp_served(
    directory: Path,
    intake: Any,
    feeds: Feeds | None = None,
    *,
    debug: bool = False,
    certificates: Callable[[], ClientCertificates] | None = None,
    **settings: Any,
) -> Iterator[Served]:
    """Serve SMTP on loopback with the given settings until the block ends."""
    certificate, key = self_made_certificate(directory / "tls", "localhost")
    wanted = SmtpSettings(
        tls=server_context(certificate, key), spool_directory=directory / "spool", **settings
    )
    loop = Loop(debug=debug)
    listener = SmtpListener(wanted, feeds or Feeds(feed()), intake, certificates)
    try:
        loop.run(listener.start())
        served = Served(listener, loop, certificate)
        try:
            yield served
        finally:
            served.stop(0.5)
    finally:
        loop.close()


class Wire:
    """A raw SMTP client: what is sent is exactly what the test says. A path is a Unix socket's."""

    def __init__(self, port: int | Path, *, host: str = "127.0.0.1") -> None:
        if isinstance(port, Path):
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.socket.settimeout(60)
            self.socket.connect(str(port))
        else:
            self.socket = socket.create_connection((host, port), timeout=60)
        self._read = b""

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def reply(self) -> bytes:
        """Return one whole reply, several lines joined; empty when the server closed."""
        lines = []
        while True:
            while b"\r\n" not in self._read:
                chunk = self.socket.recv(65536)
                if not chunk:
                    return b"".join(lines)
                self._read += chunk
            line, _, self._read = self._read.partition(b"\r\n")
            lines.append(line + b"\r\n")
            if line[3:4] != b"-":
                return b"".join(lines)

    def ask(self, line: bytes) -> bytes:
        self.send(line + b"\r\n")
        return self.reply()

    def open(self, sender: bytes = b"<a@clinic.test>", *recipients: bytes) -> None:
        """Greeting, EHLO, MAIL, RCPT and DATA, all of which must succeed."""
        assert self.reply().startswith(b"220 ")
        assert self.ask(b"EHLO client.test").startswith(b"250-")
        self.envelope(sender, *recipients)

    def envelope(self, sender: bytes = b"<a@clinic.test>", *recipients: bytes) -> None:
        assert self.ask(b"MAIL FROM:" + sender).startswith(b"250 2.1.0")
        for recipient in recipients or (FEED.encode(),):
            assert self.ask(b"RCPT TO:<" + recipient + b">").startswith(b"250 2.1.5")
        assert self.ask(b"DATA").startswith(b"354 ")


def stuffed(raw: bytes) -> bytes:
    """Return what a correct client sends for a message ending in CRLF, the final dot included."""
    assert raw.endswith(b"\r\n")
    lines = raw[:-2].split(b"\r\n")
    return b"\r\n".join(b"." + line if line.startswith(b".") else line for line in lines) + b"\r\n.\r\n"


def wait_for(condition: Callable[[], bool], timeout: float = 30.0) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.01)


def wait_until_gone(served: Served) -> None:
    """Wait for the end of every connection and of its session, which gives its bytes back a step later."""
    wait_for(lambda: served.listener.connections == 0 and served.listener.in_flight == 0)


def self_made_client(directory: Path, *, issued: bool = False) -> tuple[Path, Path]:
    """A pair a client can show: as the server's own, but for no purpose in particular.

    Signed by itself, or where `issued` by an authority that nobody here knows.
    """
    directory.mkdir()
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, directory.name)])
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority")]) if issued else name
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(ec.generate_private_key(ec.SECP256R1()) if issued else key, hashes.SHA256())
    )
    (directory / "crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (directory / "key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return directory / "crt", directory / "key"
