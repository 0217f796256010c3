"""The outermost layer: hardening headers, the limit on bodies, our own access log, and no leaking exception.

The log names the method, the route's template, the status and the time: never a path, a query or an id.
"""

from __future__ import annotations

import logging
import time
from typing import Final

from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import BodyTooLarge, WrongHost
from api.http import content_policy, problem
from api.http.hosts import ANY_HOST, Hosts

MAX_BODY: Final = 2**20
DRAINED: Final = 8 * MAX_BODY
_LOG: Final = logging.getLogger("holdfast.access")
_BODILESS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

HEADERS: Final = {
    "Content-Security-Policy": content_policy.PLAIN,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), publickey-credentials-get=(self)",
    "Cache-Control": "no-store",
}
HSTS: Final = "max-age=31536000; includeSubDomains"


class Shell:
    """ASGI middleware around everything."""

    def __init__(self, app: ASGIApp, https: bool, hosts: Hosts) -> None:
        self._app = app
        self._https = https
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 0

        async def harden(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                own = headers.get("Content-Security-Policy", "")
                for name, value in HEADERS.items():
                    headers[name] = value
                if content_policy.is_own(own):
                    headers["Content-Security-Policy"] = own
                if self._https:
                    headers["Strict-Transport-Security"] = HSTS
            await send(message)

        try:
            if not self._known(scope):
                refusal = WrongHost("this server doesn't go by that name; use the address in its public_url")
                await problem.response(Request(scope), refusal)(scope, receive, harden)
                return
            await self._serve(scope, receive, harden)
        except Exception as error:
            if status:
                # Too late for another answer: the connection is cut, so that half isn't taken for whole.
                logging.getLogger("holdfast.http").error("answer cut short: %s", problem.locate(error))
            else:
                await problem.on_any_error(Request(scope), error)(scope, receive, harden)
        finally:
            route = getattr(scope.get("route"), "path", "-")
            taken = (time.perf_counter() - started) * 1_000
            _LOG.info("%s %s %d %.1f ms", scope["method"], route, status, taken)

    def _known(self, scope: Scope) -> bool:
        if scope["path"] in ANY_HOST:
            return True
        given = [value for name, value in scope["headers"] if name == b"host"]
        return len(given) == 1 and self._hosts.known(given[0].decode("latin-1"))

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] in _BODILESS:
            await self._app(scope, receive, send)
            return
        body = await _read(scope, receive)
        if body is None:
            refusal = problem.response(
                Request(scope), BodyTooLarge(f"a request may have at most {MAX_BODY} bytes")
            )
            refusal.headers["Connection"] = "close"
            await refusal(scope, receive, send)
            return
        given = False

        async def replay() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, replay, send)


async def _read(scope: Scope, receive: Receive) -> bytes | None:
    """The whole body, which is small here; None when it is over the limit, whatever its header says.

    What is a little over the limit is read all the same and thrown away: a client that still sends
    would lose the answer with the connection.
    """
    declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    size = int(declared) if declared.isdigit() else DRAINED + 1
    if size > DRAINED:
        return None
    body = bytearray()
    received = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        piece = message.get("body", b"")
        received += len(piece)
        if received <= MAX_BODY:
            body += piece
        if received > DRAINED or not message.get("more_body", False):
            break
    return bytes(body) if received <= MAX_BODY else None
