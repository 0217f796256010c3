"""The mailboxes of a running server: each read on its own, so that a slow or dead one holds up no other."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from api.app import App
from archiver.capture.checkpoints import RecordsCheckpoints
from archiver.capture.imap.budget import ByteBudget
from archiver.capture.imap.delete import ImapDeleter, Step, VaultVerifier
from archiver.capture.imap.errors import RateLimited, SignInRefused
from archiver.capture.imap.folder import Reading
from archiver.capture.imap.oauth import TokenEndpoint, TokenSource
from archiver.capture.imap.poller import ImapPoller, PollResult
from archiver.capture.imap.source import ImapSource
from archiver.capture.intake import GroupIntake
from archiver.capture.secrets import read_secret
from archiver.ledger.audit import AuditEvent
from archiver.sources import Source
from config.errors import HoldfastError

LOOK_EVERY = 2.0
"""Seconds between looks for mailboxes that are new or gone."""
SOONEST, LATEST = 5.0, 15 * 60.0
LIMITED, LIMITED_LATEST = 60.0, 3600.0
"""Seconds before the next try after a failure, doubled with each: unreachable, and limited or refused."""
CLEAN_EVERY = 6 * 3600.0
GRACE = 3.0
log = logging.getLogger("holdfast")


@dataclass(slots=True)
class Backoff:
    """How long to wait before the next try. `chance` gives a number in [0, 1)."""

    soonest: float = SOONEST
    failures: int = 0
    chance: Callable[[], float] = random.random

    def after(self, error: HoldfastError | None) -> float:
        """Count a failure; return the seconds to wait, never less than the server asked for."""
        # Sign-ins that fail again and again get accounts locked.
        patient = isinstance(error, RateLimited | SignInRefused)
        first, last = (LIMITED, LIMITED_LATEST) if patient else (self.soonest, LATEST)
        seconds = min(first * 2.0 ** min(self.failures, 30), last)
        self.failures += 1
        if isinstance(error, RateLimited) and error.retry_after is not None:
            # With mailboxes of one server not all coming back at the same moment.
            return error.retry_after + self.chance() * min(first, error.retry_after + 1.0)
        return seconds * (0.5 + 0.5 * self.chance())


class Mailboxes:
    """Reads every mailbox of an archive until told to stop."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._checkpoints = RecordsCheckpoints(app.vault.records, app.vault.blind)

    async def run(self, intake: GroupIntake, ending: asyncio.Event) -> None:
        """Read until `ending`. New mailboxes are taken up, disabled ones let go, within seconds."""
        settings = self._app.settings
        memory = settings.imap_memory_bytes
        budget = ByteBudget(memory, 4 * memory)
        places = asyncio.Semaphore(settings.imap_connections)
        kept: dict[str, tuple[Source, asyncio.Event, asyncio.Task[None]]] = {}
        try:
            while not ending.is_set():
                found = await self._sources()
                for source in found or ():
                    known = kept.get(source.id)
                    if known is None or known[2].done():
                        crowd = places if len(found or ()) > settings.imap_connections else None
                        stop = asyncio.Event()
                        keeper = _Keeper(self._app, source, self._reading(source, intake, budget), stop)
                        kept[source.id] = source, stop, asyncio.create_task(keeper.run(crowd))
                if found is not None:
                    present = {source.id: source.detail for source in found}
                    for source, stop, _ in kept.values():
                        if present.get(source.id) != source.detail:
                            stop.set()
                await _until(ending, LOOK_EVERY)
        finally:
            await _end([(stop, task) for _, stop, task in kept.values()])

    async def _sources(self) -> list[Source] | None:
        """The mailboxes that are to be read; None when nobody can say."""
        try:
            sources = await asyncio.to_thread(self._app.vault.sources.all)
        except HoldfastError as error:
            log.warning("the list of mailboxes can't be read: %s", error.code)
            return None
        return [source for source in sources if source.kind == "imap" and not source.disabled]

    def _reading(self, source: Source, intake: GroupIntake, budget: ByteBudget) -> Reading:
        app = self._app
        mailbox = replace(mailbox_of(source), max_size=app.settings.smtp_max_bytes)
        return Reading(mailbox, self._checkpoints, intake, app.watch.gaps, budget, app.vault.clock.now)


