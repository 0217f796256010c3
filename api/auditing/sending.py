"""How a stretch of the log gets to a sink, so that we know it: syslog over TLS, FHIR by HTTP, a file."""

from __future__ import annotations

import fcntl
import http.client
import os
import socket
import ssl
import struct
import termios
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from api.auditing import syslog
from api.auditing.entry import Entry
from api.auditing.exporting import lines
from api.auditing.forms.about import About
from api.errors import ApiError
from archiver.capture.secrets import read_secret
from archiver.errors import ArchiverError
from archiver.store import durable
from config.sinks import Sink

SECONDS: Final = 10.0
"""How long a sink may keep us waiting for each step."""


class SinkError(ApiError):
    """A sink didn't take what it was sent. `sent` of the entries it did take, whole; `code` says why not."""

    code = "sink_failed"
    exit_code = 75
    http_status = 503
    retry = True

    def __init__(self, why: str, sent: int = 0) -> None:
        self.why = why
        self.sent = sent
        super().__init__(f"a receiver of the audit log takes nothing ({why}); it will be tried again")


Send = Callable[[Sequence[Entry]], None]
"""Sends entries; what they were sent to has them when it returns. Raises SinkError."""


def sender(sink: Sink, about: About) -> Send:
    """What sends to a sink."""
    if sink.kind == "syslog":
        return _Syslog(sink, about)
    if sink.kind == "fhir":
        return lambda entries: _fhir(sink, about, entries)
    return lambda entries: _file(sink, about, entries)


# --- syslog over TLS --------------------------------------------------------------------------------


class _Syslog:
    """A connection for each stretch, ended by both sides' close_notify (RFC 5425, 4.4).

    Syslog acknowledges nothing, and what the kernel took may be lost with the receiver. Its close_notify
    comes after ours, which stands behind all messages: so it has read them. A receiver that closes without a
    word may have been killed; only one that does so `SLOPPY` times on end is taken for one that never says
    it.
    """

    SLOPPY = 3

    def __init__(self, sink: Sink, about: About) -> None:
        self._sink = sink
        self._about = about
        self._wordless = 0

    def __call__(self, entries: Sequence[Entry]) -> None:
        sink = self._sink
        data = b"".join(
            syslog.framed(syslog.message(one, line, sink.format, self._about.host))
            for one in entries
            for line in lines(one, sink.format, self._about)
        )
        try:
            with (
                socket.create_connection((sink.host, sink.port), timeout=SECONDS) as plain,
                _context(sink).wrap_socket(plain, server_hostname=sink.host) as connection,
            ):
                connection.sendall(data)
                self._close_both(connection)
        except ssl.SSLCertVerificationError:
            raise SinkError("certificate") from None
        except ssl.SSLError:
            raise SinkError("tls") from None
        except TimeoutError:
            raise SinkError("timeout") from None
        except OSError:
            raise SinkError("unreachable") from None

    def _close_both(self, connection: ssl.SSLSocket) -> None:
        try:
            connection.unwrap()
            self._wordless = 0
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            self._wordless += 1
            if self._wordless < self.SLOPPY:
                raise SinkError("closed_early") from None
        except TimeoutError:
            # It keeps the connection open. What its kernel has acknowledged is all we can know then.
            if _unacknowledged(connection):
                raise


def _unacknowledged(connection: socket.socket) -> int:
    """Bytes that the other side's kernel hasn't acknowledged (Linux `SIOCOUTQ`)."""
    try:
        answer = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, b"\0" * 4)
    except OSError:
        return 1
    return int(struct.unpack("i", answer)[0])


# --- FHIR ---------------------------------------------------------------------------------------------


def _fhir(sink: Sink, about: About, entries: Sequence[Entry]) -> None:
    """POST each AuditEvent to `[base]/AuditEvent` (IHE ITI-20, FHIR feed); 200 and 201 mean it is there."""
    headers = {"Content-Type": "application/fhir+json; charset=utf-8", "Accept": "application/fhir+json"}
    if sink.token:
        headers["Authorization"] = f"Bearer {_secret(sink.token)}"
    connection = (
        http.client.HTTPSConnection(sink.host, sink.port, timeout=SECONDS, context=_context(sink))
        if sink.tls
        else http.client.HTTPConnection(sink.host, sink.port, timeout=SECONDS)
    )
    sent = 0
    try:
        for one in entries:
            for line in lines(one, sink.format, about):
                connection.request(
                    "POST", f"{sink.path}/AuditEvent", line.encode("utf-8", "replace"), headers
                )
                answer = connection.getresponse()
                answer.read(65_536)
                if answer.status not in (200, 201):
                    raise SinkError(f"http_{answer.status}", sent)
                if answer.will_close:
                    connection.close()
            sent += 1
    except ssl.SSLCertVerificationError:
        raise SinkError("certificate", sent) from None
    except ssl.SSLError:
        raise SinkError("tls", sent) from None
    except TimeoutError:
        raise SinkError("timeout", sent) from None
    except (OSError, http.client.HTTPException):
        raise SinkError("unreachable", sent) from None
    finally:
        connection.close()


# --- a file ---------------------------------------------------------------------------------------------


def _file(sink: Sink, about: About, entries: Sequence[Entry]) -> None:
    """Append lines and fsync. A line that a crash cut short is ended first, so that it spoils no other."""
    path = Path(sink.path)
    data = "".join(f"{line}\n" for one in entries for line in lines(one, sink.format, about))
    try:
        new = not path.exists()
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            _write(descriptor, (b"\n" if torn else b"") + data.encode("utf-8", "replace"))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if new:
            durable.fsync_dir(path.parent)
    except OSError:
        raise SinkError("file") from None


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


# --- what they share --------------------------------------------------------------------------------------


def _context(sink: Sink) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=sink.ca or None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if sink.cert:
            context.load_cert_chain(sink.cert, sink.key)
    except (OSError, ssl.SSLError):
        raise SinkError("certificate_file") from None
    return context


def _secret(reference: str) -> str:
    try:
        return read_secret(reference)
    except ArchiverError:
        raise SinkError("token") from None
