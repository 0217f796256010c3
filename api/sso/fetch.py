"""The little HTTP that a relying party needs: short answers over a channel nobody can listen on.

It follows no redirect: where the provider's documents lie is told by the provider itself (discovery), and
whoever could send us elsewhere could send our client's secret there too.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPMessage
from typing import IO, Any, Final, Protocol
from urllib.parse import urlencode

from api.sso.errors import SsoUnavailable
from config.sso import is_safe

TIMEOUT: Final = 10.0
MAX_ANSWER: Final = 2**18


class ClientAuth(Protocol):
    """What Authlib calls a client's authentication: it adds its proof to a request."""

    def prepare(
        self, method: str, uri: str, headers: dict[str, str], body: str
    ) -> tuple[str, dict[str, str], str]: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as Authlib reads it."""

    status_code: int
    body: bytes
    at: datetime | None = None
    """What the provider's clock said, to the second."""

    def json(self) -> Any:
        """The document in it. Raises ValueError."""
        return json.loads(self.body)

    def raise_for_status(self) -> None:
        """Raises SsoUnavailable: Authlib asks for this only where the answer is of no use."""
        raise SsoUnavailable("the sign-in provider answered with an error; try again later")


class Fetcher:
    """Asks the provider. Safe from any thread. `SSL_CERT_FILE` names further certificate authorities."""

    def __init__(self, timeout: float = TIMEOUT) -> None:
        self._timeout = timeout
        self._opener = urllib.request.build_opener(_NoRedirect())

    def get_json(self, url: str) -> dict[str, Any]:
        """The JSON object at an address. Raises SsoUnavailable."""
        return self.get_dated_json(url)[0]

    def get_dated_json(self, url: str) -> tuple[dict[str, Any], datetime | None]:
        """The same, and when it was sent by the sender's clock. Raises SsoUnavailable."""
        answer = self._send(_request(url, None, {"Accept": "application/json"}))
        try:
            document = answer.json()
        except (ValueError, RecursionError):
            document = None
        if answer.status_code != 200 or not isinstance(document, dict):
            raise SsoUnavailable("the sign-in provider doesn't answer as it must; try again later")
        return document, answer.at

    def post(self, url: str, data: Mapping[str, str], headers: Mapping[str, str], auth: ClientAuth) -> Answer:
        """Post a form, as Authlib's client asks. Raises SsoUnavailable."""
        given = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        address, given, body = auth.prepare("POST", url, given, urlencode(data))
        return self._send(_request(address, body.encode(), given))

    def _send(self, request: urllib.request.Request) -> Answer:
        try:
            with self._opener.open(request, timeout=self._timeout) as answer:
                return Answer(answer.status, _bounded(answer), _moment(answer.headers.get("Date")))
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, _bounded(error))
        except (OSError, HTTPException, ValueError):
            raise SsoUnavailable("the sign-in provider can't be reached; try again later") from None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> None:
        return None


def _request(url: str, body: bytes | None, headers: Mapping[str, str]) -> urllib.request.Request:
    if not is_safe(url):
        raise SsoUnavailable("the sign-in provider names an address that isn't https; it isn't used")
    return urllib.request.Request(url, body, dict(headers))  # noqa: S310 - checked just now


def _moment(header: str | None) -> datetime | None:
    try:
        found = parsedate_to_datetime(header or "")
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def _bounded(stream: Any) -> bytes:
    body: bytes = stream.read(MAX_ANSWER + 1)
    if len(body) > MAX_ANSWER:
        raise SsoUnavailable("the sign-in provider's answer is too long to be one")
    return body