class _Keeper:
    """One mailbox: read, and, where the operator wants it, cleaned of what is safely archived."""

    def __init__(self, app: App, source: Source, reading: Reading, stop: asyncio.Event) -> None:
        self._app = app
        self._source = source
        self._reading = reading
        self._stop = stop
        self._poller = ImapPoller(reading)
        self._said: Counter[str] = Counter()
        self._backoff = Backoff(min(SOONEST, float(app.settings.imap_poll_seconds)))

    async def run(self, crowd: asyncio.Semaphore | None) -> None:
        """Read until stopped; `crowd` is where one waits for a place when there are too many mailboxes."""
        cleaning = asyncio.create_task(self._clean())
        try:
            while not self._stop.is_set():
                await _until(self._stop, await self._once(crowd))
        finally:
            cleaning.cancel()
            await asyncio.gather(cleaning, return_exceptions=True)

    async def _once(self, crowd: asyncio.Semaphore | None) -> float:
        """Read, as long as it goes well; return the seconds to wait then."""
        every = float(self._app.settings.imap_poll_seconds)
        taken = self._poller.taken
        try:
            if crowd is None:
                await self._poller.watch(self._stop, every, self._went_well)
            else:
                async with crowd:
                    self._went_well(await self._poller.poll_once())
            return every
        except HoldfastError as error:
            log.warning("mailbox %s: %s", self._source.id, error.code)
            if self._poller.taken > taken:
                self._backoff.failures = 0  # a bad line, and yet it gets on
            return self._backoff.after(error)
        except Exception as error:  # a fault of ours must not end the capture of a mailbox for good
            log.error("mailbox %s: %s", self._source.id, type(error).__name__)
            return self._backoff.after(None)

    def _went_well(self, result: PollResult) -> None:
        self._backoff.failures = 0
        said = Counter(result.problems)
        if said and said != self._said:
            log.warning("mailbox %s: folders with trouble: %s", self._source.id, dict(said))
        self._said = said

    async def _clean(self) -> None:
        days = self._source.detail.get("delete_after_days")
        if not days:
            return
        vault = self._app.vault
        verifier = VaultVerifier(vault.records, vault.archive)
        deleter = ImapDeleter(self._reading, verifier, int(days), self._record)
        while not self._stop.is_set():
            try:
                await deleter.run()
            except HoldfastError as error:
                log.warning("mailbox %s: deletion at the source: %s", self._source.id, error.code)
            await _until(self._stop, CLEAN_EVERY)

    def _record(self, outcome: Step, count: int) -> None:
        self._app.vault.audit.record(
            AuditEvent(
                action="source.delete_mail",
                outcome=outcome,
                user_id="system",
                role="system",
                client="imap",
                objects=(self._source.id,),
                count=count,
            )
        )


def mailbox_of(source: Source) -> ImapSource:
    """What the IMAP door is told of a source."""
    detail = source.detail
    ca_file = Path(detail["ca_file"]) if detail["ca_file"] else None
    token = detail.get("token")
    if token:
        tokens = TokenSource(
            TokenEndpoint(**{**token, "ca_file": Path(token["ca_file"]) if token["ca_file"] else None})
        )
        secret: Callable[[bool], str] = tokens.get
    else:

        def secret(_: bool) -> str:
            return read_secret(detail["password"])

    return ImapSource(
        id=source.id,
        host=detail["host"],
        user=detail["user"],
        secret=secret,
        port=detail["port"],
        ca_file=ca_file,
        auth=detail.get("auth", "password"),
        folders=tuple(detail["folders"]),
        exclude=tuple(detail.get("exclude", ())),
        custodian=detail["custodian"],
        attested_by=detail["attested_by"],
        bytes_per_day=detail.get("bytes_per_day", 0),
        idle=detail.get("idle", True),
    )


async def _until(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, `seconds` at the most. Before Python 3.12 `wait_for` could lose a cancellation."""
    waiting = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait([waiting], timeout=seconds)
    finally:
        waiting.cancel()


async def _end(kept: list[tuple[asyncio.Event, asyncio.Task[None]]]) -> None:
    """Let every mailbox come to an end: what is idle says goodbye, what still reads is cut off."""
    for stop, _ in kept:
        stop.set()
    tasks = [task for _, task in kept]
    if tasks:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait(tasks, timeout=GRACE)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
