"""The server: IMAP, HTTP, committing, indexing and jobs, and SMTP beside them in listener processes, started
and drained together (docs/adr/0013)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import uvicorn

from api.app import App
from api.http.app import create_http_app
from api.index_serving import IndexServing
from api.jobs import runner_of
from api.mailboxes import Mailboxes
from archiver.capture.intake import GroupIntake
from archiver.capture.smtp.listener import GRACE_SECONDS
from archiver.capture.smtp.listeners import Listeners
from archiver.capture.smtp.setup import smtp_listener
from archiver.errors import ArchiverError
from config.errors import HoldfastError
from config.settings import Endpoint, Settings
from retention.jobs.runner import JobRunner
from search.fresh_texts import FreshTexts
from search.watching import tell_of_watchers

ROLES = ("http", "smtp", "imap", "index", "jobs")
PUBLISH_EVERY = 1.0
TELL_EVERY = 10
"""In so many rounds of the witnesses it is looked once whether people are to be told of one."""
log = logging.getLogger("holdfast")


@dataclass(slots=True)
class Addresses:
    """Where the server listens, once it does; None for a role that isn't served.

    `mail` holds all doors for mail by name: smtp, and smtps and lmtp where they are set.
    """

    http: str | None = None
    smtp: str | None = None
    mail: dict[str, str] = field(default_factory=dict)
    roles: tuple[str, ...] = field(default=())


class Server:
    """One run of `holdfast serve`."""

    def __init__(self, app: App, roles: tuple[str, ...] = ROLES) -> None:
        self._app = app
        self._roles = roles
        self._fresh = FreshTexts()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._jobs: JobRunner | None = None
        self._working = False

    async def run(self, ready: Callable[[Addresses], None] | None = None) -> None:
        """Serve until SIGTERM or SIGINT; then answer what was taken in, and return.

        Raises CaptureError when an address can't be bound.
        """
        ending = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ending.set)
        self._begin_threads()
        try:
            with contextlib.ExitStack() as stack:
                fresh = self._fresh if "index" in self._roles else None
                intake = await asyncio.to_thread(stack.enter_context, self._app.intake(fresh))
                await self._serve(intake, ending, ready)
        finally:
            await asyncio.to_thread(self._end_threads)

    async def _serve(
        self, intake: GroupIntake, ending: asyncio.Event, ready: Callable[[Addresses], None] | None
    ) -> None:
        settings = self._app.settings
        addresses = Addresses(roles=self._roles)
        tasks: list[asyncio.Task[None]] = []
        http = None
        doors = contextlib.AsyncExitStack()
        try:
            if "smtp" in self._roles:
                addresses.mail = _mail_doors(settings, await self._listen(intake, doors))
                addresses.smtp = addresses.mail["smtp"]
            if "http" in self._roles:
                http = _HttpServer(self._app)
                addresses.http = await http.start()
            if "imap" in self._roles:
                tasks.append(asyncio.create_task(Mailboxes(self._app).run(intake, ending)))
            if ready:
                ready(addresses)
            await ending.wait()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await doors.aclose()
            if http:
                await http.stop()

    async def _listen(self, intake: GroupIntake, closing: contextlib.AsyncExitStack) -> dict[str, int]:
        """Begin to take mail by SMTP, here or in processes beside this one; the ports it comes by."""
        settings = self._app.settings
        if settings.smtp_processes == 0:
            listener = smtp_listener(self._app.vault, intake)
            closing.push_async_callback(listener.stop, GRACE_SECONDS)
            await listener.start()
            return listener.ports
        listeners = Listeners(settings, intake, settings.smtp_processes)
        closing.push_async_callback(asyncio.to_thread, listeners.stop)
        await asyncio.to_thread(listeners.start)
        return listeners.ports

    # --- threads ------------------------------------------------------------------------------

    def _begin_threads(self) -> None:
        self._app.vault.standing.when_closed(self._closed)
        for target, name in ((self._publish, "publish"), (self._witness, "witness")):
            self._threads.append(threading.Thread(target=target, name=name, daemon=True))
            self._threads[-1].start()
        if not self._app.vault.standing.closed:
            self._begin_work()

    def _begin_work(self) -> None:
        """Begin what reads and changes the archive by itself: not while it is read-only."""
        begun: list[threading.Thread] = []
        if "index" in self._roles:
            begun += IndexServing(self._app, self._fresh, self._stop).threads()
        if "http" in self._roles:
            begun.append(threading.Thread(target=self._warm, name="warm", daemon=True))
        if "jobs" in self._roles:
            send = self._app.auditing.forwarder
            begun += [
                threading.Thread(target=send.run, args=(name, self._stop), name=f"audit-{name}", daemon=True)
                for name in send.sinks
            ]
        for thread in begun:
            thread.start()
        self._threads += begun
        if "jobs" in self._roles:
            self._jobs = runner_of(self._app)
            self._jobs.start()
        self._working = True

    def _end_threads(self) -> None:
        self._app.dictionary.stop()
        self._app.learning.stop()
        self._app.reclassifying.stop()
        if self._jobs:
            self._jobs.stop()
        self._stop.set()
        self._fresh.arrived.set()
        for thread in self._threads:
            thread.join()

    def _warm(self) -> None:
        """Read what facets are counted from before somebody waits for it."""
        try:
            self._app.reader.warm()
        except HoldfastError as error:
            log.warning("the facts of the index could not be read ahead: %s", error.code)

    def _publish(self) -> None:
        """Publish new checkpoints every second, so that a cut tail is noticed."""
        while not self._stop.wait(PUBLISH_EVERY):
            try:
                self._app.publish()
            except HoldfastError as error:
                log.error("publishing checkpoints failed: %s", error.code)
            except Exception:  # whatever it is, the next second must find this thread alive
                log.exception("publishing checkpoints failed")

    def _witness(self) -> None:
        """Show what was published to those who are to see it, and tell people who doesn't. A thread of its
        own: who is slow outside must not keep the next checkpoint waiting."""
        outside = self._app.vault.witnessing
        rounds = 0
        while not self._stop.wait(PUBLISH_EVERY):
            rounds += 1
            try:
                if self._app.vault.standing.closed:
                    if outside.reconsider():
                        log.warning("the gap is explained: the archive goes on")
                        self._begin_again()
                else:
                    outside.run()
                if rounds % TELL_EVERY == 1:
                    tell_of_watchers(self._app.vault)
            except HoldfastError as error:
                log.error("showing checkpoints to others failed: %s", error.code)
            except Exception:  # whatever it is, it must not end this thread, nor anything else
                log.exception("showing checkpoints to others failed")

    def _begin_again(self) -> None:
        if not self._working:
            self._begin_work()
        elif "jobs" in self._roles:
            self._jobs = runner_of(self._app)
            self._jobs.start()

    def _closed(self) -> None:
        """Others have seen more than we hold, and we hear of it while we run: scheduled work stops."""
        for line in self._app.vault.standing.found:
            log.error("read-only from now on: %s, more than the records hold or otherwise", line)
        if self._jobs:
            jobs, self._jobs = self._jobs, None
            # In its own time: a job may be waiting for the very thread that tells us.
            threading.Thread(target=jobs.stop, name="jobs-stop", daemon=True).start()


def _mail_doors(settings: Settings, ports: dict[str, int]) -> dict[str, str]:
    """Where mail comes in, by door, as `host:port` or `unix:/path`."""
    wanted = {"smtp": settings.smtp_listen, "smtps": settings.smtps_listen, "lmtp": settings.lmtp_listen}
    return {
        name: f"{door.host}:{ports[name]}" if isinstance(door, Endpoint) else str(door)
        for name, door in wanted.items()
        if door is not None
    }


class _HttpServer:
    """uvicorn on the running loop, without its own signal handlers and access log."""

    def __init__(self, app: App) -> None:
        settings = app.settings
        self._server = uvicorn.Server(
            uvicorn.Config(
                create_http_app(app),
                host=settings.http_listen.host,
                port=settings.http_listen.port,
                ssl_certfile=settings.tls_cert or None,
                ssl_keyfile=settings.tls_key or None,
                access_log=False,
                log_config=None,
                server_header=False,
                # Only where somebody said by which address people come is there a proxy to be believed.
                proxy_headers=bool(settings.public_url) and settings.http_listen.loopback,
                lifespan="off",
                timeout_graceful_shutdown=10,
            )
        )
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> str:
        """Listen; return `host:port`. Raises CaptureError when the address is taken."""
        self._task = asyncio.create_task(self._run())
        while not self._server.started:
            if self._task.done():
                await self._task
                raise ArchiverError("the HTTP address can't be bound; another program may use it")
            await asyncio.sleep(0.01)
        host, port = self._server.servers[0].sockets[0].getsockname()[:2]
        return f"{host}:{port}"

    async def stop(self) -> None:
        """Finish running requests and close."""
        self._server.should_exit = True
        if self._task:
            await self._task

    async def _run(self) -> None:
        try:
            # `serve` would install signal handlers of its own; stopping is decided above.
            await self._server._serve()
        except SystemExit:
            raise ArchiverError("the HTTP address can't be bound; another program may use it") from None
