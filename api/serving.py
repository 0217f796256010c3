"""The server: SMTP, IMAP, HTTP, indexing and jobs in one process, started and drained together."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn

from api.app import App
from api.http.app import create_http_app
from archiver.capture.checkpoints import RecordsCheckpoints
from archiver.capture.imap import ImapPoller
from archiver.capture.imap_source import ImapSource
from archiver.capture.intake import GroupIntake
from archiver.capture.secrets import read_secret
from archiver.capture.smtp import SmtpListener
from archiver.capture.smtp_ports import SmtpSettings
from archiver.capture.tls import self_made_certificate, server_context
from archiver.errors import ArchiverError
from archiver.sources import Source
from config.errors import HoldfastError
from retention.jobs import JobQueue, JobRunner
from search.engine.fts import FtsWriter
from search.errors import IndexLocked
from search.indexer import FreshTexts, Indexer

ROLES = ("http", "smtp", "imap", "index", "jobs")
PUBLISH_EVERY = 1.0
LOOK_EVERY = 2.0
"""Seconds between looks for mailboxes that are due or new."""
log = logging.getLogger("holdfast")


@dataclass(slots=True)
class Addresses:
    """Where the server listens, once it does; None for a role that isn't served."""

    http: str | None = None
    smtp: str | None = None
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
                intake = await asyncio.to_thread(stack.enter_context, self._app.intake(self._fresh))
                await self._serve(intake, ending, ready)
        finally:
            await asyncio.to_thread(self._end_threads)

    async def _serve(
        self, intake: GroupIntake, ending: asyncio.Event, ready: Callable[[Addresses], None] | None
    ) -> None:
        settings = self._app.settings
        addresses = Addresses(roles=self._roles)
        tasks: list[asyncio.Task[None]] = []
        listener = None
        http = None
        try:
            if "smtp" in self._roles:
                listener = SmtpListener(self._smtp_settings(), self._app.vault.sources, intake)
                await listener.start()
                addresses.smtp = f"{settings.smtp_listen.host}:{listener.port}"
            if "http" in self._roles:
                http = _HttpServer(self._app)
                addresses.http = await http.start()
            if "imap" in self._roles:
                tasks.append(asyncio.create_task(self._poll_mailboxes(intake, ending)))
            if ready:
                ready(addresses)
            await ending.wait()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if listener:
                await listener.stop(30.0)
            if http:
                await http.stop()

    def _smtp_settings(self) -> SmtpSettings:
        settings = self._app.settings
        if settings.tls_cert:
            pair = (Path(settings.tls_cert), Path(settings.tls_key))
        else:
            pair = self_made_certificate(settings.home / "tls", settings.smtp_domain)
        return SmtpSettings(
            tls=server_context(*pair),
            spool_directory=settings.spool_dir,
            host=settings.smtp_listen.host,
            port=settings.smtp_listen.port,
            hostname=settings.smtp_domain,
            max_size=settings.smtp_max_bytes,
            require_starttls=settings.smtp_require_starttls,
        )

    # --- mailboxes ----------------------------------------------------------------------------

    async def _poll_mailboxes(self, intake: GroupIntake, ending: asyncio.Event) -> None:
        """Poll every mailbox when it is due, one after the other; a new source is due at once."""
        polled: dict[str, float] = {}
        # Asked for, and not left to cancellation: before Python 3.12 `wait_for` loses a cancellation that
        # comes together with its result, such as a refused connection.
        while not ending.is_set():
            for source in await self._mailboxes():
                due = polled.get(source.id, 0.0) + self._app.settings.imap_poll_seconds
                if not ending.is_set() and (source.id not in polled or time.monotonic() >= due):
                    await poll_mailbox(self._app, source, intake)
                    polled[source.id] = time.monotonic()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ending.wait(), LOOK_EVERY)

    async def _mailboxes(self) -> list[Source]:
        try:
            sources = await asyncio.to_thread(self._app.vault.sources.all)
        except HoldfastError as error:
            log.warning("the list of mailboxes can't be read: %s", error.code)
            return []
        return [source for source in sources if source.kind == "imap" and not source.disabled]

    # --- threads ------------------------------------------------------------------------------

    def _begin_threads(self) -> None:
        if "index" in self._roles:
            self._threads.append(threading.Thread(target=self._index, name="index", daemon=True))
        self._threads.append(threading.Thread(target=self._publish, name="publish", daemon=True))
        for thread in self._threads:
            thread.start()
        if "jobs" in self._roles:
            app = self._app
            queue = JobQueue(app.vault.records, app.clock)
            self._jobs = JobRunner(
                queue,
                {
                    "retention.recompute": lambda: app.runs.run(None, proposed_by="system", propose=False),
                    "holds.resume": app.holds.resume,
                    "holds.finish_cooling": app.holds.finish_cooling,
                },
            )
            self._jobs.start()

    def _end_threads(self) -> None:
        if self._jobs:
            self._jobs.stop()
        self._stop.set()
        self._fresh.arrived.set()
        for thread in self._threads:
            thread.join()

    def _index(self) -> None:
        """Index whatever arrives; wait for the writer's lock if an import holds it just now."""
        while not self._stop.is_set():
            try:
                writer = FtsWriter(self._app.settings.index_dir, self._app.vault.keyring.branch_key("index"))
            except (IndexLocked, ArchiverError):
                self._stop.wait(0.5)
                continue
            try:
                indexer = Indexer(self._app.vault, writer, self._app.holds.standing_queries, self._fresh)
                indexer.run(self._stop)
            except HoldfastError as error:
                log.error("indexing stopped: %s", error.code)
                self._stop.wait(1.0)
            finally:
                writer.close()

    def _publish(self) -> None:
        """Publish new checkpoints every second, so that a cut tail is noticed."""
        while not self._stop.wait(PUBLISH_EVERY):
            try:
                self._app.publish()
            except HoldfastError as error:
                log.error("publishing checkpoints failed: %s", error.code)


async def poll_mailbox(app: App, source: Source, intake: GroupIntake) -> None:
    """Poll one mailbox once; a failure is recorded and tried again with the next round."""
    detail = source.detail
    mailbox = ImapSource(
        id=source.id,
        host=detail["host"],
        user=detail["user"],
        password=lambda: read_secret(detail["password"]),
        port=detail["port"],
        ca_file=Path(detail["ca_file"]) if detail["ca_file"] else None,
        folders=tuple(detail["folders"]),
        custodian=detail["custodian"],
        attested_by=detail["attested_by"],
    )
    poller = ImapPoller(mailbox, RecordsCheckpoints(app.vault.records, app.vault.blind), intake)
    try:
        await poller.poll_once()
    except HoldfastError as error:
        log.warning("mailbox %s: %s", source.id, error.code)


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
