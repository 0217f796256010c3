"""A witness on a socket: three small routes, bounded in size and time, and nothing of an archive.

`POST /add-checkpoint` and `GET /<SHA-256 of the origin>/checkpoint` are c2sp.org/tlog-witness; `GET /` says
who it is. It stands apart from `api.http` on purpose: it runs where no archive is.
"""

from __future__ import annotations

import asyncio
import logging
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Final

import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from archiver.ledger.witness.request import MAX_BODY
from archiver.ledger.witness.witness import Answer, Witness
from config.errors import HoldfastError
from config.settings import Endpoint

HEAD_SECONDS: Final = 10.0
"""For the first request of a connection."""
LIFE_SECONDS: Final = 75.0
"""Of a connection: it may be used again (the specification asks for that), but not kept for good."""
BODY_SECONDS: Final = 10.0
MOST_AT_ONCE: Final = 64
"""Connections; more are told to come again (503)."""
_HEAD: Final = re.compile(r"/([0-9a-f]{64})/checkpoint")
log = logging.getLogger("holdfast.witness")


class WitnessApp:
    """The ASGI application of one witness."""

    def __init__(self, witness: Witness) -> None:
        self._witness = witness

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError("a witness speaks HTTP only")
        try:
            answer = await self._answer(scope, receive)
        except TimeoutError:
            answer = Answer(408, b"the request took too long\n")
        except HoldfastError as error:
            log.error("a checkpoint could not be judged: %s", error)
            answer = Answer(503, b"the witness can't use its folder now; try again later\n")
        headers = [
            (b"content-type", answer.content_type.encode("ascii")),
            (b"content-length", str(len(answer.body)).encode("ascii")),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
        ]
        if answer.status in (408, 413):
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body if scope["method"] != "HEAD" else b""})

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        method, path = scope["method"], scope["path"]
        if path == "/add-checkpoint":
            if method != "POST":
                return Answer(405, b"checkpoints come by POST\n")
            async with asyncio.timeout(BODY_SECONDS):
                body = await _body(receive)
            if body is None:
                return Answer(413, b"a request may have at most %d bytes\n" % MAX_BODY)
            return await asyncio.to_thread(self._witness.add_checkpoint, body)
        if method not in ("GET", "HEAD"):
            return Answer(405, b"only /add-checkpoint takes this method\n")
        if found := _HEAD.fullmatch(path):
            return await asyncio.to_thread(self._witness.last_checkpoint, found[1])
        if path == "/":
            return Answer(200, ("\n".join(self._witness.vkeys) + "\n").encode())
        return Answer(404, b"nothing is served here\n")


class Bounded(H11Protocol):
    """A connection that has so long to ask and so long to live: silent ones would soon be all there are."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.loop.call_later(HEAD_SECONDS, self._end_if_silent)
        self.loop.call_later(LIFE_SECONDS, self.shutdown)

    def _end_if_silent(self) -> None:
        if not self.cycle:  # no request has come
            self.transport.close()


async def _body(receive: Receive) -> bytes | None:
    """The whole body; None once it is over the limit, whatever its header says."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return bytes(body)
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            return None
        if not message.get("more_body", False):
            return bytes(body)


async def serve(
    witness: Witness,
    listen: Endpoint,
    tls: tuple[Path, Path] | None,
    ready: Callable[[str], None],
) -> None:
    """Serve until SIGTERM or SIGINT; `ready` is told `host:port`. Raises HoldfastError."""
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.set)
    server = uvicorn.Server(
        uvicorn.Config(
            WitnessApp(witness),
            host=listen.host,
            port=listen.port,
            ssl_certfile=tls[0] if tls else None,
            ssl_keyfile=tls[1] if tls else None,
            http=Bounded,
            h11_max_incomplete_event_size=16_384,
            limit_concurrency=MOST_AT_ONCE,
            timeout_keep_alive=int(LIFE_SECONDS),
            timeout_graceful_shutdown=5,
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            lifespan="off",
        )
    )

    async def run() -> None:
        try:
            # `serve` would install signal handlers of its own; stopping is decided above.
            await server._serve()
        except SystemExit:
            raise HoldfastError("the witness's address can't be bound; another program may use it") from None

    task = asyncio.create_task(run())
    while not server.started:
        if task.done():
            await task
            raise HoldfastError("the witness's address can't be bound; another program may use it")
        await asyncio.sleep(0.01)
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    ready(f"{host}:{port}")
    stop = asyncio.create_task(ending.wait())
    await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    server.should_exit = True
    await task
