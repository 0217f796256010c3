"""One bounded HTTP request: no redirect is followed, no proxy asked, and no more read than was agreed."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Mapping
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
    """Ask once. `seconds` bounds each wait for the network. Raises OutsideError."""
    parts = urlsplit(url)
    try:
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=ca)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                parts.hostname or "", parts.port, timeout=seconds, context=context
            )
        else:
            connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=seconds)
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
