"""One bounded HTTP request: no redirect is followed, no proxy asked, and no more read than was agreed."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from archiver.errors import ArchiverError

MOST: Final = 300 * 1024


class OutsideError(ArchiverError):
    """A witness, a folder or a time-stamping authority can't be used now. Capture goes on without it.

    `reason` is a code: unreachable, untrusted, http_<status>, bad_answer, ...
    """

    code = "witness_unusable"
    exit_code = 75
    http_status = 503
    audit_code = "witness_unusable"
    retry = True

    def __init__(self, reason: str, text: str) -> None:
        self.reason = reason
        super().__init__(text)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    status: int
    content_type: str
    body: bytes


def request(
    method: str,
    url: str,
    body: bytes = b"",
    *,
    headers: Mapping[str, str] | None = None,
    ca: str | None = None,
    seconds: float = 5.0,
) -> Reply:
    """Ask once. `seconds` bounds each wait for the network, and twice as long the whole of it: an answer that
    comes by the byte must not hold up whoever waits for it. Raises OutsideError."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        with (
            socket.create_connection(
                (host, parts.port or (443 if parts.scheme == "https" else 80)), timeout=seconds
            ) as plain,
            _cut_after(plain, 2 * seconds),
        ):
            connection = http.client.HTTPConnection(parts.netloc)
            if parts.scheme == "https":
                context = ssl.create_default_context(cafile=ca)
                context.minimum_version = ssl.TLSVersion.TLSv1_2
                connection.sock = context.wrap_socket(plain, server_hostname=host)
            else:
                connection.sock = plain
            try:
                connection.request(method, parts.path or "/", body, dict(headers or {}))
                answer = connection.getresponse()
                data = answer.read(MOST + 1)
            finally:
                connection.close()
    except ssl.SSLCertVerificationError:
        raise OutsideError("untrusted", "its certificate isn't trusted; name its authority") from None
    except (OSError, http.client.HTTPException, ValueError):
        raise OutsideError("unreachable", "it can't be reached") from None
    if len(data) > MOST:
        raise OutsideError("bad_answer", "it answers more than any checkpoint is long")
    return Reply(answer.status, (answer.getheader("Content-Type") or "").partition(";")[0].strip(), data)


@contextlib.contextmanager
def _cut_after(connection: socket.socket, seconds: float) -> Iterator[None]:
    """End a connection after so long, whatever is going on in it. Raises TimeoutError where that was needed:
    to http.client the end of a connection may look like the end of an answer."""
    ended = threading.Event()

    def end() -> None:
        ended.set()
        with contextlib.suppress(OSError):
            same.shutdown(socket.SHUT_RDWR)

    with connection.dup() as same:  # wrapping in TLS takes the socket itself away
        timer = threading.Timer(seconds, end)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
    if ended.is_set():
        raise TimeoutError
