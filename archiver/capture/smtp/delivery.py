"""Between SMTP sessions and the archive: looks up feeds, hands messages over, words the final reply.

Nothing here answers 5xx for a fault of ours: a permanent reply would make the sender drop the mail.
"""

from __future__ import annotations

import asyncio
import errno
import logging
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from archiver.capture.ports import Arrival, Intake, Receipt
from archiver.capture.smtp.body import Body, Budget
from archiver.capture.smtp.handover import Handover, outcome
from archiver.capture.smtp.ports import JournalSource, SmtpSettings, SourceDirectory
from archiver.capture.smtp.syntax import split_plus
from archiver.capture.smtp.wire import SmtpWire
from archiver.errors import StoreError
from archiver.message.content import Raw
from archiver.message.model import Recipient

_log = logging.getLogger(__name__)

TRY_LATER = "451 4.3.0 try again later"
NO_ROOM = "452 4.3.1 no room now, try again later"
TOO_LARGE = "552 5.3.4 message is larger than this server takes"
SHUTTING_DOWN = "421 4.3.2 shutting down, try again later"

_REMEMBER = 1.0
"""Seconds for which an answer of the directory is used again."""


@dataclass(frozen=True, slots=True)
class Feed:
    """A journal source named by this transaction, and whom it says received the message.

    `recipient` is the address that the feed was named by, or the one encoded in it: see `split_plus`.
    """

    source: JournalSource
    recipient: str


class Desk:
    """What all sessions of one listener share: connections, budget, threads, the way to the archive."""

    def __init__(self, settings: SmtpSettings, directory: SourceDirectory, intake: Intake) -> None:
        self.settings = settings
        self.budget = Budget(settings.in_flight_limit)
        self.draining = False
        self.guests: set[SmtpWire] = set()
        self._peers: Counter[IPv4Address | IPv6Address | None] = Counter()
        self._directory = directory
        self._intake = intake
        self._known: dict[str, tuple[float, JournalSource]] = {}
        # Apart from the handover's, so that look-ups still answer while a full queue blocks every submit.
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="smtp-lookup")
        self._coming = 0
        self._handover = Handover(intake, settings.commit_timeout, lambda: self._coming)

    # ---- connections

    def came(self, guest: SmtpWire, peer: IPv4Address | IPv6Address | None) -> None:
        self.guests.add(guest)
        self._peers[peer] += 1

    def left(self, guest: SmtpWire, peer: IPv4Address | IPv6Address | None) -> None:
        self.guests.discard(guest)
        self._peers[peer] -= 1
        if self._peers[peer] <= 0:
            del self._peers[peer]

    def crowded(self, peer: IPv4Address | IPv6Address | None) -> bool:
        """True when this connection is one too many, over all or from its peer."""
        return (
            len(self.guests) > self.settings.max_connections
            or self._peers[peer] > self.settings.max_connections_per_peer
        )

    # ---- messages

    def begins(self) -> None:
        """A session has begun to send a message; `ends` says that it is complete or `given_up`."""
        self._coming += 1

    def ends(self, *, given_up: bool) -> None:
        self._coming -= 1
        if given_up:
            self._handover.look()

    def new_body(self) -> Body:
        return Body(
            max_size=self.settings.max_size,
            spool_above=self.settings.spool_above,
            directory=self.settings.spool_directory,
            budget=self.budget,
            disk=self._threads,
        )

    async def feed_for(self, address: str) -> Feed | None:
        """Return the feed of an address. Raises StoreError when the directory can't say now."""
        base, encoded = split_plus(address)
        key = base.casefold()
        now = asyncio.get_running_loop().time()
        known = self._known.get(key)
        if known is not None and known[0] > now:
            return Feed(known[1], encoded or address)
        future = self._threads.submit(self._directory.journal_source_for, base)
        source = await outcome(future, self.settings.commit_timeout)
        if source is None:
            self._known.pop(key, None)
            return None
        if len(self._known) > 1_000:
            self._known.clear()
        self._known[key] = (now + _REMEMBER, source)
        return Feed(source, encoded or address)

    async def deliver(self, body: Body, sender: str, feeds: Sequence[Feed]) -> list[str]:
        """Hand a complete message to the archive; return a reply for each feed: 250 only if durable.

        One arrival goes to each source named, and each has its own outcome. Never raises.
        """
        try:
            if body.verdict == "too_large":
                return await self._refuse(feeds, "too_large")
            if body.verdict is not None:
                return [NO_ROOM if body.verdict == "no_room" else TRY_LATER] * len(feeds)
            arrivals = _arrivals(await body.content(), sender, feeds)
        except Exception as error:
            return [_reply_to(error)] * len(feeds)
        handed = {arrival.source_id: self._handover.give(arrival) for arrival in arrivals}
        replies = {source_id: await self._answer(future) for source_id, future in handed.items()}
        return [replies[feed.source.id] for feed in feeds]

    def close(self) -> None:
        """Let the threads go without waiting for one that hangs."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._handover.close()

    async def _answer(self, future: asyncio.Future[Receipt]) -> str:
        try:
            return "250 2.0.0 stored " + (await future).id
        except Exception as error:
            # Whatever went wrong is ours, not the sender's: it keeps the message and comes again.
            return _reply_to(error)

    async def _refuse(self, feeds: Sequence[Feed], reason: str) -> list[str]:
        """Count a refusal for each source. One that can't be counted isn't final: try later."""
        replies: dict[str, str] = {}
        for source_id in dict.fromkeys(feed.source.id for feed in feeds):
            try:
                future = self._threads.submit(self._intake.refuse, source_id, reason)
                await outcome(future, self.settings.commit_timeout)
                replies[source_id] = TOO_LARGE
            except Exception as error:
                replies[source_id] = _reply_to(error)
        return [replies[feed.source.id] for feed in feeds]


def one_reply(replies: Sequence[str]) -> str:
    """SMTP's single reply for all recipients (RFC 5321 4.1.1.4): 250 only when each of them is stored.

    If one failed the whole message is refused for now; what was stored already is a duplicate when the
    sender comes again.
    """
    stored = list(dict.fromkeys(replies))
    failed = [reply for reply in stored if not reply.startswith("250 ")]
    if failed:
        return next((reply for reply in failed if reply.startswith("4")), failed[0])
    # Reply lines are at most 512 octets (RFC 5321 4.5.3.1.5); ids of ours are 16.
    return "250 2.0.0 stored " + " ".join(reply.rpartition(" ")[2] for reply in stored[:16])


def _arrivals(raw: Raw, sender: str, feeds: Sequence[Feed]) -> list[Arrival]:
    """Return one arrival a source, each with only its own recipients: feeds don't learn of each other."""
    by_source: dict[str, list[str]] = {}
    for feed in feeds:
        by_source.setdefault(feed.source.id, []).append(feed.recipient)
    believed = {feed.source.id: feed.source.reports for feed in feeds}
    return [
        Arrival(
            raw=raw,
            source_id=source_id,
            smtp_sender=sender,
            smtp_recipients=tuple(Recipient(address, "recipient") for address in dict.fromkeys(addresses)),
            reports=believed[source_id],
        )
        for source_id, addresses in by_source.items()
    ]


def _reply_to(error: Exception) -> str:
    name = error.code if isinstance(error, StoreError) else type(error).__name__
    _log.warning("a message was not stored: %s", name)
    return NO_ROOM if isinstance(error, StoreError) and _disk_is_full(error) else TRY_LATER


def _disk_is_full(error: BaseException | None) -> bool:
    """True when an error comes from a full disk or quota somewhere down its causes."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        error = error.__cause__
    return False
