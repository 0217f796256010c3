"""Access tokens for mailboxes (XOAUTH2, OAUTHBEARER): asked for at the token endpoint, kept in memory only.

RFC 6749: `refresh_token` (section 6), or `client_credentials` (4.4) where there is no refresh token, as
Microsoft 365 gives to applications.
"""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from archiver.capture.imap.errors import RateLimited, SignInRefused
from archiver.capture.secrets import read_secret, replace_secret
from archiver.errors import CaptureError, SourceUnreachable

EARLY = 60.0
"""Seconds before its end from which a token isn't used any more."""
LONGEST = 64 * 1024
TIMEOUT = 15.0


class BadTokenEndpointError(CaptureError):
    """A token endpoint's address isn't one that secrets may be sent to."""

    code = "bad_token_endpoint"


@dataclass(frozen=True, slots=True)
class TokenEndpoint:
    """Where tokens come from; the secrets are references (`file:`, `env:`), read at each request."""

    url: str
    client_id: str
    client_secret: str | None = None
    refresh_token: str | None = None
    scope: str | None = None
    ca_file: Path | None = None


def check_endpoint(url: str) -> None:
    """Raise BadTokenEndpointError unless the address is `https://` with a host and no secret inside."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BadTokenEndpointError("the token endpoint's address can't be read") from None
    if parts.scheme != "https" or not parts.hostname or parts.username or parts.fragment or port == 0:
        raise BadTokenEndpointError("the token endpoint must be https://HOST/PATH: secrets are sent there")


@dataclass(slots=True)
class TokenSource:
    """The access token of one mailbox. Safe from any thread; blocks while it asks."""

    endpoint: TokenEndpoint
    clock: Callable[[], float] = time.monotonic
    _token: str = field(default="", repr=False)
    _until: float = 0.0
    _refresh: str | None = field(default=None, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, fresh: bool = False) -> str:
        """A token that is good for a while; with `fresh`, another than the last.

        Raises SignInRefused when the endpoint doesn't know us, RateLimited or SourceUnreachable when it
        gives no answer now.
        """
        with self._lock:
            if fresh or self.clock() >= self._until:
                self._until = 0.0
                try:
                    answer = _ask(self.endpoint, self._form())
                except SignInRefused:
                    self._refresh = None
                    raise
                self._token, self._until = self._read(answer)
            return self._token

    def _form(self) -> dict[str, str]:
        endpoint = self.endpoint
        form = {"client_id": endpoint.client_id}
        if endpoint.client_secret:
            form["client_secret"] = read_secret(endpoint.client_secret)
        if endpoint.refresh_token:
            form |= {
                "grant_type": "refresh_token",
                "refresh_token": self._refresh or read_secret(endpoint.refresh_token),
            }
        else:
            form["grant_type"] = "client_credentials"
        if endpoint.scope:
            form["scope"] = endpoint.scope
        return form

    def _read(self, answer: dict[str, Any]) -> tuple[str, float]:
        token, life, renewed = (answer.get(name) for name in ("access_token", "expires_in", "refresh_token"))
        # What goes into a header of SASL's: visible ASCII (RFC 6750, 2.1).
        if not isinstance(token, str) or not token or not all("!" <= c <= "~" for c in token):
            raise SourceUnreachable("the token endpoint's answer can't be read")
        if isinstance(renewed, str) and renewed and self.endpoint.refresh_token:
            # Some endpoints take the old one back as soon as the new one is given.
            self._refresh = None if replace_secret(self.endpoint.refresh_token, renewed) else renewed
        try:
            seconds = min(max(float(life or 300.0), 0.0), 86_400.0)
        except (TypeError, ValueError):
            seconds = 300.0
        return token, self.clock() + max(seconds - EARLY, seconds / 2)


def _ask(endpoint: TokenEndpoint, form: dict[str, str]) -> dict[str, Any]:
    """POST a form, follow no redirection, read a bounded JSON object."""
    check_endpoint(endpoint.url)
    parts = urlsplit(endpoint.url)
    assert parts.hostname
    try:
        context = ssl.create_default_context(cafile=str(endpoint.ca_file) if endpoint.ca_file else None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        connection = http.client.HTTPSConnection(
            parts.hostname, parts.port or 443, timeout=TIMEOUT, context=context
        )
        try:
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
            connection.request("POST", target, urlencode(form), headers)
            with connection.getresponse() as response:
                body = response.read(LONGEST + 1)
        finally:
            connection.close()
    except (OSError, http.client.HTTPException):
        # From None: such an exception may quote what the other side sent.
        raise SourceUnreachable(
            "the token endpoint can't be reached by TLS: check its address, its CA file and the network"
        ) from None
    if response.status in (400, 401, 403):
        raise SignInRefused(
            "the token endpoint refused: check client id and secret, and whether the consent still stands"
        )
    if response.status == 429 or response.status == 503:
        raise RateLimited("the token endpoint asks for patience: it goes on later")
    try:
        answer = json.loads(body) if response.status == 200 and len(body) <= LONGEST else None
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise SourceUnreachable("the token endpoint's answer can't be read")
    return answer
